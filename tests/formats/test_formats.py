"""Formats: contracts over the registry, and worked examples of each."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from niwaki.errors import FormatError, ShapeError, ValueDomainError
from niwaki.formats import FORMATS
from niwaki.formats.bit_planes import pack_channels, unpack_channels

SIZES = (1, 3, 63, 64, 65)
SHAPES = [(3, 9), (2, 4608), (4, 1, 3, 3), (2, 64, 3, 3), (2, 512, 3, 3), (3, 65, 1, 1), (1, 257)]
DENSITIES = (0.0, 0.001, 0.02, 0.5, 1.0)


def sample(name, dtype, shape, density, seed=0):
    """Return a weight that format `name` takes."""
    rng = np.random.default_rng(seed)
    if FORMATS.get(name).signs_only:
        return rng.choice([-1, 1], shape).astype(dtype)
    low, high = (-127, 128)
    values = rng.integers(low, high, shape).astype(dtype)
    values[values == 0] = 1
    return values * (rng.random(shape) < density).astype(dtype)


@pytest.mark.parametrize("name", FORMATS.names())
@pytest.mark.parametrize("density", DENSITIES)
def test_every_format_gives_the_weight_back(name, density):
    fmt = FORMATS.get(name)
    for dtype in fmt.dtypes:
        for shape in SHAPES:
            weight = sample(name, dtype, shape, density)
            encoded = fmt.encode(weight)
            np.testing.assert_array_equal(fmt.decode(encoded, shape), weight)
            bits = sum(array.nbytes for array in encoded.values()) * 8
            assert fmt.size_bits(weight) == bits


@pytest.mark.parametrize("name", FORMATS.names())
def test_every_format_refuses_foreign_weights(name):
    fmt = FORMATS.get(name)
    with pytest.raises(ShapeError, match=r"must have shape \(O, C, kh, kw\) or \(O, K\), got"):
        fmt.encode(np.ones((2, 3, 4), np.float32))
    with pytest.raises(ValueDomainError, match="dtype must be float32 or int8, got float64"):
        fmt.encode(np.ones((2, 3)))


@pytest.mark.parametrize("name", FORMATS.names())
def test_every_format_holds_empty_weights(name):
    fmt = FORMATS.get(name)
    for shape in [(0, 5), (2, 0)]:
        empty = np.zeros(shape, np.float32)
        assert fmt.decode(fmt.encode(empty), shape).shape == shape


@settings(deadline=None, max_examples=60)
@given(
    outputs=st.integers(1, 4),
    channels=st.sampled_from(SIZES),
    kernel=st.sampled_from([(1, 1), (3, 3), (1, 5)]),
    density=st.sampled_from(DENSITIES),
    seed=st.integers(0, 2**32 - 1),
)
def test_round_trip_at_awkward_sizes(outputs, channels, kernel, density, seed):
    shape = (outputs, channels, *kernel)
    for name in FORMATS.names():
        weight = sample(name, "float32", shape, density, seed)
        fmt = FORMATS.get(name)
        np.testing.assert_array_equal(fmt.decode(fmt.encode(weight), shape), weight)


def test_entries_follow_the_page():
    weight = np.zeros((2, 2, 1, 3), np.int8)
    weight[0, 1, 0, 0] = 7  # q = 0 * 2 + 1
    weight[0, 0, 0, 2] = -3  # q = 2 * 2 + 0
    encoded = FORMATS.get("entries").encode(weight)
    assert encoded["counts"].tolist() == [2, 0]
    assert encoded["counts"].dtype == np.uint16
    assert encoded["gaps"].tolist() == [1, 2]
    assert encoded["values"].tolist() == [7, -3]


@pytest.mark.parametrize(
    ("position", "gaps", "values"),
    [
        (255, [255], [9]),
        (256, [255, 0], [0, 9]),
        (767, [255, 255, 255], [0, 0, 9]),
        (768, [255, 255, 255, 0], [0, 0, 0, 9]),
    ],
)
def test_long_gaps_emit_fillers(position, gaps, values):
    weight = np.zeros((1, 1000), np.int8)
    weight[0, position] = 9
    encoded = FORMATS.get("entries").encode(weight)
    assert encoded["gaps"].tolist() == gaps
    assert encoded["values"].tolist() == values


def test_counts_above_16_bits_are_wide():
    encoded = FORMATS.get("entries").encode(np.ones((1, 65536), np.int8))
    assert encoded["counts"].dtype == np.int32
    assert encoded["counts"].tolist() == [65536]


@pytest.mark.parametrize("inputs", [64, 128, 256, 512])
def test_two_percent_takes_under_16_2_bits_per_non_zero(inputs):
    """bap.md, "what works must show", item 2."""
    rng = np.random.default_rng(1)
    weight = np.zeros((128, inputs * 9), np.int8)
    chosen = rng.choice(weight.size, round(0.02 * weight.size), replace=False)
    weight.flat[chosen] = 5
    encoded = FORMATS.get("entries").encode(weight)
    bits = (encoded["gaps"].nbytes + encoded["values"].nbytes) * 8
    assert 16 <= bits / chosen.size < 16.2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"counts": np.array([1, 2], np.uint16)}, "counts must be 2 numbers that add up"),
        ({"values": np.array([1], np.int8)}, "values must be as many as gaps"),
        ({"gaps": np.array([0, 255], np.uint8)}, "position must be below 4, got 255"),
    ],
)
def test_damaged_entries_are_refused(change, message):
    good = {
        "counts": np.array([1, 1], np.uint16),
        "gaps": np.array([0, 1], np.uint8),
        "values": np.array([1, 2], np.int8),
    }
    with pytest.raises(FormatError, match=message):
        FORMATS.get("entries").decode({**good, **change}, (2, 4))


def test_bit_planes_refuse_what_is_not_a_sign_and_set_padding():
    fmt = FORMATS.get("bit-planes")
    with pytest.raises(ValueDomainError, match=r"must be -1 or \+1, got 0"):
        fmt.encode(np.array([[1, 0]], np.int8))
    with pytest.raises(FormatError, match="padding bits must be 0"):
        fmt.decode({"words": np.full((1, 1, 1, 1), 8, np.uint64)}, (1, 3))
    with pytest.raises(FormatError, match="words must be uint64 of shape"):
        fmt.decode({"words": np.zeros((1, 1, 1, 2), np.uint64)}, (1, 3))


@pytest.mark.parametrize("channels", SIZES)
def test_channels_pack_low_bit_first(channels):
    bits = np.random.default_rng(channels).integers(0, 2, (2, channels, 3, 2)).astype(np.uint8)
    words = pack_channels(bits)
    assert words.shape == (2, 3, 2, -(-channels // 64))
    last = channels - 1
    expected = (words[..., last // 64] >> np.uint64(last % 64)) & np.uint64(1)
    np.testing.assert_array_equal(expected, bits[:, last])
    np.testing.assert_array_equal(unpack_channels(words, channels), bits)
