from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from niwaki.errors import ShapeError, ValueDomainError
from niwaki.graph import arithmetic

ACC = st.integers(-(2**31), 2**31 - 1)
MULTIPLIER = st.integers(-(2**15), 2**15 - 1)
BIAS = st.integers(-(2**47), 2**47 - 1)
RANGE = st.sampled_from([(0, 255), (-128, 127), (0, 0), (-128, -128), (3, 9)])


def test_requantize_rounds_halves_up_and_negatives_down():
    # (acc + 2) >> 2 by hand: -7 -> -5 >> 2 = -2, -6 -> -1, -2 -> 0, 2 -> 1, 6 -> 2
    acc = np.array([-7, -6, -2, 2, 6])
    one, zero, two = np.ones(5, int), np.zeros(5, int), np.full(5, 2)
    got = arithmetic.requantize([acc], [one], zero, two, -128, 127)
    np.testing.assert_array_equal(got, [-2, -1, 0, 1, 2])


@given(
    st.lists(st.tuples(ACC, MULTIPLIER), min_size=1, max_size=3), BIAS, st.integers(1, 40), RANGE
)
def test_requantize_equals_python_integers(terms, bias, shift, limits):
    lo, hi = limits
    total = sum(acc * m for acc, m in terms) + bias + (1 << (shift - 1))
    got = arithmetic.requantize(
        [np.array([acc], np.int32) for acc, _ in terms],
        [np.array([m], np.int16) for _, m in terms],
        np.array([bias]),
        np.array([shift], np.uint8),
        lo,
        hi,
    )
    assert got.dtype == (np.uint8 if lo >= 0 else np.int8)
    assert got[0] == min(max(total >> shift, lo), hi)


def test_requantize_refuses_what_the_rule_does_not_cover():
    one = np.array([1])
    with pytest.raises(ShapeError, match="one multiplier, got 1 terms and 2 multipliers"):
        arithmetic.requantize([one], [one, one], one, one, 0, 255)
    with pytest.raises(ValueDomainError, match="one 8-bit type, got lo=-1, hi=255"):
        arithmetic.requantize([one], [one], one, one, -1, 255)
    with pytest.raises(ValueDomainError, match="shift must be 1 to 40, got 41 to 41"):
        arithmetic.requantize([one], [one], one, np.array([41]), 0, 255)


@given(st.floats(-(2.0**100), 2.0**100, width=32))
def test_quantize_input_stays_in_range_and_rounds_to_even(x):
    got = arithmetic.quantize_input(np.array([x], np.float32), 8.0)
    product = np.float32(x) * np.float32(8)
    assert got[0] == min(max(round(float(product)), -128), 127)


@given(st.integers(1, 8), st.booleans(), st.booleans(), st.floats(-1e3, 1e3))
def test_quant_keeps_to_its_steps(bits, signed, narrow, x):
    args = (np.array(0.5), np.array(0.0), np.array(float(bits)))
    got = float(arithmetic.quant(np.array(x), *args, signed=signed, narrow=narrow))
    low = -(2 ** (bits - 1)) + narrow if signed else 0
    high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
    assert got == 0.5 * min(max(round(x / 0.5), low), high)


def test_quant_is_the_identity_on_bits():
    bits = np.array([0, 1, 1, 0], np.float32)
    one, zero = np.ones((), np.float32), np.zeros((), np.float32)
    got = arithmetic.quant(bits, one, zero, one, signed=False, narrow=False)
    np.testing.assert_array_equal(got, bits)
    assert got.dtype == np.float32


def test_bipolar_quant_takes_zero_as_plus():
    x = np.array([-0.0, 0.0, -1e-30], np.float32)
    np.testing.assert_array_equal(arithmetic.bipolar_quant(x, np.array(2.0)), [2, 2, -2])
