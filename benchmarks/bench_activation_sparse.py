"""Convolutions whose inputs are partly zero: CPO and CPS against im2col, by density of the inputs.

    python benchmarks/bench_activation_sparse.py [--runs 30] [--weights 0.05,0.1,0.2] [--layers 0]

One thread, one image, every algorithm in turns, encoding and lowering included. Weights are dense;
beside them stand the other algorithms that apply, and the weight-sparse one at each density of
`--weights`. Crossovers are the densities up to which an algorithm is faster, interpolated between
the measured ones. "chosen" is what a plan made by measurement runs: the least median of a first
round of im2col, CPO and CPS, measured again in a second round beside im2col.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
from pathlib import Path

import numpy as np

from _rows import RESULTS, Row, write_rows
from niwaki import _core

DENSITIES = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)
LAYERS = [
    # inputs, outputs, side, kernel, stride; the first is the method page's
    (64, 64, 56, (3, 3), 1),
    (256, 256, 14, (3, 3), 1),
    (128, 128, 28, (3, 3), 2),
    (192, 192, 17, (1, 7), 1),
]
PLAN = ("im2col", "cpo", "cps")
RNG = np.random.default_rng(0)


def problem(layer: tuple, density: float, weights: float = 1.0) -> dict[str, object]:
    """Return the arguments of a layer: density of its inputs, density of its weights."""
    inputs, outputs, side, kernel, stride = layer
    x = RNG.standard_normal((1, inputs, side, side)) * (
        RNG.random((1, inputs, side, side)) < density
    )
    shape = (outputs, inputs, *kernel)
    weight = RNG.standard_normal(shape) * (RNG.random(shape) < weights)
    top, left = kernel[0] // 2, kernel[1] // 2
    return {
        "input": x.astype(np.float32),
        "weight": weight.astype(np.float32),
        "kernel": kernel,
        "strides": (stride, stride),
        "pads": (top, left, top, left),
        "isa": "auto",
        "geometry": "padded",
        "activation": "relu",
        "stored": "dense" if weights == 1 else "sparse",
    }


def measure(cases: dict[str, tuple[str, dict[str, object]]], runs: int) -> dict[str, list[float]]:
    """Time (algorithm, problem) of each name in turns; the best guess of the tunings. Seconds."""
    seconds: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(max(1, runs // 3)):
        for name, (algorithm, arguments) in cases.items():
            seconds[name] += _core.time_convolution(algorithm, {}, 3, **arguments)
    return seconds


def crossover(densities: list[float], mine: list[float], other: list[float]) -> str:
    """Return up to which density `mine` stays below `other`, linear between two of them."""
    gaps = [a - b for a, b in zip(mine, other, strict=True)]
    if gaps[0] >= 0:
        return f"below {densities[0]:g}"
    for (d0, g0), (d1, g1) in itertools.pairwise(zip(densities, gaps, strict=True)):
        if g1 >= 0:
            return f"{d0 + (d1 - d0) * g0 / (g0 - g1):.2f}"
    return f"above {densities[-1]:g}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--weights", default="0.05,0.1,0.2", help="densities of sparse weights")
    parser.add_argument("--densities", default=",".join(map(str, DENSITIES)))
    parser.add_argument("--layers", default="", help="numbers of the layers; all where left out")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    densities = sorted(float(text) for text in arguments.densities.split(","))
    sparse = [float(text) for text in arguments.weights.split(",") if text]
    picked = [int(text) for text in arguments.layers.split(",") if text] or range(len(LAYERS))
    rows: list[Row] = []
    for layer in (LAYERS[number] for number in picked):
        rows += layer_rows(layer, densities, sparse, arguments.runs)
    title = "Convolutions with zeros in their inputs"
    print(write_rows("activation-sparse", rows, title=title, folder=arguments.out))
    return 0


def layer_rows(layer: tuple, densities: list[float], sparse: list[float], runs: int) -> list[Row]:
    """Measure one layer at every density."""
    inputs, outputs, side, kernel, stride = layer
    case = f"{kernel[0]}x{kernel[1]}, stride {stride}, {side}x{side}, {inputs} to {outputs}"
    medians: dict[str, list[float]] = {}
    rows = []
    worst = 0.0
    for density in densities:
        full = problem(layer, density)
        others = [n for n in _core.convolution_choices(**full) if n not in ("reference", *PLAN)]
        cases = {name: (name, full) for name in (*PLAN, *others) if not name.startswith("sparse")}
        for share in sparse:
            cases[f"sparse, weights {share:g}"] = ("sparse", problem(layer, density, share))
        found = measure(cases, runs)
        best = min(PLAN, key=lambda name: statistics.median(found[name]))
        again = measure({"chosen": (best, full), "im2col again": ("im2col", full)}, runs)
        ratio = min(again["chosen"]) / min(again["im2col again"])
        worst = max(worst, ratio)
        for name, seconds in (found | again).items():
            low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
            medians.setdefault(name, []).append(median)
            note = f"least {min(seconds) * 1e3:.3g} ms"
            if name == "chosen":
                note += f"; {best}, {ratio:.3f} of im2col's least"
            shape = f"{case}, density {density:g}"
            rows.append(
                Row("convolution", name, median * 1e3, (high - low) * 1e3, len(seconds),
                    shape=shape, note=note)
            )  # fmt: skip
            print(f"{shape:56} {name:22} {median * 1e3:8.3f} ms  {note}")
    for name, other in itertools.product(("cpo", "cps"), medians):
        if other in ("cpo", "cps", "chosen", "im2col again"):
            continue
        note = f"faster than {other} up to a density of "
        note += crossover(densities, medians[name], medians[other])
        gain = max(a / b for a, b in zip(medians[other], medians[name], strict=True))
        print(f"{case}: {name} is {note}; at most {gain:.3g} times")
        rows.append(
            Row("crossover", name, gain, 0.0, 1, unit=f"times {other}, at most", shape=case,
                note=note)
        )  # fmt: skip
    rows.append(
        Row("plan by measurement", "chosen", worst, 0.0, 1, unit="of im2col's time, at most",
            shape=case, note="least times of the second round")
    )  # fmt: skip
    print(f"{case}: the plan takes at most {worst:.3f} of im2col's time")
    return rows


if __name__ == "__main__":
    raise SystemExit(main())
