"""ONNX's own node tests: all that the engine claims pass, and the claims are what the docs say."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnx.parser
import pytest
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from niwaki.errors import InputError, UnsupportedOpError
from niwaki.runtime._onnx_claims import CLAIMS, as_markdown
from niwaki.runtime.onnx_backend import NiwakiBackend

RECORD = json.loads(Path(__file__).with_name("onnx_node_tests.json").read_text())
PAGE = Path(__file__).parents[2] / "docs" / "onnx-operators.md"


@pytest.fixture(scope="module")
def node_tests():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the making of test data, in onnx
        from onnx.backend.test.case.node import collect_testcases

        return [case for case in collect_testcases(None) if case.kind == "node"]


def run(case):
    """Run one node test; return what went wrong, or None."""
    prepared = NiwakiBackend.prepare(case.model)
    for inputs, wanted in case.data_sets:
        results = prepared.run(inputs)
        if len(results) != len(wanted):
            return f"{len(results)} outputs instead of {len(wanted)}"
        for got, want in zip(results, wanted, strict=True):
            if got.dtype != want.dtype or got.shape != want.shape:
                return f"{got.dtype} {got.shape} instead of {want.dtype} {want.shape}"
            if not np.allclose(got, want, rtol=case.rtol, atol=case.atol, equal_nan=True):
                return f"off by up to {np.abs(got - want).max()}"
    return None


def test_all_claimed_node_tests_pass(node_tests):
    """The count of passing tests never falls: raise the record when more pass."""
    wrong, passed, ops = {}, 0, set()
    for case in node_tests:
        if not NiwakiBackend.is_compatible(case.model):
            continue
        failure = run(case)
        if failure is None:
            passed += 1
            ops |= {node.op_type for node in case.model.graph.node}
        else:
            wrong[case.name] = failure
    assert not wrong
    assert passed >= max(150, RECORD["passing"])
    assert set(CLAIMS) - ops == set(RECORD["claimed beside float32 node tests"])


def test_the_page_lists_the_claims():
    assert PAGE.read_text() == as_markdown(), "write docs/onnx-operators.md from as_markdown()"


def one_node(op, *, shape=(2, 3, 4, 4), more=(), output=None, **attributes):
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    inputs += [helper.make_tensor_value_info(name, kind, size) for name, kind, size in more]
    node = helper.make_node(op, [info.name for info in inputs], ["y"], name="it", **attributes)
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, output or shape)
    graph = helper.make_graph([node], "one", inputs, [result])
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=8)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (one_node("Hardmax"), r"Hardmax \(node 'it'\) needs the op to be among"),
        (
            one_node("MaxPool", kernel_shape=[2, 2], storage_order=1, output=(2, 3, 3, 3)),
            r"MaxPool \(node 'it'\) needs storage_order of \(0,\), got 1",
        ),
        (
            one_node("MaxPool", shape=(1, 1, 4, 4, 4), kernel_shape=[1, 1, 1]),
            "needs 3 to 4 axes, got 5",
        ),
        (one_node("Relu", shape=(0, 3)), "no axis of length 0"),
    ],
)
def test_outside_the_claims_is_a_clear_error(model, message):
    assert not NiwakiBackend.is_compatible(model)
    with pytest.raises(UnsupportedOpError, match=message):
        NiwakiBackend.prepare(model)


def test_constants_are_bound_when_the_model_runs():
    model = one_node("Reshape", more=[("shape", TensorProto.INT64, [2])], output=("a", "b"))
    prepared = NiwakiBackend.prepare(model)
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype(np.float32)
    for shape in ([2, 48], [6, 16], [2, -1]):  # another batch, too
        (y,) = prepared.run([x, np.array(shape)])
        np.testing.assert_array_equal(y, x.reshape(shape))
    with pytest.raises(InputError, match="2 inputs must be given"):
        prepared.run([x])
    assert not NiwakiBackend.supports_device("CUDA:0")
    with pytest.raises(UnsupportedOpError, match="must be CPU"):
        NiwakiBackend.prepare(model, "CUDA")


@pytest.mark.parametrize("batch", [1, 2])
@pytest.mark.parametrize(("axis", "rank"), [(1, 2), (1, 4), (-1, 4), (2, 5)])
def test_a_concatenation_may_have_constant_parts(batch, axis, rank):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(batch, 3, 4, 5, 2)[:rank]).astype(np.float32)
    parts = {}
    for index, length in enumerate((1, 2, 1)):
        shape = list(x.shape)
        shape[axis] = length
        parts[f"c{index}"] = rng.normal(size=shape).astype(np.float32)  # differs between images
    feeds = {"x": x, **parts}
    for order in (["c0", "x"], ["x", "c1"], ["c0", "c1", "x", "c2", "c0", "x"]):
        wanted = np.concatenate([feeds[name] for name in order], axis)
        graph = helper.make_graph(
            [helper.make_node("Concat", order, ["y"], name="it", axis=axis)],
            "one",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, wanted.shape)],
            [numpy_helper.from_array(parts[name], name) for name in set(order) - {"x"}],
        )
        imports = [helper.make_opsetid("", 18)]
        model = helper.make_model(graph, opset_imports=imports, ir_version=8)
        (y,) = NiwakiBackend.prepare(model).run([x])
        np.testing.assert_array_equal(y, wanted)


def test_an_axis_that_looks_like_a_batch_is_any_axis():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 4)).astype(np.float32)
    (y,) = NiwakiBackend.run_model(one_node("Softmax", axis=0), [x])
    np.testing.assert_allclose(y.sum(0), np.ones((3, 4, 4)), rtol=1e-6)


SHAPES = {
    "a view": (True, "r = Relu(x) s = Shape(x) y = Reshape(r, s)"),
    "rows": (True, "s = Shape<start=0, end=1>(x) t = Concat<axis=0>(s, m) y = Reshape(x, t)"),
    "channels as a number": (True, "s = Shape<start=1, end=2>(x) f = Cast<to=1>(s) y = Mul(x, f)"),
    "half of the channels": (True, "s = Shape<start=1, end=2>(x) h = Div(s, two) "
                             "y = Slice(x, zero, h, one)"),
    "the batch as a number": (False, "s = Shape<end=1>(x) f = Cast<to=1>(s) y = Mul(x, f)"),
    "the size as a number": (False, "s = Size(x) f = Cast<to=1>(s) g = Sqrt(f) y = Div(x, g)"),
    "one long line": (False, "s = Size(x) t = Unsqueeze(s, zero) y = Reshape(x, t)"),
}  # fmt: skip


@pytest.mark.parametrize("name", SHAPES)
def test_claims_on_shape_and_size_hold_for_open_and_fixed_batches(name):
    runs_open, lines = SHAPES[name]
    rank = {"rows": 2, "one long line": 1}.get(name, 4)
    for batch in ("N", "2"):
        sizes = ", ".join("abcd"[:rank])
        model = onnx.parser.parse_model(
            f"""<ir_version: 8, opset_import: ["" : 18]>
            g (float[{batch}, 4, 3, 3] x) => (float[{sizes}] y)
            <int64[1] zero = {{0}}, int64[1] one = {{1}}, int64[1] two = {{2}}, int64[1] m = {{-1}}>
            {{ {lines} }}"""
        )
        claimed = NiwakiBackend.is_compatible(model)
        assert claimed == (runs_open or batch != "N")
        if not claimed:
            with pytest.raises(UnsupportedOpError, match="batch"):
                NiwakiBackend.prepare(model)
            continue
        for images in (2, 3) if batch == "N" else (2,):
            x = np.random.default_rng(0).normal(size=(images, 4, 3, 3)).astype(np.float32)
            (wanted,) = ReferenceEvaluator(model).run(None, {"x": x})
            (y,) = NiwakiBackend.prepare(model).run([x])
            np.testing.assert_allclose(y, wanted, rtol=1e-6)
