"""Data sets of the Hugging Face hub, by the optional `datasets` package."""

from __future__ import annotations

import importlib
from typing import Any

from niwaki.errors import InputError, ToolMissingError
from niwaki.train.data._dataset import from_datasets
from niwaki.train.data._raw import Raw

_IMAGES = ("image", "img", "pixel_values", "picture")
_LABELS = ("label", "labels", "fine_label", "class")
_TESTS = ("test", "validation", "valid", "val")


class _Pairs:
    """Show one split of the hub as a Dataset of (picture, label)."""

    def __init__(self, split: Any, image: str, label: str) -> None:
        self._split, self._image, self._label = split, image, label
        self.classes: list[str] | None = getattr(split.features[label], "names", None)

    def __len__(self) -> int:
        return len(self._split)

    def __getitem__(self, place: int) -> tuple[Any, Any]:
        item = self._split[place]
        return item[self._image], item[self._label]


def from_hub(name: str, image_size: tuple[int, int] | None, *, asked: str = "") -> Raw:
    """Return a data set of the hub.

    Args:
        name: Owner and name.
        image_size: Height and width to bring the pictures to.
        asked: What the user called it, for messages.

    Raises:
        ToolMissingError: `datasets` isn't installed.   InputError: The hub has no such set, or it
            isn't labelled pictures.
    """
    where = f"data {asked or name}"
    try:
        hub = importlib.import_module("datasets")
    except ImportError:
        raise ToolMissingError(
            where,
            f"it must be {'in $NIWAKI_DATA' if asked else 'a path that exists'}, or the datasets "
            "package be installed, which downloads sets of the Hugging Face hub",
            fix="pip install niwaki[hub], or "
            + (f"set NIWAKI_DATA to the folder that holds {asked}/" if asked else "mend the path"),
        ) from None
    try:
        splits = hub.load_dataset(name)
    except (OSError, ValueError, RuntimeError) as error:  # no network, no such set, needs a script
        raise InputError(
            where, "the hub must give the data set", got=f"an error: {first_line(error)}"
        ) from error
    if "train" not in splits:
        raise InputError(where, "the set must have a train split", got=", ".join(splits))
    test = next((splits[key] for key in _TESTS if key in splits), None)
    image, label = _columns(where, splits["train"])
    return from_datasets(
        _Pairs(splits["train"], image, label),
        None if test is None else _Pairs(test, image, label),
        asked or name,
        image_size,
    )


def first_line(error: Exception) -> str:
    """Return what an error says, in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _columns(where: str, split: Any) -> tuple[str, str]:
    columns = list(split.features)
    image = next((column for column in _IMAGES if column in columns), None)
    label = next((column for column in _LABELS if column in columns), None)
    if image is None or label is None:
        raise InputError(where, "the set must have columns image and label", got=", ".join(columns))
    return image, label
