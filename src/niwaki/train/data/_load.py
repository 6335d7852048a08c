"""`load`: from what ``--data`` takes to a `DataSet`."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from niwaki.errors import FormatError, InputError, RegistryError, ValueDomainError
from niwaki.registry import canonical
from niwaki.train.augment import Augment
from niwaki.train.data._cifar import find_cifar
from niwaki.train.data._dataset import from_datasets
from niwaki.train.data._finish import finish
from niwaki.train.data._folder import find_pictures
from niwaki.train.data._hub import from_hub
from niwaki.train.data._idx import find_idx
from niwaki.train.data._npz import from_arrays, read_npz
from niwaki.train.data._raw import Raw
from niwaki.train.data._registry import DATA_SETS, NamedSet
from niwaki.train.data._types import DataSet


def load(
    data: Any,
    *,
    image_size: int | tuple[int, int] | None = None,
    seed: int = 0,
    num_classes: int | None = None,
    mean: Sequence[float] | None = None,
    std: Sequence[float] | None = None,
    augment: str | Augment | None = None,
    test_share: float = 0.2,
) -> DataSet:
    """Load labelled pictures.

    Args:
        data: A name (`niwaki.train.data.names`), looked for in $NIWAKI_DATA/<name> and then in the
            Hugging Face hub; ``owner/name`` or ``hub:name`` of that hub; a path to an ``.npz``
            file, to idx files, to CIFAR-10's files or to class folders of pictures; a `Dataset`, or
            a pair of them (train, test); a dict of arrays as in an ``.npz``; or a `DataSet`.
        image_size: Side, or height and width, in pixels that pictures are brought to; None keeps
            theirs.
        seed: Draws the test part where the source has none, the same share of every class.
        num_classes: Number of labels where the source has no class names; None counts them.
        mean: One per channel, in units of x / 255; None takes the published values of a named set,
            else those of the training part.
        std: As `mean`.
        augment: Policy for training, as `Augment.parse` takes it; None takes the set's own, and
            does nothing to the user's own data.
        test_share: Share of the samples that become the test part where the source has none.

    Raises:
        RegistryError: The name is unknown; the message lists the known ones.
        InputError: Missing or empty.   FormatError: Damaged or foreign files.   ShapeError: Shapes
            that don't fit.   ValueDomainError: Wrong dtypes, NaN, labels out of range, or an
            argument outside its domain.   ToolMissingError: `datasets` is needed.

    Example:
        >>> digits = load("digits")
        >>> digits.shape, len(digits.train), len(digits.test)
        ((1, 8, 8), 1438, 359)
    """
    policy = Augment.parse(augment) if isinstance(augment, str) else augment
    if isinstance(data, DataSet):
        return data if policy is None else replace(data, augment=policy)
    size = _as_size(image_size)
    if not 0 < test_share < 1:
        raise ValueDomainError("data", "test_share must be between 0 and 1", got=test_share)
    raw, named = _read(data, size, seed)
    return finish(
        raw,
        named,
        image_size=size,
        seed=seed,
        num_classes=num_classes,
        mean=mean,
        std=std,
        augment=policy,
        test_share=test_share,
    )


def _read(data: Any, size: tuple[int, int] | None, seed: int) -> tuple[Raw, NamedSet | None]:
    if isinstance(data, str) and data in DATA_SETS:
        return _read_named(DATA_SETS.get(data), size, seed)
    if isinstance(data, str) and data.startswith("hub:"):
        return from_hub(data.removeprefix("hub:"), size), None
    if isinstance(data, str | os.PathLike):
        path = Path(data).expanduser()
        if path.exists():
            return _with_name(_read_path(path, size), path)
        return _read_absent(str(data), size), None
    if isinstance(data, Mapping):
        return from_arrays(data, "arrays", "data arrays"), None
    if isinstance(data, tuple) and len(data) == 2:
        return from_datasets(data[0], data[1], "data sets", size), None
    return from_datasets(data, None, type(data).__name__, size), None


def _read_named(named: NamedSet, size: tuple[int, int] | None, seed: int) -> tuple[Raw, NamedSet]:
    if named.embedded is not None:
        return named.embedded(seed), named
    root = os.environ.get("NIWAKI_DATA", "")
    folder = Path(root) / named.name
    if root and folder.is_dir():
        return _read_path(folder, size), named
    return from_hub(named.hub, size, asked=named.name), named


def _read_path(path: Path, size: tuple[int, int] | None) -> Raw:
    if path.is_file():
        if path.suffix == ".npz":
            return read_npz(path)
        raise FormatError(
            f"data {path}", "a data file must be .npz", got=repr(path.suffix or path.name)
        )
    if (path / "train.npz").is_file():
        train = read_npz(path / "train.npz")
        test = read_npz(path / "test.npz") if (path / "test.npz").is_file() else None
        return replace(train, name=path.name, test=test.train if test else train.test)
    raw = find_idx(path) or find_cifar(path) or find_pictures(path, size)
    if raw is None:
        raise InputError(
            f"data {path}",
            "the folder must hold idx files, CIFAR-10's files, train.npz, or class folders of "
            "pictures",
            got="none of them",
        )
    return raw


def _with_name(raw: Raw, path: Path) -> tuple[Raw, NamedSet | None]:
    """Recognise a named set in a folder by its name: ``../data/mnist`` is MNIST."""
    for name in (path.resolve().name, raw.name):
        if path.is_dir() and name in DATA_SETS:
            named = DATA_SETS.get(name)
            labels = len(named.classes)
            shape = raw.train.images.shape
            if shape[1] == named.channels and int(raw.train.labels.max()) < labels:
                return raw, named
    return raw, None


def _read_absent(data: str, size: tuple[int, int] | None) -> Raw:
    """Say what is wrong with a text that is no known name and no path, or ask the hub for it."""
    owner, _, name = data.partition("/")
    if owner and name and "/" not in name and owner not in (".", "..", "~") and "." not in name:
        return from_hub(data, size)
    if "/" in data or os.sep in data or "." in data:
        raise InputError(f"data {data}", "the path must exist", got="nothing there")
    raise RegistryError(
        "data",
        f"the name must be one of {', '.join(DATA_SETS.names())}, owner/name of the hub, or a path",
        got=repr(canonical(data)),
    )


def _as_size(image_size: int | tuple[int, int] | None) -> tuple[int, int] | None:
    if image_size is None:
        return None
    size = (image_size, image_size) if isinstance(image_size, int) else tuple(image_size)
    if len(size) != 2 or not all(1 <= side <= 2**14 for side in size):
        raise ValueDomainError(
            "data", "image_size must be one or two sides of 1 to 16384 pixels", got=image_size
        )
    return size
