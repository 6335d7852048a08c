"""A budget: hard bounds in the user's units, and what is said when one can't be met."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from niwaki.errors import InfeasibleError, ValueDomainError


@dataclass(frozen=True)
class Budget:
    """Hold the bounds a result must keep; None leaves one free.

    Raises:
        ValueDomainError: A bound is outside its range.

    Example:
        >>> Budget(size_kb=40).bounds()
        {'size_kb': 40}
    """

    sparsity: float | None = None
    """Share of zeros in the weights of the compressed layers, at least; in [0, 1]."""
    size_kb: float | None = None
    """Size of the packed file, at most, in kB of 1000 bytes; above 0."""
    max_accuracy_drop: float | None = None
    """Loss of test accuracy against the dense network, at most; in points, 0 to 100."""

    def __post_init__(self) -> None:
        _check("sparsity", self.sparsity, 0.0, 1.0)
        _check("max_accuracy_drop", self.max_accuracy_drop, 0.0, 100.0)
        _check("size_kb", self.size_kb, 0.0, float("inf"), above=True)

    def bounds(self) -> dict[str, float]:
        """Return the bounds that are set."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def check_result(budget: Budget, measured: dict[str, float]) -> list[dict[str, Any]]:
    """Hold a result against a budget.

    Args:
        budget: The bounds.
        measured: ``sparsity`` in [0, 1], ``size_kb`` in kB, ``accuracy_drop`` in points.

    Returns:
        One row per bound that is set: bound, limit, reached; all of them met.

    Raises:
        InfeasibleError: A bound broke; the message names it and what was reached.
    """
    rows: list[dict[str, Any]] = []
    for bound, limit in budget.bounds().items():
        reached = measured[bound.removeprefix("max_")]
        # A sparsity of 0.98 of 1,001 weights is met by the nearest whole number of zeros.
        met = reached >= limit - 5e-4 if bound == "sparsity" else reached <= limit
        if not met:
            raise broken(bound, limit, reached)
        rows.append({"bound": bound, "limit": limit, "reached": reached})
    return rows


def broken(bound: str, limit: float, reached: float, detail: str = "") -> InfeasibleError:
    """Return the error of a bound that can't be met, with the nearest value reached.

    Example:
        >>> print(broken("size_kb", 3, 12.4))
        [budget] size_kb must be at most 3, nearest reached 12.4. Relax it, or change the method.
    """
    side = "at least" if bound == "sparsity" else "at most"
    near = f"nearest reached {reached:.6g}{detail}"
    return InfeasibleError(
        "budget",
        f"{bound} must be {side} {limit:g}, {near}",
        fix="Relax it, or change the method",
    )


def _check(name: str, value: float | None, low: float, high: float, *, above: bool = False) -> None:
    if value is None:
        return
    inside = low <= value <= high and (value > low or not above) and value != float("inf")
    if not inside:  # NaN compares false, and lands here too
        side = f"above {low:g}" if above else f"in [{low:g}, {high:g}]"
        raise ValueDomainError("budget", f"{name} must be {side}", got=value)
