"""What the engine is told about its choices, and what it tells back: the cost table's two ends."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from niwaki import _core
from niwaki.errors import ValueDomainError
from niwaki.runtime.costs import CostTable, Measured

if TYPE_CHECKING:
    from collections.abc import Mapping

TUNE_MS = 120.0
"""Milliseconds spent on a layer that isn't known; layers of one key are measured once."""


def choices_text(
    choices: Mapping[str, Any] | None,
    threads: int,
    isa: str,
    activations: Mapping[str, float] | None = None,
) -> str:
    """Return the JSON that the engine takes: the caller's choices, and all measured times.

    Args:
        choices: Layer name -> algorithm, or {"algorithm": name, "tuning": {key: whole number}}.
        threads: Threads of the engine; times of others are left out.
        isa: Its instruction set, or `auto`.
        activations: Layer name -> share of its inputs that aren't zero, where measured, in [0, 1].

    Raises:
        ValueDomainError: A choice is neither a name nor such a mapping.
    """
    given = {layer: _choice(layer, choice) for layer, choice in (choices or {}).items()}
    table = CostTable.of_this_machine()
    name = _core.isas()[0] if isa == "auto" else isa
    marks = (f" t{threads} ", f" {name} ")
    keys = [key for key in table if all(mark in key for mark in marks)]
    if not keys and not given and not activations:
        return ""
    problems = {key: [_row(time) for time in table.exact(key)] for key in keys}
    told = {"activations": dict(activations or {}), "layers": given, "problems": problems}
    return json.dumps(told)


def keep(measured: Mapping[str, list[dict[str, Any]]]) -> None:
    """Keep what an engine has measured in this machine's table."""
    CostTable.of_this_machine().add(
        {
            key: [Measured(row["algorithm"], row["ms"], row["tuning"]) for row in rows]
            for key, rows in measured.items()
        }
    )


def _choice(layer: str, choice: Any) -> dict[str, Any]:
    found = {"algorithm": choice} if isinstance(choice, str) else choice
    if not hasattr(found, "keys") or set(found) - {"algorithm", "tuning"}:
        raise ValueDomainError(
            "engine",
            f"the choice of {layer!r} must be an algorithm's name, or one with its tuning",
            got=choice,
            fix="Give e.g. {'conv1': {'algorithm': 'direct', 'tuning': {}}}",
        )
    return dict(found)


def _row(time: Measured) -> dict[str, Any]:
    return {"algorithm": time.algorithm, "tuning": dict(time.tuning), "ms": time.ms}


def remembered(used: Mapping[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """Return times in the form in which a ``.nwk`` file remembers them (`source.choices`)."""
    if not used or not _core.cpu_name():
        return {}
    rows = {
        key: [{**row, "ms": round(row["ms"], 6)} for row in times] for key, times in used.items()
    }
    return {"cpu": _core.cpu_name(), "problems": rows}
