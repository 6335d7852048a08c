"""Binary layers and networks beside other engines, one thread.

    python benchmarks/bench_binary.py [--peers DIR] [--cache DIR] [--seconds 40] [--only networks]

Layers: `_binary_layers.py`. Networks: Si-BNN and BAP with random weights beside their float twins
in ONNX Runtime and, with `--peers` (`peers.py setup DIR`), in OpenVINO's 8 bits; Si-BNN ResNet-18
also beside Bi-Real-18 in Larq Compute Engine, as it comes and in the fastest of its settings. All
take turns in one run; AVX2 forced as well. Before, logits are held against ONNX Runtime's on the
same file. Sizes: packed files, BAP's also with 8-bit values. The
claims with their floors come last (`_binary_claims.py`); exit code 1 if one is missed.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from itertools import chain
from pathlib import Path

import numpy as np
import onnx_ir as ir
import onnxruntime

import binary_networks
from _binary_claims import LOGITS, Found, checks, verdict
from _binary_layers import Keyed, layer_rows, session
from _binary_peers import start
from _check import check_table
from _rows import RESULTS, Row, write_rows
from _turns import WAKE, Asked, Local, take_turns
from niwaki import graph
from niwaki.graph import integer
from niwaki.runtime import Engine, Program, compile_graph, isas
from niwaki.targets import packed_bytes, rooflines

NETWORKS = (
    ("sibnn-resnet18", "si-bnn", "resnet18", ("openvino-int8", "larq", "larq-indirect")),
    ("sibnn-alexnet", "si-bnn", "sibnn-alexnet", ("openvino-int8",)),
    ("vgg-small", "si-bnn", "vgg-small", ("openvino-int8",)),
    ("resnet18", "bap", "resnet18", ("openvino-int8",)),
    ("vgg-small", "bap", "vgg-small", ("openvino-int8",)),
)
"""Network, form, its float twin, and the engines beside ONNX Runtime."""
INTEGER = {"vgg-small"}
"""Networks whose BAP form is also packed in integers: calibrating runs the NumPy reference."""
BI_REAL = Path("bi-real-18")
"""What Larq is asked to make, beside Si-BNN ResNet-18."""


def ours(program: Program, prefix: str = "") -> dict[str, Engine]:
    """Return the engines to time: this CPU's best instruction set, and AVX2 where it has it."""
    names = isas()
    found = {prefix or "niwaki": Engine(program)}
    if "x86_avx2" in names[1:]:
        found[f"{prefix or 'niwaki'}, x86_avx2"] = Engine(program, isa="x86_avx2")
    return found


def network_rows(
    entry: tuple[str, str, str, tuple[str, ...]], folder: Path, peers: Path | None, seconds: float
) -> Iterator[Keyed]:
    """Time one network, its twin and the other engines in turns; then its sizes."""
    name, form, twin, others = entry
    case, side = f"{name} as {form}", binary_networks.SIDES[name]
    x = np.random.default_rng(0).standard_normal((1, 3, side, side)).astype(np.float32)
    path = binary_networks.make(name, form, folder)
    model = graph.load(path)
    program = compile_graph(model)
    engines = ours(program)
    yield from _logits(case, engines, path, x)
    if form == "bap":
        sparse = graph.load(binary_networks.make(name, "sparse", folder))
        engines |= ours(compile_graph(sparse), "sparse only")
    dense = binary_networks.make(twin, "float", folder)
    peer = session(str(dense))
    feeds = {peer.get_inputs()[0].name: x}
    workers: dict[str, Asked] = {key: Local(partial(each, x)) for key, each in engines.items()}
    workers["onnxruntime"] = Local(partial(peer.run, None, feeds))
    with ExitStack() as stack:
        models = {key: BI_REAL if key.startswith("larq") else dense for key in others}
        started = start(models, peers, folder, x, stack)
        timed = take_turns(workers | started.workers, rounds=400, seconds=seconds, wake=WAKE)
    versions = {"onnxruntime": onnxruntime.__version__} | started.versions
    reference, best = timed["onnxruntime"]["median_ms"], timed["niwaki"]["median_ms"]
    for key, time in timed.items():
        median = time["median_ms"]
        note = f"niwaki is {median / best:.2f} times as fast"
        if key in engines:
            note = f"{reference / median:.2f} times as fast as ONNX Runtime"
        row = Row(
            _title(key, case, twin), "niwaki" if key in engines else key, median,
            time["high_ms"] - time["low_ms"], int(time["runs"]), shape=f"3x{side}x{side}",
            note=f"{note}; minimum {time['min_ms']:.3f}", version=versions.get(key, ""),
            isa=engines[key].isa if key in engines else "its own",
        )  # fmt: skip
        yield case, key, row
    for key, why in started.why.items():
        note = f"not measured: {why}"
        yield case, key, Row(_title(key, case, twin), key, 0.0, 0.0, 0, isa="its own", note=note)
    for what, packed in _sizes(name, form, model, x):
        size = packed_bytes(packed) / 1e6
        yield case, what, Row(f"{case}, {what}", "niwaki", size, 0.0, 1, unit="MB")


