"""Layers band by band through the cache against layer by layer: chains of 3x3 convolutions.

    python benchmarks/bench_bands.py

Both ways run in one process, in turn; bytes are the model's (docs/design/bands.md).
"""

from __future__ import annotations

import time

import numpy as np

from _rows import Row, write_rows
from niwaki.formats import FORMATS
from niwaki.runtime import Engine, Program

CASES = (
    ("3 layers, dense", 32, (112, 112), 3, 1.0, ["direct"]),
    ("3 layers, 90 % zeros", 32, (112, 112), 3, 0.1, ["sparse"]),
    ("3 layers, 98 % zeros", 32, (112, 112), 3, 0.02, ["sparse"]),
    ("2 layers, 98 % zeros", 64, (224, 224), 2, 0.02, ["sparse"]),
)
"""Name, channels, map, layers, density, algorithm."""
ROUNDS, RUNS = 30, 3


def chain(channels: int, size: tuple[int, int], layers: int, density: float) -> Program:
    """Return a program of equal 3x3 convolutions with ReLU."""
    rng = np.random.default_rng(0)
    values = [{"name": "x", "dtype": "f32", "layout": "planes", "shape": [channels, *size]}]
    tensors, entries = {}, []
    for k in range(layers):
        weight = rng.normal(size=(channels, channels, 3, 3)) / np.sqrt(9 * channels * density)
        weight *= rng.random(weight.shape) < density
        encoded = FORMATS.get("entries").encode(weight.astype(np.float32))
        names = {f"weight.{role}": f"conv{k}.{role}" for role in encoded}
        tensors |= {f"conv{k}.{role}": array for role, array in encoded.items()}
        values.append({**values[0], "name": f"y{k}"})
        entries.append(
            {
                "op": "conv",
                "name": f"conv{k}",
                "inputs": {"x": k},
                "output": k + 1,
                "attrs": {
                    "kernel": [3, 3],
                    "pads": [1, 1, 1, 1],
                    "weight": "sparse",
                    "activation": {"kind": "relu"},
                },
                "tensors": names,
            }
        )
    header = {"form": "float", "name": "chain", "inputs": [0], "outputs": [layers]}
    header |= {"values": values, "layers": entries, "preprocess": {}, "classes": [], "source": {}}
    return Program(header, tensors)


def milliseconds(engine: Engine, x: np.ndarray) -> float:
    start = time.perf_counter()
    for _ in range(RUNS):
        engine(x)
    return (time.perf_counter() - start) / RUNS * 1e3


def main() -> None:
    rows = []
    for name, channels, size, layers, density, kernels in CASES:
        program = chain(channels, size, layers, density)
        engines = {
            "band by band": Engine(program, kernels=kernels, bands=True),
            "layer by layer": Engine(program, kernels=kernels),
        }
        x = np.random.default_rng(1).normal(size=(1, channels, *size)).astype(np.float32)
        times: dict[str, list[float]] = {runner: [] for runner in engines}
        for _ in range(ROUNDS):
            for runner, engine in engines.items():
                times[runner].append(milliseconds(engine, x))
        groups = engines["band by band"].band_groups
        for runner, found in times.items():
            low, median, high = np.percentile(found, [25, 50, 75])
            moved = sum(g.fused if runner == "band by band" else g.unfused for g in groups)
            back = sum(g.background for g in groups) if runner == "band by band" else 0
            note = f"{moved / 1e6:.2f} MB by the model"
            if back:
                note += f", and {back / 1e6:.2f} MB written back"
            shape = f"{channels}x{size[0]}x{size[1]}, {kernels[0]}"
            rows.append(Row(name, runner, median, high - low, len(found), shape=shape, note=note))
            print(f"{name:24s} {runner:16s} {median:8.3f} ms, least {min(found):.3f}; {note}")
    print(write_rows("bands", rows, title="Layers band by band through the cache"))


if __name__ == "__main__":
    main()
