"""Predict a layer's latency from this machine's cost table: what a planner asks before it prunes.

Measured densities of the same layer are interpolated: between two of them, time is taken as a
straight line over density; beyond the last one, the nearest time is returned. The table itself is
`niwaki.runtime.costs`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from niwaki.runtime import isas
from niwaki.runtime.costs import (
    CostTable as CostTable,
    CostTableWarning as CostTableWarning,
    Measured as Measured,
    split_key,
    step_density,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

_KEY = re.compile(
    r"conv (?P<c>\d+)x(?P<h>\d+)x(?P<w>\d+)>(?P<o>\d+) k(?P<k>\d+x\d+) s(?P<s>\d+x\d+) "
    r"p(?P<p>[\d,]+) d(?P<d>\d+x\d+) g(?P<g>\d+) .* t(?P<t>\d+) (?P<isa>\S+) (?P<structure>\S+)"
)


@dataclass(frozen=True)
class ConvShape:
    """Hold the shape of a convolution."""

    inputs: int
    height: int
    width: int
    outputs: int
    kernel: tuple[int, int]
    strides: tuple[int, int] = (1, 1)
    pads: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Top, left, bottom, right."""
    dilations: tuple[int, int] = (1, 1)
    groups: int = 1


def predict_ms(
    shape: ConvShape,
    density: float,
    *,
    structure: str = "unstructured",
    threads: int = 1,
    isa: str = "auto",
    table: CostTable | None = None,
) -> float | None:
    """Return the predicted milliseconds of a convolution for one image, or None if unknown.

    Where the layer was measured in several surroundings (with a residual, other rows in memory),
    the median of their predictions is returned. A dense layer runs whatever zeros it has, so no
    prediction is above that of a denser layer.

    Args:
        shape: The convolution.
        density: Share of weights that aren't zero, in [0, 1].
        structure: How the zeros lie, as in the table's keys.
        threads: Threads of the engine.
        isa: Its instruction set; `auto` is the best one here.
        table: The cost table; this machine's when not given.
    """
    known = CostTable.of_this_machine() if table is None else table
    name = isas()[0] if isa == "auto" else isa
    wanted = _fields(shape, structure, threads, name)
    curves: dict[str, list[tuple[float, float]]] = {}
    for key in known:
        problem, step = split_key(key)
        if _matches(problem, wanted, dense=step == 0):
            surroundings = problem.rpartition(" ")[0]
            curves.setdefault(surroundings, []).append((step_density(step), known.exact(key)[0].ms))
    if not curves:
        return None
    return float(np.median([_between(points, density) for points in curves.values()]))


def _fields(shape: ConvShape, structure: str, threads: int, isa: str) -> dict[str, str]:
    return {
        "c": str(shape.inputs), "h": str(shape.height), "w": str(shape.width),
        "o": str(shape.outputs), "k": "{}x{}".format(*shape.kernel),
        "s": "{}x{}".format(*shape.strides), "p": ",".join(map(str, shape.pads)),
        "d": "{}x{}".format(*shape.dilations), "g": str(shape.groups), "t": str(threads),
        "isa": isa, "structure": structure,
    }  # fmt: skip


def _matches(problem: str, wanted: dict[str, str], *, dense: bool) -> bool:
    """Tell whether a key is of the layer; without zeros there is no structure to match."""
    match = _KEY.fullmatch(problem)
    return match is not None and all(
        match[name] == value or (dense and name == "structure") for name, value in wanted.items()
    )


def _between(points: Sequence[tuple[float, float]], density: float) -> float:
    """Return the time at a density: measured points made rising, straight lines between."""
    ordered = sorted(points)
    times = [ms for _, ms in ordered]
    for index in range(len(times) - 2, -1, -1):
        times[index] = min(times[index], times[index + 1])
    return float(np.interp(density, [share for share, _ in ordered], times))
