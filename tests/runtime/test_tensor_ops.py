"""Layers on tensors of any rank, and programs with several inputs, against NumPy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from niwaki.errors import FormatError, InputError, ShapeError
from niwaki.runtime import Engine

from .programs import Builder

IMAGES = 2


def run(op, inputs, shape, attrs=None, tensors=None, roles=None, **options):
    """Run one layer on arrays with a batch in front; `shape` is the output's, without."""
    builder = Builder(inputs[0].shape[1:])
    ids = [0]
    for index, array in enumerate(inputs[1:], 1):
        ids.append(builder.value(f"x{index}", "f32", array.shape[1:]))
    roles = roles or (["x"] if len(ids) == 1 else ["a", "b"])
    builder.layer(op, dict(zip(roles, ids, strict=True)), "f32", shape, attrs, tensors)
    engine = Engine(builder.program(inputs=ids), **options)
    result = engine([array.astype(np.float32) for array in inputs])
    assert result.shape == (len(inputs[0]), *shape)
    return result


def normal(seed, *shape):
    return np.random.default_rng(seed).normal(size=(IMAGES, *shape)).astype(np.float32)


@st.composite
def broadcasts(draw):
    """Draw two shapes that broadcast, and the shape that results."""
    shape = draw(st.lists(st.integers(1, 4), max_size=5))
    pair = []
    for _ in range(2):
        kept = [size if draw(st.booleans()) else 1 for size in shape]
        pair.append(kept[draw(st.integers(0, len(kept))) :] if draw(st.booleans()) else kept)
    return tuple(pair[0]), tuple(pair[1]), np.broadcast_shapes(*map(tuple, pair))


@settings(deadline=None, max_examples=60)
@given(
    shapes=broadcasts(),
    kind=st.sampled_from(["add", "sub", "mul", "div", "min", "max", "prelu"]),
    seed=st.integers(0, 2**31),
)
def test_binary(shapes, kind, seed):
    a, b, out = shapes
    x, y = normal(seed, *a), normal(seed + 1, *b)
    functions = {"sub": np.subtract, "mul": np.multiply, "div": np.divide, "add": np.add}
    functions |= {"min": np.minimum, "max": np.maximum}
    functions["prelu"] = lambda first, second: np.where(first < 0, first * second, first)
    expected = np.stack([functions[kind](x[i], y[i]) for i in range(IMAGES)])
    np.testing.assert_array_equal(run("binary", [x, y], out, {"kind": kind}), expected)
    # The same with the second operand as a constant.
    got = run("binary", [x], out, {"kind": kind}, {"b": y[0]}, roles=["a"])
    np.testing.assert_array_equal(got, np.stack([functions[kind](x[i], y[0]) for i in (0, 1)]))


def test_pow_of_broadcast_values():
    x, y = np.abs(normal(0, 3, 4)), normal(1, 4)
    expected = x ** y[:, None]
    np.testing.assert_allclose(run("binary", [x, y], (3, 4), {"kind": "pow"}), expected, rtol=1e-6)


@pytest.mark.parametrize("threads", [1, 2])
def test_gates_multiply_channels(threads):
    x, gate = normal(0, 65, 7, 9), normal(1, 65, 1, 1)
    got = run("mul", [x, gate], (65, 7, 9), threads=threads)
    np.testing.assert_array_equal(got, x * gate)


def erf(x):
    return np.vectorize(math.erf)(x)


def softplus(x):
    return np.logaddexp(0, x)


UNARY = {
    "abs": np.abs,
    "neg": np.negative,
    "exp": np.exp,
    "reciprocal": lambda x: 1 / x,
    "floor": np.floor,
    "ceil": np.ceil,
    "round": np.round,
    "sign": np.sign,
    "erf": erf,
    "sin": np.sin,
    "cos": np.cos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "asinh": np.arcsinh,
    "gelu": lambda x: x / 2 * (1 + erf(x / np.sqrt(2))),
    "gelu_tanh": lambda x: x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))),
    "mish": lambda x: x * np.tanh(softplus(x)),
    "softplus": softplus,
    "softsign": lambda x: x / (1 + np.abs(x)),
    "elu": lambda x: np.where(x < 0, 0.7 * np.expm1(x), x),
    "selu": lambda x: 0.3 * np.where(x < 0, 0.7 * np.expm1(x), x),
    "celu": lambda x: np.maximum(0, x) + np.minimum(0, 0.7 * np.expm1(x / 0.7)),
    "thresholded_relu": lambda x: np.where(x > 0.7, x, 0),
    "shrink": lambda x: np.where(x < -0.7, x + 0.3, np.where(x > 0.7, x - 0.3, 0)),
}


