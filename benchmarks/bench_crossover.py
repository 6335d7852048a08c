"""At which density does each way of skipping zeros beat the dense way? Convolutions, one thread.

    python benchmarks/bench_crossover.py [--runs 15] [--only 3x3]

Two sweeps over every algorithm of the registry, at its best few settings, in turn: the share of
non-zero weights (activations dense; unstructured zeros, and 4x1 blocks for `sparse4`), and the
share of non-zero activations (weights dense, and pruned to 10 %). The last rows sum up: the largest
measured density at which an algorithm beats the best dense one, and the best weight-sparse one.
Sparse linear layers (BCSC, BitsGEMM) have a script of their own, bench_sparse_linear.py.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import numpy as np

from _rows import Row, write_rows
from niwaki import _core
from niwaki.runtime import isas

DENSITIES = (1.0, 0.5, 0.3, 0.2, 0.15, 0.1, 0.05, 0.02)
DENSE = ("direct", "winograd", "winograd2", "winograd_phases", "im2col")
WEIGHT_SPARSE = ("sparse", "sparse4")
ACTIVATION_SPARSE = ("cpo", "cps")
SETTINGS = 3
"""Tunings of each algorithm that are tried: its best guesses."""


@dataclass(frozen=True)
class Shape:
    """Hold a convolution of a network's stage, stride 1."""

    channels: int
    side: int
    outputs: int
    kernel: int

    def __str__(self) -> str:
        k = self.kernel
        return f"{k}x{k}, {self.channels} to {self.outputs}, {self.side}x{self.side}"


SHAPES = (
    Shape(64, 56, 64, 3),
    Shape(128, 28, 128, 3),
    Shape(256, 14, 256, 3),
    Shape(512, 7, 512, 3),
    Shape(256, 56, 64, 1),
    Shape(1024, 14, 256, 1),
)


def problem(shape: Shape, weights: float, activations: float, *, blocks: bool) -> dict[str, Any]:
    """Return a convolution's arguments, its zeros at random places."""
    rng = np.random.default_rng(0)
    k = shape.kernel
    weight = rng.standard_normal((shape.outputs, shape.channels, k, k)).astype(np.float32)
    scores = (
        rng.random((shape.outputs // 4, *weight.shape[1:])) if blocks else rng.random(weight.shape)
    )
    mask = scores < np.quantile(scores, weights) if weights < 1 else np.ones(scores.shape, bool)
    weight *= np.repeat(mask, 4, axis=0) if blocks else mask
    x = np.abs(rng.standard_normal((1, shape.channels, shape.side, shape.side))).astype(np.float32)
    x *= rng.random(x.shape) < activations
    return {
        "input": x, "weight": weight, "kernel": (k, k), "strides": (1, 1), "pads": (k // 2,) * 4,
        "isa": "auto", "stored": "sparse" if weights < 0.5 else "dense",
        "activation_density": activations,
    }  # fmt: skip


def times(arguments: dict[str, Any], runs: int) -> dict[str, list[float]]:
    """Return algorithm -> milliseconds of the runs of its best setting; all settings take turns."""
    choices = _core.convolution_choices(**arguments)
    settings = [
        (name, tuning)
        for name, (_, tunings) in choices.items()
        if name != "reference"
        for tuning in tunings[:SETTINGS]
    ]
    samples: list[list[float]] = [[] for _ in settings]
    for _ in range(runs):
        for found, (name, tuning) in zip(samples, settings, strict=True):
            found.extend(1e3 * s for s in _core.time_convolution(name, tuning, 1, **arguments))
    best: dict[str, list[float]] = {}
    for (name, _), found in zip(settings, samples, strict=True):
        if name not in best or np.median(found) < np.median(best[name]):
            best[name] = found
    return best


def rows_of(case: str, shape: Shape, found: dict[str, list[float]], macs: float) -> list[Row]:
    """Return a row per algorithm, with its rate on non-zero weights."""
    rows: list[Row] = []
    for name, samples in found.items():
        low, median, high = np.percentile(samples, [25, 50, 75])
        note = f"{macs / median / 1e6:.3g} GMAC/s of non-zero weights"
        rows.append(Row(case, name, float(median), float(high - low), len(samples),
                        shape=str(shape), note=note))  # fmt: skip
    return rows


def least(found: dict[str, list[float]], names: tuple[str, ...]) -> float:
    """Return the least median among some algorithms; infinity where none ran."""
    return min((float(np.median(found[name])) for name in names if name in found), default=np.inf)


def crossover(
    shape: Shape, axis: str, curve: dict[float, dict[str, list[float]]], name: str
) -> list[Row]:
    """Return the largest density up to which an algorithm beats dense, and weight-sparse, ones."""
    rows: list[Row] = []
    rivals = {"dense": DENSE}
    if name not in WEIGHT_SPARSE:
        rivals["weight-sparse"] = WEIGHT_SPARSE
    for rival, names in rivals.items():
        best = 0.0
        for density in sorted(curve):
            mine = least(curve[density], (name,))
            if mine < least(curve[density], names):
                best = density
            elif np.isfinite(mine):
                break
        note = "at no density measured" if best == 0 else f"up to {axis} density {best:g}"
        case = f"{name} beats {rival}, {axis} sweep"
        rows.append(Row(case, name, best, 0.0, 1, unit="density", shape=str(shape), note=note))
    return rows


def measure(shape: Shape, runs: int) -> list[Row]:
    """Sweep one shape."""
    rows: list[Row] = []
    dense = float(shape.side**2 * shape.outputs * shape.channels * shape.kernel**2)
    sweeps = (
        ("weight", 1.0, False, WEIGHT_SPARSE[:1]),
        ("weight 4x1", 1.0, True, WEIGHT_SPARSE[1:]),
        ("activation", 1.0, False, ACTIVATION_SPARSE),
        ("activation (weights 0.1)", 0.1, False, ACTIVATION_SPARSE),
    )
    for axis, weights, blocks, names in sweeps:
        if not set(names) & set(_core.algorithms()):
            continue
        if axis.startswith("activation") and shape.kernel == 1:
            continue  # CPO and CPS share rows between the taps of a window
        curve: dict[float, dict[str, list[float]]] = {}
        for density in DENSITIES:
            over_weights = axis.startswith("weight")
            share = density if over_weights else weights
            arguments = problem(shape, share, 1.0 if over_weights else density, blocks=blocks)
            curve[density] = times(arguments, runs)
            case = f"{axis} density {density:g}"
            rows += rows_of(case, shape, curve[density], dense * share)
        for name in names:
            if any(name in found for found in curve.values()):
                rows += crossover(shape, axis, curve, name)
    return rows


def main() -> None:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--only", default="", help="part of a shape's text, e.g. 3x3")
    options = parser.parse_args()
    rows: list[Row] = []
    for shape in SHAPES:
        if options.only in str(shape):
            rows += measure(shape, options.runs)
            for row in rows:
                if row.unit == "density" and row.shape == str(shape):
                    print(f"{row.shape:28s} {row.case}: {row.note}", flush=True)
    title = f"From which density on skipping zeros pays ({isas()[0]}, one thread)"
    print(write_rows("crossover", rows, title=title))


if __name__ == "__main__":
    main()
