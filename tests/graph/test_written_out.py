"""Ops that are written out by others: they run as ONNX Runtime runs them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from hypothesis import given, settings, strategies as st
from onnx import TensorProto, helper, numpy_helper

from niwaki.graph.io import from_proto, name_nodes
from niwaki.runtime import Engine, compile_graph


def network(nodes, shape, weights=()):
    sizes = ["N", "a", "b", "c"][: 1 + len(shape)]
    graph = helper.make_graph(
        nodes,
        "one",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *shape])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, sizes)],
        [numpy_helper.from_array(array, name) for name, array in dict(weights).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def engine_of(model):
    return Engine(compile_graph(name_nodes(from_proto(model))))


def images(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@settings(max_examples=20)
@given(
    op=st.sampled_from(["MaxPool", "LpPool"]),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    dilations=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    pads=st.tuples(*[st.integers(0, 1)] * 4),
    ceil_mode=st.integers(0, 1),
    lines=st.booleans(),
    p=st.integers(1, 3),
)
def test_pools_with_dilations(
    onnxruntime_run, op, kernel, dilations, strides, pads, ceil_mode, lines, p
):
    more = {"p": p} if op == "LpPool" else {}
    pads = [min(pad, span - 1) for pad, span in zip(pads, (*kernel, *kernel), strict=True)]
    shape = (3, 11) if lines else (3, 11, 9)
    if lines:
        kernel, dilations, strides, pads = kernel[:1], dilations[:1], strides[:1], pads[::2]
    node = helper.make_node(
        op, ["x"], ["y"], name="it", kernel_shape=kernel, dilations=dilations, strides=strides,
        pads=pads, ceil_mode=ceil_mode, **more,
    )  # fmt: skip
    model, x = network([node], shape), images(3, *shape)
    wanted = onnxruntime_run(model, {"x": x})["y"]
    got = engine_of(model)(x)
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("word", ["SAME_UPPER", "SAME_LOWER", "VALID"])
def test_a_word_pads_dilated_windows(word):
    # ONNX Runtime pads dilated windows as if they weren't, against the shape that it infers.
    node = helper.make_node(
        "MaxPool", ["x"], ["y"], kernel_shape=[2, 3], dilations=[3, 2], auto_pad=word
    )
    model, x = network([node], (2, 8, 9)), images(2, 2, 8, 9)
    pads = [3, 4] if word != "VALID" else [0, 0]
    heads = [pads[0] // 2, pads[1] // 2]
    if word == "SAME_LOWER":
        heads[0] = 2
    tails = [pad - head for pad, head in zip(pads, heads, strict=True)]
    padded = np.pad(x, [(0, 0), (0, 0), *zip(heads, tails, strict=True)], constant_values=-np.inf)
    rows, columns = padded.shape[2] - 3, padded.shape[3] - 4
    taps = [(i, j) for i in (0, 3) for j in (0, 2, 4)]
    wanted = np.max([padded[:, :, i : i + rows, j : j + columns] for i, j in taps], axis=0)
    np.testing.assert_array_equal(engine_of(model)(x), wanted)


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("shape", [(3, 7), (3, 5, 4)])
def test_the_norm_of_a_whole_image(p, shape):
    model = network([helper.make_node("GlobalLpPool", ["x"], ["y"], p=p)], shape)
    x = images(2, *shape)
    wanted = (np.abs(x.astype(np.float64)) ** p).sum(tuple(range(2, x.ndim)), keepdims=True)
    np.testing.assert_allclose(engine_of(model)(x), wanted ** (1 / p), rtol=1e-5)


def quantised(kind, rng, *, per_channel, bias, signed):
    """A quantised convolution or product between a quantisation and a dequantisation."""
    integer = np.int8 if signed else np.uint8
    conv = kind == "QLinearConv"
    shape = (4, 8, 8) if conv else (5, 6)
    weight = rng.integers(-127, 128, (6, 2, 3, 3) if conv else (6, 7)).astype(np.int8)
    count = weight.shape[0 if conv else 1] if per_channel else 1
    scale = rng.uniform(0.01, 0.02, count).astype(np.float32)
    weights = {
        "xs": np.float32(0.02), "xz": integer(3), "w": weight,
        "ws": scale if per_channel else scale[0],
        "wz": np.zeros(count, np.int8) if per_channel else np.int8(0),
        "ys": np.float32(0.031), "yz": integer(7),
    }  # fmt: skip
    inputs = ["q", "xs", "xz", "w", "ws", "wz", "ys", "yz"]
    more = {"pads": [1, 0, 1, 2], "strides": [2, 1], "group": 2} if conv else {}
    if bias:
        weights["b"] = rng.integers(-900, 900, 6).astype(np.int32)
        inputs.append("b")
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "xs", "xz"], ["q"], name="quantise"),
        helper.make_node(kind, inputs, ["r"], name="it", **more),
        helper.make_node("DequantizeLinear", ["r", "ys", "yz"], ["y"], name="dequantise"),
    ]
    return network(nodes, shape, weights), images(3, *shape, seed=int(rng.integers(99)))


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize(("kind", "bias"), [("QLinearConv", 0), ("QLinearConv", 1),
                                            ("QLinearMatMul", 0)])  # fmt: skip
def test_quantised_ops_give_onnx_runtimes_integers(
    onnxruntime_run, rng, kind, bias, per_channel, signed
):
    model, x = quantised(kind, rng, per_channel=per_channel, bias=bias, signed=signed)
    wanted = onnxruntime_run(model, {"x": x})["y"]
    engine = engine_of(model)
    np.testing.assert_allclose(engine(x), wanted, atol=1e-6)
    assert "quantize_linear" in [layer["op"] for layer in engine.program.layers]
    assert len(np.unique(wanted)) > 20  # no answer that saturates throughout


def test_two_quantised_factors(onnxruntime_run):
    weights = {"s": np.float32(0.02), "z": np.uint8(99), "t": np.float32(0.05)}
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["a"], name="a"),
        helper.make_node("Transpose", ["x"], ["xt"], name="turn", perm=[0, 2, 1]),
        helper.make_node("QuantizeLinear", ["xt", "s", "z"], ["b"], name="b"),
        helper.make_node(
            "QLinearMatMul", ["a", "s", "z", "b", "s", "z", "t", "z"], ["r"], name="it"
        ),
        helper.make_node("DequantizeLinear", ["r", "t", "z"], ["y"], name="y"),
    ]
    model, x = network(nodes, (4, 6), weights), images(3, 4, 6)
    wanted = onnxruntime_run(model, {"x": x})["y"]
    np.testing.assert_allclose(engine_of(model)(x), wanted, atol=1e-6)
