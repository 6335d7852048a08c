"""Graphs as programs: the engine runs what the Graph says, whatever the layers are."""

from __future__ import annotations

import json

import numpy as np
import onnx
import onnx_ir as ir
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from niwaki import capture, graph
from niwaki.errors import ShapeError, UnsupportedOpError
from niwaki.formats import FORMATS
from niwaki.methods._augmented import AugmentedConv2d, AugmentedLinear
from niwaki.runtime import Engine, compile_graph, nwk
from niwaki.runtime._compile_tensors import SPARSE_BELOW, density, encode_arrays


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(3)
    yield
    torch.set_num_threads(threads)


def augmented(channels, outputs, size, stride=1):
    """Return a BAP layer with mixed signs and about a tenth of its weights."""
    weight = torch.randn(outputs, channels, *size)
    weight[torch.rand(weight.shape) < 0.9] = 0
    folded = {
        "sign": torch.where(torch.rand(channels) < 0.5, -1.0, 1.0),
        "level": torch.randn(channels) * 0.3,
        "binary_weight": torch.where(torch.randn(weight.shape) < 0, -1.0, 1.0),
        "scale": torch.randn(outputs) * 0.1,
    }
    bias = nn.Parameter(torch.randn(outputs) * 0.2)
    if not size:
        return AugmentedLinear(nn.Parameter(weight), bias, **folded)
    pads = tuple(k // 2 for k in size)
    window = {"stride": (stride, stride), "padding": pads, "dilation": (1, 1)}
    return AugmentedConv2d(nn.Parameter(weight), bias, **window, **folded)


class Residual(nn.Module):
    """A stem, BAP with an identity and with a projection, pools, and a BAP linear layer."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.same = augmented(6, 6, (3, 3))
        self.down = augmented(6, 9, (3, 3), stride=2)
        self.shortcut = nn.Conv2d(6, 9, 1, stride=2)
        self.hidden = augmented(9 * 2 * 2, 7, ())
        self.head = nn.Linear(7, 5)

    def forward(self, x):
        x = F.relu(self.norm(self.stem(x)))
        x = F.relu(self.same(x) + x)
        x = F.relu(self.shortcut(x) + self.down(x))
        x = F.max_pool2d(x, 2)
        return self.head(F.relu(self.hidden(x.flatten(1))))


class Moves(nn.Module):
    """Option-A shortcuts, concat, split, pads, grouped and dilated convolutions, activations."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=2)
        self.depthwise = nn.Conv2d(8, 8, (3, 2), stride=(2, 1), padding=(1, 0), groups=8)
        self.activations = [F.silu, F.hardswish, F.relu6, torch.sigmoid, torch.tanh, F.leaky_relu]

    def forward(self, x):
        x = torch.cat([F.hardsigmoid(self.conv(x)), x], 1)
        y = F.pad(x[:, :, ::2, ::2], (0, 1, 0, 0, 2, 0))[:, 2:]
        y = F.pad(y, (1, 0, 0, 1), value=0.5)
        z = self.depthwise(x)
        first, second = z.chunk(2, 1)
        for activation in self.activations:
            first = activation(first * 1.5 + 0.1)
        pooled = F.max_pool2d(second, 3, stride=2, padding=1, ceil_mode=True)
        averaged = F.avg_pool2d(first, 2, stride=1, padding=1)
        means = [v.mean((2, 3)) for v in (y, pooled)] + [v.amax((2, 3)) for v in (averaged, x)]
        return F.softmax(torch.cat(means, 1), 1)


def close(model, x, form="float"):
    """Compare every value of the program with the reference's; return how many there were."""
    program = compile_graph(model)
    assert program.header["form"] == form
    assert json.loads(json.dumps(program.header)) == program.header
    found = Engine(program).values(x)
    wanted = graph.evaluate(model, {"x": x}, keep="all")
    shared = sorted(set(found) & set(wanted))
    for name in shared:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-4, atol=1e-4, err_msg=name)
    assert set(graph.evaluate(model, {"x": x})) <= set(shared)
    return len(shared)


def test_a_residual_bap_network_gives_the_reference_values():
    net = Residual().eval()
    nn.init.uniform_(net.norm.running_var, 0.5, 2)
    model, _ = capture.to_graph(net, torch.randn(2, 3, 8, 8))
    program = compile_graph(model)
    assert [layer["op"] for layer in program.layers] == [
        "conv",
        "threshold",
        "conv",
        "conv",
        "threshold",
        "conv",
        "max_pool",
        "reshape",
        "threshold",
        "linear",
        "linear",
    ]
    assert [layer["name"] for layer in program.layers if layer["op"] in ("conv", "linear")] == [
        "stem",
        "same",
        "shortcut",
        "down",
        "hidden",
        "head",
    ]
    assert close(model, np.random.default_rng(1).normal(size=(3, 3, 8, 8)).astype(np.float32)) >= 10


def test_layers_that_move_values_give_the_reference_values():
    model, _ = capture.to_graph(Moves().eval(), torch.randn(2, 4, 9, 7))
    assert close(model, np.random.default_rng(2).normal(size=(2, 4, 9, 7)).astype(np.float32)) >= 20


def test_the_file_gives_back_the_program(tmp_path):
    model, _ = capture.to_graph(Residual().eval(), torch.randn(2, 3, 8, 8))
    program = compile_graph(model, preprocess={"mean": [0.5]}, classes=["a", "b"], name="residual")
    nwk.write(tmp_path / "model.nwk", program)
    read = nwk.read(tmp_path / "model.nwk")
    assert read.header["preprocess"] == {"mean": [0.5]}
    assert (read.header["classes"], read.header["name"]) == (["a", "b"], "residual")
    assert read.layers == program.layers
    for name, array in program.tensors.items():
        np.testing.assert_array_equal(read.tensors[name], array)


