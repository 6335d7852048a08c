"""Integer thresholds: the same bits as the float chain on every sum that a layer can give."""

from __future__ import annotations

import numpy as np
import pytest

from niwaki import graph
from niwaki.graph.functions import QONNX

HEAD = """
    g (float[N,3,4,4] x) => (float[N,2,{side},{side}] y)
    <float[3,1,1] level = {{0.1, -0.2, 0.3}}, float one = {{1.0}}, float zero = {{0.0}},
     {constants}>
    {{
      over = GreaterOrEqual(x, level)
      number = Cast <to = 1> (over)
      bits = qonnx.custom_op.general.Quant <signed = 0, narrow = 0, rounding_mode = "ROUND">
        (number, one, zero, one)
      v = qonnx.custom_op.general.BipolarQuant(latent, one)
      acc = Conv <pads = [1, 1, 1, 1]> (bits, v)
      {steps}
      signed = Mul(z, sign)
      over2 = GreaterOrEqual(signed, next)
      number2 = Cast <to = 1> (over2)
      y2 = qonnx.custom_op.general.Quant <signed = 0, narrow = 0, rounding_mode = "ROUND">
        (number2, one, zero, one)
      v2 = qonnx.custom_op.general.BipolarQuant(last, one)
      y = Conv(y2, v2)
    }}"""
CHAINS = {
    "scale and bias": "s = Mul(acc, scale) z = Add(s, bias)",
    "bias alone": "z = Add(bias, acc)",
    "relu": "s = Mul(acc, scale) b = Add(s, bias) z = Relu(b)",
    "pool": "s = Mul(acc, scale) b = Add(s, bias) "
    "z = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (b)",
}


SIGN = np.array([1, -1, 1, -1, 1]).reshape(5, 1, 1)


def filled(parse, steps, rng, scale, **arrays):
    """Return the graph with a chain and its constants; those not given are random."""
    arrays = {
        "latent": rng.choice([-1.0, 1.0], (5, 3, 3, 3)),
        "scale": scale,
        "bias": rng.normal(0, 1, (5, 1, 1)),
        "sign": SIGN,
        "next": rng.normal(0, 1, (5, 1, 1)),
        "last": rng.choice([-1.0, 1.0], (2, 5, 1, 1)),
        **arrays,
    }
    constants = ", ".join(
        f"float[{','.join(map(str, array.shape))}] {name} = "
        f"{{{', '.join(format(float(number), '.9e') for number in array.ravel())}}}"
        for name, array in arrays.items()
    )
    side = 2 if "MaxPool" in steps else 4
    model = parse(HEAD.format(steps=steps, side=side, constants=constants))
    return graph.from_proto(graph.to_proto(model))  # with a shape for every value


def ops(model):
    return [node.op_type for node in model.graph]


@pytest.mark.parametrize("steps", CHAINS.values(), ids=list(CHAINS))
def test_the_bits_are_the_same_and_no_float_is_left(parse, rng, steps):
    scale = np.array([0.3, 0.05, 1e-8, 0.0, 1e6]).reshape(5, 1, 1)
    model = filled(parse, steps, rng, scale)
    x = rng.standard_normal((40, 3, 4, 4)).astype(np.float32)
    want = graph.evaluate(model, {"x": x}, keep=["y2"])["y2"]
    assert 0.05 < want.mean() < 0.95
    changed = graph.run_passes(model.clone(), ["integer-thresholds"])
    got = graph.evaluate(changed, {"x": x}, keep=["y2"])["y2"]
    np.testing.assert_array_equal(got, want)
    left = ops(changed)
    assert "Add" not in left
    assert "Relu" not in left
    assert left.count("Mul") == 1  # the signs
    level = changed.graph.initializers["next"].const_value.numpy()
    np.testing.assert_array_equal(level, np.round(level))
    assert np.abs(level).max() <= 28  # one more than any of 27 products can sum to


def test_every_sum_is_decided_as_the_floats_decide_it(parse, rng):
    # Levels that are exactly a value of the chain: the bit is 1 there, and the float sum decides.
    scale, bias = np.full((5, 1, 1), 0.1, np.float32), np.full((5, 1, 1), 0.7, np.float32)
    sums = np.array([-27, -3, 0, 11, 27], np.float32).reshape(5, 1, 1)
    sign = SIGN.astype(np.float32)
    level = sign * (sums * scale + bias)
    model = filled(parse, CHAINS["scale and bias"], rng, scale, bias=bias, next=level)
    graph.run_passes(model, ["integer-thresholds"])
    level = model.graph.initializers["next"].const_value.numpy()
    np.testing.assert_array_equal(level, sign * sums)


def test_constants_may_have_the_batch_in_front(parse, rng):
    scale = np.full((1, 5, 1, 1), 0.1)
    shapes = {"bias": (1, 5, 1, 1), "next": (1, 5, 1, 1), "sign": (1, 5, 1, 1)}
    arrays = {name: rng.choice([-1.0, 1.0], shape) for name, shape in shapes.items()}
    model = filled(parse, CHAINS["scale and bias"], rng, scale, **arrays)
    x = rng.standard_normal((8, 3, 4, 4)).astype(np.float32)
    want = graph.evaluate(model, {"x": x}, keep=["y2"])["y2"]
    changed = graph.run_passes(model.clone(), ["integer-thresholds"])
    assert "Add" not in ops(changed)
    np.testing.assert_array_equal(graph.evaluate(changed, {"x": x}, keep=["y2"])["y2"], want)


def test_a_negative_scale_and_a_second_reader_stay(parse, rng):
    scale = np.array([0.3, -0.05, 0.1, 0.1, 1.0]).reshape(5, 1, 1)
    model = filled(parse, CHAINS["pool"], rng, scale)
    assert ops(graph.run_passes(model.clone(), ["integer-thresholds"])) == ops(model)
    text = CHAINS["scale and bias"] + " more = Identity(s)"
    model = filled(parse, text, rng, np.abs(scale))
    assert ops(graph.run_passes(model.clone(), ["integer-thresholds"])) == ops(model)


def test_weights_that_are_no_signs_stay(parse, rng):
    model = filled(parse, CHAINS["scale and bias"], rng, np.full((5, 1, 1), 0.1))
    for node in model.graph:
        if node.domain == QONNX and node.op_type == "BipolarQuant":
            node.op_type, node.domain = "Identity", ""
    before = ops(model)
    assert ops(graph.run_passes(model, ["integer-thresholds"])) == before


def test_one_channel_that_becomes_many_stays(parse, rng):
    latent = rng.choice([-1.0, 1.0], (1, 3, 3, 3))
    model = filled(parse, CHAINS["scale and bias"], rng, np.full((5, 1, 1), 0.1), latent=latent)
    assert ops(graph.run_passes(model.clone(), ["integer-thresholds"])) == ops(model)
