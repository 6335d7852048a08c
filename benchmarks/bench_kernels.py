"""Every listed kernel on its own, on the shapes of a ResNet's 256-channel stage, one thread.

    python benchmarks/bench_kernels.py [--runs 30] [--only conv] [--peer]
    python benchmarks/bench_kernels.py --roofline [--only sparse]

A kernel added to a kernels.inc appears by itself: cases belong to ops. `note` gives the rate:
GMAC/s of multiplied weights (a sparse layer's zeros left out), or G values/s. `--peer` adds
ONNX Runtime's dense float layer of the same shape, timed in the same run. `--roofline` times
convolution algorithms (whole layers) and linear kernels instead, as shares of the machine's roofs.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from _check import check_table
from _roofline_claims import checks
from _roofline_rows import roofline_rows
from _rows import RESULTS, Row, write_rows
from niwaki import _core

CHANNELS, SIDE = 256, 14
WINDOW = {"kernel": (3, 3), "strides": (1, 1), "pads": (1, 1, 1, 1)}
RNG = np.random.default_rng(0)


@dataclass(frozen=True)
class Case:
    """Hold what one op is timed on."""

    shape: str
    arguments: dict[str, Any]
    work: float
    """Multiply-accumulates, or values, of one run."""
    unit: str = "GMAC/s"


def _floats(*shape: int) -> np.ndarray:
    return RNG.standard_normal(shape).astype(np.float32)


def _integers(dtype: Any, *shape: int) -> np.ndarray:
    info = np.iinfo(dtype)
    return RNG.integers(info.min, info.max, shape, dtype, endpoint=True)


def _conv(density: float, *, integer: bool) -> Case:
    layout = _core.plane_layout(CHANNELS, SIDE, SIDE, **WINDOW)
    taps = np.array(
        [layout.tap_offset(c, i, j) for i in range(3) for j in range(3) for c in range(CHANNELS)],
        np.int32,
    )
    pixels = SIDE * SIDE
    shape = f"3x3, {CHANNELS} to {CHANNELS}, {SIDE}x{SIDE}"
    scratch = layout.scratch_elements
    x = RNG.integers(0, 256, scratch, np.int16) if integer else _floats(scratch)
    rest = {"input": x, "pixels": layout.flat_pixels}
    if density == 1:
        shape += ", dense"
        size = CHANNELS * taps.size
        weights = RNG.integers(-128, 128, size, np.int16) if integer else _floats(size)
        dense = {"offsets": taps, "weights": weights, "outputs": CHANNELS, **rest}
        return Case(shape, dense, size * pixels)
    count = round(density * taps.size / 2) * 2
    rows = [np.sort(RNG.choice(taps.size, count, replace=False)) for _ in range(CHANNELS)]
    offsets = taps[np.concatenate(rows)]
    step = 2 if integer else 1
    starts = np.arange(CHANNELS + 1, dtype=np.int32) * (count // step)
    values = RNG.integers(-128, 128, offsets.size, np.int16) if integer else _floats(offsets.size)
    if integer:
        offsets, values = offsets.reshape(-1, 2), values.reshape(-1, 2)
    sparse = {"offsets": offsets, "values": values, "starts": starts, **rest}
    return Case(f"{shape}, {1 - density:.0%} zeros", sparse, count * CHANNELS * pixels)


def _sparse_conv(density: float, rows: int = 1) -> Case:
    """Return the padded-plane kernels' case: blocks of 64 input channels, segments by length."""
    row = SIDE + 2  # a multiple of 8: taps above and below are aligned
    plane, end, units = row * (SIDE + 1), SIDE * row, CHANNELS // rows
    taps = [c * plane + i * row + j for c in range(CHANNELS) for i in range(3) for j in range(3)]
    keep = round(density * len(taps))
    chosen = [np.sort(RNG.choice(len(taps), keep, replace=False)) for _ in range(units)]
    segments, offsets = [], []
    for first in range(0, len(taps), 64 * 9):
        cuts = []
        for unit, own in enumerate(chosen):
            here = own[(own >= first) & (own < first + 64 * 9)]
            # Every block of channels has taps of every unit at these densities.
            flags = int(own[0] >= first) + 2 * int(own[-1] < first + 64 * 9)
            cuts.append((len(here), unit, flags, here))
        for length, unit, flags, here in sorted(cuts, key=lambda cut: cut[:2]):
            segments.append((unit, length, flags))
            offsets.extend(taps[k] for k in here)
    arguments = {
        "input": _floats(1, CHANNELS * plane + 4 * row + end),
        "offsets": np.array(offsets, np.int32),
        "values": _floats(len(offsets)) if rows == 1 else _floats(len(offsets), rows),
        "segments": np.array(segments, np.int32),
        "outputs": CHANNELS,
        "begin": 0,
        "end": end,
        "tile": 7 if rows == 1 else 4,
        "bias": _floats(CHANNELS),
        "activation": 1,
        **dict.fromkeys(("alpha", "beta", "lo", "hi"), 0),
    }
    shape = f"3x3, {CHANNELS} to {CHANNELS}, {SIDE}x{SIDE}, {1 - density:.0%} zeros"
    if rows > 1:
        shape += f" in {rows}x1 blocks"
    return Case(shape, arguments, keep * CHANNELS * SIDE * SIDE)


