"""Files as exporters write them, of all opsets, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch

from niwaki import Engine, capture, graph, models

from .onnx_nets import NETS, SIZE, Net, build

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
        ("densenet", {"affine": 3, "conv": 6}, {"activation", "binary", "mul"}),
    ],
)
def test_hot_networks_use_fused_layers(name, expected, absent, tmp_path):
    onnx.save(build(name, 17), tmp_path / "net.onnx")
    ops = [layer["op"] for layer in Engine(tmp_path / "net.onnx").program.layers]
    assert {op: ops.count(op) for op in expected} == expected
    assert not absent & set(ops)


def quantized(net):
    """Write a network as quantisers do: Q and DQ around activations, DQ behind stored weights."""

    def fake(x, scale, zero, dtype):
        scale, zero = net.const(scale), net.const(zero, dtype)
        return net.op("DequantizeLinear", net.op("QuantizeLinear", x, scale, zero), scale, zero)

    def conv(x, outputs, kernel, **more):
        shape = (outputs, net.channels[x], kernel, kernel)
        integers = net.rng.integers(-127, 128, shape) * (net.rng.random(shape) < 0.3)
        scales = net.const(net.rng.uniform(0.002, 0.01, outputs))
        zeros = net.const(np.zeros(outputs), np.int8)
        weight = net.const(integers, np.int8)
        weight = net.op("DequantizeLinear", weight, scales, zeros, axis=0)
        return net.op("Conv", x, weight, net.random(outputs), channels=outputs, **more)

    x = fake("x", 0.03, 128, np.uint8)
    y = fake(net.op("Relu", conv(x, 8, 3, pads=[1] * 4)), 0.05, 0, np.uint8)
    z = fake(net.op("Add", conv(y, 8, 1), y), 0.06, 3, np.int8)
    scale, zero = net.const(0.06), net.const(3, np.int8)
    whole = net.op("QuantizeLinear", z, scale, zero)
    top = net.op("MaxPool", whole, kernel_shape=[2, 2], strides=[2, 2])
    return net.classify(net.op("DequantizeLinear", top, scale, zero))


@pytest.mark.parametrize("opset", [13, 21])
def test_quantised_files_round_as_onnx_says(opset, tmp_path):
    net = Net(opset)
    model = net.model(quantized(net))
    onnx.save(model, tmp_path / "net.onnx")
    engine = Engine(tmp_path / "net.onnx")
    x = np.random.default_rng(1).normal(size=(4, 3, SIZE, SIZE)).astype(np.float32)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = ort.InferenceSession(model.SerializeToString(), options)
    wanted = session.run(None, {"x": x})[0]
    # Sums in another order may round a few activations to the next integer.
    close = np.isclose(engine(x), wanted, rtol=1e-3, atol=1e-3)
    assert close.mean() > 0.9, np.abs(engine(x) - wanted).max()
    np.testing.assert_allclose(engine(x), wanted, atol=0.06)
    # The weights are floats with their zeros: stored as entries.
    convolutions = [layer for layer in engine.program.layers if layer["op"] == "conv"]
    assert [layer["attrs"]["weight"] for layer in convolutions] == ["sparse", "sparse"]
    kinds = [layer["attrs"]["kind"] for layer in engine.program.layers if "quantize" in layer["op"]]
    assert kinds == ["both", "both", "both", "quantize", "dequantize"]


@pytest.mark.parametrize(("name", "size"), [("resnet20", 32), ("mobilenet-v1-0.25", 32)])
def test_pruned_exports_run_in_onnx_runtime_too(name, size, tmp_path):
    torch.manual_seed(0)
    model = models.create(name).eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, torch.nn.Conv2d) and module.groups == 1:
                bound = module.weight.abs().flatten().kthvalue(int(0.8 * module.weight.numel()))
                module.weight *= module.weight.abs() > bound.values
    x = torch.randn(2, 3, size, size)
    graph.save(capture.to_graph(model, x)[0], tmp_path / "net.onnx")
    got = Engine(tmp_path / "net.onnx")(x.numpy())
    wanted = run_ort(onnx.load(tmp_path / "net.onnx"), x.numpy())
    scale = np.abs(wanted).max()
    assert scale > 0
    np.testing.assert_allclose(got / scale, wanted / scale, atol=1e-4)


def test_a_token_that_is_repeated_for_each_image(tmp_path):
    """A class token in front of what changes, as exporters write it: Expand to the open batch."""
    net = Net(17)
    token = net.random(1, 1, SIZE, SIZE)
    count = net.op("Shape", "x", start=0, end=1)
    shape = net.op("Concat", count, net.ints(1, SIZE, SIZE), axis=0)
    joined = net.op("Concat", net.op("Expand", token, shape), "x", axis=1, channels=4)
    model = net.model(net.classify(net.op("Relu", joined)))
    onnx.save(model, tmp_path / "net.onnx")
    x = np.random.default_rng(1).normal(size=(3, 3, SIZE, SIZE)).astype(np.float32)
    np.testing.assert_allclose(
        Engine(tmp_path / "net.onnx")(x), run_ort(model, x), rtol=1e-4, atol=1e-5
    )
