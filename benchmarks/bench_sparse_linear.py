"""Linear layers of 4096 x 4096: BCSC and BitsGEMM against dense products and entries, by density.

    python benchmarks/bench_sparse_linear.py [--runs 15] [--size 4096] [--densities 0.02,0.1,...]

One image (matrix times vector) and 64 (matrix times matrix), float32, one thread, all runners in
turns. Each runner's crossover, the density up to which it is faster than the better dense product,
is interpolated between the measured densities; a layer with half of its inputs zero is timed too.
Set the thread count of NumPy's BLAS to 1 (OMP_NUM_THREADS=1), or it is refused.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from _rows import RESULTS, Row, write_rows
from niwaki import _core
from niwaki.formats.bcsc import Bcsc
from niwaki.formats.bits_gemm import BitsGemm

DENSITIES = (0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8)
IMAGES = 64
Runner = Callable[[int], list[float]]
"""Runs so many times, and returns the seconds of each."""


def kernel(name: str, **arguments: object) -> Runner:
    """Return the runner of the best kernel of that op here."""
    best = next(k for k in _core.kernels() if k.op == name and k.available)
    return lambda runs: _core.time_kernel(best.name, runs, **arguments)


def blas(weight: np.ndarray, x: np.ndarray) -> Runner:
    """Return the runner of NumPy's product."""
    out = np.empty((weight.shape[0], *x.shape[1:]), np.float32)

    def run(runs: int) -> list[float]:
        seconds = []
        for _ in range(runs):
            start = time.perf_counter()
            np.matmul(weight, x, out=out)
            seconds.append(time.perf_counter() - start)
        return seconds

    return run


def tiled(fmt: Bcsc | BitsGemm, weight: np.ndarray) -> dict[str, object]:
    sizes = {"outputs": weight.shape[0], "inputs": weight.shape[1]}
    return {**fmt.encode(weight), "tile_rows": fmt.rows, "tile_columns": fmt.columns, **sizes}


def entries(weight: np.ndarray) -> dict[str, np.ndarray]:
    """Return the weight as LinearSparseF32 takes it: columns and values of each row."""
    rows, columns = np.nonzero(weight)
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(weight)))])
    return {
        "columns": columns.astype(np.int32),
        "values": weight[rows, columns],
        "starts": starts.astype(np.int32),
    }


def runners(weight: np.ndarray, x: np.ndarray) -> dict[str, Runner]:
    """Return every runner of one layer; x is (inputs, images)."""
    row_major = np.ascontiguousarray(x.T)
    found = {
        "dense, NumPy's BLAS": blas(weight, x if x.shape[1] > 1 else x[:, 0]),
        "dense, niwaki": kernel("LinearDenseF32", weights=weight, x=row_major),
        "entries": kernel("LinearSparseF32", x=row_major, **entries(weight)),
    }
    if x.shape[1] == 1:
        for tile in ((64, 64), (256, 64), (256, 128)):
            name = f"BCSC {tile[0]} x {tile[1]}"
            found[name] = kernel("BcscF32", x=row_major, **tiled(Bcsc(*tile), weight))
        bits = tiled(BitsGemm(64, 64), weight)
        return found | {"bits, spread": kernel("BitsGemvF32", x=row_major, **bits)}
    for columns in (64, 128, 256):
        bits = tiled(BitsGemm(64, columns, rows_first=True), weight)
        found[f"BitsGEMM 64 x {columns}"] = kernel("BitsGemmF32", x=x, **bits)
    return found


def measure(found: dict[str, Runner], runs: int) -> dict[str, list[float]]:
    """Time the runners in turns, three runs a turn."""
    seconds: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(max(1, runs // 3)):
        for name, run in found.items():
            seconds[name] += run(3)
    return seconds


def crossover(densities: list[float], times: list[float], dense: list[float]) -> str:
    """Return up to which density `times` stay below `dense`, linear between two of them."""
    gaps = [mine - theirs for mine, theirs in zip(times, dense, strict=True)]
    if gaps[0] >= 0:
        return f"below {densities[0]:g}"
    for (d0, g0), (d1, g1) in itertools.pairwise(zip(densities, gaps, strict=True)):
        if g1 >= 0:
            return f"{d0 + (d1 - d0) * g0 / (g0 - g1):.2f}"
    return f"above {densities[-1]:g}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15)
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--densities", default=",".join(map(str, DENSITIES)))
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        parser.error("OMP_NUM_THREADS must be 1, so that NumPy's BLAS runs on one thread")
    densities = sorted(float(text) for text in arguments.densities.split(","))
    rng = np.random.default_rng(0)
    size, rows = arguments.size, []
    for images, active in ((1, 1.0), (1, 0.5), (IMAGES, 1.0)):
        x = rng.standard_normal((size, images)).astype(np.float32)
        x *= rng.random(x.shape) < active
        medians: dict[str, list[float]] = {}
        case = f"{images} image{'s' if images > 1 else ''}"
        case += "" if active == 1 else f", {1 - active:.0%} of the inputs zero"
        for density in densities:
            weight = rng.standard_normal((size, size)).astype(np.float32)
            weight *= rng.random(weight.shape) < density
            for name, seconds in measure(runners(weight, x), arguments.runs).items():
                low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
                medians.setdefault(name, []).append(median)
                note = f"least {min(seconds) * 1e3:.3g} ms"
                shape = f"{size} x {size}, density {density:g}"
                rows.append(
                    Row(case, name, median * 1e3, (high - low) * 1e3, len(seconds), shape=shape,
                        note=note, version=np.__version__ if "NumPy" in name else "")
                )  # fmt: skip
                print(f"{case:44} {shape:32} {name:22} {median * 1e3:8.3f} ms  {note}")
        dense_times = [medians[name] for name in medians if "dense" in name]
        dense = [min(pair) for pair in zip(*dense_times, strict=True)]
        for name in medians:
            if "dense" in name:
                continue
            found = crossover(densities, medians[name], dense)
            gain = max(d / t for d, t in zip(dense, medians[name], strict=True))
            note = f"faster than the better dense product up to a density of {found}"
            print(f"{case:44} {name}: {note}; at most {gain:.3g} times")
            rows.append(
                Row(case, name, gain, 0.0, 1, unit="times dense, at most", note=note,
                    shape=f"{size} x {size}")
            )  # fmt: skip
    print(write_rows("sparse-linear", rows, title="Sparse linear layers", folder=arguments.out))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
