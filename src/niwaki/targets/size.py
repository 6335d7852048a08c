"""The `size` target: the packed file's bytes, and the multiplications of one image. Counted."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from niwaki.targets._base import TARGETS, Target
from niwaki.targets._work import total, work

if TYPE_CHECKING:
    from niwaki.runtime import Program


def packed_bytes(program: Program) -> int:
    """Return the size of the program's ``.nwk`` file in bytes, header and padding included."""
    from niwaki.runtime import nwk

    return len(nwk.to_bytes(program))


class SizeTarget(Target):
    """Price the packed file (kB of 1000 bytes) and the multiplications."""

    name: ClassVar[str] = "size"
    bounds: ClassVar[tuple[str, ...]] = ("size_kb", "macs")
    measured: ClassVar[bool] = False

    def price(self, program: Program) -> dict[str, float]:
        """Return ``size_kb`` and ``macs`` (multiplications by non-zero weights, one image)."""
        return {
            "size_kb": packed_bytes(program) / 1000,
            "macs": float(total(work(program))["multiplications"]),
        }


TARGETS.register("size")(SizeTarget())
