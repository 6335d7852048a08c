"""CPO and CPS: what their page says must be shown (items 1 to 7)."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from niwaki.errors import FormatError, ShapeError, ValueDomainError
from niwaki.formats import cpo, cps

KERNELS = [(3, 3), (5, 5), (1, 7), (7, 1), (1, 1)]


def sample(height, width, density, seed=0, dtype=np.int64):
    rng = np.random.default_rng(seed)
    values = rng.integers(1, 100, (height, width)) * rng.choice([-1, 1], (height, width))
    return (values * (rng.random((height, width)) < density)).astype(dtype)


def exactly(height, width, count, seed=0):
    """Return a map with that many non-zeros."""
    image = np.zeros(height * width, np.int64)
    image[np.random.default_rng(seed).choice(image.size, count, replace=False)] = 1
    return image.reshape(height, width)


def dense(image, kernel, stride):
    windows = np.lib.stride_tricks.sliding_window_view(image, kernel.shape)[::stride, ::stride]
    return np.einsum("yxij,ij->yx", windows, kernel)


def meetings(image, kernel, stride):
    """Count the (non-zero, tap) pairs of the dense convolution."""
    return int(dense((image != 0).astype(np.int64), np.ones(kernel, np.int64), stride).sum())


@pytest.mark.parametrize("method", [cpo, cps])
@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_equals_the_dense_convolution_exactly(method, kernel, stride):
    for side, density in itertools.product((8, 17, 35), (0.0, 0.2, 1.0)):
        image = sample(side, side, density)
        taps = np.random.default_rng(side).integers(-50, 50, kernel)
        output, done = method.multiply(method.encode(image, kernel, stride), taps)
        np.testing.assert_array_equal(output, dense(image, taps, stride))
        assert done == meetings(image, kernel, stride)


@pytest.mark.parametrize("method", [cpo, cps])
def test_floats_agree_to_1e_5(method):
    rng = np.random.default_rng(0)
    image = rng.random((35, 31), np.float32) * (rng.random((35, 31)) < 0.3)
    taps = rng.random((5, 5), np.float32)
    output, _ = method.multiply(method.encode(image.astype(np.float32), (5, 5)), taps)
    assert output.dtype == np.float32
    expected = dense(image.astype(np.float64), taps.astype(np.float64), 1)
    np.testing.assert_allclose(output, expected, rtol=1e-5)


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    kernel=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    stride=st.integers(1, 4),
    density=st.sampled_from([0.0, 0.1, 0.5, 1.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_map_comes_back_and_convolves(size, kernel, stride, density, seed):
    kernel = (min(kernel[0], size[0]), min(kernel[1], size[1]))
    image = sample(*size, density, seed)
    read = image.copy()
    geometry = cpo.Geometry(*size, kernel, stride)
    read[:, geometry.first > geometry.last] = 0
    taps = np.random.default_rng(seed).integers(-9, 9, kernel)
    for method in (cpo, cps):
        encoded = method.encode(image, kernel, stride)
        assert encoded.values.size == np.count_nonzero(read)
        np.testing.assert_array_equal(method.decode(encoded), read)
        np.testing.assert_array_equal(method.multiply(encoded, taps)[0], dense(image, taps, stride))
    assert cps.encode(image, kernel, stride).words <= cpo.encode(image, kernel, stride).words


def test_every_non_zero_is_stored_once():
    image = sample(17, 23, 0.4)
    encoded = cpo.encode(image, (3, 3))
    assert encoded.values.size == encoded.offsets.size == np.count_nonzero(image)
    assert sorted(encoded.values) == sorted(image[image != 0])


@pytest.mark.parametrize(
    ("side", "expected"),
    [(17, (613, 477, 1546, 765, 2025)), (50, (5101, 3901, 14449, 7200, 20736))],
)
def test_words_of_a_full_map(side, expected):
    image = np.ones((side, side), np.float32)
    others = cpo.words_of_others(image, (3, 3))
    words = (cpo.encode(image, (3, 3)).words, cps.encode(image, (3, 3)).words)
    assert (*words, others["cscc"], others["mec"], others["im2col"]) == expected


def test_words_follow_the_formula():
    for kernel, density in itertools.product(KERNELS, (0.0, 0.3, 1.0)):
        image = sample(20, 26, density)
        encoded = cpo.encode(image, kernel)
        kept = np.count_nonzero(image)
        row = encoded.geometry.out_width + 1
        pointers = row if kernel[1] == 1 else 3 + (kernel[1] - 1) * row
        assert encoded.words == 2 * kept + pointers
        groups = image.reshape(5, 4, 26) != 0
        index = np.minimum(groups.sum(axis=1), 2).sum()
        assert cps.encode(image, kernel).words == kept + index + pointers


@pytest.mark.parametrize(("count", "words", "ratio"), [(30, 95, 21.3), (128, 291, 7.0)])
def test_words_of_random_maps(count, words, ratio):
    image = exactly(17, 17, count)
    encoded = cpo.encode(image, (3, 3))
    assert encoded.words == words
    im2col = cpo.words_of_others(image, (3, 3))["im2col"]
    assert im2col / encoded.words == pytest.approx(ratio, abs=0.05)


def test_compression_at_30_percent():
    image = exactly(50, 50, 750)
    im2col = cpo.words_of_others(image, (3, 3))["im2col"]
    assert cpo.encode(image, (3, 3)).words == 2 * 750 + 3 + 2 * 49  # 12.95x: "about 12.9"
    assert im2col / cps.encode(image, (3, 3)).words == pytest.approx(13.4, abs=0.15)


def test_a_full_map_halves_its_index_list():
    """One pair per four elements, where the height divides by 4."""
    image = np.ones((16, 9), np.float32)
    assert cps.encode(image, (3, 3)).index_words * 2 == cpo.encode(image, (3, 3)).offsets.size


@pytest.mark.parametrize("height", [4, 5, 6, 7])
def test_every_pattern_of_four_rows_comes_back(height):
    for pattern in range(2**height):
        image = np.zeros((height, 3), np.int32)
        image[:, 1] = [pattern >> row & 1 for row in range(height)]
        encoded = cps.encode(image, (1, 1))
        np.testing.assert_array_equal(cps.decode(encoded), image)
        counts = [image[at : at + 4].sum() for at in range(0, height, 4)]
        assert encoded.index_words == sum(min(count, 2) for count in counts)
        assert encoded.sets.size == sum(count >= 3 for count in counts)


def test_a_zero_map_has_no_entries_and_no_multiplications():
    for method in (cpo, cps):
        encoded = method.encode(np.zeros((9, 9), np.float32), (3, 3))
        assert encoded.values.size == 0
        output, done = method.multiply(encoded, np.ones((3, 3), np.float32))
        assert done == 0
        assert not output.any()


def test_widths_of_the_index_words():
    assert cpo.encode(np.ones((4, 4)), (3, 3)).offsets.dtype == np.uint16
    assert cpo.encode(np.ones((65536, 1)), (1, 1)).offsets.dtype == np.uint32
    assert cps.encode(np.ones((8, 8)), (3, 3)).indices.dtype == np.uint16
    assert cps.encode(np.ones((8, 4096)), (3, 3)).indices.dtype == np.uint32
    small = cpo.encode(np.ones((4, 4), np.float32), (3, 3))
    assert small.nbytes == 16 * (4 + 2) + 4 * (3 + 2 * 3)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match=r"kernel must fit into the map of 2 x 2, got 3 x 3\. Pad"):
        cpo.encode(np.ones((2, 2)), (3, 3))
    with pytest.raises(ShapeError, match="map must be 2-D"):
        cps.encode(np.ones(3), (1, 1))
    with pytest.raises(ValueDomainError, match="stride must be at least 1"):
        cpo.encode(np.ones((2, 2)), (1, 1), 0)
    with pytest.raises(ShapeError, match="kernel must be"):
        cpo.multiply(cpo.encode(np.ones((3, 3)), (3, 3)), np.ones((1, 3)))


def test_damaged_maps_are_refused():
    good = cps.encode(np.ones((8, 3), np.int32), (3, 3))
    with pytest.raises(FormatError, match="sets must be"):
        cps.decode(dataclasses.replace(good, sets=good.sets[:-1]))
    with pytest.raises(FormatError, match="sets must be"):
        cps.decode(dataclasses.replace(good, sets=good.sets * 0))
    with pytest.raises(FormatError, match="positions must be"):
        cps.decode(dataclasses.replace(good, indices=good.indices | 0x7FFF))
    filed = cpo.encode(np.ones((8, 5), np.int32), (3, 3))
    with pytest.raises(FormatError, match="must belong to chunk"):
        cpo.decode(dataclasses.replace(filed, offsets=filed.offsets + 3000))