def _logits(case: str, engines: dict[str, Engine], path: Path, x: np.ndarray) -> Iterator[Keyed]:
    """Yield how far each engine's logits are from ONNX Runtime's, of the same file."""
    peer = session(str(path))
    (want,) = peer.run(None, {peer.get_inputs()[0].name: x})
    for engine in engines.values():
        got = np.asarray(engine(x))
        error = float(np.abs(got - want).max() / np.abs(want).max())
        what = f"{LOGITS}, {engine.isa}"
        row = Row(f"{case}, {what}", "niwaki", error, 0.0, 1, unit="of 1", isa=engine.isa)
        yield case, what, row


def _title(key: str, case: str, twin: str) -> str:
    """Say what an engine ran."""
    name = case.partition(" ")[0]
    if key.startswith("sparse only"):
        return f"{name} at 98 %, sparse only"
    if key.startswith("larq"):
        return "bi-real-18"
    titles = {"onnxruntime": f"{twin} in float32", "openvino-int8": f"{twin} in 8 bits"}
    return titles.get(key, case)


def _sizes(name: str, form: str, model: ir.Model, x: np.ndarray) -> Iterator[tuple[str, Program]]:
    """Yield what is packed, and the program."""
    yield "packed", compile_graph(model)
    yield "packed, 16-bit rest", compile_graph(model, half_weights=True)
    if form == "bap" and name in INTEGER:
        ranges = integer.calibrate(model, [x])
        yield "packed, 8-bit values", compile_graph(integer.quantize(model, ranges))


def main() -> int:
    labels = [f"{name}:{form}" for name, form, _, _ in NETWORKS]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, help="folder of the environments (peers.py setup)")
    parser.add_argument("--cache", type=Path, help="folder for networks; a temporary one if none")
    parser.add_argument("--seconds", type=float, default=40.0, help="of turns, for each part")
    parser.add_argument("--only", nargs="+", choices=["layers", "networks"], default=[])
    parser.add_argument("--networks", nargs="+", choices=labels, default=labels)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    parts = arguments.only or ["layers", "networks"]
    rows: list[Row] = []
    found = Found(rate=rooflines()["fma_gmacs"])
    with ExitStack() as stack:
        folder = arguments.cache or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        chosen = [
            entry
            for label, entry in zip(labels, NETWORKS, strict=True)
            if label in arguments.networks and "networks" in parts
        ]
        share = arguments.seconds / max(1, len(chosen))
        sources = (
            [layer_rows(folder, arguments.peers, arguments.seconds)] if "layers" in parts else []
        )
        sources += [network_rows(entry, folder, arguments.peers, share) for entry in chosen]
        for case, engine, row in chain.from_iterable(sources):
            rows.append(row)
            found.add(case, engine, row)
            print(
                f"{row.case:30} {row.shape:26} {row.isa:12} {row.runner:14} "
                f"{row.median:9.4g} {row.unit:7} {row.note}",
                flush=True,
            )
    held = checks(found)
    page = write_rows("binary", rows, title="Binary layers and networks", folder=arguments.out)
    with page.open("a", encoding="utf-8") as file:
        file.write("\n".join(["", "## Claims", "", *check_table(held)]) + "\n")
    print("\n".join([*map(verdict, held), str(page)]))
    return 1 if any(check.passed is False for check in held) else 0


if __name__ == "__main__":
    raise SystemExit(main())