def _split_phases() -> Case:
    """Return the split of a 3x3 window of stride 2: four phases."""
    planes = [(y, x, SIDE // 2 + 1) for y in (-1, 0) for x in (0, 1)]
    rest = {"stride_h": 2, "stride_w": 2, "row": SIDE // 2 + 1, "margin": 16}
    x = {"x": _floats(CHANNELS, SIDE, SIDE), "planes": np.array(planes, np.int64)}
    return Case(f"{CHANNELS}x{SIDE}x{SIDE}", x | rest, CHANNELS * SIDE * SIDE, "G values/s")


def _binary() -> dict[str, Case]:
    words = CHANNELS // 64
    x = _integers(np.uint64, SIDE + 2, SIDE + 2, words)
    window = {**WINDOW, "pads": (0, 0, 0, 0)}
    weights = _integers(np.uint64, CHANNELS // 8, 3, 3, words, 8)
    ones = _core.run_kernel("window_ones_u1_i32_portable", input=x, **window)
    shape = f"3x3, {CHANNELS} to {CHANNELS}, {SIDE}x{SIDE}, binary"
    arguments = {"input": x, "weights": weights, "ones": ones, "outputs": CHANNELS, **window}
    work = 9 * CHANNELS * SIDE * SIDE
    signs = RNG.choice(np.array([-1, 1], np.int32), CHANNELS)
    scale, integers = _floats(CHANNELS), np.zeros(CHANNELS, np.int32)
    numbers = {"scale": scale, "bias": scale, "sign": signs.astype(np.float32), "level": scale}
    unit = {"floats": 1, "bits": 1, "relu": 0, "residual": _floats(SIDE * SIDE, CHANNELS)}
    return {
        "PlanesB1": Case(
            f"{shape}, on planes",
            arguments | {"scale": scale, "residual": _floats(CHANNELS, SIDE, SIDE)},
            work * CHANNELS,
        ),
        "UnitB1": Case(f"{shape}, shortcut", arguments | numbers | unit, work * CHANNELS),
        "ChainB1": Case(shape, arguments | {"sign": signs, "limit": integers}, work * CHANNELS),
        "ConvB1": Case(shape, arguments, work * CHANNELS),
        "WindowOnes": Case(shape, {"input": x, **window}, work),
    }


def _linear(density: float, *, integer: bool) -> Case:
    inputs, outputs = 800, 500
    x = RNG.integers(0, 256, (1, inputs), np.int16) if integer else _floats(1, inputs)
    if density == 1:
        weights = _integers(np.int8, outputs, inputs) if integer else _floats(outputs, inputs)
        return Case(f"{inputs} to {outputs}", {"x": x, "weights": weights}, inputs * outputs)
    count = round(density * inputs)
    columns = np.sort(RNG.integers(0, inputs, (outputs, count), np.int32)).reshape(-1)
    values = _integers(np.int8, columns.size) if integer else _floats(columns.size)
    starts = np.arange(outputs + 1, dtype=np.int32) * count
    arguments = {"x": x, "columns": columns, "values": values, "starts": starts}
    return Case(f"{inputs} to {outputs}, {1 - density:.0%} zeros", arguments, columns.size)


def _planes() -> dict[str, Case]:
    """Return the cases of everything that touches each value of 256 planes of 14x14 once."""
    shape, count = f"{CHANNELS}x{SIDE}x{SIDE}", CHANNELS * SIDE * SIDE
    by_type = {
        "F32": _floats(CHANNELS, SIDE, SIDE),
        "U8": _integers(np.uint8, CHANNELS, SIDE, SIDE),
        "S8": _integers(np.int8, CHANNELS, SIDE, SIDE),
    }
    out = {"out_height": 7, "out_width": 7, "count_include_pad": 0}
    pool = {"kernel": (2, 2), "strides": (2, 2), "pads": (0, 0, 0, 0), **out}
    sign = RNG.choice(np.array([-1, 1], np.int8), CHANNELS)
    found: dict[str, dict[str, Any]] = {}
    for name, x in by_type.items():
        level = np.zeros(CHANNELS, np.float32 if name == "F32" else np.int32)
        flat = x.reshape(CHANNELS, -1)
        found[f"PadPlanes{name}"] = {"x": x, **WINDOW}
        found[f"Threshold{name}"] = {"x": flat, "sign": sign, "level": level}
        found[f"MaxPool{name}"] = {"x": x, **pool}
        found["AveragePoolF32" if name == "F32" else f"SumPool{name}"] = {"x": x, **pool}
        if name != "F32":
            found[f"Dequantize{name}"] = {"x": x.reshape(-1), "scale": 0.1}
    pixels = _floats(SIDE, SIDE, CHANNELS)
    flat = pixels.reshape(-1, CHANNELS)
    found["PixelsOfPlanesF32"] = {"x": by_type["F32"], "extra": 1}
    found["PlanesOfPixelsF32"] = {"x": pixels, "extra": 1}
    found["ThresholdPixelsF32"] = {"x": flat, "sign": sign, "level": np.zeros(CHANNELS, np.float32)}
    levels = {"sign": sign, "level": np.zeros(CHANNELS, np.float32)}
    found["ThresholdPlanesF32"] = {"x": by_type["F32"], **levels, "extra": 1}
    found["AveragePixelsF32"] = {"x": pixels, **pool}
    words = _integers(np.uint64, SIDE, SIDE, CHANNELS // 64)
    unpack = {"words": words.reshape(SIDE * SIDE, -1), "channels": CHANNELS}
    found |= {"UnpackBitsF32": unpack, "UnpackBitsU8": unpack, "PadWords": {"x": words, **WINDOW}}
    found["PoolB1"] = {"input": words, "falling": words[0, 0], **pool}
    found["QuantizeS8"] = {"x": by_type["F32"].reshape(-1), "scale": 10.0}
    found["DequantizeS32"] = {"x": RNG.integers(-9999, 9999, count, np.int32), "scale": 0.1}
    found |= _epilogues(by_type)
    return {op: Case(shape, arguments, count, "G values/s") for op, arguments in found.items()}


def _epilogues(by_type: dict[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Return a BAP layer's store: sparse and binary accumulators and a shortcut."""
    acc = RNG.integers(-9999, 9999, (CHANNELS, SIDE, SIDE + 1), np.int32)
    sizes = {"channels": CHANNELS, "height": SIDE, "width": SIDE}
    scale = _floats(CHANNELS)
    terms = [(acc.astype(np.float32), None), (acc, scale), (by_type["F32"], None)]
    rest = {"bias": scale, "activation": "relu", "alpha": 0, "beta": 0, "lo": 0, "hi": 0}
    multiplier = _integers(np.int16, CHANNELS)
    integer = {
        "terms": [(acc, multiplier), (acc, multiplier), (by_type["U8"], multiplier)],
        "bias": RNG.integers(-(2**20), 2**20, CHANNELS),
        "shift": np.full(CHANNELS, 20, np.uint8),
        **sizes,
    }
    signed = {**integer, "lo": -128, "hi": 127}
    return {
        "EpilogueF32": {"terms": terms, **rest, **sizes},
        "RequantizeU8": {**integer, "lo": 0, "hi": 255},
        "RequantizeS8": signed,
        "SumS32": signed,
    }


def cases() -> dict[str, list[Case]]:
    """Return the cases of every op."""
    densities = (0.02, 0.1)
    found = {op: [case] for op, case in (_binary() | _planes()).items()}
    found["SparseConvF32"] = [_sparse_conv(d) for d in densities]
    found["SparseConv4F32"] = [_sparse_conv(d, rows=4) for d in densities]
    found["SplitPhasesF32"] = [_split_phases()]
    for suffix, integer in (("F32", False), ("I16", True)):
        found[f"ConvDense{suffix}"] = [_conv(1, integer=integer)]
        found[f"ConvSparse{suffix}"] = [_conv(d, integer=integer) for d in densities]
        found[f"LinearDense{suffix}"] = [_linear(1, integer=integer)]
        found[f"LinearSparse{suffix}"] = [_linear(0.02, integer=integer)]
    return found


def _row(name: str, case: Case, seconds: list[float], **more: Any) -> Row:
    low, median, high = statistics.quantiles(seconds, n=4, method="inclusive")
    note = f"{case.work / median / 1e9:.3g} {case.unit}"
    return Row(
        more.pop("op", name), name, median * 1e6, (high - low) * 1e6, len(seconds), unit="us",
        shape=case.shape, note=note, **more,
    )  # fmt: skip


def _peer(runs: int) -> Row:
    """Time ONNX Runtime on the dense float layer, one thread."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    shape = [1, CHANNELS, SIDE, SIDE]
    weight = numpy_helper.from_array(_floats(CHANNELS, CHANNELS, 3, 3), "w")
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1])],
        "conv",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options)
    x = {"x": _floats(*shape)}
    seconds = []
    for _ in range(runs + 3):
        start = time.perf_counter()
        session.run(None, x)
        seconds.append(time.perf_counter() - start)
    case = Case(f"3x3, {CHANNELS} to {CHANNELS}, {SIDE}x{SIDE}, dense", {}, 9 * 256**2 * SIDE**2)
    version = onnxruntime.__version__
    return _row("onnxruntime", case, seconds[3:], op="ConvDenseF32", version=version)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--only", default="", help="kernels whose name contains this")
    parser.add_argument("--peer", action="store_true", help="time ONNX Runtime as well")
    parser.add_argument("--roofline", action="store_true", help="layers against measured roofs")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    if arguments.roofline:
        title = "Layers against the roofs measured in the same run"
        rows = roofline_rows(arguments.runs, arguments.only)
        page = write_rows("roofline", rows, title=title, folder=arguments.out)
        held = checks(rows)
        with page.open("a", encoding="utf-8") as file:
            file.write("\n".join(["", "## Claims", "", *check_table(held)]) + "\n")
        print(page)
        return 1 if any(check.passed is False for check in held) else 0
    by_op: Callable[[str], list[Case]] = cases().__getitem__
    rows = []
    for kernel in _core.kernels():
        if not kernel.available or arguments.only not in kernel.name:
            continue
        runs = 3 if kernel.isa == "reference" else arguments.runs
        for case in by_op(kernel.op):
            seconds = _core.time_kernel(kernel.name, runs, **case.arguments)
            rows.append(_row(kernel.name, case, seconds, op=kernel.op, isa=kernel.isa))
            print(f"{kernel.name:44} {rows[-1].median:10.1f} us  {rows[-1].note}")
    if arguments.peer:
        rows.append(_peer(arguments.runs))
        print(f"{'onnxruntime':44} {rows[-1].median:10.1f} us  {rows[-1].note}")
    print(write_rows("kernels", rows, title="Kernels", folder=arguments.out))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
