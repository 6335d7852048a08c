"""conv and linear against NumPy: both number forms, every branch, awkward sizes, every ISA."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from niwaki.runtime import Engine, isas

from . import oracle
from .programs import Builder, binary_tensors, weight_tensors

ISAS = [*isas(), "reference"]
TOLERANCE = 1e-5
SIZES = st.sampled_from([1, 3, 63, 64, 65])


@st.composite
def windows(draw):
    """Draw an image size and a window that fits it."""
    kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
    dilations = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
    pads = draw(st.tuples(*[st.integers(0, 3)] * 4))
    size = tuple(
        max(1, (kernel[i] - 1) * dilations[i] + 1 - pads[i] - pads[i + 2]) + draw(st.integers(0, 6))
        for i in range(2)
    )
    strides = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    return size, {
        "kernel": list(kernel),
        "strides": list(strides),
        "pads": list(pads),
        "dilations": list(dilations),
    }


def plain(attrs):
    """Return the oracle's keywords for a layer's attributes."""
    return {key: attrs[key] for key in ("strides", "pads", "dilations")}


def sparse_weight(rng, shape, dtype, density=0.2):
    values = rng.integers(-127, 128, shape) if dtype == np.int8 else rng.normal(size=shape)
    return (values * (rng.random(shape) < density)).astype(dtype)


@settings(deadline=None, max_examples=40)
@given(
    window=windows(),
    channels=SIZES,
    outputs=st.sampled_from([1, 3, 8, 33]),
    storage=st.sampled_from(["dense", "sparse", "none"]),
    bits=st.booleans(),
    residual=st.booleans(),
    images=st.sampled_from([0, 1, 3]),
    isa=st.sampled_from(ISAS),
    seed=st.integers(0, 2**31),
)
def test_float_conv(window, channels, outputs, storage, bits, residual, images, isa, seed):
    (height, width), attrs = window
    bits = bits or storage == "none"
    rng = np.random.default_rng(seed)
    weight = sparse_weight(rng, (outputs, channels, *attrs["kernel"]), np.float32)
    signs = rng.choice([-1, 1], weight.shape).astype(np.int8)
    scale, bias = rng.normal(size=(2, outputs)).astype(np.float32)
    x = rng.normal(size=(images, channels, height, width)).astype(np.float32)
    a = rng.integers(0, 2, x.shape).astype(np.float32)
    builder = Builder()
    inputs, arrays, tensors = {}, [], {"bias": bias}
    shape = oracle.conv(np.zeros((1, *x.shape[1:])), weight, **plain(attrs)).shape[1:]
    total = np.zeros((images, *shape)) + bias[:, None, None]
    if storage != "none":
        inputs["x"] = builder.feed("f32", x.shape[1:])
        arrays.append(x)
        tensors |= weight_tensors(weight, storage)
        total += oracle.conv(x.astype(np.float64), weight.astype(np.float64), **plain(attrs))
    if bits:
        inputs["bits"] = builder.feed("u1", x.shape[1:])
        arrays.append(a)
        tensors |= binary_tensors(signs) | {"binary.scale": scale}
        total += scale[:, None, None] * oracle.conv(a, signs.astype(np.float32), **plain(attrs))
    if residual:
        inputs["residual"] = builder.feed("f32", shape)
        arrays.append(rng.normal(size=total.shape).astype(np.float32))
        total += arrays[-1]
    attrs = {**attrs, "weight": storage, "activation": {"kind": "relu"}}
    builder.layer("conv", inputs, "f32", shape, attrs, tensors)
    (y,) = Engine(builder.program(), isa=isa).run_layer(builder.last, arrays)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y, np.maximum(total, 0), rtol=1e-4, atol=TOLERANCE * 50)


@settings(deadline=None, max_examples=40)
@given(
    window=windows(),
    channels=SIZES,
    outputs=st.sampled_from([1, 3, 8, 33]),
    storage=st.sampled_from(["dense", "sparse", "none"]),
    bits=st.booleans(),
    residual=st.sampled_from([None, "u8", "s8"]),
    dtypes=st.sampled_from([("u8", "u8"), ("s8", "u8"), ("u8", "s8"), ("s8", "s8")]),
    seed=st.integers(0, 2**31),
)
def test_integer_conv_is_equal_on_every_isa(
    window, channels, outputs, storage, bits, residual, dtypes, seed
):
    (height, width), attrs = window
    bits = bits or storage == "none"
    rng = np.random.default_rng(seed)
    low, high = (0, 256) if dtypes[0] == "u8" else (-128, 128)
    lo, hi = (0, 255) if dtypes[1] == "u8" else (-128, 127)
    x = rng.integers(low, high, (2, channels, height, width))
    a = rng.integers(0, 2, x.shape)
    weight = sparse_weight(rng, (outputs, channels, *attrs["kernel"]), np.int8)
    signs = rng.choice([-1, 1], weight.shape).astype(np.int8)
    multipliers = rng.integers(-500, 500, (3, outputs)).astype(np.int16)
    bias = rng.integers(-(2**20), 2**20, outputs)
    shift = rng.integers(8, 17, outputs).astype(np.uint8)
    builder = Builder(form="integer")
    shape = oracle.conv(np.zeros((1, *x.shape[1:])), weight, **plain(attrs)).shape[1:]
    inputs, arrays, terms, used = {}, [], [], []
    tensors = {"bias": bias, "shift": shift}
    if storage != "none":
        inputs["x"] = builder.feed(dtypes[0], x.shape[1:])
        arrays.append(x)
        tensors |= {**weight_tensors(weight, storage), "multiplier": multipliers[0]}
        terms.append(oracle.conv(x, weight.astype(np.int64), **plain(attrs)))
        used.append(multipliers[0])
    if bits:
        inputs["bits"] = builder.feed("u1", x.shape[1:])
        arrays.append(a)
        tensors |= {**binary_tensors(signs), "binary.multiplier": multipliers[1]}
        terms.append(oracle.conv(a, signs.astype(np.int64), **plain(attrs)))
        used.append(multipliers[1])
    if residual:
        inputs["residual"] = builder.feed(residual, shape)
        tensors["residual.multiplier"] = multipliers[2]
        arrays.append(rng.integers(0, 128, (2, *shape)))
        terms.append(arrays[-1])
        used.append(multipliers[2])
    attrs = {**attrs, "weight": storage, "lo": lo, "hi": hi}
    builder.layer("conv", inputs, dtypes[1], shape, attrs, tensors)
    program = builder.program()
    expected = oracle.requantize(terms, used, bias, shift, lo, hi)
    for isa in ISAS:
        (y,) = Engine(program, isa=isa).run_layer(builder.last, arrays)
        np.testing.assert_array_equal(y, expected, err_msg=isa)


@pytest.mark.parametrize("storage", ["dense", "sparse"])
@pytest.mark.parametrize(
    ("channels", "outputs", "groups"), [(6, 6, 6), (6, 4, 2), (64, 64, 64), (5, 10, 5)]
)
def test_groups(channels, outputs, groups, storage, rng):
    attrs = {"kernel": [3, 3], "strides": [2, 1], "pads": [1, 0, 1, 2], "dilations": [1, 1]}
    for dtype, kind in (("f32", np.float32), ("u8", np.int8)):
        weight = sparse_weight(rng, (outputs, channels // groups, 3, 3), kind, 0.7)
        x = rng.integers(0, 9, (3, channels, 7, 6))
        expected = oracle.conv(x, weight.astype(np.float64), groups=groups, **plain(attrs))
        builder = Builder()
        out, tensors = "f32", weight_tensors(weight, storage)
        if dtype == "u8":
            out = "s32"
            tensors["bias"] = np.zeros(outputs, np.int64)
        builder.layer(
            "conv",
            {"x": builder.feed(dtype, x.shape[1:])},
            out,
            expected.shape[1:],
            {**attrs, "groups": groups, "weight": storage},
            tensors,
        )
        for isa in ISAS:
            (y,) = Engine(builder.program(), isa=isa).run_layer(builder.last, [x])
            np.testing.assert_allclose(y, expected, rtol=1e-5, atol=1e-5, err_msg=isa)


@settings(deadline=None, max_examples=40)
@given(
    inputs=st.sampled_from([1, 3, 63, 64, 65, 500]),
    outputs=st.sampled_from([1, 3, 63, 64, 65, 130]),
    storage=st.sampled_from(["dense", "sparse", "none"]),
    bits=st.booleans(),
    dtype=st.sampled_from(["f32", "u8", "s8"]),
    images=st.sampled_from([0, 1, 3]),
    seed=st.integers(0, 2**31),
)
def test_linear(inputs, outputs, storage, bits, dtype, images, seed):
    bits = bits or storage == "none"
    rng = np.random.default_rng(seed)
    is_float = dtype == "f32"
    x = rng.integers(0, 128, (images, inputs))
    a = rng.integers(0, 2, x.shape)
    weight = sparse_weight(rng, (outputs, inputs), np.float32 if is_float else np.int8)
    signs = rng.choice([-1, 1], weight.shape).astype(np.int8)
    builder = Builder()
    bias = rng.integers(-999, 999, outputs)
    tensors = {"bias": bias.astype(np.float32) if is_float else bias}
    roles, arrays, total = {}, [], np.zeros((images, outputs)) + bias
    if storage != "none":
        roles["x"] = builder.feed(dtype, (inputs,))
        arrays.append(x)
        tensors |= weight_tensors(weight, storage)
        total += x @ weight.T.astype(np.float64)
    if bits:
        roles["bits"] = builder.feed("u1", (inputs,))
        arrays.append(a)
        tensors |= binary_tensors(signs)
        total += a @ signs.T.astype(np.int64)
    builder.layer(
        "linear", roles, "f32" if is_float else "s32", (outputs,), {"weight": storage}, tensors
    )
    for isa in ISAS:
        (y,) = Engine(builder.program(), isa=isa).run_layer(builder.last, arrays)
        if is_float:
            np.testing.assert_allclose(y, total, rtol=1e-4, atol=1e-2, err_msg=isa)
        else:
            np.testing.assert_array_equal(y, total, err_msg=isa)


def test_integer_linear_rescales_every_term(rng):
    x, a = rng.integers(0, 256, (3, 70)), rng.integers(0, 2, (3, 70))
    residual = rng.integers(-128, 128, (3, 9))
    weight = sparse_weight(rng, (9, 70), np.int8, 0.3)
    signs = rng.choice([-1, 1], (9, 70)).astype(np.int8)
    multipliers = rng.integers(1, 300, (3, 9)).astype(np.int16)
    bias, shift = rng.integers(-9999, 9999, 9), np.full(9, 12, np.uint8)
    builder = Builder(form="integer")
    builder.layer(
        "linear",
        {
            "x": builder.feed("u8", (70,)),
            "bits": builder.feed("u1", (70,)),
            "residual": builder.feed("s8", (9,)),
        },
        "s8",
        (9,),
        {"weight": "sparse", "lo": -100, "hi": 90},
        {
            **weight_tensors(weight, "sparse"),
            **binary_tensors(signs),
            "multiplier": multipliers[0],
            "binary.multiplier": multipliers[1],
            "residual.multiplier": multipliers[2],
            "bias": bias,
            "shift": shift,
        },
    )
    terms = [x @ weight.T.astype(np.int64), a @ signs.T.astype(np.int64), residual]
    expected = oracle.requantize(terms, multipliers, bias, shift, -100, 90)
    for isa in ISAS:
        (y,) = Engine(builder.program(), isa=isa).run_layer(builder.last, [x, a, residual])
        np.testing.assert_array_equal(y, expected, err_msg=isa)
