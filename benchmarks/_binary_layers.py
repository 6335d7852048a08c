"""Binary layers of every instruction set beside other engines' layers of the same shape.

ResNet-18's 3x3 layers, shortcut and the next layer's bits included (`unit`) or bits to bits
(`chain`), the windows' ones counted too, in turns with ONNX Runtime's float layer, OpenVINO's in 8
bits and Larq's binary one (both float32 in and out, as a file of one layer is), one thread. Notes
have the ratio of medians and the share of the popcount roof of this run (AND, popcount and addition
from registers).
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

from _binary_peers import start
from _rows import Row
from _turns import TURN, Asked, Local
from niwaki import _core
from niwaki.runtime import isas

LAYERS = ((64, 56), (128, 28), (256, 14), (512, 7))
"""Channels in and out, and the side of the map."""
WINDOW = {"kernel": (3, 3), "strides": (1, 1), "pads": (0, 0, 0, 0)}
KERNELS = {"unit": "unit_u1_b1_f32", "chain": "chain_u1_b1_u1"}
PEER_LAYERS = {
    "onnxruntime": "float layer",
    "openvino-int8": "8-bit layer",
    "larq": "binary layer",
    "larq-indirect": "binary layer",
}
ONES_RUNS = 51
Keyed = tuple[str, str, Row]
"""Case and engine, as `_binary_claims` names them, and the row."""


def session(model: Any) -> onnxruntime.InferenceSession:
    """Return ONNX Runtime with one thread on a model's bytes or file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options)


def float_layer(channels: int, side: int, folder: Path, rng: np.random.Generator) -> Path:
    """Return the file of a dense float layer, random weights."""
    shape = [1, channels, side, side]
    weight = rng.standard_normal((channels, channels, 3, 3)).astype(np.float32)
    built = helper.make_graph(
        [helper.make_node("Conv", ["x", "w"], ["y"], kernel_shape=[3, 3], pads=[1, 1, 1, 1])],
        "layer",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(weight, "w")],
    )
    model = helper.make_model(built, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    path = folder / f"layer-{channels}-{side}.onnx"
    path.write_bytes(model.SerializeToString())
    return path


def binary_layer(channels: int, side: int, rng: np.random.Generator) -> dict[str, dict[str, Any]]:
    """Return the arguments of the kernels, by the names of `KERNELS`."""
    words = channels // 64
    x = np.zeros((side + 2, side + 2, words), np.uint64)
    x[1:-1, 1:-1] = rng.integers(0, 2**64, (side, side, words), np.uint64)
    weights = rng.integers(0, 2**64, (channels // 8, 3, 3, words, 8), np.uint64)
    ones = _core.run_kernel("window_ones_u1_i32_portable", input=x, **WINDOW)
    common = {"input": x, "weights": weights, "ones": ones, "outputs": channels, **WINDOW}
    numbers = rng.standard_normal((4, channels)).astype(np.float32)
    unit = {"scale": numbers[0], "bias": numbers[1], "level": numbers[2]}
    unit["sign"] = np.sign(numbers[3])
    residual = rng.standard_normal((side * side, channels)).astype(np.float32)
    limits = {"sign": np.sign(numbers[3]).astype(np.int32), "limit": np.zeros(channels, np.int32)}
    flags = {"floats": 1, "bits": 1, "relu": 0}
    return {"unit": {**common, **unit, **flags, "residual": residual}, "chain": common | limits}


def window_ones(isa: str, x: np.ndarray) -> float:
    """Return what counting the ones of every window takes, seconds; AVX-512 has AVX2's."""
    kernel = f"window_ones_u1_i32_{'x86_avx2' if isa == 'x86_avx512' else isa}"
    return statistics.median(_core.time_kernel(kernel, ONES_RUNS, input=x, **WINDOW))


def layer_rows(folder: Path, peers: Path | None, seconds: float) -> Iterator[Keyed]:
    """Time the layers, kernels and other engines in turns.

    Yields:
        Case and engine, as `_binary_claims` names them, and the row.
    """
    roofs = {isa: _core.roofline(isa)["bits_gmacs"] for isa in isas()}
    for isa, rate in roofs.items():
        row = Row("popcount roof", "registers", rate, 0.0, 1, unit="GMAC/s", isa=isa)
        yield "popcount roof", isa, row
    for channels, side in LAYERS:
        yield from _one_layer(channels, side, roofs, folder, peers, seconds / len(LAYERS))


def _one_layer(
    channels: int,
    side: int,
    roofs: Mapping[str, float],
    folder: Path,
    environments: Path | None,
    seconds: float,
) -> Iterator[Keyed]:
    rng = np.random.default_rng(0)
    arguments = binary_layer(channels, side, rng)
    dense = float_layer(channels, side, folder, rng)
    x = rng.standard_normal((1, channels, side, side)).astype(np.float32)
    runner = session(str(dense))
    ones = {isa: window_ones(isa, arguments["chain"]["input"]) for isa in isas()}
    models = {"openvino-int8": dense} | dict.fromkeys(("larq", "larq-indirect"), Path(dense.stem))
    times: dict[str, list[float]] = {}
    with ExitStack() as stack:
        started = start(models, environments, folder, x, stack)
        workers: dict[str, Asked] = {"onnxruntime": Local(partial(runner.run, None, {"x": x}))}
        workers |= started.workers
        begun = time.monotonic()
        while len(times) == 0 or time.monotonic() - begun < seconds:
            for isa in isas():
                for kind, kernel in KERNELS.items():
                    found = _core.time_kernel(f"{kernel}_{isa}", TURN, **arguments[kind])
                    each = times.setdefault(f"{kind}, {isa}", [])
                    each += [run + ones[isa] for run in found[1:]]
            for name, worker in workers.items():
                found = worker.ask("run", count=TURN)["ns"][1:]
                times.setdefault(name, []).extend(run / 1e9 for run in found)
    case, shape = f"3x3, {channels}", f"3x3, {channels} to {channels}, {side}x{side}"
    versions = {"onnxruntime": onnxruntime.__version__} | started.versions
    reference = statistics.median(times["onnxruntime"])
    for key, samples in times.items():
        low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
        numbers = median * 1e6, (high - low) * 1e6, len(samples)
        if key in versions:
            title, runner_name, isa, note = PEER_LAYERS[key], key, "its own", ""
        else:
            kind, isa = key.split(", ")
            title, runner_name = f"binary {kind}", "niwaki"
            share = 9 * channels**2 * side**2 / median / 1e9 / roofs[isa]
            note = f"{reference / median:.1f} times as fast, {share:.0%} of the popcount roof"
        yield case, key, Row(
            title, runner_name, *numbers, unit="us", shape=shape, isa=isa, note=note,
            version=versions.get(key, ""),
        )  # fmt: skip
    for key, why in started.why.items():
        row = Row(PEER_LAYERS[key], key, 0.0, 0.0, 0, "us", shape=shape, isa="its own")
        yield case, key, dataclasses.replace(row, note=f"not measured: {why}")
