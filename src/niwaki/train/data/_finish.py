"""From what a reader gave to a checked `DataSet`: classes, test part, size, normalisation."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from niwaki.errors import InputError, ShapeError, ValueDomainError
from niwaki.preprocess import check_preprocess, fit_image, make_preprocess
from niwaki.train.augment import Augment, hash_numbers
from niwaki.train.data._folder import FileImages
from niwaki.train.data._raw import Part
from niwaki.train.data._types import DataSet, Split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from niwaki.train.data._raw import Raw
    from niwaki.train.data._registry import NamedSet
    from niwaki.train.data._types import Images

_MEASURED = 2000
# The stream of `hash_numbers` that draws the test part.
_HOLDOUT = 4


def finish(
    raw: Raw,
    named: NamedSet | None,
    *,
    image_size: tuple[int, int] | None,
    seed: int,
    num_classes: int | None,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
    augment: Augment | None,
    test_share: float,
) -> DataSet:
    """Return the data set; arguments and errors as `niwaki.train.data.load`."""
    where = f"data {raw.name}"
    classes = _classes(where, raw, named, num_classes)
    if raw.test is None:
        raw = hold_out(where, raw, test_share, seed)
    raw, scale, photos = _scale(raw)
    raw = _resize(where, raw, image_size)
    parts = _parts(raw)
    shapes = [tuple(part.images.shape[1:]) for part in parts]
    if shapes[0] != shapes[1]:
        raise ShapeError(
            where, "train and test pictures must have one shape", got=f"{shapes[0]} and {shapes[1]}"
        )
    preprocess = _preprocess(raw, named, scale, photos, mean, std)
    if augment is None:
        augment = Augment.parse(named.augment if named is not None else "none")
    return DataSet(
        name=named.name if named is not None else raw.name,
        train=_split(parts[0]),
        test=_split(parts[1]),
        classes=classes,
        preprocess=preprocess,
        augment=augment,
    )


def hold_out(where: str, raw: Raw, share: float, seed: int) -> Raw:
    """Draw a test part: the same share of every class, at least one where a class has two.

    Raises:
        InputError: No class has two samples.
    """
    labels = raw.train.labels
    keys = hash_numbers(seed, 0, np.arange(len(labels)), _HOLDOUT)
    chosen = np.zeros(len(labels), bool)
    # Rounding shares class by class would drift; running totals keep the sum right.
    owed = 0.0
    for label in np.unique(labels):
        places = np.flatnonzero(labels == label)
        owed += share * len(places)
        count = min(len(places) - 1, max(1, round(owed)))
        owed -= count
        chosen[places[np.argsort(keys[places], kind="stable")[:count]]] = True
    if not chosen.any():
        raise InputError(
            where, "a class must have two pictures, one of them to test on", got="none has"
        )
    test, train = np.flatnonzero(chosen), np.flatnonzero(~chosen)
    return replace(raw, train=_take(raw.train, train), test=_take(raw.train, test))


def _take(part: Part, places: NDArray[np.int64]) -> Part:
    images: Any = part.images
    if isinstance(images, np.ndarray):
        images = images[places]
    elif isinstance(images, FileImages):
        images = images.subset(places.tolist())
    else:
        images = _Subset(images, torch.from_numpy(places))
    return Part(images, part.labels[places])


class _Subset:
    """Show some of the pictures of `images`."""

    def __init__(self, images: Images, places: torch.Tensor) -> None:
        self._images, self._places = images, places
        self.shape = (len(places), *images.shape[1:])

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, indices: Any, /) -> torch.Tensor:
        return self._images[self._places[indices]]


def _classes(
    where: str, raw: Raw, named: NamedSet | None, num_classes: int | None
) -> tuple[str, ...]:
    classes = raw.classes or (named.classes if named is not None else None)
    labels = raw.train.labels
    if classes is None and num_classes is None:
        present = np.unique(labels)
        if len(present) != int(present[-1]) + 1:
            missing = np.setdiff1d(np.arange(min(int(present[-1]), 10**6)), present)
            raise ValueDomainError(
                where,
                f"labels must be 0 to {len(present) - 1} for {len(present)} classes",
                got=f"up to {present[-1]}, with no {missing[0]}",
                fix="Renumber them, store the names as `classes`, or give num_classes",
            )
        num_classes = len(present)
    if classes is None:
        classes = tuple(str(label) for label in range(num_classes or 0))
    if num_classes is not None and num_classes != len(classes):
        raise ValueDomainError(
            where, f"num_classes must be {len(classes)}, the number of names", got=num_classes
        )
    if len(classes) < 2:
        raise ValueDomainError(where, "there must be at least 2 classes", got=len(classes))
    for part in _parts(raw):
        highest = int(part.labels.max(initial=0))
        if highest >= len(classes):
            raise ValueDomainError(
                where, f"labels must be 0 to {len(classes) - 1}", got=f"up to {highest}"
            )
    return classes


def _parts(raw: Raw) -> list[Part]:
    return [raw.train] if raw.test is None else [raw.train, raw.test]


def _scale(raw: Raw) -> tuple[Raw, float, bool]:
    """Bring float pictures of 0 to 1 to 0 to 255; others stay as the user normalised them.

    Returns:
        The parts, the preprocess's scale, and whether photos can be brought to the input.
    """
    parts = _parts(raw)
    if all(isinstance(part.images, FileImages) for part in parts):
        return raw, 1 / 255, True  # files hold bytes: no need to decode any to see that
    samples = [_sample(part.images) for part in parts]
    if all(sample.dtype == np.uint8 for sample in samples):
        return raw, 1 / 255, True
    if min(float(s.min()) for s in samples) < 0 or max(float(s.max()) for s in samples) > 1:
        return raw, 1.0, False
    if all(isinstance(part.images, np.ndarray) for part in parts):
        scaled = [Part(np.asarray(p.images, np.float32) * np.float32(255), p.labels) for p in parts]
        return replace(raw, train=scaled[0], test=scaled[1]), 1 / 255, True
    return raw, 1.0, False


def _sample(images: NDArray[Any] | Images) -> NDArray[Any]:
    """Return all pictures in memory, or some, evenly spread, of those that are decoded."""
    if isinstance(images, np.ndarray):
        return images
    places = torch.arange(0, len(images), max(1, len(images) // _MEASURED))
    return images[places].numpy()


def _resize(where: str, raw: Raw, size: tuple[int, int] | None) -> Raw:
    """Bring pictures in memory to another size, by the same code as `niwaki run`."""
    images = raw.train.images
    if size is None or not isinstance(images, np.ndarray) or images.shape[2:] == size:
        return raw
    parts: list[Part] = []
    geometry = make_preprocess(size, [0.0] * images.shape[1], [1.0] * images.shape[1])
    for part in _parts(raw):
        if not isinstance(part.images, np.ndarray) or part.images.dtype != np.uint8:
            raise ValueDomainError(
                where, "pictures must be uint8 to be resized", got="floats", fix="Resize them first"
            )
        pictures = [fit_image(picture.transpose(1, 2, 0), geometry) for picture in part.images]
        parts.append(Part(np.stack(pictures), part.labels))
    return replace(raw, train=parts[0], test=parts[1], geometry=geometry)


def _preprocess(
    raw: Raw,
    named: NamedSet | None,
    scale: float,
    photos: bool,
    mean: Sequence[float] | None,
    std: Sequence[float] | None,
) -> dict[str, Any]:
    _, channels, height, width = raw.train.images.shape
    if not photos:
        known_mean, known_std = [0.0] * channels, [1.0] * channels
    elif named is not None and len(named.mean) == channels:
        known_mean, known_std = list(named.mean), list(named.std)
    elif mean is None or std is None:
        known_mean, known_std = measure(_sample(raw.train.images), scale)
    else:
        known_mean, known_std = [], []
    preprocess = {
        **(raw.geometry or make_preprocess((height, width), [0.0], [1.0])),
        "channels": channels,
        "scale": scale,
        "photos": photos,
        "mean": [float(value) for value in mean] if mean is not None else known_mean,
        "std": [float(value) for value in std] if std is not None else known_std,
    }
    check_preprocess(preprocess)
    return preprocess


def measure(images: NDArray[Any], scale: float) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation per channel, times `scale`, to 4 digits.

    A channel that never changes gets the deviation 1.

    Args:
        images: (N, C, H, W).
        scale: As in the preprocess.
    """
    means: list[float] = []
    deviations: list[float] = []
    for channel in range(images.shape[1]):
        values = images[:, channel]
        if values.dtype == np.uint8:  # 256 counts are exact and need no copy of the pictures
            counts = np.bincount(values.ravel(), minlength=256)
            levels = np.arange(256)
            mean = float(counts @ levels) / counts.sum()
            deviation = float(np.sqrt(counts @ (levels - mean) ** 2 / counts.sum()))
        else:
            mean = float(values.mean(dtype=np.float64))
            deviation = float(values.std(dtype=np.float64))
        means.append(round(float(mean * scale), 4))
        deviations.append(round(deviation * scale, 4) or 1.0)
    return means, deviations


def _split(part: Part) -> Split:
    images: Any = part.images
    if isinstance(images, np.ndarray):
        images = torch.from_numpy(np.require(images, requirements=["C", "W"]))
    return Split(images, torch.from_numpy(part.labels))