@pytest.mark.parametrize("kind", UNARY)
def test_unary(kind):
    x = normal(0, 3, 2, 5) * 3
    x[:, :, 0, :4] = [0.5, 1.5, -0.5, -2.5]
    got = run("unary", [x], (3, 2, 5), {"kind": kind, "alpha": 0.7, "beta": 0.3})
    np.testing.assert_allclose(got, UNARY[kind](x.astype(np.float64)), rtol=3e-6, atol=3e-7)


@pytest.mark.parametrize("kind", ["log", "sqrt"])
def test_unary_of_positive_numbers(kind):
    x = np.abs(normal(0, 7)) + 0.1
    got = run("unary", [x], (7,), {"kind": kind, "alpha": 0, "beta": 0})
    np.testing.assert_allclose(got, getattr(np, kind)(x), rtol=1e-6)


@settings(deadline=None, max_examples=40)
@given(
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=5),
    data=st.data(),
    kind=st.sampled_from(["sum", "mean", "max", "min", "prod", "l1", "l2", "sum_square"]),
)
def test_reduce(sizes, data, kind):
    axes = data.draw(st.sets(st.integers(0, len(sizes) - 1)))
    x = normal(len(sizes), *sizes)
    behind = tuple(axis + 1 for axis in axes)
    wide = x.astype(np.float64)
    wide = {"l1": np.abs(wide), "l2": wide**2, "sum_square": wide**2}.get(kind, wide)
    name = kind if kind in ("mean", "max", "min", "prod") else "sum"
    expected = getattr(np, name)(wide, axis=behind) if behind else wide
    expected = np.sqrt(expected) if kind == "l2" else expected
    got = run("reduce", [x], expected.shape[1:], {"kind": kind, "axes": sorted(axes)})
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_softmax_along_any_axis(axis, log):
    x = normal(0, 3, 5, 7) * 30
    power = np.exp(x - x.max(axis=axis + 1, keepdims=True), dtype=np.float64)
    expected = power / power.sum(axis=axis + 1, keepdims=True)
    got = run("softmax", [x], (3, 5, 7), {"axis": axis, "log": log})
    np.testing.assert_allclose(np.exp(got) if log else got, expected, rtol=1e-4, atol=1e-7)


@settings(deadline=None, max_examples=40)
@given(sizes=st.lists(st.integers(1, 4), min_size=1, max_size=6), data=st.data())
def test_transpose(sizes, data):
    perm = data.draw(st.permutations(range(len(sizes))))
    x = normal(0, *sizes)
    expected = x.transpose(0, *(axis + 1 for axis in perm))
    got = run("transpose", [x], expected.shape[1:], {"perm": list(perm)})
    np.testing.assert_array_equal(got, expected)


def test_expand_repeats():
    x = normal(0, 3, 1, 2)
    expected = np.broadcast_to(x[:, None], (IMAGES, 4, 3, 5, 2))
    np.testing.assert_array_equal(run("expand", [x], (4, 3, 5, 2)), expected)


@settings(deadline=None, max_examples=40)
@given(sizes=st.lists(st.integers(1, 6), min_size=1, max_size=4), data=st.data())
def test_strided_slice(sizes, data):
    cuts, ranges = [slice(None)], []
    for size in sizes:
        step = data.draw(st.sampled_from([1, 2, 3, -1, -2]))
        start = data.draw(st.integers(0, size - 1))
        cuts.append(slice(start, None, step))
        ranges.append((start, len(range(size)[cuts[-1]]), step))
    x = normal(0, *sizes)
    starts, counts, steps = map(list, zip(*ranges, strict=True))
    got = run(
        "strided_slice", [x], tuple(counts), {"starts": starts, "counts": counts, "steps": steps}
    )
    np.testing.assert_array_equal(got, x[tuple(cuts)])


