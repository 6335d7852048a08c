"""What a reader returns, and the checks of one part of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.errors import InputError, ShapeError, ValueDomainError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from niwaki.train.data._types import Images


@dataclass(frozen=True)
class Part:
    """Hold pictures with labels that go with them one by one.

    Args:
        images: uint8 or float32 (N, C, H, W), or `Images` that decode when asked.
        labels: int64 (N,), at least 0.
    """

    images: NDArray[Any] | Images
    labels: NDArray[np.int64]


@dataclass(frozen=True)
class Raw:
    """Hold what a source gave.

    Args:
        name: What to call it.
        train: All of it, where `test` is None.
        test: The test part, where the source has one.
        classes: Names by label, where the source has them.
        geometry: How pictures were brought to one size (a preprocess), where they had to be.
    """

    name: str
    train: Part
    test: Part | None = None
    classes: tuple[str, ...] | None = None
    geometry: dict[str, Any] | None = None


def check_part(where: str, images: NDArray[Any], labels: NDArray[Any]) -> Part:
    """Return arrays of a source as a part.

    Args:
        where: File or set, for messages.
        images: uint8 or floats, (N, H, W), (N, H, W, C) or (N, C, H, W), with C 1 or 3.
        labels: Integers, (N,) or (N, 1).

    Raises:
        InputError: No sample.   ShapeError: Shapes that don't fit.   ValueDomainError: Another
            dtype, NaN, or a negative label.
    """
    return Part(check_images(where, images), check_labels(where, labels, len(images)))


def check_images(where: str, images: NDArray[Any]) -> NDArray[Any]:
    """Return pictures as uint8 or float32 (N, C, H, W).

    Raises:
        InputError, ShapeError, ValueDomainError: As `check_part`.
    """
    if images.dtype != np.uint8 and images.dtype.kind != "f":
        raise ValueDomainError(
            where,
            "images must be uint8",
            got=images.dtype,
            fix="Store values 0 to 255 with .astype(numpy.uint8)",
        )
    images = channels_first(where, images)
    if images.size == 0:
        raise InputError(where, "the data set must hold pictures", got=f"shape {images.shape}")
    if images.dtype.kind == "f":
        bad = int(images.size - np.isfinite(images).sum())
        if bad:
            raise ValueDomainError(where, "images must be finite", got=f"{bad} NaN or infinite")
        return np.ascontiguousarray(images, np.float32)
    return np.ascontiguousarray(images)


def channels_first(where: str, images: NDArray[Any]) -> NDArray[Any]:
    """Return (N, C, H, W) for (N, H, W), (N, H, W, C) or (N, C, H, W) with C 1 or 3.

    Raises:
        ShapeError: It is none of these, or both of the last two.
    """
    if images.ndim == 3:
        return images[:, None]
    if images.ndim != 4:
        raise ShapeError(
            where, "images must be (N, H, W), (N, H, W, C) or (N, C, H, W)", got=images.shape
        )
    first, last = images.shape[1] in (1, 3), images.shape[3] in (1, 3)
    if first == last:
        raise ShapeError(
            where,
            "images must have 1 or 3 channels, on the second axis or on the last, not on both",
            got=images.shape,
        )
    return images if first else images.transpose(0, 3, 1, 2)


def check_labels(where: str, labels: NDArray[Any], count: int) -> NDArray[np.int64]:
    """Return labels as int64 (N,).

    Raises:
        ShapeError: They are not one a picture.   ValueDomainError: They are no integers, or
            negative.
    """
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.ndim != 1:
        raise ShapeError(
            where,
            "labels must be one integer a picture",
            got=f"shape {labels.shape}",
            fix="One-hot labels become integers with .argmax(1)",
        )
    if len(labels) != count:
        raise ShapeError(
            where, "there must be as many labels as pictures", got=f"{len(labels)} and {count}"
        )
    if labels.dtype.kind not in "iu":
        raise ValueDomainError(where, "labels must be integers", got=labels.dtype)
    if len(labels) and int(labels.min()) < 0:
        raise ValueDomainError(where, "labels must be at least 0", got=int(labels.min()))
    if len(labels) and int(labels.max()) >= 2**31:
        raise ValueDomainError(where, "labels must be below 2^31", got=int(labels.max()))
    return labels.astype(np.int64)
