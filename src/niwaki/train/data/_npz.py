"""Arrays of pictures and labels, in an .npz file or in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki._npz import load_arrays
from niwaki.errors import InputError, ValueDomainError
from niwaki.train.data._raw import Part, Raw, check_part

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

_NAMES = (("x", "y"), ("images", "labels"))


def read_npz(path: Path) -> Raw:
    """Return the data set of an .npz file; see `from_arrays` for its keys.

    Raises:
        FormatError: The file is no .npz, is damaged, or needs pickle.
        InputError, ShapeError, ValueDomainError: As `from_arrays`.
    """
    where = f"data {path}"
    return from_arrays(load_arrays(path, where), path.stem, where)


def from_arrays(arrays: Mapping[str, NDArray[Any]], name: str, where: str) -> Raw:
    """Return the data set of named arrays.

    Args:
        arrays: ``x`` and ``y``, or ``images`` and ``labels``; with ``train_`` and ``test_`` in
            front (or ``_train`` and ``_test`` behind) where there are two parts; ``classes`` where
            the labels have names.
        name: What to call it.
        where: For messages.

    Raises:
        InputError: No such keys, or no sample.   ShapeError, ValueDomainError: As `check_part`.
    """
    whole = _pick(arrays, where, "{}")
    train = _pick(arrays, where, "train_{}") or _pick(arrays, where, "{}_train") or whole
    if train is None:
        raise InputError(
            where,
            "the keys must be x and y, or images and labels, or these as train_... and test_...",
            got=", ".join(sorted(arrays)) or "no array",
        )
    test = _pick(arrays, where, "test_{}") or _pick(arrays, where, "{}_test")
    return Raw(name, train, test, _classes(arrays, where))


def _pick(arrays: Mapping[str, NDArray[Any]], where: str, pattern: str) -> Part | None:
    for pair in _NAMES:
        images, labels = (pattern.format(name) for name in pair)
        if images in arrays and labels in arrays:
            return check_part(
                f"{where}: {images}", np.asarray(arrays[images]), np.asarray(arrays[labels])
            )
    return None


def _classes(arrays: Mapping[str, NDArray[Any]], where: str) -> tuple[str, ...] | None:
    if "classes" not in arrays:
        return None
    classes = np.asarray(arrays["classes"])
    if classes.ndim != 1 or classes.dtype.kind != "U":
        raise ValueDomainError(
            where, "classes must be a list of names", got=f"{classes.dtype} {classes.shape}"
        )
    return tuple(str(name) for name in classes)
