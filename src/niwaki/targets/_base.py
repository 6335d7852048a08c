"""What every target offers, and the registry that lists them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from niwaki.registry import Registry

if TYPE_CHECKING:
    from niwaki.runtime import Program


class Target(ABC):
    """Price a program: what one image, or the file, costs on something that runs it."""

    name: ClassVar[str]
    """The registered name."""
    bounds: ClassVar[tuple[str, ...]]
    """The budget's bounds that this target prices, e.g. ``size_kb``."""
    measured: ClassVar[bool]
    """True where a price is measured on this machine, False where it is counted or modelled."""

    @abstractmethod
    def price(self, program: Program) -> dict[str, float]:
        """Return bound name to price, for each of `bounds`, in the bound's unit."""


TARGETS: Registry[Target] = Registry("target", "niwaki.targets")
