"""The C++ encoders file what `formats.cpo` defines; the algorithms are exact on integers."""

from __future__ import annotations

import numpy as np
import pytest

from niwaki import _core
from niwaki.formats import cpo
from niwaki.runtime import isas

from .test_formulas import _convolve


def encoded(kernel, x, block=16):
    """Return starts, words, values and places of each column of x (channels, height, columns)."""
    channels, height, _ = x.shape
    found = _core.run_kernel(kernel, x=x, block=block)
    ends = np.cumsum([height + 1, height + 1, height * channels + 16])
    return np.split(found, ends, axis=1)


@pytest.mark.parametrize("isa", isas())
def test_one_channel_is_filed_as_the_format_says(isa):
    rng = np.random.default_rng(0)
    image = (rng.integers(-9, 9, (13, 11)) * (rng.random((13, 11)) < 0.4)).astype(np.float32)
    filed = cpo.encode(image, (3, 3))
    starts, _, values, places = encoded(f"cpo_encode_f32_f32_f32_{isa}", image[None])
    pairs = []
    for overlap in range(3):
        for window in range(filed.geometry.out_width):
            part = filed.chunk(overlap, window)
            rows, inside = np.divmod(filed.offsets[part].astype(int), 3)
            pairs += zip(rows, inside + window, filed.values[part], strict=True)
    mine = [
        (int(places[x, e]) // 16, x, values[x, e])
        for x in range(11)
        for e in range(int(starts[x, -1]))
    ]
    assert len(mine) == filed.values.size == np.count_nonzero(image)
    assert sorted(mine) == sorted(pairs)


@pytest.mark.parametrize("isa", [*isas(), "reference"])
def test_zero_channels_have_no_entries(isa):
    x = np.zeros((16, 5, 7), np.float32)
    x[3] = 1
    starts, words, _, places = encoded(f"cps_encode_f32_f32_f32_{isa}", x)
    assert (starts[:, -1] == 5).all()
    assert (words[:, -1] == 5).all()
    assert (places[:, :5] == np.arange(5) * 16 + 3).all()


@pytest.mark.parametrize("isa", [*isas(), "reference"])
def test_a_full_map_halves_its_places(isa):
    starts, words, *_ = encoded(f"cps_encode_f32_f32_f32_{isa}", np.ones((16, 5, 7), np.float32))
    np.testing.assert_array_equal(2 * words, starts)


@pytest.mark.parametrize("algorithm", ["cpo", "cps"])
@pytest.mark.parametrize("kernel", [(3, 3), (5, 5), (1, 7), (7, 1)])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_integers_are_exact(algorithm, kernel, stride):
    rng = np.random.default_rng(1)
    for side in (8, 17, 35):
        x = rng.integers(-9, 10, (18, side, side)) * (rng.random((18, side, side)) < 0.3)
        weight = rng.integers(-9, 10, (20, 18, *kernel))
        window = {"kernel": kernel, "strides": (stride, stride), "pads": (1, 2, 0, 3)}
        got = _core.run_convolution(
            algorithm,
            {},
            input=x[None].astype(np.float32),
            weight=weight.astype(np.float32),
            isa="auto",
            **window,
        )
        np.testing.assert_array_equal(got[0], _convolve(x, weight, window))
