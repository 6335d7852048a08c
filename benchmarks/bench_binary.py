"""Binary layers and networks beside ONNX Runtime in float32, one thread.

    python benchmarks/bench_binary.py [--cache DIR] [--seconds 10] [--only layers networks]

Layers: the kernels of each instruction set on ResNet-18's 3x3 layers, shortcut and the next layer's
bits included (`unit`) or bits to bits (`chain`), in turns with ONNX Runtime's float layer of the
same shape; `note` has the ratio of medians and the share of the popcount roof of this run (AND,
popcount and addition from registers). Networks: Si-BNN and BAP with random weights beside their
float twins in ONNX Runtime, in turns; AVX2 forced as well.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import binary_networks
import networks
from _rows import RESULTS, Row, write_rows
from niwaki import _core, graph
from niwaki.runtime import Engine, compile_graph, isas, nwk
from niwaki.targets import Runner, interleave

LAYERS = ((64, 56), (128, 28), (256, 14), (512, 7))
"""Channels in and out, and the side of the map."""
WINDOW = {"kernel": (3, 3), "strides": (1, 1), "pads": (0, 0, 0, 0)}
KERNELS = {"unit": "unit_u1_b1_f32", "chain": "chain_u1_b1_u1"}
NETWORKS = (
    ("sibnn-resnet18", "si-bnn", "resnet18"),
    ("sibnn-alexnet", "si-bnn", "sibnn-alexnet"),
    ("vgg-small", "si-bnn", "vgg-small"),
    ("resnet18", "bap", "resnet18"),
)
"""Network, form, and its float twin."""
TURN = 5


def session(model: Any) -> onnxruntime.InferenceSession:
    """Return ONNX Runtime with one thread on a model's bytes or file."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options)


def float_layer(channels: int, side: int, rng: np.random.Generator) -> Callable[[], object]:
    """Return a run of ONNX Runtime's dense float layer."""
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
    runner = session(model.SerializeToString())
    x = {"x": rng.standard_normal(shape).astype(np.float32)}
    return lambda: runner.run(None, x)


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


def layer_rows(seconds: float) -> Iterator[Row]:
    """Time the layers, kernels and ONNX Runtime in turns."""
    rng = np.random.default_rng(0)
    roofs = {isa: _core.roofline(isa)["bits_gmacs"] for isa in isas()}
    for isa, rate in roofs.items():
        yield Row("popcount roof", "registers", rate, 0.0, 1, unit="GMAC/s", isa=isa)
    for channels, side in LAYERS:
        shape = f"3x3, {channels} to {channels}, {side}x{side}"
        arguments = binary_layer(channels, side, rng)
        dense = float_layer(channels, side, rng)
        times: dict[tuple[str, str], list[float]] = {}
        rounds = max(5, round(seconds / len(LAYERS) / 0.05))
        peer: list[float] = []
        for _ in range(rounds):
            for isa in isas():
                for kind, kernel in KERNELS.items():
                    found = _core.time_kernel(f"{kernel}_{isa}", TURN, **arguments[kind])
                    times.setdefault((kind, isa), []).extend(found[1:])
            timing = interleave([Runner("onnxruntime", dense)], runs=2, warm_up=1)
            peer.append(timing["onnxruntime"].median_ms / 1e3)
        float_median = statistics.median(peer)
        macs = 9 * channels**2 * side**2
        for (kind, isa), samples in times.items():
            low, median, high = statistics.quantiles(samples, n=4, method="inclusive")
            share = macs / median / 1e9 / roofs[isa]
            note = f"{float_median / median:.1f} times as fast, {share:.0%} of the popcount roof"
            yield Row(
                f"binary {kind}", "niwaki", median * 1e6, (high - low) * 1e6, len(samples),
                unit="us", shape=shape, isa=isa, note=note,
            )  # fmt: skip
        low, median, high = statistics.quantiles(peer, n=4, method="inclusive")
        yield Row(
            "float layer", "onnxruntime", median * 1e6, (high - low) * 1e6, len(peer), unit="us",
            shape=shape, version=onnxruntime.__version__, isa="its own",
        )  # fmt: skip


def engines(path: Path) -> dict[str, Engine]:
    """Return the engines to time: this CPU's best instruction set, and AVX2 where it has it."""
    packed = path.with_suffix(".nwk")
    if not packed.exists():
        nwk.write(packed, compile_graph(graph.load(path)))
    names = isas()
    forced = ["x86_avx2"] if "x86_avx2" in names[1:] else []
    return {isa: Engine(packed, isa=isa) for isa in [names[0], *forced]}


def network_rows(folder: Path, seconds: float) -> Iterator[Row]:
    """Time the networks, niwaki and ONNX Runtime in turns."""
    for name, form, twin in NETWORKS:
        side = binary_networks.SIDES[name]
        shape = f"3x{side}x{side}"
        x = np.random.default_rng(0).standard_normal((1, 3, side, side)).astype(np.float32)
        found = engines(binary_networks.make(name, form, folder))
        if form == "bap":
            sparse = networks.make(name, 0.98, folder)
            found |= {f"sparse only, {isa}": each for isa, each in engines(sparse).items()}
        peer = session(str(binary_networks.make(twin, "float", folder)))
        feeds = {peer.get_inputs()[0].name: x}
        runners = [Runner(key, partial(engine, x)) for key, engine in found.items()]
        runners.append(Runner("onnxruntime", partial(peer.run, None, feeds)))
        timed = interleave(runners, runs=400, warm_up=3, seconds=seconds / len(NETWORKS))
        reference = timed["onnxruntime"].median_ms
        for key, timing in timed.items():
            is_peer = key == "onnxruntime"
            note = "" if is_peer else f"{reference / timing.median_ms:.2f} times as fast"
            case = f"{twin} in float32" if is_peer else f"{name} as {form}"
            if key.startswith("sparse"):
                case = f"{name} at 98 %, sparse only"
            yield Row(
                case, "onnxruntime" if is_peer else "niwaki", timing.median_ms, timing.spread_ms,
                timing.runs, shape=shape, note=note, isa="its own" if is_peer else key.split()[-1],
                version=onnxruntime.__version__ if is_peer else "",
            )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, help="folder for networks; a temporary one if none")
    parser.add_argument("--seconds", type=float, default=40.0, help="of turns, for each part")
    parser.add_argument("--only", nargs="+", choices=["layers", "networks"], default=[])
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    parts = arguments.only or ["layers", "networks"]
    rows: list[Row] = []
    with ExitStack() as stack:
        folder = arguments.cache
        if folder is None and "networks" in parts:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        sources = [layer_rows(arguments.seconds)] if "layers" in parts else []
        if "networks" in parts:
            sources.append(network_rows(folder, arguments.seconds))
        for source in sources:
            for row in source:
                rows.append(row)
                print(
                    f"{row.case:30} {row.shape:26} {row.isa:12} {row.runner:12} "
                    f"{row.median:9.3f} {row.unit:7} {row.note}",
                    flush=True,
                )
    print(write_rows("binary", rows, title="Binary layers and networks", folder=arguments.out))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
