"""The references themselves, against the formulas of the headers written in NumPy and by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from niwaki import _core

from .cases import draw_window, floats, integers, pack_binary, pack_dense


def _convolve(x: np.ndarray, w: np.ndarray, window: dict[str, Any]) -> np.ndarray:
    """Return the convolution of (C, H, W) by (O, C, kh, kw) in the wide type of its operands."""
    top, left, bottom, right = window["pads"]
    padded = np.pad(x, ((0, 0), (top, bottom), (left, right)))
    (sh, sw), (dh, dw) = window["strides"], window.get("dilations", (1, 1))
    out_h = (padded.shape[1] - (w.shape[2] - 1) * dh - 1) // sh + 1
    out_w = (padded.shape[2] - (w.shape[3] - 1) * dw - 1) // sw + 1
    out = np.zeros((w.shape[0], max(out_h, 0), max(out_w, 0)), np.result_type(x, w))
    for y in range(out.shape[1]):
        for column in range(out.shape[2]):
            patch = padded[:, y * sh :: dh, column * sw :: dw][:, : w.shape[2], : w.shape[3]]
            out[:, y, column] = np.tensordot(w, patch, 3)
    return out


def _unflatten(flat: np.ndarray, layout: _core.PlaneLayout) -> np.ndarray:
    """Cut accumulator planes (O, acc_stride) down to (O, out_height, out_width)."""
    rows = np.arange(layout.out_height)[:, None] * layout.row_width
    return flat[:, rows + np.arange(layout.out_width)]


def _tap_offsets(layout: _core.PlaneLayout, channels: int, window: dict[str, Any]) -> np.ndarray:
    kernel_h, kernel_w = window["kernel"]
    return np.array(
        [
            layout.tap_offset(c, i, j)
            for c in range(channels)
            for i in range(kernel_h)
            for j in range(kernel_w)
        ],
        np.int32,
    )


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_a_convolution_is_offsets_into_padded_planes(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    window = draw_window(data.draw, most=4)
    channels, height, width = (data.draw(st.integers(1, 9)) for _ in range(3))
    x = integers(rng, np.int8, channels, height, width)
    w = integers(rng, np.int8, 5, channels, *window["kernel"])
    layout = _core.plane_layout(channels, height, width, **window)
    expected = _convolve(x.astype(np.int32), w.astype(np.int32), window)
    assert expected.shape[1:] == (layout.out_height, layout.out_width)
    scratch = _core.run_kernel("pad_planes_i8_i16_reference", x=x, **window)
    taps = _tap_offsets(layout, channels, window)
    weights = w.reshape(5, -1).astype(np.int16)
    if taps.size % 2:
        taps, weights = np.append(taps, taps[-1]), np.pad(weights, ((0, 0), (0, 1)))
    dense = _core.run_kernel(
        "conv_dense_i16_i8_i32_reference",
        input=scratch,
        offsets=taps,
        weights=pack_dense(weights, 2),
        outputs=5,
        pixels=layout.flat_pixels,
    )
    sparse = _core.run_kernel(
        "conv_sparse_i16_i8_i32_reference",
        input=scratch,
        offsets=np.tile(taps.reshape(-1, 2), (5, 1)),
        values=weights.reshape(-1, 2),
        starts=np.arange(6, dtype=np.int32) * (taps.size // 2),
        pixels=layout.flat_pixels,
    )
    np.testing.assert_array_equal(_unflatten(dense, layout), expected)
    np.testing.assert_array_equal(_unflatten(sparse, layout), expected)


def test_a_float_convolution_is_the_same_sum() -> None:
    rng = np.random.default_rng(1)
    window = {"kernel": (3, 3), "strides": (2, 1), "pads": (1, 1, 1, 1)}
    x, w = floats(rng, 4, 7, 9), floats(rng, 6, 4, 3, 3)
    layout = _core.plane_layout(4, 7, 9, **window)
    scratch = _core.run_kernel("pad_planes_f32_reference", x=x, **window)
    taps = _tap_offsets(layout, 4, window)
    dense = _core.run_kernel(
        "conv_dense_f32_f32_f32_reference",
        input=scratch,
        offsets=taps,
        weights=pack_dense(w.reshape(6, -1), 1),
        outputs=6,
        pixels=layout.flat_pixels,
    )
    np.testing.assert_allclose(_unflatten(dense, layout), _convolve(x, w, window), atol=1e-5)


@pytest.mark.parametrize("channels", [1, 3, 63, 64, 65, 128])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("pad", [0, 1, 3])
def test_binary_identity(channels: int, stride: int, pad: int) -> None:
    """2 * popcount(a & v) - popcount(a) = sum a * (2v - 1), whatever the padding bits of v."""
    rng = np.random.default_rng(channels)
    window = {"kernel": (3, 3), "strides": (stride, stride), "pads": (pad, pad, pad, pad)}
    a = rng.integers(0, 2, (channels, 5, 6), np.int32)
    v = rng.integers(0, 2, (9, channels, 3, 3), np.int32)
    count = -(-channels // 64)

    def to_words(bits: np.ndarray, fill: int) -> np.ndarray:
        """(..., C) bits to (..., ceil(C / 64)) words, low bit first."""
        pads = [(0, 0)] * (bits.ndim - 1) + [(0, count * 64 - channels)]
        padded = np.pad(bits.astype(np.uint8), pads, constant_values=fill)
        return np.packbits(padded, axis=-1, bitorder="little").view(np.uint64)

    words = _core.run_kernel(
        "pad_words_u1_reference", x=to_words(a.transpose(1, 2, 0), 0), **window
    )
    padded = {**window, "pads": (0, 0, 0, 0)}
    got = _core.run_kernel(
        "conv_u1_b1_i32_reference",
        input=words,
        weights=pack_binary(to_words(v.transpose(0, 2, 3, 1), 1)),
        ones=_core.run_kernel("window_ones_u1_i32_reference", input=words, **padded),
        outputs=9,
        **padded,
    )
    np.testing.assert_array_equal(got, _convolve(a, 2 * v - 1, window))


@pytest.mark.parametrize("name", [k.name for k in _core.kernels() if k.op == "ConvB1"])
def test_windows_full_of_ones(name: str) -> None:
    """Every counter reaches its maximum: 3 * 3 * 8 words of 64 ones."""
    if name not in {k.name for k in _core.kernels() if k.available}:
        pytest.skip("this CPU doesn't run it")
    window = {"kernel": (3, 3), "strides": (1, 1), "pads": (0, 0, 0, 0)}
    x = np.full((3, 7, 8), ~np.uint64(0))
    got = _core.run_kernel(
        name,
        input=x,
        weights=np.full((2, 3, 3, 8, 8), ~np.uint64(0)),
        ones=np.full((1, 5), 9 * 512, np.int32),
        outputs=16,
        **window,
    )
    assert np.all(got == 9 * 512)


def test_requantise_by_hand() -> None:
    # (3 * 100 - 2 * 7 + 1000 + 2^3) >> 4 = 1294 >> 4 = 80;  (-3 * 100 + 8) >> 4 = -292 >> 4 = -19
    def run(m: int, bias: int, lo: int, hi: int) -> int:
        terms = [
            (np.full((1, 1, 1), 100, np.int32), np.array([m], np.int16)),
            (np.full((1, 1, 1), 7, np.uint8), np.array([-2 if bias else 0], np.int16)),
        ]
        rest = {"bias": np.array([bias]), "shift": np.array([4], np.uint8), "lo": lo, "hi": hi}
        sizes = {"channels": 1, "height": 1, "width": 1}
        return int(
            _core.run_kernel("requantize_i8_reference", terms=terms, **rest, **sizes)[0, 0, 0]
        )

    assert run(3, 1000, -128, 127) == 80
    assert run(-3, 0, -128, 127) == -19
    assert run(-3, 0, -10, 127) == -10


@pytest.mark.parametrize("name", [k.name for k in _core.kernels() if k.op == "RequantizeU8"])
def test_requantise_at_the_edges_of_its_domain(name: str) -> None:
    """The largest sums that the rule allows, against Python's unbounded integers."""
    if name not in {k.name for k in _core.kernels() if k.available}:
        pytest.skip("this CPU doesn't run it")
    accs = np.array([-(2**31), -1, 0, 1, 2**31 - 1], np.int32)
    for shift in (1, 39, 40):
        for m, bias in ((32767, 2**47 - 1), (-32768, -(2**47)), (1, 0)):
            terms = [(accs.reshape(1, 1, 5), np.array([m], np.int16))] * 3
            got = _core.run_kernel(
                name,
                terms=terms,
                bias=np.array([bias]),
                shift=np.array([shift], np.uint8),
                lo=0,
                hi=255,
                channels=1,
                height=1,
                width=5,
            )
            sums = [3 * m * int(acc) + bias + 2 ** (shift - 1) for acc in accs]
            assert got.reshape(-1).tolist() == [min(max(s >> shift, 0), 255) for s in sums]


