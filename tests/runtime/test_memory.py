"""Peak memory of a fresh process over 10 runs: at most ONNX Runtime's on the same network."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from niwaki import graph
from niwaki.runtime import compile_graph, nwk

LAYERS, CHANNELS, SIDE = 6, 256, 28
ENGINE = """
import numpy, niwaki
engine = niwaki.Engine({path!r})
for _ in range(10): engine(numpy.zeros({shape!r}, numpy.float32))
"""
RUNTIME = """
import numpy, onnxruntime
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession({path!r}, options, providers=["CPUExecutionProvider"])
for _ in range(10): session.run(None, {{"x": numpy.zeros({shape!r}, numpy.float32)}})
"""
PEAK = """
print([line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0])
"""


def peak_kilobytes(code: str) -> int:
    done = subprocess.run(
        [sys.executable, "-c", code + PEAK], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Write a stack of pruned 3x3 convolutions (98 % zeros) as .onnx and .nwk."""
    rng = np.random.default_rng(0)
    weights, nodes, value = [], [], "x"
    for index in range(LAYERS):
        weight = rng.normal(size=(CHANNELS, CHANNELS, 3, 3)).astype(np.float32)
        weight[rng.random(weight.shape) < 0.98] = 0
        weights.append(numpy_helper.from_array(weight, f"w{index}"))
        nodes.append(helper.make_node("Conv", [value, f"w{index}"], [f"c{index}"], pads=[1] * 4))
        nodes.append(helper.make_node("Relu", [f"c{index}"], [f"r{index}"]))
        value = f"r{index}"
    shape = ["N", CHANNELS, SIDE, SIDE]
    body = helper.make_graph(
        nodes,
        "stack",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(value, TensorProto.FLOAT, shape)],
        weights,
    )
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(body, ir_version=8, opset_imports=opset), tmp_path / "m.onnx")
    nwk.write(tmp_path / "m.nwk", compile_graph(graph.load(tmp_path / "m.onnx")))
    return tmp_path / "m.onnx", tmp_path / "m.nwk"


@pytest.mark.measures_memory
def test_a_fresh_process_needs_no_more_memory_than_onnx_runtime(files: tuple[Path, Path]) -> None:
    pytest.importorskip("onnxruntime")
    shape = (1, CHANNELS, SIDE, SIDE)
    ours = peak_kilobytes(ENGINE.format(path=str(files[1]), shape=shape))
    theirs = peak_kilobytes(RUNTIME.format(path=str(files[0]), shape=shape))
    assert ours <= theirs, f"{ours} kB against {theirs} kB"
