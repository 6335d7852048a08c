"""Small Graphs in ONNX's text form, with ONNX Runtime and the qonnx package as judges."""

from __future__ import annotations

import fcntl
import os
import subprocess
import venv
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx_ir as ir
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

from niwaki import graph

ROOT = Path(__file__).parents[2]
ENVIRONMENTS = ROOT / "tests" / "environments"
HEADER = '<ir_version: 8, opset_import: ["": 18, "niwaki": 1, "qonnx.custom_op.general": 1]>\n'


def parse_text(text: str) -> ir.Model:
    """Read a graph in ONNX's text form; the header is ours."""
    return ir.from_proto(onnx.parser.parse_model(HEADER + text))


def run_ort(proto: onnx.ModelProto, feeds: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Run a model in ONNX Runtime on one thread."""
    session = open_session(proto)
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, dict(feeds)), strict=True))


def open_session(proto: onnx.ModelProto) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(proto.SerializeToString(), options)


@pytest.fixture(scope="session")
def parse() -> Callable[[str], ir.Model]:
    return parse_text


@pytest.fixture(scope="session")
def onnxruntime_run() -> Callable[..., dict[str, NDArray[Any]]]:
    return run_ort


@pytest.fixture(scope="session")
def onnxruntime_session() -> Callable[[onnx.ModelProto], ort.InferenceSession]:
    return open_session


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20240717)


@pytest.fixture
def integer_graph(parse: Callable[[str], ir.Model], rng: np.random.Generator) -> ir.Model:
    """Return an integer BAP network: stem, one layer with all three terms, pool, logits."""
    model = parse("""
    integer (float[N,2,7,6] x) => (float[N,5] logits)
    <float inverse = {20.0}, float one = {1.0}, float zero = {0.0}, float scale = {0.03125},
     int32[4,1,1] level = {40, -30, 90, 0}, int32[4,1,1] sign = {1, -1, 1, -1},
     int64[4,1,1] m1 = {900, 1200, 700, 1500}, int64[4,1,1] b1 = {0, -99999, 5, 1000000},
     int64[4,1,1] k1 = {17, 18, 16, 19}, int64[4,1,1] m2 = {300, -200, 400, 32767},
     int64[4,1,1] m3 = {20000, 15000, 30000, -32768}, int64[4,1,1] k2 = {15, 15, 14, 16},
     int64[4] mp = {2000, 2000, 2000, 2000}, int64[4] bp = {0, 0, 0, 0},
     int64[4] kp = {16, 16, 16, 16}, int64[2] axes = {2, 3}, int32[5] bias = {1, -2, 3, -4, 5}>
    {
      q = niwaki.QuantizeInput(x, inverse)
      a1 = ConvInteger <pads = [1, 1, 1, 1]> (q, w1)
      h1 = niwaki.Requantize1 <lo = 0, hi = 255> (a1, m1, b1, k1)
      wide = Cast <to = 6> (h1)
      signed = Mul(wide, sign)
      over = GreaterOrEqual(signed, level)
      float_bits = Cast <to = 1> (over)
      bits = qonnx.custom_op.general.Quant <signed = 0, narrow = 0, rounding_mode = "ROUND">
        (float_bits, one, zero, one)
      v = qonnx.custom_op.general.BipolarQuant(latent, one)
      binary = Conv <pads = [1, 1, 1, 1]> (bits, v)
      a3 = Cast <to = 7> (binary)
      a2 = ConvInteger <pads = [1, 1, 1, 1]> (h1, w2)
      residual = Cast <to = 7> (h1)
      h2 = niwaki.Requantize3 <lo = -128, hi = 127> (a2, m2, a3, m3, residual, m1, b1, k2)
      wide2 = Cast <to = 6> (h2)
      sum = ReduceSum <keepdims = 0> (wide2, axes)
      mean = niwaki.Requantize1 <lo = -128, hi = 127> (sum, mp, bp, kp)
      product = MatMulInteger(mean, w3)
      total = Add(product, bias)
      logits = niwaki.Dequantize(total, scale)
    }""")
    # One channel of every kind: random, sparse, saturating, all zero.
    signs = np.where(rng.random((4, 4, 3, 3)) < 0.5, -1, 1).astype(np.float32)
    weights = {
        "w1": rng.integers(-127, 128, (4, 2, 3, 3), dtype=np.int8),
        "w2": (rng.integers(-127, 128, (4, 4, 3, 3)) * (rng.random((4, 4, 3, 3)) < 0.1)).astype(
            np.int8
        ),
        "w3": rng.integers(-127, 128, (4, 5), dtype=np.int8),
        "latent": signs,
    }
    for name, array in weights.items():
        # The parser leaves names that nothing makes as dangling values.
        value = next(v for node in model.graph for v in node.inputs if v and v.name == name)
        value.const_value = ir.tensor(array, name=name)
        value.shape, value.dtype = ir.Shape(array.shape), value.const_value.dtype
        model.graph.register_initializer(value)
    return model


@pytest.fixture(scope="session")
def qonnx_python() -> Path:
    """Return a Python that has qonnx: $NIWAKI_QONNX_PYTHON, or one made under build/ by pip.

    qonnx needs onnx 1.19.1, older than ours: hence an environment of its own.
    """
    if given := os.environ.get("NIWAKI_QONNX_PYTHON"):
        return Path(given)
    folder = ROOT / "build" / "qonnx-venv"
    python = folder / "bin" / "python"
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / "qonnx-venv.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # pytest's workers share the environment
        if not (folder / "complete").is_file():
            _make_qonnx_environment(folder)
    return python


def _make_qonnx_environment(folder):
    venv.create(folder, with_pip=True, clear=True)
    wanted = ENVIRONMENTS / "qonnx_requirements.txt"
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "-r", str(wanted)]
    made = subprocess.run(pip, capture_output=True, text=True, check=False)
    if made.returncode:
        reason = f"pip can't install qonnx: {made.stderr.strip()[-300:]}"
        if os.environ.get("NIWAKI_REQUIRE_TOOLS") == "1":
            pytest.fail(reason)
        pytest.skip(reason)
    (folder / "complete").touch()


@pytest.fixture
def run_qonnx(qonnx_python, tmp_path):
    """Return a function that runs (model, feeds) in the qonnx package's executor, inlined."""
    return partial(_run_qonnx, qonnx_python, tmp_path)


def _run_qonnx(python, folder, model, feeds):
    graph.save(model, folder / "model.onnx", inline=True)
    np.savez(folder / "inputs.npz", **feeds)
    script = ENVIRONMENTS / "qonnx_run.py"
    files = [folder / name for name in ("model.onnx", "inputs.npz", "outputs.npz")]
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    done = subprocess.run(
        [python, script, *files], capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    with np.load(files[2]) as file:
        return dict(file)