ACTIVATIONS = {
    "relu": lambda x: np.maximum(x, 0),
    "leaky_relu": lambda x: np.where(x < 0, 0.1 * x, x),
    "clip": lambda x: np.clip(x, -1.5, 2.5),
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "hard_sigmoid": lambda x: np.clip(0.1 * x + 0.5, 0, 1),
    "hard_swish": lambda x: x * np.clip(x / 6 + 0.5, 0, 1),
    "silu": lambda x: x / (1 + np.exp(-x)),
    "tanh": np.tanh,
}


@pytest.mark.parametrize("kind", ACTIVATIONS)
@pytest.mark.parametrize("name", [k.name for k in _core.kernels() if k.op == "EpilogueF32"])
def test_activations_over_their_range(name: str, kind: str) -> None:
    if name not in {k.name for k in _core.kernels() if k.available}:
        pytest.skip("this CPU doesn't run it")
    x = np.linspace(-30, 30, 4001, dtype=np.float32)
    got = _core.run_kernel(
        name,
        terms=[(x.reshape(1, 1, -1), None)],
        bias=None,
        activation=kind,
        alpha=0.1,
        beta=0.5,
        lo=-1.5,
        hi=2.5,
        channels=1,
        height=1,
        width=x.size,
    )
    expected = ACTIVATIONS[kind](x.astype(np.float64))
    np.testing.assert_allclose(got.reshape(-1), expected, rtol=1e-6, atol=1e-6)


