"""The integer rule and its parameters: worked by hand, and held for any numbers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings, strategies as st

from niwaki import graph
from niwaki.errors import InputError, UnsupportedOpError, ValueDomainError
from niwaki.graph import integer
from niwaki.graph.arithmetic import requantize
from niwaki.graph.integer._plan import integer_levels
from niwaki.graph.layers import layers

FINITE = {"allow_nan": False, "allow_infinity": False}
SCALES = st.floats(1e-4, 1e2)


def test_parameters_worked_by_hand():
    # Real multipliers: weights 2 * 0.5 / 127 / 0.25 = 0.0315, bits -0.5 / 0.25 = -2,
    # residual 1 / 0.25 = 4.
    found = integer.integer_parameters(
        np.array([[2.0, -1.0]]),
        in_scale=0.5,
        out_scale=0.25,
        bias=[0.75],
        binary_scale=np.array([-0.5]),
        residual_scale=1.0,
    )
    # 4 * 2^12 = 16384 fits 15 bits, 4 * 2^13 = 32768 doesn't.
    assert found.shift.tolist() == [12]
    assert found.multipliers["residual"].tolist() == [4 << 12]
    assert found.multipliers["bits"].tolist() == [-2 << 12]
    assert found.multipliers["x"].tolist() == [130]  # 4 / 127 * 4096 = 129.01, rounded up
    assert found.bias.tolist() == [3 << 12]
    # 2 * 2 * 4096 / 130 = 126.03 and half of it.
    assert found.weight.tolist() == [[126, -63]]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_parameters_hold_their_bounds_and_give_the_real_sum(data):
    channels, inputs = data.draw(st.integers(1, 4)), data.draw(st.sampled_from([1, 3, 64]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    in_scale, out_scale, residual = (data.draw(SCALES) for _ in range(3))
    weight = rng.normal(size=(channels, inputs)) * rng.choice([0, 1e-3, 1, 30], (channels, 1))
    binary = rng.normal(size=channels) * data.draw(st.floats(0, 10))
    bias = rng.normal(size=channels) * data.draw(st.floats(0, 100))
    largest = max(np.abs(weight).max() * in_scale / 127, np.abs(binary).max(), residual) / out_scale
    if max(largest * 2, np.abs(bias).max() / out_scale * 2**-30) > integer.MAX_MULTIPLIER:
        with pytest.raises(ValueDomainError, match="an output step must be at least"):
            integer.integer_parameters(
                weight, in_scale=in_scale, out_scale=out_scale, bias=bias,
                binary_scale=binary, residual_scale=residual,
            )  # fmt: skip
        return
    found = integer.integer_parameters(
        weight,
        in_scale=in_scale,
        out_scale=out_scale,
        bias=bias,
        binary_scale=binary,
        residual_scale=residual,
    )
    assert found.weight is not None
    assert np.all((found.shift >= 1) & (found.shift <= 40))
    assert np.all(np.abs(found.bias) < 2**47)
    for multiplier in found.multipliers.values():
        assert np.all(np.abs(multiplier) <= 2**15 - 1)
    # Each term's real factor is met within half a unit of its multiplier's last place.
    unit = np.ldexp(1.0, -found.shift)
    assert np.all(np.abs(found.multipliers["bits"] * unit - binary / out_scale) <= unit / 2 + 1e-12)
    assert np.all(
        np.abs(found.multipliers["residual"] * unit - residual / out_scale) <= unit / 2 + 1e-12
    )
    # A weight is off by at most half a step: the rounding of the multiplier adds nothing.
    step = found.multipliers["x"] * unit * out_scale / in_scale
    error = np.abs(found.weight * step[:, None] - weight)
    assert np.all(error <= step[:, None] * 0.5 * (1 + 1e-9))


def test_a_step_that_is_too_small_is_refused():
    with pytest.raises(ValueDomainError, match=r"\[conv1\] an output step must be at least"):
        integer.integer_parameters(np.ones((1, 1)), in_scale=1e8, out_scale=1.0, where="conv1")
    with pytest.raises(ValueDomainError, match="must fit 32 bits"):
        integer.logit_parameters(np.ones((1, 1)), in_scale=1e-9, bias=[100.0])


def test_zero_weights_stay_zero():
    found = integer.integer_parameters(np.zeros((2, 3)), in_scale=0.1, out_scale=0.1)
    assert not np.any(found.weight)
    assert found.multipliers["x"].tolist() == [1, 1]
    assert not np.any(integer.logit_parameters(np.zeros((2, 3)), in_scale=0.1).weight)


def test_logits_have_one_scale():
    found = integer.logit_parameters(
        np.array([[1.0, -0.5], [0.25, 2.54]]), in_scale=0.5, bias=[1, -1]
    )
    np.testing.assert_array_equal(found.weight, [[50, -25], [12, 127]])
    assert found.scale == pytest.approx(0.01)
    np.testing.assert_array_equal(found.bias, [100, -100])


def test_rescaling_rounds_as_the_rule_says():
    rule = integer.rescaling({"x": [0.3, -1.7], "y": 0.01}, [1.0, -2.0])
    x, y = np.array([[10, 20]]), np.array([[5, 90]])
    multipliers = [rule.multipliers["x"], rule.multipliers["y"]]
    found = requantize([x, y], multipliers, rule.bias, rule.shift, -128, 127)
    np.testing.assert_array_equal(found, [[4, -35]])  # 4.05 and -35.1


@settings(max_examples=300, deadline=None)
@given(
    st.floats(-300, 300, width=32, **FINITE),
    SCALES,
    st.integers(-128, 255),
    st.sampled_from([-1, 1]),
)
def test_integer_levels_say_the_same_as_real_ones(level, scale, q, sign):
    (found,) = integer_levels(np.array([level], np.float32), scale)
    wanted = sign * q * Fraction(scale) >= Fraction(float(np.float32(level)))
    assert (sign * q >= found) == wanted


def test_levels_on_a_step_and_out_of_reach():
    scale = 0.25
    levels = np.array([0.5, 0.5001, -0.5, -0.4999, 1e30, -1e30, np.inf, -np.inf], np.float32)
    assert integer_levels(levels, scale).tolist() == [2, 3, -2, -1, 1024, -1024, 1024, -1024]


@pytest.fixture
def net(parse, rng):
    """A float Graph: conv and ReLU, an identity block without ReLU, an average, logits."""
    model = parse(
        """net (float[N,2,6,6] x) => (float[N,3] y) <int64[2] axes = {2, 3}> {
          [conv1] c = Conv <pads = [1, 1, 1, 1]> (x, w)
          r = Relu(c)
          [conv2] d = Conv <pads = [1, 1, 1, 1]> (r, v)
          s = Add(d, r)
          m = ReduceMean <keepdims = 0> (s, axes)
          [fc] y = Gemm <transB = 1> (m, f)
        }"""
    )
    shapes = {"w": (4, 2, 3, 3), "v": (4, 4, 3, 3), "f": (3, 4)}
    for name, shape in shapes.items():
        value = next(v for n in model.graph for v in n.inputs if v is not None and v.name == name)
        value.const_value = ir.tensor(rng.normal(size=shape).astype(np.float32), name=name)
        value.shape, value.dtype = ir.Shape(shape), ir.DataType.FLOAT
        model.graph.register_initializer(value)
    return graph.from_proto(graph.to_proto(model))


def test_types_follow_the_signs(net, rng):
    x = rng.normal(size=(8, 2, 6, 6)).astype(np.float32)
    ranges = integer.calibrate(net, [x, x])
    assert ranges["x"] == pytest.approx(np.abs(x).max())
    values = graph.evaluate(net, {"x": x}, keep=["r", "s"])
    flat = np.sort(np.abs(values["r"]).ravel())
    assert ranges["r"] == flat[int(np.ceil(0.999 * flat.size)) - 1]
    written = integer.quantize(net, ranges)
    assert [(layer.op, layer.output, layer.dtype) for layer in layers(written)] == [
        ("quantize_input", "x.q", "s8"),
        ("conv", "r", "u8"),
        ("conv", "s", "s8"),
        ("sum_pool", "m", "s8"),
        ("linear", "y.s32", "s32"),
        ("dequantize", "y", "f32"),
    ]
    assert [layer.name for layer in layers(written)][1:5] == ["conv1", "conv2", "reducemean", "fc"]
    found = graph.evaluate(written, {"x": x}, keep=["r", "y"])
    wanted = graph.evaluate(net, {"x": x}, keep=["r", "y"])
    np.testing.assert_allclose(found["r"] * ranges["r"] / 255, values["r"], atol=ranges["r"] * 0.2)
    error = np.sqrt(np.mean((found["y"] - wanted["y"]) ** 2) / np.mean(wanted["y"] ** 2))
    assert error < 0.05


def test_missing_ranges_are_named(net):
    with pytest.raises(InputError, match="ranges must hold value 's'"):
        integer.quantize(net, {"x": 1.0, "c": 1.0, "r": 1.0})


def test_silent_values_have_some_scale(net, rng):
    zeros = np.zeros((2, 2, 6, 6), np.float32)
    written = integer.quantize(net, integer.calibrate(net, [zeros]))
    np.testing.assert_array_equal(graph.evaluate(written, {"x": zeros})["y"], np.zeros((2, 3)))


def test_pools_of_several_window_sizes_are_refused(parse):
    text = """p (float[N,2,6,6] x) => (float[N,2,4,4] y) {
      [pool] a = AveragePool <kernel_shape = [2, 2], strides = [2, 2], pads = [1, 1, 1, 1]> (x)
      y = Relu(a)
    }"""
    model = graph.from_proto(graph.to_proto(parse(text)))
    ranges = {"x": 1.0, "a": 1.0, "y": 1.0}
    with pytest.raises(UnsupportedOpError, match=r"average_pool \(node 'pool'\)"):
        integer.quantize(model, ranges)
