"""Find the smallest sparsity whose packed size fits, with as few trial packings as possible."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from niwaki.planner.budget import broken

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Bisection:
    """Say where a bisection ended."""

    sparsity: float
    """The smallest sparsity found that fits; in [0, 1]."""
    size_bytes: int
    """The size predicted there."""
    trials: tuple[tuple[float, int], ...]
    """Every (sparsity, size in bytes) that was packed, in order."""


def bisect(
    size_bytes: Callable[[float], int],
    limit_bytes: float,
    *,
    low: float = 0.0,
    high: float = 0.999,
    tolerance: float = 5e-4,
) -> Bisection:
    """Return the smallest sparsity in [low, high] whose packed size keeps the limit.

    The size falls with the sparsity, nearly in a straight line; so a step goes to both sides of
    where the line meets the limit, and where two such steps gained less than half, the next
    one halves the interval. Only a sparsity that was packed is returned.

    Args:
        size_bytes: Packs the network at a sparsity and returns the file's size.
        limit_bytes: The bound.
        low: No sparsity below this is tried; in [0, 1].
        high: No sparsity above this is tried; in [low, 1].
        tolerance: Width of the interval at which the search stops.

    Raises:
        InfeasibleError: Even ``high`` doesn't fit; the message says which size it gives.

    Example:
        >>> bisect(lambda s: int(1000 * (1 - s)), 100).size_bytes <= 100
        True
    """
    trials: list[tuple[float, int]] = []

    def pack(sparsity: float) -> int:
        trials.append((sparsity, size_bytes(sparsity)))
        return trials[-1][1]

    smallest = pack(high)
    if smallest > limit_bytes:
        detail = f" at sparsity {high:g}, before training"
        raise broken("size_kb", limit_bytes / 1000, smallest / 1000, detail)
    if (first := pack(low)) <= limit_bytes:
        return Bisection(low, first, tuple(trials))
    fits, best, fails, worst = high, smallest, low, first
    width, side, slow = high - low, 1.0, 0
    while fits - fails > tolerance:
        share = (worst - limit_bytes) / (worst - best)
        slow = slow + 1 if fits - fails > width / 2 else 0
        width = fits - fails
        if slow > 2:
            share, slow = 0.5, 0
        middle = fails + share * width + side * 0.4 * tolerance
        middle = round(min(max(middle, fails + 0.1 * tolerance), fits - 0.1 * tolerance), 6)
        if (size := pack(middle)) <= limit_bytes:
            fits, best, side = middle, size, -1.0
        else:
            fails, worst, side = middle, size, 1.0
    return Bisection(fits, best, tuple(trials))


def ladder(start: float, floor: float = 0.0) -> list[float]:
    """Return sparsities to try from ``start`` down to ``floor``, each keeping twice the weights.

    Args:
        start: The highest sparsity; in [0, 1].
        floor: No rung goes below this (a size bound gives it).

    Example:
        >>> ladder(0.98)
        [0.98, 0.96, 0.92, 0.84, 0.68, 0.36, 0.0]
        >>> ladder(0.98, floor=0.9)
        [0.98, 0.96, 0.92, 0.9]
    """
    density = max(1.0 - start, 1e-3)
    found = [start]
    while found[-1] > floor:
        density *= 2
        found.append(max(round(1.0 - density, 6), floor))
    return found
