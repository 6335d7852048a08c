"""Files as exporters write them, of all opsets, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest

from niwaki import Engine

from .onnx_nets import NETS, SIZE, build

NEWEST = onnx.defs.onnx_opset_version()


def run_ort(model, x):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {"x": x})[0]


@pytest.mark.parametrize("opset", [11, 13, 17, 21, NEWEST])
@pytest.mark.parametrize("name", NETS)
def test_networks_of_every_opset(name, opset, tmp_path):
    model = build(name, opset)
    onnx.save(model, tmp_path / "net.onnx")
    engine = Engine(tmp_path / "net.onnx")
    x = np.random.default_rng(1).normal(size=(3, 3, SIZE, SIZE)).astype(np.float32)
    # ONNX Runtime may not know the newest opset yet: the same network of an older one is as good.
    wanted = run_ort(build(name, min(opset, 21)), x)
    np.testing.assert_allclose(engine(x), wanted, rtol=1e-4, atol=1e-4)
    # The batch is open, although the file computes shapes from it.
    np.testing.assert_array_equal(engine(x[:1]), engine(x)[:1])


@pytest.mark.parametrize(
    ("name", "expected", "absent"),
    [
        ("efficientnet", {"conv": 6, "mul": 1, "global_average_pool": 2}, {"activation", "binary"}),
        ("mobilenet_v3", {"conv": 7, "mul": 2}, {"activation", "binary", "unary"}),
        ("shufflenet", {"gather": 2, "slice": 2}, {"transpose", "strided_slice"}),
        ("densenet", {"affine": 4, "conv": 6}, {"activation", "binary", "mul"}),
    ],
)
def test_hot_networks_use_fused_layers(name, expected, absent, tmp_path):
    onnx.save(build(name, 17), tmp_path / "net.onnx")
    ops = [layer["op"] for layer in Engine(tmp_path / "net.onnx").program.layers]
    assert {op: ops.count(op) for op in expected} == expected
    assert not absent & set(ops)
