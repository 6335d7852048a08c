"""One claim held against what was measured, and the table of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Check:
    """Hold one claim and what was measured; a claim that wasn't measured stays in the table."""

    claim: str
    value: float | None
    """What was measured; None where it wasn't."""
    floor: float | None
    """The bound; None where it is another engine's figure, and that wasn't measured."""
    unit: str = "x"
    at_most: bool = False
    why: str = ""
    """Why there is no value."""
    broken: bool = False
    """niwaki failed where it was to be measured: that keeps no claim."""

    @property
    def passed(self) -> bool | None:
        """Tell whether the measured value keeps the claim; None: not measured."""
        if self.broken:
            return False
        if self.value is None or self.floor is None:
            return None
        return self.value <= self.floor if self.at_most else self.value >= self.floor

    @property
    def verdict(self) -> str:
        """Return ``yes``, ``**no**`` or, where it wasn't measured, ``?``."""
        return {True: "yes", False: "**no**", None: "?"}[self.passed]


def check_table(checks: Sequence[Check]) -> list[str]:
    """Return the Markdown table: every claim, measured or not."""
    lines = ["| claim | measured | floor | kept |", "|---|---|---|---|"]
    for check in checks:
        measured = f"not measured: {check.why}" if check.why else "not measured"
        if check.value is not None:
            measured = f"{check.value:.4g} {check.unit}".rstrip()
        floor = "-"
        if check.floor is not None:
            floor = f"{'at most' if check.at_most else 'at least'} {check.floor:.4g}"
        cells = " | ".join([check.claim, measured, floor, check.verdict])
        lines.append(f"| {cells} |")
    return lines