def test_padding_of_any_rank():
    x = normal(0, 2, 3)
    got = run("tensor_pad", [x], (3, 7), {"pads": [1, 0, 0, 4], "value": 2.5})
    expected = np.pad(x, ((0, 0), (1, 0), (0, 4)), constant_values=2.5)
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_gather(axis):
    x = normal(0, 4, 5, 6)
    indices = np.array([3, 0, 0, 2, 1], np.int32)
    expected = np.take(x, indices, axis + 1)
    got = run("gather", [x], expected.shape[1:], {"axis": axis}, {"indices": indices})
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_taps(axis):
    x = normal(0, 4, 5, 6)
    index = np.array([[0, 3], [1, 1], [2, 0]], np.int32)
    weight = np.array([[0.25, 0.75], [1, -1], [0, 2]], np.float32)
    moved = np.moveaxis(x, axis + 1, 0)
    expected = np.einsum("ot,ot...->o...", weight, moved[index])
    expected = np.moveaxis(expected, 0, axis + 1)
    tensors = {"index": index, "weight": weight}
    got = run("taps", [x], expected.shape[1:], {"axis": axis}, tensors)
    np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    ("a", "b"), [((3, 4), (4, 5)), ((2, 3, 4), (4, 5)), ((2, 1, 3, 4), (1, 6, 4, 1))]
)
def test_matmul_of_two_values_and_of_a_constant(a, b):
    x, y = normal(0, *a), normal(1, *b)
    expected = np.stack([x[i] @ y[i] for i in range(IMAGES)])
    got = run("matmul", [x, y], expected.shape[1:])
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)
    got = run("matmul", [x], expected.shape[1:], {}, {"b": y[0]}, roles=["a"])
    np.testing.assert_allclose(got, np.stack([x[i] @ y[0] for i in (0, 1)]), rtol=1e-5, atol=1e-5)


