"""Pools, elementwise layers and layout changes against NumPy, on every ISA."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from niwaki.formats.bit_planes import pack_channels
from niwaki.runtime import Engine, isas

from . import oracle
from .programs import Builder, rescale

ISAS = [*isas(), "reference"]
SIZES = [1, 3, 63, 64, 65]
RANGES = {"f32": (-9, 10), "u8": (0, 256), "s8": (-128, 128), "u1": (0, 2), "s32": (-128, 128)}


def run(builder, arrays):
    """Return the last layer's output, which must be the same on every ISA."""
    program = builder.program()
    results = [Engine(program, isa=isa).run_layer(builder.last, arrays)[0] for isa in ISAS]
    for isa, result in zip(ISAS, results, strict=True):
        np.testing.assert_allclose(result, results[-1], rtol=1e-6, atol=1e-6, err_msg=isa)
    return results[0]


def sample(rng, dtype, shape):
    return rng.integers(*RANGES[dtype], shape)


@st.composite
def pools(draw):
    """Draw (size, attributes, output size) of a pool, ceil mode included."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    strides = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    pads = [draw(st.integers(0, kernel[i % 2] - 1)) for i in range(4)]
    ceil_mode = draw(st.booleans())
    size, out = [], []
    for i in range(2):
        size.append(max(1, kernel[i] - pads[i] - pads[i + 2]) + draw(st.integers(0, 6)))
        room = size[i] + pads[i] + pads[i + 2] - kernel[i]
        out.append((-(-room // strides[i]) if ceil_mode else room // strides[i]) + 1)
        # ONNX: the last window must start inside the image or its first pad.
        if ceil_mode and (out[i] - 1) * strides[i] >= size[i] + pads[i]:
            out[i] -= 1
    attrs = {"kernel": list(kernel), "strides": list(strides), "pads": pads}
    return tuple(size), {**attrs, "ceil_mode": ceil_mode}, tuple(out)


@settings(deadline=None, max_examples=40)
@given(
    drawn=pools(),
    kind=st.sampled_from(["max", "average", "sum"]),
    dtype=st.sampled_from(["f32", "u8", "s8"]),
    include=st.booleans(),
    seed=st.integers(0, 2**31),
)
def test_pools(drawn, kind, dtype, include, seed):
    size, attrs, out_size = drawn
    if kind == "average":
        dtype = "f32"
    if kind == "sum" and dtype == "f32":
        dtype = "u8"
    rng = np.random.default_rng(seed)
    x = sample(rng, dtype, (2, 5, *size))
    geometry = (attrs["kernel"], attrs["strides"], attrs["pads"], out_size)
    builder = Builder()
    tensors = {}
    if kind == "sum":
        tensors = rescale(5, multiplier=97, bias=-3, shift=9)
        sums = oracle.pool(x, "sum", *geometry).astype(np.int64)
        expected = oracle.requantize([sums], [[97] * 5], [-3] * 5, [9] * 5, -100, 100)
        dtype_out, attrs = "s8", {**attrs, "lo": -100, "hi": 100}
    else:
        expected = oracle.pool(x, kind, *geometry, count_include_pad=include)
        dtype_out, attrs = dtype, {**attrs, "count_include_pad": include}
    feed = builder.feed(dtype, x.shape[1:])
    builder.layer(f"{kind}_pool", {"x": feed}, dtype_out, (5, *out_size), attrs, tensors)
    np.testing.assert_allclose(run(builder, [x]), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("flat", [True, False])
def test_global_pools(flat, rng):
    x = sample(rng, "f32", (3, 5, 4, 7)).astype(np.float32)
    for op, expected in (("average", x.mean((2, 3))), ("max", x.max((2, 3)))):
        builder = Builder()
        shape = (5,) if flat else (5, 1, 1)
        feed = builder.feed("f32", x.shape[1:])
        builder.layer(f"global_{op}_pool", {"x": feed}, "f32", shape)
        y = run(builder, [x])
        np.testing.assert_allclose(y, expected.reshape(3, *shape), rtol=1e-6)
    builder = Builder()
    whole = {"kernel": [4, 7], "lo": 0, "hi": 255}
    feed = builder.feed("u8", x.shape[1:])
    builder.layer("sum_pool", {"x": feed}, "u8", (5,), whole, rescale(5))
    images = sample(rng, "f32", x.shape) % 8
    np.testing.assert_array_equal(run(builder, [images]), images.sum((2, 3)))


KINDS = {
    "none": {},
    "relu": {},
    "leaky_relu": {"alpha": 0.2},
    "clip": {"lo": -1.5, "hi": 2.0},
    "sigmoid": {},
    "hard_sigmoid": {"alpha": 0.25, "beta": 0.4},
    "hard_swish": {},
    "silu": {},
    "tanh": {},
}


@pytest.mark.parametrize("kind", KINDS)
def test_activations(kind, rng):
    x = rng.normal(size=(2, 3, 5, 7)).astype(np.float32) * 4
    builder = Builder()
    activation = {"kind": kind, **KINDS[kind]}
    feed = builder.feed("f32", x.shape[1:])
    builder.layer("activation", {"x": feed}, "f32", x.shape[1:], {"activation": activation})
    expected = oracle.activate(x.astype(np.float64), kind, **KINDS[kind])
    np.testing.assert_allclose(run(builder, [x]), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", ["u8", "s8"])
def test_integer_relu(dtype, rng):
    x = sample(rng, dtype, (2, 3, 5, 7))
    builder = Builder()
    feed = builder.feed(dtype, x.shape[1:])
    builder.layer("activation", {"x": feed}, dtype, x.shape[1:], {"activation": {"kind": "relu"}})
    np.testing.assert_array_equal(run(builder, [x]), np.maximum(x, 0))


def test_float_add_and_affine(rng):
    a, b = rng.normal(size=(2, 3, 5, 4, 6)).astype(np.float32)
    builder = Builder()
    shape = a.shape[1:]
    feeds = {"a": builder.feed("f32", shape), "b": builder.feed("f32", shape)}
    builder.layer("add", feeds, "f32", shape, {"activation": {"kind": "relu"}})
    np.testing.assert_allclose(run(builder, [a, b]), np.maximum(a + b, 0), rtol=1e-6)
    scale, bias = rng.normal(size=(2, 5)).astype(np.float32)
    builder = Builder()
    feed = builder.feed("f32", shape)
    builder.layer("affine", {"x": feed}, "f32", shape, {}, {"scale": scale, "bias": bias})
    expected = a * scale[:, None, None] + bias[:, None, None]
    np.testing.assert_allclose(run(builder, [a]), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtypes", [("u8", "s8", "u8"), ("s8", "s8", "s8")])
def test_integer_add_and_requantize(dtypes, rng):
    a, b = (sample(rng, dtype, (2, 65, 3, 3)) for dtype in dtypes[:2])
    multipliers = rng.integers(-900, 900, (2, 65)).astype(np.int16)
    bias, shift = rng.integers(-999, 999, 65), rng.integers(1, 12, 65).astype(np.uint8)
    lo, hi = (0, 255) if dtypes[2] == "u8" else (-128, 127)
    builder = Builder()
    feeds = {
        "a": builder.feed(dtypes[0], a.shape[1:]),
        "b": builder.feed(dtypes[1], a.shape[1:]),
    }
    tensors = {"a_multiplier": multipliers[0], "b_multiplier": multipliers[1]}
    tensors |= {"bias": bias, "shift": shift}
    builder.layer("add", feeds, dtypes[2], a.shape[1:], {"lo": lo, "hi": hi}, tensors)
    expected = oracle.requantize([a, b], multipliers, bias, shift, lo, hi)
    np.testing.assert_array_equal(run(builder, [a, b]), expected)
    builder = Builder()
    feed = builder.feed(dtypes[0], a.shape[1:])
    tensors = {"multiplier": multipliers[0], "bias": bias, "shift": shift}
    builder.layer("requantize", {"x": feed}, dtypes[2], a.shape[1:], {}, tensors)
    expected = oracle.requantize([a], multipliers[:1], bias, shift, lo, hi)
    np.testing.assert_array_equal(run(builder, [a]), expected)


def test_softmax_survives_large_logits():
    x = np.array([[1000, 1001, 999], [-5, 0, 5]], np.float32)
    builder = Builder()
    builder.layer("softmax", {"x": builder.feed("f32", (3,))}, "f32", (3,))
    shifted = np.exp(x - x.max(1, keepdims=True))
    np.testing.assert_allclose(
        run(builder, [x]), shifted / shifted.sum(1, keepdims=True), rtol=1e-6
    )


def test_quantize_input_rounds_half_to_even_and_clips():
    x = np.array([[0.5, 1.5, 2.5, -0.5, -1.5, 1000, -1000, 126.6]], np.float32)
    builder = Builder()
    feed = builder.feed("f32", (8,))
    builder.layer("quantize_input", {"x": feed}, "s8", (8,), {"inverse_scale": 1.0})
    assert run(builder, [x]).tolist() == [[0, 2, 2, 0, -2, 127, -128, 127]]


@pytest.mark.parametrize("dtype", ["s32", "u8", "s8"])
def test_dequantize(dtype, rng):
    x = sample(rng, dtype, (3, 9))
    builder = Builder()
    builder.layer("dequantize", {"x": builder.feed(dtype, (9,))}, "f32", (9,), {"scale": 0.125})
    np.testing.assert_array_equal(run(builder, [x]), (x * 0.125).astype(np.float32))


@pytest.mark.parametrize("channels", SIZES)
@pytest.mark.parametrize("dtype", ["f32", "u8", "s8"])
def test_threshold_and_unpack(channels, dtype, rng):
    x = sample(rng, dtype, (3, channels, 3, 5))
    sign = rng.choice([-1, 1], channels).astype(np.int8)
    level = rng.integers(-9, 9, channels)
    builder = Builder()
    feed = builder.feed(dtype, x.shape[1:])
    tensors = {"sign": sign, "level": level.astype(np.float32 if dtype == "f32" else np.int32)}
    bits = builder.layer("threshold", {"x": feed}, "u1", x.shape[1:], {}, tensors)
    expected = sign[:, None, None] * x >= level[:, None, None]
    np.testing.assert_array_equal(run(builder, [x]), expected)
    # Padding bits must be 0 in the engine's own words.
    engine = Engine(builder.program())
    words = engine._empty(bits, 3)
    raw = engine._to_value("test", feed, x, batched=True)
    flat = [array.reshape(-1).view(np.uint8) for array in (raw, words)]
    engine._core.run_layer(builder.last, [flat[0]], 3, flat[1])
    np.testing.assert_array_equal(words, pack_channels(expected))
    for out in ("f32", "u8"):
        builder.layer("unpack_bits", {"x": bits}, out, x.shape[1:])
        np.testing.assert_array_equal(run(builder, [expected]), expected)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("dtype", ["f32", "u8"])
def test_concat(axis, dtype, rng):
    arrays = []
    for length in (1, 3, 2):
        shape = [4, 5, 6]
        shape[axis] = length
        arrays.append(sample(rng, dtype, (2, *shape)))
    builder = Builder()
    feeds = [builder.feed(dtype, array.shape[1:]) for array in arrays]
    expected = np.concatenate(arrays, axis + 1)
    builder.layer("concat", {"inputs": feeds}, dtype, expected.shape[1:], {"axis": axis})
    np.testing.assert_array_equal(run(builder, arrays), expected)


@pytest.mark.parametrize("dtype", ["f32", "u8", "s8"])
def test_reshape_slice_pad(dtype, rng):
    x = sample(rng, dtype, (2, 5, 6, 7))
    builder = Builder()
    feed = builder.feed(dtype, (5, 6, 7))
    builder.layer("reshape", {"x": feed}, dtype, (210,))
    np.testing.assert_array_equal(run(builder, [x]), x.reshape(2, 210))
    attrs = {"starts": [1, 0, 2], "ends": [5, 6, 7], "steps": [2, 1, 2]}
    builder.layer("slice", {"x": feed}, dtype, (2, 6, 3), attrs)
    np.testing.assert_array_equal(run(builder, [x]), x[:, 1:5:2, :, 2:7:2])
    attrs = {"pads": [1, 0, 2, 0, 3, 1], "value": 7}
    builder.layer("pad", {"x": feed}, dtype, (6, 9, 10), attrs)
    expected = np.pad(x, ((0, 0), (1, 0), (0, 3), (2, 1)), constant_values=7)
    np.testing.assert_array_equal(run(builder, [x]), expected)


def test_bits_of_one_pixel_reshape(rng):
    bits = sample(rng, "u1", (3, 65, 1, 1))
    builder = Builder()
    builder.layer("reshape", {"x": builder.feed("u1", (65, 1, 1))}, "u1", (65,))
    np.testing.assert_array_equal(run(builder, [bits]), bits.reshape(3, 65))
