from __future__ import annotations

import itertools
import subprocess
import sys
import time

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import assume, given, settings, strategies as st
from onnx import TensorProto, helper

from niwaki import graph
from niwaki.errors import InputError, ShapeError, UnsupportedOpError, ValueDomainError


def one_node(op_type, inputs, out, constants=(), **attributes) -> onnx.ModelProto:
    """Return a model of one node; inputs and out are (name, type, shape)."""
    names = [name for name, *_ in inputs] + [tensor.name for tensor in constants]
    node = helper.make_node(op_type, names, ["y"], name="node", **attributes)
    infos = [helper.make_tensor_value_info(*item) for item in inputs]
    body = helper.make_graph([node], "g", infos, [helper.make_tensor_value_info(*out)], constants)
    return helper.make_model(body, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


def compare(proto, feeds, run, **tolerance):
    want = run(proto, feeds)["y"]
    got = graph.evaluate(ir.from_proto(proto), feeds)["y"]
    assert got.dtype == want.dtype
    np.testing.assert_allclose(got, want, **tolerance)


@settings(max_examples=30, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.tuples(st.integers(1, 2), st.integers(1, 3)),
    dilations=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    pads=st.tuples(*[st.integers(0, 2)] * 4),
    groups=st.sampled_from([1, 2]),
    seed=st.integers(0, 1000),
)
def test_convolutions_equal_onnxruntime(
    onnxruntime_run, kernel, strides, dilations, pads, groups, seed
):
    rng = np.random.default_rng(seed)
    shape = [
        (size + pads[i] + pads[2 + i] - (kernel[i] - 1) * dilations[i] - 1) // strides[i] + 1
        for i, size in enumerate((5, 6))
    ]
    assume(min(shape) > 0)
    geometry = {"pads": pads, "strides": strides, "dilations": dilations, "group": groups}
    x, w = rng.standard_normal((2, 4, 5, 6)), rng.standard_normal((6, 4 // groups, *kernel))
    x, w, b = x.astype(np.float32), w.astype(np.float32), rng.random(6).astype(np.float32)
    constants = [onnx.numpy_helper.from_array(w, "w"), onnx.numpy_helper.from_array(b, "b")]
    out = ("y", TensorProto.FLOAT, ["N", 6, *shape])
    proto = one_node("Conv", [("x", TensorProto.FLOAT, ["N", 4, 5, 6])], out, constants, **geometry)
    compare(proto, {"x": x}, onnxruntime_run, atol=1e-4)

    kind = [np.uint8, np.int8][seed % 2]
    xi = rng.integers(np.iinfo(kind).min, np.iinfo(kind).max + 1, x.shape).astype(kind)
    wi = rng.integers(-127, 128, w.shape).astype(np.int8)
    onnx_type = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    out = ("y", TensorProto.INT32, ["N", 6, *shape])
    constants = [onnx.numpy_helper.from_array(wi, "w")]
    if seed % 3 == 0:
        constants.append(onnx.numpy_helper.from_array(kind(7), "zero"))
    proto = one_node("ConvInteger", [("x", onnx_type, ["N", 4, 5, 6])], out, constants, **geometry)
    compare(proto, {"x": xi}, onnxruntime_run, atol=0)


@settings(max_examples=20, deadline=None)
@given(
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    strides=st.tuples(st.integers(1, 3), st.integers(1, 2)),
    dilations=st.tuples(st.integers(1, 2), st.integers(1, 2)),
    pads=st.tuples(*[st.integers(0, 2)] * 4),
    groups=st.sampled_from([1, 2]),
    extra=st.integers(0, 1),
)
def test_transposed_convolutions_equal_onnxruntime(
    onnxruntime_run, kernel, strides, dilations, pads, groups, extra
):
    rng = np.random.default_rng(0)
    assume(extra < min(*strides, *dilations) or extra == 0)
    shape = [
        (n - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1 - pads[i] - pads[2 + i] + extra
        for i, n in enumerate((4, 3))
    ]
    assume(min(shape) > 0)
    geometry = {"pads": pads, "strides": strides, "dilations": dilations, "group": groups}
    x = rng.standard_normal((2, 4, 4, 3)).astype(np.float32)
    w = rng.standard_normal((4, 3, *kernel)).astype(np.float32)
    constants = [onnx.numpy_helper.from_array(w, "w")]
    out = ("y", TensorProto.FLOAT, ["N", 3 * groups, *shape])
    inputs = [("x", TensorProto.FLOAT, ["N", 4, 4, 3])]
    geometry["output_padding"] = [extra, extra]
    compare(
        one_node("ConvTranspose", inputs, out, constants, **geometry),
        {"x": x},
        onnxruntime_run,
        atol=1e-4,
    )


@pytest.mark.parametrize("auto_pad", ["SAME_UPPER", "SAME_LOWER", "VALID"])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_auto_pad_equals_onnxruntime(onnxruntime_run, rng, auto_pad, stride):
    size = (7 - 3) // stride + 1 if auto_pad == "VALID" else -(-7 // stride)
    x = rng.standard_normal((1, 2, 7, 7)).astype(np.float32)
    w = onnx.numpy_helper.from_array(rng.standard_normal((3, 2, 3, 3)).astype(np.float32), "w")
    kind = {"auto_pad": auto_pad, "strides": [stride, stride]}
    inputs = [("x", TensorProto.FLOAT, ["N", 2, 7, 7])]
    out = ("y", TensorProto.FLOAT, ["N", 3, size, size])
    compare(one_node("Conv", inputs, out, [w], **kind), {"x": x}, onnxruntime_run, atol=1e-5)


POOLS = list(itertools.product([2, 3], [1, 2, 3], [0, 1], [0, 1], [5, 6]))


@pytest.mark.parametrize("op_type", ["MaxPool", "AveragePool"])
def test_pools_equal_torchs_definition(onnxruntime_run, rng, op_type):
    # Windows that start in the padding are dropped; opset 18's own shape inference counts them.
    torch = pytest.importorskip("torch")
    for kernel, stride, pad, ceil, size in POOLS:
        if pad > kernel // 2:
            continue
        x = rng.standard_normal((2, 2, size, size)).astype(np.float32)
        pads, sizes = [pad] * 4, {"kernel_shape": [kernel] * 2, "strides": [stride] * 2}
        for include in (0, 1) if op_type == "AveragePool" else (None,):
            extra = {} if include is None else {"count_include_pad": include}
            kind = {"pads": pads, "ceil_mode": ceil, **sizes, **extra}
            given = (torch.from_numpy(x), kernel, stride, pad)
            want = (
                torch.nn.functional.max_pool2d(*given, ceil_mode=bool(ceil))
                if include is None
                else torch.nn.functional.avg_pool2d(*given, bool(ceil), bool(include))
            ).numpy()
            out = ("y", TensorProto.FLOAT, ["N", *want.shape[1:]])
            proto = one_node(op_type, [("x", TensorProto.FLOAT, ["N", 2, size, size])], out, **kind)
            got = graph.evaluate(ir.from_proto(proto), {"x": x})["y"]
            np.testing.assert_allclose(got, want, atol=1e-6, err_msg=str(kind))
            saved = graph.to_proto(ir.from_proto(proto))
            np.testing.assert_allclose(onnxruntime_run(saved, {"x": x})["y"], want, atol=1e-6)


@pytest.mark.parametrize("kind", [np.uint8, np.int8])
def test_max_pool_of_integers_ignores_padding(onnxruntime_run, rng, kind):
    low, high = np.iinfo(kind).min, np.iinfo(kind).max
    x = rng.integers(low, min(high, 0) + 1, (2, 2, 4, 4)).astype(kind)
    onnx_type = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    inputs, out = [("x", onnx_type, ["N", 2, 4, 4])], ("y", onnx_type, ["N", 2, 4, 4])
    proto = one_node("MaxPool", inputs, out, kernel_shape=[3, 3], pads=[1] * 4)
    compare(proto, {"x": x}, onnxruntime_run, atol=0)


def test_integer_matmul_equals_onnxruntime(onnxruntime_run, rng):
    w = onnx.numpy_helper.from_array(rng.integers(-128, 128, (9, 4)).astype(np.int8), "w")
    zero = onnx.numpy_helper.from_array(np.uint8(130), "zero")
    inputs, out = [("x", TensorProto.UINT8, ["N", 9])], ("y", TensorProto.INT32, ["N", 4])
    x = rng.integers(0, 256, (5, 9)).astype(np.uint8)
    for constants in ([w], [w, zero]):
        proto = one_node("MatMulInteger", inputs, out, constants)
        compare(proto, {"x": x}, onnxruntime_run, atol=0)


def test_keep_chooses_what_comes_back(integer_graph, rng):
    x = rng.standard_normal((2, 2, 7, 6)).astype(np.float32)
    assert list(graph.evaluate(integer_graph, {"x": x})) == ["logits"]
    assert list(graph.evaluate(integer_graph, {"x": x}, ["q", "h1"])) == ["q", "h1"]
    everything = graph.evaluate(integer_graph, {"x": x}, "all")
    names = {value.name for node in integer_graph.graph for value in node.outputs}
    assert set(everything) == {"x"} | names
    assert everything["h1"].dtype == np.uint8
    assert everything["h2"].dtype == np.int8
    assert everything["a2"].dtype == np.int32
    assert set(np.unique(everything["bits"])) == {0, 1}
    with pytest.raises(InputError, match="keep must name values of the graph, got 'nothing'"):
        graph.evaluate(integer_graph, {"x": x}, ["nothing"])


def test_the_batch_is_free(integer_graph, rng):
    run = graph.Evaluator(integer_graph)
    x = rng.standard_normal((5, 2, 7, 6)).astype(np.float32)
    whole = run({"x": x})["logits"]
    for i in range(5):
        np.testing.assert_array_equal(run({"x": x[i : i + 1]})["logits"], whole[i : i + 1])
    assert run({"x": x[:0]})["logits"].shape == (0, 5)


def test_feeds_are_checked(integer_graph):
    x = np.zeros((1, 2, 7, 6), np.float32)
    with pytest.raises(InputError, match=r"feeds must name the inputs \['x'\], got \['z'\]"):
        graph.evaluate(integer_graph, {"z": x})
    with pytest.raises(ValueDomainError, match="input 'x' must be float32, got float64"):
        graph.evaluate(integer_graph, {"x": x.astype(np.float64)})
    with pytest.raises(ShapeError, match=r"shape \('N', 2, 7, 6\), got \(1, 3, 7, 6\)"):
        graph.evaluate(integer_graph, {"x": np.zeros((1, 3, 7, 6), np.float32)})
    with pytest.raises(ShapeError, match=r"got \(2, 7, 6\)"):
        graph.evaluate(integer_graph, {"x": x[0]})


def test_an_unknown_op_is_refused_by_name(parse):
    model = parse("g (float[N,2] x) => (float[N,2] y) { [head] y = Relu(x) }")
    node = model.graph[0]
    node.op_type, node.domain = "Whatever", "elsewhere"
    model.graph.opset_imports["elsewhere"] = 1
    with pytest.raises(UnsupportedOpError, match=r"\[node head\].*got elsewhere.Whatever"):
        graph.evaluate(model, {"x": np.zeros((1, 2), np.float32)})


def test_a_network_of_resnet_20s_size_is_quick(parse, rng):
    # 20 layers of 16 to 16 channels at 32x32: 47 million multiplications; ResNet-20 has 41.
    body = "\n".join(f"h{i + 1} = Conv <pads = [1, 1, 1, 1]> (h{i}, w)" for i in range(20))
    model = parse(f"""
    g (float[N,16,32,32] h0) => (float[N,16,32,32] h20)
    <float[16,16,3,3] w = {{{", ".join(["0.01"] * 2304)}}}> {{ {body} }}""")
    x = rng.standard_normal((8, 16, 32, 32)).astype(np.float32)
    start = time.perf_counter()
    graph.evaluate(model, {"h0": x})
    assert time.perf_counter() - start < 5


def test_the_graph_needs_no_torch():
    code = (
        "import sys, niwaki.graph, niwaki.graph.passes as p; list(p.PASSES.items()); "
        "print([n for n in ('torch', 'onnxruntime') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
