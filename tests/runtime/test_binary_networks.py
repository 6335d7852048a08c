"""Networks of bits: every instruction set gives the bits of the plain float32 expressions.

The oracle rounds product and sums one by one, as the Graph does; so must the engine, whether it
writes a layer's float and the next layer's bits in one pass, bits only, or one layer at a time.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given, settings, strategies as st

from niwaki import graph
from niwaki.runtime import Engine, compile_graph, isas

from . import oracle
from .programs import Builder, binary_tensors, weight_tensors

ISAS = [*isas(), "reference"]
CHANNELS = st.integers(1, 130)


def column(parameter):
    return parameter[None, :, None, None]


class Network:
    """A program of random layers, and beside it every value of it in NumPy."""

    def __init__(self, seed, shape, images=1):
        self.rng = np.random.default_rng(seed)
        self.builder = Builder(shape)
        self.x = self.rng.standard_normal((images, *shape)).astype(np.float32)
        self.values = {self.builder.input: self.x}

    def _layer(self, op, inputs, dtype, value, attrs=None, tensors=None):
        made = self.builder.layer(op, inputs, dtype, value.shape[1:], attrs, tensors)
        self.values[made] = value
        return made

    def threshold(self, x):
        value = self.values[x]
        channels = value.shape[1]
        sign = self.rng.choice(np.array([-1, 1], np.int8), channels)
        # Often a value that occurs, so that being equal is tested.
        picked = sign * self.rng.choice(value.reshape(-1), channels)
        level = np.where(self.rng.random(channels) < 0.5, picked, 0).astype(np.float32)
        bits = (column(sign) * value >= column(level)).astype(np.float32)
        return self._layer("threshold", {"x": x}, "u1", bits, {}, {"sign": sign, "level": level})

    def conv(self, bits, outputs, window, residual=None, *, relu=False):
        value = self.values[bits]
        channels, kernel = value.shape[1], window["kernel"]
        signs = self.rng.choice(np.array([-1, 1], np.int8), (outputs, channels, *kernel))
        scale = self.rng.choice(np.array([-0.3, 0, 0.25, 0.7], np.float32), outputs)
        bias = self.rng.standard_normal(outputs).astype(np.float32)
        plain = {key: window[key] for key in ("strides", "pads", "dilations")}
        acc = oracle.conv(value, signs.astype(np.float64), **plain).astype(np.float32)
        y = acc * column(scale) + column(bias)
        inputs = {"bits": bits}
        if residual is not None:
            y = y + self.values[residual]
            inputs["residual"] = residual
        if relu:
            y = np.maximum(y, np.float32(0))
        assert y.dtype == np.float32
        attrs = {**window, "weight": "none", "activation": {"kind": "relu" if relu else "none"}}
        tensors = {**binary_tensors(signs), "binary.scale": scale, "bias": bias}
        return self._layer("conv", inputs, "f32", y, attrs, tensors)

    def check(self, isa, outputs):
        """Hold the outputs, and then every value, to the oracle, bit for bit."""
        program = self.builder.program(outputs)
        engine = Engine(program, isa=isa)
        found = engine(self.x)
        for value, array in zip(outputs, found if len(outputs) > 1 else [found], strict=True):
            np.testing.assert_array_equal(array, self.values[value])
        for name, array in engine.values(self.x).items():
            index = next(i for i, v in enumerate(self.builder.values) if v["name"] == name)
            np.testing.assert_array_equal(array, self.values[index], err_msg=name)
        return engine


@st.composite
def windows(draw, size):
    """Draw a window that fits an image."""
    kernel = [draw(st.integers(1, 3)), draw(st.integers(1, 3))]
    pads = draw(st.lists(st.integers(0, 3), min_size=4, max_size=4))
    dilations = [draw(st.integers(1, 2)), draw(st.integers(1, 2))]
    for axis in range(2):
        room = size[axis] + pads[axis] + pads[axis + 2]
        if (kernel[axis] - 1) * dilations[axis] + 1 > room:
            kernel[axis] = dilations[axis] = 1
    strides = [draw(st.integers(1, 3)), draw(st.integers(1, 3))]
    return {"kernel": kernel, "pads": pads, "dilations": dilations, "strides": strides}


SAME = {"kernel": [3, 3], "pads": [1, 1, 1, 1], "dilations": [1, 1], "strides": [1, 1]}


@settings(deadline=None, max_examples=60)
@given(data=st.data(), isa=st.sampled_from(ISAS))
def test_random_networks_have_the_same_bits_on_every_isa(data, isa):
    size = data.draw(st.integers(1, 9)), data.draw(st.integers(1, 20))
    network = Network(data.draw(st.integers(0, 2**31)), (data.draw(CHANNELS), *size))
    bits = network.threshold(network.builder.input)
    layers = data.draw(st.integers(1, 4))
    y = -1
    for _ in range(layers):
        window = data.draw(windows(network.values[bits].shape[2:]))
        y = network.conv(bits, data.draw(CHANNELS), window, relu=data.draw(st.booleans()))
        bits = network.threshold(y)
        if data.draw(st.booleans()):  # a shortcut around one more
            channels = network.values[y].shape[1]
            y = network.conv(bits, channels, SAME, y, relu=data.draw(st.booleans()))
            bits = network.threshold(y)
    network.check(isa, data.draw(st.sampled_from([[bits], [y], [y, bits]])))


@pytest.mark.parametrize("isa", ISAS)
def test_a_layer_writes_the_bits_of_the_next_one(isa):
    network = Network(1, (70, 6, 7), images=3)
    bits = network.threshold(network.builder.input)
    first = network.conv(bits, 65, SAME)
    second = network.conv(network.threshold(first), 65, SAME, first)
    third = network.conv(network.threshold(second), 33, SAME)
    last = network.threshold(third)
    engine = network.check(isa, [last])
    kernels = [layer.kernel for layer in engine.explain(network.x)]
    kind = kernels[0].rsplit("u1_", 1)[1]
    unit, chain = f"unit_u1_b1_f32_{kind}", f"chain_u1_b1_u1_{kind}"
    assert kernels[1:] == [unit, "none", unit, "none", chain, "none"]
    assert engine.explain(network.x)[2].reason == "written by conv1"


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_and_batches_change_no_bit(threads):
    network = Network(2, (64, 9, 5), images=5)
    y = network.conv(network.threshold(network.builder.input), 100, SAME)
    for _ in range(3):
        y = network.conv(network.threshold(y), 100, SAME, y)
    engine = Engine(network.builder.program([y]), threads=threads)
    np.testing.assert_array_equal(engine(network.x), network.values[y])


def test_an_average_and_an_activation_between_stay_channels_last():
    network = Network(3, (8, 6, 6))
    b = network.builder
    y = network.conv(network.threshold(b.input), 24, SAME)
    pool = {"kernel": [2, 2], "strides": [2, 2], "pads": [0, 0, 0, 0]}
    relu = {"activation": {"kind": "relu"}}
    half = b.layer("average_pool", {"x": y}, "f32", (24, 3, 3), pool)
    again = b.layer("activation", {"x": half}, "f32", (24, 3, 3), relu)
    pooled = b.layer("global_average_pool", {"x": again}, "f32", (24, 1, 1))
    engine = Engine(b.program([half, again, pooled]))
    found = engine(network.x)
    expected = network.values[y].reshape(1, 24, 3, 2, 3, 2).mean((3, 5))
    np.testing.assert_allclose(found[0], expected, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found[1], np.maximum(found[0], 0))
    np.testing.assert_allclose(found[2][..., 0, 0], found[1].mean((2, 3)), rtol=1e-5, atol=1e-6)
    infos = engine.explain(network.x)
    assert [info.kernel.split("_f32")[0] for info in infos[2:]] == [
        "average_pixels",
        "epilogue",
        "average_pixels",
    ]
    assert not any(info.conversions for info in infos)


@pytest.mark.parametrize("isa", ISAS)
def test_sums_and_activations_of_odd_sizes_are_made_once(isa):
    network = Network(7, (8, 3, 3))
    b = network.builder
    y = network.conv(network.threshold(b.input), 5, SAME)
    z = network.conv(network.threshold(y), 5, SAME)
    leaky = {"activation": {"kind": "leaky_relu", "alpha": 0.25}}
    total = b.layer("add", {"a": y, "b": z}, "f32", (5, 3, 3), {"activation": {"kind": "none"}})
    last = b.layer("activation", {"x": total}, "f32", (5, 3, 3), leaky)
    expected = network.values[y] + network.values[z]
    expected = np.where(expected >= 0, expected, np.float32(0.25) * expected)
    np.testing.assert_array_equal(Engine(b.program([last]), isa=isa)(network.x), expected)


def test_layers_on_planes_get_a_copy():
    network = Network(4, (8, 6, 6))
    b = network.builder
    y = network.conv(network.threshold(b.input), 24, SAME)
    weight = network.rng.standard_normal((5, 24, 3, 3)).astype(np.float32)
    attrs = {**SAME, "weight": "dense", "groups": 1}
    z = b.layer("conv", {"x": y}, "f32", (5, 6, 6), attrs, {"weight": weight})
    engine = Engine(b.program([z]))
    expected = oracle.conv(network.values[y], weight, pads=(1, 1, 1, 1))
    np.testing.assert_allclose(engine(network.x), expected, rtol=1e-4, atol=1e-4)
    conversions = [info.conversions for info in engine.explain(network.x)]
    assert conversions == [(), ("conv1.out: channels last to padded",), ()]


def test_layers_that_know_compact_values_only_keep_them():
    network = Network(5, (8, 4, 4))
    b = network.builder
    y = network.conv(network.threshold(b.input), 24, SAME)
    flat = b.layer("reshape", {"x": y}, "f32", (24 * 16,))
    again = network.conv(network.threshold(y), 24, SAME, y)
    flat_y, last = Engine(b.program([flat, again]))(network.x)
    np.testing.assert_array_equal(flat_y, network.values[y].reshape(1, -1))
    np.testing.assert_array_equal(last, network.values[again])


@pytest.mark.parametrize("threads", [1, 2])
def test_a_layer_of_floats_and_bits_stays_on_planes(threads):
    network = Network(6, (8, 7, 5), images=3)
    b, rng = network.builder, network.rng
    attrs = {**SAME, "weight": "sparse", "groups": 1, "activation": {"kind": "relu"}}
    y, parts = b.input, []
    for index in range(3):
        weight = (rng.standard_normal((24, 8 if index == 0 else 24, 3, 3)) * 0.3).astype(np.float32)
        weight[rng.random(weight.shape) < 0.9] = 0
        signs = rng.choice(np.array([-1, 1], np.int8), weight.shape)
        scale = (rng.standard_normal(24) / 20).astype(np.float32)
        shape = weight.shape[1], 7, 5
        level = {"sign": np.ones(shape[0], np.int8), "level": np.full(shape[0], 0.1, np.float32)}
        bits = b.layer("threshold", {"x": y}, "u1", shape, {}, level)
        inputs = {"x": y, "bits": bits} | ({"residual": y} if index else {})
        tensors = {**weight_tensors(weight, "sparse"), **binary_tensors(signs)}
        tensors["binary.scale"] = scale
        made = b.layer("conv", inputs, "f32", (24, 7, 5), attrs, tensors)
        parts.append((y, bits, made, weight, signs, scale))
        y = made
    engine = Engine(b.program([y]), threads=threads)
    found = engine.values(network.x)
    value = [found[each["name"]].astype(np.float64) for each in b.values]
    # Each layer on the engine's own inputs: a level may lie within a rounding of a value.
    for x, bits, made, weight, signs, scale in parts:
        np.testing.assert_array_equal(value[bits], value[x] >= np.float32(0.1))
        sums = oracle.conv(value[x], weight.astype(np.float64), pads=(1, 1, 1, 1))
        acc = oracle.conv(value[bits], signs.astype(np.float64), pads=(1, 1, 1, 1))
        expected = sums + acc * column(scale) + (value[x] if x != b.input else 0)
        np.testing.assert_allclose(value[made], np.maximum(expected, 0), rtol=1e-4, atol=1e-4)
    infos = engine.explain(network.x[:1])
    assert not any(info.conversions for info in infos[1:])
    assert all("planes_u1_b1_f32" in info.kernel for info in infos if info.op == "conv")


CHAIN = """
<ir_version: 8, opset_import: ["": 18, "qonnx.custom_op.general": 1]>
chain (float[N,3,9,7] x) => (float[N,9] y)
<float[3,1,1] first = {0.5, -0.25, 0.0}, float[9,1,1] level = {3, 1, 0, -2, 5, -3, 2, 4, 0},
 float[9,1,1] sign = {1, -1, 1, 1, -1, -1, 1, -1, 1}, float one = {1}, float zero = {0}>
{
  a = GreaterOrEqual(x, first)
  b = Cast <to = 1> (a)
  bits = qonnx.custom_op.general.Quant <signed = 0, narrow = 0, rounding_mode = "ROUND"> (b, one, zero, one)
  v = qonnx.custom_op.general.BipolarQuant(latent, one)
  acc = Conv <pads = [1, 1, 1, 1]> (bits, v)
  scaled = Mul(acc, scale)
  shifted = Add(scaled, bias)
  high = MaxPool <kernel_shape = [3, 3], strides = [2, 2], pads = [1, 0, 0, 1]> (shifted)
  turned = Mul(high, sign)
  c = GreaterOrEqual(turned, level)
  d = Cast <to = 1> (c)
  next = qonnx.custom_op.general.Quant <signed = 0, narrow = 0, rounding_mode = "ROUND"> (d, one, zero, one)
  w = qonnx.custom_op.general.BipolarQuant(latent2, one)
  acc2 = Conv (next, w)
  pooled = GlobalAveragePool(acc2)
  y = Flatten(pooled)
}
"""  # noqa: E501


def parse(text, **arrays):
    """Return the Graph of a text whose arrays are left open."""
    model = ir.from_proto(onnx.parser.parse_model(text))
    for value in {v for node in model.graph for v in node.inputs if v is not None}:
        if value.name in arrays:
            array = np.asarray(arrays[value.name], np.float32)
            value.const_value = ir.tensor(array, name=value.name)
            value.shape, value.dtype = ir.Shape(array.shape), ir.DataType.FLOAT
            model.graph.register_initializer(value)
    return graph.from_proto(graph.to_proto(model))


@pytest.mark.parametrize("isa", ISAS)
def test_a_max_pool_between_bits_is_one_of_bits(rng, isa):
    model = parse(
        CHAIN,
        latent=rng.standard_normal((9, 3, 3, 3)),
        scale=rng.choice([-0.5, 0.3, 0.7], (9, 1, 1)),
        bias=rng.standard_normal((9, 1, 1)),
        latent2=rng.standard_normal((9, 9, 1, 1)),
    )
    x = rng.standard_normal((4, 3, 9, 7)).astype(np.float32)
    engine = Engine(compile_graph(model), isa=isa)
    expected = graph.evaluate(model, {"x": x}, "all")
    np.testing.assert_allclose(engine(x), expected["y"], rtol=1e-5, atol=1e-5)
    found = engine.values(x)
    np.testing.assert_array_equal(found["next"], expected["next"])
    ops = [layer["op"] for layer in engine.program.layers]
    assert ops[:5] == ["threshold", "conv", "threshold", "max_pool", "conv"]
    infos = engine.explain(x[:1])
    assert infos[1].kernel.startswith("chain_u1_b1")
    assert infos[3].kernel.startswith("pool_u1")