def test_thresholds_by_hand() -> None:
    x = np.array([[0.5, -0.5, np.nan], [0.5, -0.5, np.nan]], np.float32)
    level = np.array([0.5, 0.5], np.float32)
    sign = np.array([1, -1], np.int8)
    words = _core.run_kernel("threshold_f32_u1_reference", x=x, sign=sign, level=level)
    assert words.tolist() == [[0b01], [0b10], [0]]


def test_average_pool_counts_pads_only_when_asked() -> None:
    rest = {
        "kernel": (2, 2),
        "strides": (2, 2),
        "pads": (1, 1, 0, 0),
        "out_height": 1,
        "out_width": 1,
    }
    x = np.full((1, 1, 1), 6, np.float32)
    for include, expected in ((0, 6.0), (1, 1.5)):
        got = _core.run_kernel("average_pool_f32_reference", x=x, count_include_pad=include, **rest)
        assert got.tolist() == [[[expected]]]


def test_bad_arguments_are_refused_with_their_name() -> None:
    with pytest.raises(ValueError, match="kernels\\(\\) lists, got nothing"):
        _core.run_kernel("nothing")
    with pytest.raises(ValueError, match="the argument x must be given"):
        _core.run_kernel("pad_words_u1_reference")
    with pytest.raises(ValueError, match="x must be a C-contiguous array of the right dtype, 3-D"):
        _core.run_kernel("pad_words_u1_reference", x=np.zeros(3))
    with pytest.raises(ValueError, match="offsets must leave room"):
        _core.run_kernel(
            "conv_sparse_f32_f32_f32_reference",
            input=np.zeros(31, np.float32),
            offsets=np.zeros(1, np.int32),
            values=np.zeros(1, np.float32),
            starts=np.array([0, 1], np.int32),
            pixels=1,
        )


def test_isas_are_listed_best_first() -> None:
    isas = _core.isas()
    assert isas[-1] == "portable"
    assert set(isas) <= {"x86_avx512", "x86_avx2", "arm_neon", "portable"}