def test_an_exported_file_needs_no_passes_first(tmp_path):
    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 3, 3, bias=False)
            self.norm = nn.BatchNorm2d(3)

        def forward(self, x):
            return F.relu(self.norm(self.conv(x)))

    model, _ = capture.to_graph(Block().eval(), torch.randn(1, 2, 6, 6))
    again = compile_graph(model).header
    assert compile_graph(graph.run_passes(model.clone())).header == again
    assert [layer["op"] for layer in again["layers"]] == ["conv"]


def test_density_chooses_the_format():
    weight = np.zeros((2, 3, 3, 3), np.float32)
    weight.reshape(-1)[: int(weight.size * SPARSE_BELOW) - 1] = 1
    assert density(weight) < SPARSE_BELOW
    attrs, tensors = encode_arrays({"weight": weight, "bias": np.zeros(2, np.float32)})
    assert attrs == {"weight": "sparse"}
    assert set(tensors) == {"weight.counts", "weight.gaps", "weight.values", "bias"}
    parts = {role: tensors[f"weight.{role}"] for role in ("counts", "gaps", "values")}
    np.testing.assert_array_equal(FORMATS.get("entries").decode(parts, weight.shape), weight)
    attrs, tensors = encode_arrays({"weight": np.ones((2, 3), np.int8)})
    assert attrs == {"weight": "dense"}
    signs = np.array([[1, -1, 1]], np.int8)
    attrs, tensors = encode_arrays({"binary.weight": signs})
    assert attrs == {"weight": "none"}
    assert tensors["binary.weight"].tolist() == [[[[5]]]]


def bits_text(middle):
    return f"""<ir_version: 8, opset_import: ["": 18, "qonnx.custom_op.general": 1]>
    b (float[N,3,4,5] x) => (float[N,2] y)
    <float one = {{1.0}}, float zero = {{0.0}}, float[3,1,1] level = {{0.1, -0.2, 0.3}},
     int64[2] axes = {{2, 3}}> {{
      over = GreaterOrEqual(x, level)
      raw = Cast <to = 1> (over)
      bits = qonnx.custom_op.general.Quant
        <signed = 0, narrow = 0, rounding_mode = "ROUND"> (raw, one, zero, one)
      {middle}
      v = qonnx.custom_op.general.BipolarQuant(latent, one)
      y = MatMul(flat, v)
    }}"""


@pytest.mark.parametrize(
    ("middle", "size", "ops"),
    [
        ("flat = Flatten(bits)", 60, ["threshold", "unpack_bits", "reshape", "threshold"]),
        ("top = MaxPool <kernel_shape = [4, 5]> (bits)\n flat = Flatten(top)", 3,
         ["threshold", "max_pool", "reshape"]),
    ],
)  # fmt: skip
def test_bits_change_their_layout_where_they_are_moved(middle, size, ops):
    rng = np.random.default_rng(4)
    model = ir.from_proto(onnx.parser.parse_model(bits_text(middle)))
    latent = np.where(rng.random((size, 2)) < 0.5, -1, 1).astype(np.float32)
    values = (v for node in model.graph for v in node.inputs if v is not None)
    value = next(v for v in values if v.name == "latent")
    value.const_value = ir.tensor(latent, name="latent")
    value.shape, value.dtype = ir.Shape(latent.shape), ir.DataType.FLOAT
    model.graph.register_initializer(value)
    model = graph.from_proto(graph.to_proto(model))
    program = compile_graph(model)
    found = [layer["op"] for layer in program.layers]
    assert found == [*ops, "linear"]
    assert program.values[program.layers[-1]["inputs"]["bits"]]["layout"] == "words"
    x = rng.normal(size=(3, 3, 4, 5)).astype(np.float32)
    wanted = graph.evaluate(model, {"x": x})["y"]
    np.testing.assert_array_equal(Engine(program)(x), wanted)


def test_another_input_shape_is_compiled_or_refused():
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    model, _ = capture.to_graph(net.eval(), torch.randn(1, 2, 6, 6))
    program = compile_graph(model, input_shape=(2, 9, 8))
    assert program.values[0]["shape"] == [2, 9, 8]
    x = torch.randn(2, 2, 9, 8)
    wanted = net(x).detach().numpy()
    np.testing.assert_allclose(Engine(program)(x.numpy()), wanted, rtol=1e-4, atol=1e-5)
    with pytest.raises(ShapeError, match="at least one pixel"):
        compile_graph(model, input_shape=(2, 2, 9))
    fixed = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Flatten(), nn.Linear(48, 2)).eval()
    model, _ = capture.to_graph(fixed, torch.randn(1, 2, 6, 6))
    with pytest.raises(ShapeError, match=r"op_type:Reshape, node name: 1"):
        compile_graph(model, input_shape=(2, 7, 7))


def test_unsupported_ops_are_named():
    class Sorted(nn.Module):
        def forward(self, x):
            return F.gelu(x.cumsum(2).sort(3)[0])

    model, _ = capture.to_graph(Sorted().eval(), torch.randn(1, 2, 4, 4))
    with pytest.raises(UnsupportedOpError, match=r"TopK \(node .*lacks layers for CumSum, TopK"):
        compile_graph(model)
