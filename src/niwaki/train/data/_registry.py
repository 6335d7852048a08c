"""The registry of data sets known by name: what is published about each, and where it is found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from niwaki.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from niwaki.train.data._raw import Raw


@dataclass(frozen=True)
class NamedSet:
    """Say what a named data set is, wherever its files are.

    Args:
        name: As on the command line; the folder's name in $NIWAKI_DATA too.
        classes: Names, by label.
        channels: 1 or 3.
        mean: Published, one per channel, in units of x / 255.
        std: Published, one per channel, in units of x / 255.
        augment: The usual policy for training, as `Augment.parse` takes it.
        hub: Its name in the Hugging Face hub; "" where it isn't there.
        embedded: Reads it where it comes with a package; takes the seed of the split.
    """

    name: str
    classes: tuple[str, ...]
    channels: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    augment: str
    hub: str = ""
    embedded: Callable[[int], Raw] | None = None


DATA_SETS: Registry[NamedSet] = Registry("data", "niwaki.train.data", "niwaki.data")


def register_data(item: NamedSet) -> NamedSet:
    """Add a named data set to what `load` knows.

    Raises:
        RegistryError: The name is taken.
    """
    return DATA_SETS.register(item.name)(item)


def names() -> list[str]:
    """Return the names of data sets that `load` knows, sorted.

    Example:
        >>> names()
        ['cifar10', 'digits', 'fashion-mnist', 'mnist']
    """
    return DATA_SETS.names()
