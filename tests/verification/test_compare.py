"""What counts as equal: worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st

from niwaki.runtime import Program
from niwaki.verification._compare import (
    Threshold,
    excused_images,
    is_off,
    match_shape,
    rounded_values,
)


def f32(*values):
    return np.array(values, np.float32)


def test_floats_may_differ_by_a_share_of_the_reference():
    off, difference = is_off(
        f32(1.00009, 1.0002, 1000.05, 1000.2), f32(1, 1, 1000, 1000), exact=False
    )
    assert off.tolist() == [False, True, False, True]
    np.testing.assert_allclose(difference, [9e-5, 2e-4, 5e-5, 2e-4], rtol=0.02)


def test_small_floats_are_held_absolutely():
    assert is_off(f32(9e-5, 2e-4), f32(0, 0), exact=False)[0].tolist() == [False, True]


def test_integers_must_be_equal():
    off, difference = is_off(np.array([3, 4], np.int8), np.array([3.0, 5.0]), exact=True)
    assert off.tolist() == [False, True]
    assert difference.tolist() == [0, 1]


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    ("got", "want"), [(np.nan, 1), (1, np.nan), (np.nan, np.nan), (np.inf, 1), (np.inf, -np.inf)]
)
def test_what_is_no_number_differs(got, want, exact):
    assert is_off(f32(got), f32(want), exact=exact)[0].all()


def test_shapes_that_hold_the_same_pixels_fit():
    assert match_shape(np.zeros((2, 3)), np.ones((2, 3, 1, 1))).shape == (2, 3)
    assert match_shape(np.zeros((2, 3)), np.ones((3, 2))) is None
    assert match_shape(np.zeros((2, 3)), np.ones((2, 4))) is None


def first_then_second():
    ones = np.ones(1, np.int8)
    return [
        Threshold("x1", "b1", ones, f32(0.5)),
        Threshold("x2", "b2", -ones, f32(-2.0)),
    ]


def run(b1, b2):
    return {"b1": f32(*b1).reshape(-1, 1, 1, 1), "b2": f32(*b2).reshape(-1, 1, 1, 1)}


def torch_run(x1, x2):
    values = run([x >= 0.5 for x in x1], [-x >= -2 for x in x2])
    values["x1"] = f32(*x1).reshape(-1, 1, 1, 1)
    values["x2"] = f32(*x2).reshape(-1, 1, 1, 1)
    return values


def test_distance_takes_the_sign():
    near = first_then_second()[1].distance(f32(2.00005, 1.5).reshape(2, 1, 1, 1))
    np.testing.assert_allclose(near.reshape(-1), [5e-5, 0.5], rtol=0.01)


def test_a_bit_at_its_threshold_excuses_its_image():
    # Image 0: b1 lay at its threshold. Image 1: it didn't. Image 2: no bit differs.
    torch = torch_run([0.50005, 0.9, 0.9], [1.0, 1.0, 1.0])
    got = run([0, 0, 1], [1, 1, 1])
    assert excused_images(first_then_second(), got, torch).tolist() == [True, False, False]


def test_what_a_bit_changes_behind_it_is_its_consequence():
    # Both bits differ; the first at its threshold, so the second may lie anywhere.
    torch = torch_run([0.50005, 0.9], [1.0, 2.00005])
    got = run([0, 0], [0, 0])
    # Image 1: the first bit had no right to differ, so the second excuses nothing.
    assert excused_images(first_then_second(), got, torch).tolist() == [True, False]


def test_one_bit_far_off_spoils_those_at_the_threshold():
    threshold = Threshold("x1", "b1", np.ones(1, np.int8), f32(0.5))
    x = f32(0.50005, 0.9).reshape(1, 1, 1, 2)
    torch = {"x1": x, "b1": (x >= 0.5).astype(np.float32)}
    assert not excused_images([threshold], {"b1": np.zeros_like(x)}, torch).any()


def test_bits_that_torch_has_no_value_for_excuse_nothing():
    torch = torch_run([0.50005], [1.0])
    del torch["x1"]
    assert not excused_images(first_then_second()[:1], run([0], [1]), torch).any()


@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=8))
def test_everything_equals_itself(values):
    array = f32(*values)
    for exact in (True, False):
        off, difference = is_off(array, array.copy(), exact=exact)
        assert not off.any()
        assert not difference.any()


def test_only_a_float_tail_may_be_rounded_in_the_integer_form():
    def layer(op: str, source: int, output: int, kind: str = "none") -> dict[str, object]:
        attrs = {"activation": {"kind": kind}}
        return {"op": op, "inputs": {"x": source}, "output": output, "attrs": attrs}

    names = ["x", "conv", "logits", "probabilities", "flat"]
    header = {
        "values": [{"name": name} for name in names],
        "layers": [
            layer("conv", 0, 1, "relu"),
            layer("dequantize", 1, 2),
            layer("softmax", 2, 3),
            layer("reshape", 3, 4),
        ],
    }
    assert rounded_values(Program(header, {})) == {"probabilities", "flat"}
