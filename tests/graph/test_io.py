from __future__ import annotations

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from onnx import TensorProto, helper

from niwaki import graph
from niwaki.errors import FormatError, InputError, UnsupportedOpError, ValueDomainError
from niwaki.graph.functions import QONNX

WEIGHT = ", ".join(f"{i % 5 - 2}.0" for i in range(54))
CONV = f"""
g (float[N,2,5,5] x) => (float[N,3,3,3] y)
<float[3,2,3,3] w = {{{WEIGHT}}}> {{ a = Conv(x, w)
 y = Relu(a) }}"""


def test_a_saved_model_comes_back_and_runs(integer_graph, tmp_path, onnxruntime_run, rng):
    path = tmp_path / "new" / "model.onnx"
    path.parent.mkdir()
    graph.save(integer_graph, path)
    proto = onnx.load(path)
    assert proto.ir_version == 8
    assert {entry.domain: entry.version for entry in proto.opset_import}[""] == 18
    x = rng.standard_normal((3, 2, 7, 6)).astype(np.float32)
    want = graph.evaluate(integer_graph, {"x": x})["logits"]
    np.testing.assert_array_equal(onnxruntime_run(proto, {"x": x})["logits"], want)
    again = graph.load(path)
    np.testing.assert_array_equal(graph.evaluate(again, {"x": x})["logits"], want)
    graph.save(again, tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == path.read_bytes()


def test_every_value_has_a_static_shape_but_for_the_batch(integer_graph):
    proto = graph.to_proto(integer_graph)
    infos = {
        info.name: info.type.tensor_type for info in [*proto.graph.value_info, *proto.graph.output]
    }
    for node in proto.graph.node:
        for name in node.output:
            first, *rest = infos[name].shape.dim
            assert first.dim_param == "N" or name == "v"  # the binary weights have no batch
            assert all(dim.dim_value > 0 for dim in rest)


def test_inlining_leaves_qonnx_nodes_only(integer_graph, tmp_path):
    graph.save(integer_graph, tmp_path / "inlined.onnx", inline=True)
    proto = onnx.load(tmp_path / "inlined.onnx")
    assert {node.domain for node in proto.graph.node} == {"", QONNX}
    assert not proto.functions
    names = [node.name for node in proto.graph.node]
    assert len(set(names)) == len(names)


def test_a_new_dimension_is_refused_by_name(parse):
    model = parse("""
    g (float[N,2,H,W] x) => (float[N,2,H,W] y) { [act] y = Relu(x) }""")
    with pytest.raises(FormatError, match=r"\[node act\] value 'y' must have a static shape"):
        graph.to_proto(model)


def test_a_broken_model_is_refused(parse):
    model = parse("g (float[N,2] x) => (float[N,2] y) { y = Relu(x) }")
    model.graph.append(ir.node("Conv", [model.graph.inputs[0]]))
    with pytest.raises(FormatError, match=r"rules|agree"):
        graph.to_proto(model)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(
        InputError, match=r"\[load\] the model must be a file that exists, got .*no.onnx"
    ):
        graph.load(tmp_path / "no.onnx")


@pytest.mark.parametrize("data", [b"", b"hello world", bytes(range(256)) * 4, b"\x08\x08"])
def test_what_is_not_onnx_is_refused(tmp_path, data):
    path = tmp_path / "bad.onnx"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"\[load bad.onnx\] the file must be"):
        graph.load(path)