@settings(deadline=None, max_examples=30)
@given(
    groups=st.integers(1, 3),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilations=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    pads=st.lists(st.integers(0, 2), min_size=4, max_size=4),
    extra=st.booleans(),
)
def test_conv_transpose(groups, kernel, strides, dilations, pads, extra):
    rng = np.random.default_rng(0)
    x = normal(0, 2 * groups, 5, 4)
    weight = rng.normal(size=(2 * groups, 3, *kernel)).astype(np.float32)
    bias = rng.normal(size=3 * groups).astype(np.float32)
    padding = [int(extra and strides[i] > 1) for i in range(2)]
    full = [(n - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1 for i, n in enumerate((5, 4))]
    size = [full[i] - pads[i] - pads[i + 2] + padding[i] for i in range(2)]
    if min(size) < 1:
        return
    room = np.zeros((IMAGES, 3 * groups, full[0] + 3, full[1] + 3))
    for group in range(groups):
        part, weights = x[:, 2 * group : 2 * group + 2], weight[2 * group : 2 * group + 2]
        for i in range(kernel[0]):
            for j in range(kernel[1]):
                rows = slice(i * dilations[0], i * dilations[0] + 4 * strides[0] + 1, strides[0])
                columns = slice(j * dilations[1], j * dilations[1] + 3 * strides[1] + 1, strides[1])
                room[:, 3 * group : 3 * group + 3, rows, columns] += np.einsum(
                    "nchw,co->nohw", part, weights[:, :, i, j]
                )
    expected = room[:, :, pads[0] : pads[0] + size[0], pads[1] : pads[1] + size[1]]
    expected = expected + bias[:, None, None]
    attrs = {"kernel": list(kernel), "strides": list(strides), "dilations": list(dilations)}
    got = run(
        "conv_transpose",
        [x],
        (3 * groups, *size),
        {**attrs, "pads": pads, "groups": groups},
        {"weight": weight, "bias": bias},
    )
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("per_axis", [False, True])
@pytest.mark.parametrize("kind", ["quantize", "dequantize", "both"])
def test_quantize_linear(kind, per_axis):
    x = normal(0, 3, 4, 2) * 50
    count = 4 if per_axis else 1
    scale = np.linspace(0.1, 0.5, count).astype(np.float32)
    zero = np.arange(count).astype(np.float32) - 3
    column = (lambda v: v.reshape(1, 1, -1, 1)) if per_axis else (lambda v: v)
    expected = x
    if kind != "dequantize":
        expected = np.clip(np.round(x / column(scale)) + column(zero), -128, 127)
    if kind != "quantize":
        expected = (expected - column(zero)) * column(scale)
    attrs = {"kind": kind, "axis": 1, "lo": -128, "hi": 127}
    got = run("quantize_linear", [x], (3, 4, 2), attrs, {"scale": scale, "zero": zero})
    np.testing.assert_array_equal(got, expected.astype(np.float32))


def test_concat_of_any_rank():
    x, y = normal(0, 2, 3), normal(1, 2, 4)
    builder = Builder((2, 3))
    other = builder.value("y", "f32", (2, 4))
    builder.layer("concat", {"inputs": [0, other]}, "f32", (2, 7), {"axis": 1})
    engine = Engine(builder.program(inputs=[0, other]))
    np.testing.assert_array_equal(engine([x, y]), np.concatenate([x, y], 2))
    # The same by name; the order of a dict doesn't matter.
    np.testing.assert_array_equal(engine({"y": y, "x": x}), engine([x, y]))
    assert engine.input_shapes == {"x": (2, 3), "y": (2, 4)}
    assert set(engine.values([x, y])) == {"x", "y", "concat0.out"}
    assert engine.explain()[0].input_shapes == ((2, 3), (2, 4))


def test_the_inputs_of_a_call_are_checked():
    builder = Builder((2,))
    other = builder.value("y", "f32", (2,))
    builder.layer("binary", {"a": 0, "b": other}, "f32", (2,), {"kind": "add"})
    engine = Engine(builder.program(inputs=[0, other]))
    x = normal(0, 2)
    with pytest.raises(InputError, match="2 inputs must be given"):
        engine(x)
    with pytest.raises(InputError, match=r"must be \['x', 'y'\]"):
        engine({"x": x})
    with pytest.raises(ShapeError, match="one batch size"):
        engine([x, x[:1]])
    with pytest.raises(ShapeError, match=r"'y' must have shape \(N, 2\)"):
        engine([x, x[:, :1]])


def test_scalars_and_rank_six():
    x = normal(0, 1, 2, 1, 2, 1, 3)
    got = run("reduce", [x], (), {"kind": "sum", "axes": [0, 1, 2, 3, 4, 5]})
    np.testing.assert_allclose(got, x.reshape(IMAGES, -1).sum(1), rtol=1e-5)


HOSTILE = {
    "binary": ({"kind": "add"}, {"b": np.ones((3, 2), np.float32)}, "when repeated"),
    "unary": ({"kind": "explode", "alpha": 0, "beta": 0}, {}, "kind must be one of"),
    "reduce": ({"kind": "sum", "axes": [3]}, {}, "axes must be"),
    "transpose": ({"perm": [0, 0, 1]}, {}, "each axis once"),
    "strided_slice": (
        {"starts": [0, 0, 3], "counts": [2, 3, 4], "steps": [1, 1, -2]},
        {},
        "inside the value",
    ),
    "tensor_pad": ({"pads": [0, 0, 0, 2**31 - 1, 0, 0], "value": 0}, {}, "as large as x"),
    "gather": ({"axis": 0}, {"indices": np.array([0, 2], np.int32)}, "indices must be in"),
    "taps": (
        {"axis": 2},
        {"index": np.array([[-1]], np.int32), "weight": np.ones((1, 1), np.float32)},
        "index must be in",
    ),
    "matmul": ({}, {"b": np.ones((3, 4), np.float32)}, "must fit"),
    "quantize_linear": (
        {"kind": "both", "axis": 0},
        {"scale": np.ones(3, np.float32), "zero": np.ones(3, np.float32)},
        "scale must have shape",
    ),
    "conv_transpose": (
        {"kernel": [1, 1], "strides": [4, 4]},
        {"weight": np.ones((2, 2, 1, 1), np.float32)},
        "the output must have",
    ),
    "softmax": ({"axis": 3}, {}, "axis must be"),
    "mul": ({}, {"b": np.ones((2, 1, 1), np.float32)}, "must have the input b"),
}


@pytest.mark.parametrize("op", HOSTILE)
def test_hostile_numbers_are_refused(op):
    attrs, tensors, message = HOSTILE[op]
    builder = Builder((2, 3, 4))
    role = "a" if "b" in tensors else "x"
    builder.layer(op, {role: 0}, "f32", (2, 3, 4), attrs, tensors)
    with pytest.raises(FormatError, match=message):
        Engine(builder.program())
