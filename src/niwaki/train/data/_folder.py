"""Folders of pictures, one sub-folder a class, decoded when asked."""

from __future__ import annotations

import statistics
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from niwaki.errors import FormatError, InputError
from niwaki.preprocess import fit_image, make_preprocess, open_image
from niwaki.train.data._raw import Part, Raw

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PIL.Image import Image as Picture
    from torch import Tensor

_SUFFIXES = frozenset(
    (".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
)
_TEST_NAMES = ("test", "val", "valid", "validation")
_LOOKED_AT = 256
_LARGEST_SIDE = 224
_KEPT_BYTES = 512 * 2**20


class FileImages:
    """Decode pictures when they are asked for, and keep them where all fit into 512 MiB.

    Args:
        paths: The files.
        geometry: The preprocess that brings them to one size.
    """

    def __init__(self, paths: Sequence[Path], geometry: dict[str, Any]) -> None:
        self.paths = list(paths)
        self._geometry = geometry
        self.shape = (len(self.paths), geometry["channels"], *geometry["size"])
        self._kept: dict[int, Tensor] | None = {} if np.prod(self.shape) <= _KEPT_BYTES else None

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, indices: Any, /) -> Tensor:
        """Return uint8 (n, C, H, W) for an int64 tensor (n,) or a slice of indices.

        Raises:
            FormatError: A file is no picture, or damaged; the message names it.
        """
        places = torch.arange(len(self))[indices].tolist()
        return torch.stack([self._decode(place) for place in places])

    def subset(self, places: list[int]) -> FileImages:
        """Return some of the pictures, in the order given."""
        return FileImages([self.paths[place] for place in places], self._geometry)

    def _decode(self, place: int) -> Tensor:
        if self._kept is not None and place in self._kept:
            return self._kept[place]
        pixels = torch.from_numpy(fit_image(open_image(self.paths[place]), self._geometry))
        if self._kept is not None:
            self._kept[place] = pixels
        return pixels


def find_pictures(folder: Path, image_size: tuple[int, int] | None) -> Raw | None:
    """Return the data set of a folder of class folders; None where it holds no pictures.

    The classes are the sub-folders, sorted by name, of the folder or of ``train/`` in it;
    ``test/`` or ``val/`` beside ``train/`` is the test part.

    Args:
        folder: The folder.
        image_size: Height and width to bring the pictures to; None takes the pictures' own where
            the first 256 have the same, at most 224, else their median short side.

    Raises:
        InputError: A class without pictures, or test classes that aren't the training classes.
        FormatError: A file isn't a picture.
    """
    root = folder / "train" if (folder / "train").is_dir() else folder
    files = _class_files(root)
    if not any(files.values()):
        return None
    empty = [name for name, paths in files.items() if not paths]
    if empty:
        raise InputError(f"data {root}", "every class folder must hold pictures", got=empty)
    classes = tuple(files)
    paths = [path for found in files.values() for path in found]
    geometry = picture_geometry(*_look(paths), image_size)
    test_root = next((folder / name for name in _TEST_NAMES if (folder / name).is_dir()), None)
    test = None
    if root != folder and test_root is not None:
        test_files = _class_files(test_root)
        foreign = sorted(set(test_files) - set(classes))
        if foreign:
            raise InputError(
                f"data {test_root}", "test classes must be training classes", got=foreign
            )
        test = _part(test_files, classes, geometry)
    return Raw(folder.name, _part(files, classes, geometry), test, classes, geometry)


def picture_geometry(
    sizes: list[tuple[int, int]], channels: int, image_size: tuple[int, int] | None
) -> dict[str, Any]:
    """Return how pictures of these sizes are brought to one: a preprocess that normalises nothing.

    Args:
        sizes: Height and width of some of the pictures.
        channels: 1 or 3.
        image_size: What the user asked for.
    """
    if image_size is None:
        side = min(_LARGEST_SIDE, round(statistics.median(min(size) for size in sizes)))
        same = len(set(sizes)) == 1 and max(sizes[0]) <= _LARGEST_SIDE
        image_size = sizes[0] if same else (side, side)
    zeros, ones = [0.0] * channels, [1.0] * channels
    return make_preprocess(image_size, zeros, ones)


def _class_files(root: Path) -> dict[str, list[Path]]:
    folders = [path for path in root.iterdir() if path.is_dir() and not path.name.startswith(".")]
    return {
        folder.name: sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
        for folder in sorted(folders)
    }


def _part(files: dict[str, list[Path]], classes: tuple[str, ...], geometry: dict[str, Any]) -> Part:
    paths = [path for found in files.values() for path in found]
    labels = [classes.index(name) for name, found in files.items() for _ in found]
    return Part(FileImages(paths, geometry), np.array(labels, np.int64))


def _look(paths: list[Path]) -> tuple[list[tuple[int, int]], int]:
    """Return the sizes of some pictures, and the channels: 1 where all of them are grey."""
    from PIL import Image, UnidentifiedImageError

    step = max(1, len(paths) // _LOOKED_AT)
    sizes: list[tuple[int, int]] = []
    grey = True
    for path in paths[::step]:
        try:
            with Image.open(path) as picture:
                grey = grey and is_grey(picture)
                sizes.append((picture.height, picture.width))
        except UnidentifiedImageError as error:
            raise FormatError(f"picture {path}", "the file must be a picture") from error
    return sizes, 1 if grey else 3


def is_grey(picture: Picture) -> bool:
    """Tell whether a picture has no colours: black and white, or grey of 8 or 16 bits."""
    return picture.mode in ("1", "L") or picture.mode.startswith("I")
