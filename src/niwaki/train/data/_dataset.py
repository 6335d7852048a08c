"""Any `torch.utils.data.Dataset` of (picture, label)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from niwaki.errors import InputError, ShapeError, ValueDomainError
from niwaki.preprocess import fit_image
from niwaki.train.data._folder import is_grey, picture_geometry
from niwaki.train.data._raw import Part, Raw, channels_first, check_images, check_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_KEPT_BYTES = 2 * 2**30
_LOOKED_AT = 256


class DatasetImages:
    """Ask a Dataset for its pictures each time: for those that don't fit into memory."""

    def __init__(self, dataset: Any, where: str, geometry: dict[str, Any] | None) -> None:
        self._dataset, self._where, self._geometry = dataset, where, geometry
        self.shape = (len(dataset), *_picture(dataset[0][0], where, geometry).shape)

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, indices: Any, /) -> Tensor:
        """Return (n, C, H, W) for an int64 tensor (n,) or a slice of indices."""
        places = torch.arange(len(self))[indices].tolist()
        pictures = [_picture(self._dataset[i][0], self._where, self._geometry) for i in places]
        return torch.from_numpy(check_images(self._where, np.stack(pictures)))


def from_datasets(train: Any, test: Any, name: str, image_size: tuple[int, int] | None) -> Raw:
    """Return the data set of one or two Datasets.

    Each is read once, so that random transforms would be frozen: leave those to niwaki. Beyond
    2 GiB of pictures they are asked for again in every epoch.

    Args:
        train: Map-style: a length, and items (picture, label). A picture is a Pillow image, a
            uint8 array (H, W), (H, W, C) or (C, H, W), or floats (C, H, W).
        test: The same, or None.
        name: What to call it.
        image_size: Height and width to bring Pillow images to.

    Raises:
        InputError: No length, no sample, or items of another kind.   ShapeError: Pictures of
            several shapes.   ValueDomainError: As `check_part`.
    """
    geometry = _geometry(train, name, image_size)
    parts = [
        _read(dataset, f"data {name} ({which})", geometry)
        for dataset, which in ((train, "train"), (test, "test"))
        if dataset is not None
    ]
    classes = getattr(train, "classes", None)
    names = tuple(str(item) for item in classes) if isinstance(classes, list | tuple) else None
    return Raw(name, parts[0], parts[1] if len(parts) > 1 else None, names, geometry)


def _geometry(dataset: Any, name: str, image_size: tuple[int, int] | None) -> dict[str, Any] | None:
    """Return how Pillow images are brought to one size; None for arrays, which have one."""
    from PIL.Image import Image

    count = _length(dataset, name)
    looked_at = range(0, count, max(1, count // _LOOKED_AT))
    if not isinstance(_item(dataset, 0, name)[0], Image):
        return None
    pictures = [_item(dataset, i, name)[0] for i in looked_at]
    sizes = [(picture.height, picture.width) for picture in pictures]
    channels = 1 if all(is_grey(picture) for picture in pictures) else 3
    return picture_geometry(sizes, channels, image_size)


def _read(dataset: Any, where: str, geometry: dict[str, Any] | None) -> Part:
    count = _length(dataset, where)
    pictures: list[NDArray[Any]] = []
    labels: list[Any] = []
    fits = True
    for i in range(count):
        image, label = _item(dataset, i, where)
        labels.append(label.item() if isinstance(label, torch.Tensor | np.generic) else label)
        if not fits:
            continue
        pictures.append(_picture(image, where, geometry))
        if pictures[-1].shape != pictures[0].shape:
            raise ShapeError(
                where,
                f"all pictures must have one shape, {pictures[0].shape}",
                got=f"{pictures[-1].shape} at {i}",
                fix="Resize them, or give Pillow images and image_size",
            )
        fits = pictures[0].nbytes * count <= _KEPT_BYTES
    checked = check_labels(where, _as_labels(labels, where), count)
    if not fits:
        return Part(DatasetImages(dataset, where, geometry), checked)
    return Part(check_images(where, np.stack(pictures)), checked)


def _length(dataset: Any, where: str) -> int:
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        raise InputError(
            where,
            "data must be a name, a path, arrays, or a Dataset with a length and items by index",
            got=type(dataset).__name__,
        )
    if not len(dataset):
        raise InputError(where, "the data set must hold pictures", got="none")
    return len(dataset)


def _item(dataset: Any, place: int, where: str) -> tuple[Any, Any]:
    item = dataset[place]
    if not isinstance(item, tuple | list) or len(item) != 2:
        raise InputError(where, "items must be pairs of picture and label", got=type(item).__name__)
    return item[0], item[1]


def _picture(image: Any, where: str, geometry: dict[str, Any] | None) -> NDArray[Any]:
    """Return one picture as (C, H, W)."""
    if geometry is not None:
        return fit_image(image, geometry)
    array = image.numpy(force=True) if isinstance(image, torch.Tensor) else np.asarray(image)
    return channels_first(where, array[None])[0]


def _as_labels(labels: list[Any], where: str) -> NDArray[Any]:
    if not all(isinstance(label, int) and not isinstance(label, bool) for label in labels):
        kind = next(type(item).__name__ for item in labels if type(item) is not int)
        raise ValueDomainError(where, "labels must be integers", got=kind)
    return np.array(labels, np.int64)
