from __future__ import annotations

from functools import cache

import numpy as np
import onnx
import onnx_ir as ir
import pytest
from hypothesis import given, settings, strategies as st
from onnx.reference import ReferenceEvaluator

from niwaki.errors import UnsupportedOpError
from niwaki.graph import arithmetic, attach_functions, evaluate, to_proto
from niwaki.graph.functions import NIWAKI, QONNX

EXTREMES = {
    "acc": [-(2**31), 2**31 - 1, -1, 0, 1],
    "m": [-(2**15), 2**15 - 1, -1, 0, 1],
    "bias": [-(2**47), 2**47 - 1, -1, 0, 1],
    "shift": [1, 2, 31, 32, 40],
}
LIMITS = [(0, 255), (-128, 127), (7, 20)]


def requantize_model(terms: int, lo: int, hi: int) -> ir.Model:
    names = [name for j in range(1, terms + 1) for name in (f"acc{j}", f"m{j}")]
    inputs = [f"int32[N,C] acc{j}, int64[C] m{j}" for j in range(1, terms + 1)]
    kind = "uint8" if lo >= 0 else "int8"
    text = f"""
    <ir_version: 8, opset_import: ["": 18, "niwaki": 1]>
    g ({", ".join(inputs)}, int64[C] bias, int64[C] shift) => ({kind}[N,C] y)
    {{ y = niwaki.Requantize{terms} <lo = {lo}, hi = {hi}> ({", ".join(names)}, bias, shift) }}
    """
    return ir.from_proto(onnx.parser.parse_model(text))


@pytest.fixture(scope="module")
def runners(onnxruntime_session):
    """Return ONNX Runtime and onnx's reference, both on the bodies, for (terms, lo, hi)."""

    @cache
    def make(terms: int, lo: int, hi: int):
        # The batch is free here, and so is C: the same body serves every shape.
        model = attach_functions(requantize_model(terms, lo, hi))
        model.ir_version = 8
        proto = ir.to_proto(model)
        return onnxruntime_session(proto), ReferenceEvaluator(proto)

    return make


def check(runners, terms, limits, accs, ms, bias, shift):
    session, reference = runners(terms, *limits)
    want = arithmetic.requantize(accs, ms, bias, shift, *limits)
    feeds = {"bias": bias, "shift": shift}
    feeds |= {f"acc{j + 1}": acc for j, acc in enumerate(accs)}
    feeds |= {f"m{j + 1}": m for j, m in enumerate(ms)}
    for got in (session.run(None, feeds)[0], reference.run(None, feeds)[0]):
        assert got.dtype == want.dtype
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("limits", LIMITS)
@pytest.mark.parametrize("terms", [1, 2, 3])
def test_requantize_body_is_exact_at_the_extremes(runners, terms, limits):
    grid = np.array(np.meshgrid(*EXTREMES.values(), indexing="ij")).reshape(4, -1)
    acc, m, bias, shift = grid[0].astype(np.int32)[None], *grid[1:]
    check(runners, terms, limits, [acc] * terms, [m] * terms, bias, shift)


@settings(max_examples=40, deadline=None)
@given(
    terms=st.integers(1, 3),
    limits=st.sampled_from(LIMITS),
    channels=st.sampled_from([1, 3, 64]),
    seed=st.integers(0, 2**32 - 1),
    magnitude=st.integers(1, 31),
)
def test_requantize_body_equals_numpy(runners, terms, limits, channels, seed, magnitude):
    rng = np.random.default_rng(seed)
    top = 2**magnitude
    accs = [rng.integers(-top, top, (2, channels)).astype(np.int32) for _ in range(terms)]
    ms = [rng.integers(-(2**15), 2**15, channels) for _ in range(terms)]
    bias = rng.integers(-(2**47), 2**47, channels) >> rng.integers(0, 40, channels)
    check(runners, terms, limits, accs, ms, bias, rng.integers(1, 41, channels))


@pytest.mark.parametrize("signed", [0, 1])
@pytest.mark.parametrize("narrow", [0, 1])
@pytest.mark.parametrize("bits", [1, 2, 8])
def test_quant_body_equals_numpy(parse, onnxruntime_run, rng, signed, narrow, bits):
    model = parse(f"""
    g (float[N,6] x) => (float[N,6] y)
    <float scale = {{0.25}}, float zero = {{1.0}}, float bits = {{{bits}.0}}>
    {{ y = qonnx.custom_op.general.Quant <signed = {signed}, narrow = {narrow}>
         (x, scale, zero, bits) }}""")
    x = (rng.standard_normal((50, 6)) * 40).astype(np.float32)
    want = arithmetic.quant(
        x, *(np.float32(v) for v in (0.25, 1, bits)), signed=bool(signed), narrow=bool(narrow)
    )
    np.testing.assert_array_equal(onnxruntime_run(to_proto(model), {"x": x})["y"], want)
    np.testing.assert_array_equal(evaluate(model, {"x": x})["y"], want)


def test_input_and_output_bodies_equal_numpy(parse, onnxruntime_run, rng):
    model = parse("""
    g (float[N,9] x) => (float[N,9] y, float[N,9] sign)
    <float inverse = {33.3}, float scale = {0.1}, float two = {2.0}>
    { q = niwaki.QuantizeInput(x, inverse)
      y = niwaki.Dequantize(q, scale)
      sign = qonnx.custom_op.general.BipolarQuant(x, two) }""")
    x = rng.standard_normal((20, 9)).astype(np.float32) * 3
    x[0, :5] = [0.0, -0.0, 1e30, -1e30, 0.5 / 33.3]
    want = arithmetic.dequantize(arithmetic.quantize_input(x, 33.3), 0.1)
    for got in (onnxruntime_run(to_proto(model), {"x": x}), evaluate(model, {"x": x})):
        np.testing.assert_array_equal(got["y"], want)
        np.testing.assert_array_equal(got["sign"], np.where(x >= 0, 2, -2))


def test_only_the_functions_used_are_attached(parse):
    model = parse("""
    g (float[N,3] x) => (float[N,3] y)
    <float one = {1.0}> { y = qonnx.custom_op.general.BipolarQuant(x, one) }""")
    assert [key[:2] for key in attach_functions(model).functions] == [(QONNX, "BipolarQuant")]
    model = requantize_model(2, 0, 255)
    names = [key[:2] for key in attach_functions(model).functions]
    assert names == [(NIWAKI, "ShiftAndClip"), (NIWAKI, "Requantize2")]  # callee first
    assert attach_functions(model).functions.keys() == attach_functions(model).functions.keys()


def test_what_has_no_body_is_refused(parse):
    text = """
    g (float[N,3] x) => (float[N,3] y)
    <float one = {{1.0}}> {{ [odd] y = qonnx.custom_op.general.{} (x, one, one, one) }}"""
    model = parse(text.format('Quant <rounding_mode = "CEIL">'))
    with pytest.raises(UnsupportedOpError, match=r"\[node odd\] Quant must .* ROUND, got CEIL"):
        attach_functions(model)
    model = parse(text.format("Trunc"))
    with pytest.raises(
        UnsupportedOpError, match=r"\[node odd\].*got qonnx.custom_op.general.Trunc"
    ):
        attach_functions(model)