def test_a_truncated_file_is_refused(tmp_path, parse):
    graph.save(parse(CONV), tmp_path / "whole.onnx")
    whole = (tmp_path / "whole.onnx").read_bytes()
    path = tmp_path / "short.onnx"
    for length in range(1, len(whole), max(1, len(whole) // 40)):
        path.write_bytes(whole[:length])
        with pytest.raises(FormatError, match=r"short.onnx"):
            graph.load(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_weights_that_are_not_finite_are_refused(tmp_path, parse, bad):
    model = parse(CONV)
    weight = model.graph.initializers["w"]
    array = weight.const_value.numpy().copy()
    array[0, 0, 0, 0] = bad
    weight.const_value = ir.tensor(array, name="w")
    graph.save(model, tmp_path / "nan.onnx")
    with pytest.raises(ValueDomainError, match=r"\[load nan.onnx\] tensor 'w' .* got 1 NaN"):
        graph.load(tmp_path / "nan.onnx")


def test_attributes_that_are_not_finite_are_refused(tmp_path, parse):
    model = parse(
        "g (float[N,3,4,4] x) => (float[N,3,4,4] y) { [r] y = LeakyRelu <alpha=2.0> (x) }"
    )
    proto = graph.to_proto(model)
    proto.graph.node[0].attribute[0].f = np.inf
    onnx.save(proto, tmp_path / "inf.onnx")
    with pytest.raises(ValueDomainError, match=r"LeakyRelu \(node 'r'\) must have a finite alpha"):
        graph.load(tmp_path / "inf.onnx")


def test_external_data_is_read_and_missed(tmp_path, parse, rng):
    model = parse(CONV)
    weight = model.graph.initializers["w"]
    weight.const_value = ir.tensor(
        weight.const_value.numpy(), name="w"
    )  # raw bytes can be external
    proto = graph.to_proto(model)
    onnx.save(
        proto,
        tmp_path / "big.onnx",
        save_as_external_data=True,
        location="big.data",
        size_threshold=0,
    )
    x = rng.standard_normal((1, 2, 5, 5)).astype(np.float32)
    got = graph.evaluate(graph.load(tmp_path / "big.onnx"), {"x": x})["y"]
    np.testing.assert_array_equal(got, graph.evaluate(model, {"x": x})["y"])
    (tmp_path / "big.data").unlink()
    with pytest.raises(FormatError, match=r"big\.data"):
        graph.load(tmp_path / "big.onnx")


@pytest.mark.parametrize("opset", [13, 15, 17, 19, 21])
def test_other_opsets_are_converted(tmp_path, opset, rng, onnxruntime_run):
    # ReduceMean took its axes as an attribute up to 17, Split lost and gained num_outputs at 18.
    axes = [] if opset < 18 else ["axes"]
    mean = helper.make_node("ReduceMean", ["a", *axes], ["y"], keepdims=0)
    if opset < 18:
        mean.attribute.append(helper.make_attribute("axes", [2, 3]))
    nodes = [helper.make_node("Relu", ["x"], ["a"]), mean]
    constants = [helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3])] if axes else []
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 2, 4, 4])]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 2])]
    body = helper.make_graph(nodes, "g", inputs, outputs, constants)
    proto = helper.make_model(body, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.save(proto, tmp_path / "old.onnx")
    model = graph.load(tmp_path / "old.onnx")
    assert model.graph.opset_imports[""] == 18
    assert all(node.name for node in model.graph)
    x = rng.standard_normal((3, 2, 4, 4)).astype(np.float32)
    got = graph.evaluate(model, {"x": x})["y"]
    np.testing.assert_allclose(got, onnxruntime_run(proto, {"x": x})["y"], rtol=1e-6)


def test_an_opset_of_the_future_is_refused(tmp_path, parse):
    proto = graph.to_proto(parse(CONV))
    proto.opset_import[0].version = 999
    onnx.save(proto, tmp_path / "new.onnx")
    with pytest.raises((UnsupportedOpError, FormatError), match=r"new\.onnx"):
        graph.load(tmp_path / "new.onnx")


def test_functions_of_others_are_inlined(tmp_path, rng):
    text = """
    <ir_version: 8, opset_import: ["": 18, "them": 1]>
    g (float[N,4] x) => (float[N,4] y) { y = them.Twice(x) }
    <domain: "them", opset_import: ["": 18]>
    Twice (a) => (b) { b = Add(a, a) }"""
    onnx.save(onnx.parser.parse_model(text), tmp_path / "theirs.onnx")
    model = graph.load(tmp_path / "theirs.onnx")
    assert [node.op_type for node in model.graph] == ["Add"]
    x = rng.standard_normal((2, 4)).astype(np.float32)
    np.testing.assert_array_equal(graph.evaluate(model, {"x": x})["y"], 2 * x)


def test_an_unwritable_path_leaves_nothing_behind(tmp_path, parse):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="folder"):
        graph.save(parse(CONV), tmp_path / "file" / "model.onnx")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
