"""2 popcount(a & v) - popcount(a) is the float convolution of {0, 1} by {-1, +1}, exactly.

The grid of si-bnn.md, "what works must show", item 3: every binary kernel of every instruction set
and the reference, and the engine with its own zero borders, held against torch's convolution. All
sums are whole numbers below 2^24, so float32 holds them exactly, in any order.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from niwaki import _core
from niwaki.formats import FORMATS
from niwaki.formats.bit_planes import pack_channels, unpack_channels
from niwaki.runtime import Engine, isas

from .programs import Builder, binary_tensors

CHANNELS = (1, 3, 63, 64, 65, 128, 500)
KERNELS, STRIDES, PADS = (1, 3, 5, 7), (1, 2), (0, 1, 2, 3)
ISAS = [*isas(), "reference"]
OUTPUTS = 19
"""Two blocks of eight and a rest."""


def geometries():
    """Return every (kernel, stride, pad) with the least map it fits, and a few pixels more."""
    for kernel, stride, pad in itertools.product(KERNELS, STRIDES, PADS):
        least = max(1, kernel - 2 * pad)
        yield kernel, stride, pad, (least + 2, least + 9)


def draw(rng, channels, kernel, size):
    """Return bits (C, H, W) and signs (O, C, k, k); some pixels are all ones, some all zeros."""
    bits = rng.integers(0, 2, (channels, *size)).astype(bool)
    kind = rng.integers(0, 6, size)
    bits = (bits | (kind == 0)) & (kind != 1)
    signs = rng.choice(np.array([-1, 1], np.int8), (OUTPUTS, channels, kernel, kernel))
    return bits, signs


def packed(signs):
    """Return the signs as binary kernels read them: words [O / 8][k][k][C / 64][8], conv_b1.h."""
    words = FORMATS.get("bit-planes").encode(signs)["words"]
    blocks = np.zeros((-(-len(words) // 8) * 8, *words.shape[1:]), np.uint64)
    blocks[: len(words)] = words
    return np.ascontiguousarray(np.moveaxis(blocks.reshape(-1, 8, *words.shape[1:]), 1, -1))


def float_conv(bits, signs, stride, pad):
    """Return torch's convolution, float32 (O, H', W')."""
    x, weight = (torch.from_numpy(array.astype(np.float32)) for array in (bits[None], signs))
    return F.conv2d(x, weight, stride=stride, padding=pad)[0].numpy()


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("isa", ISAS)
def test_kernels_are_the_float_convolution(isa, channels):
    rng = np.random.default_rng(channels)
    available = {kernel.name for kernel in _core.kernels() if kernel.available}
    ones_kernel = f"window_ones_u1_i32_{isa}"
    if ones_kernel not in available:  # AVX-512 takes AVX2's
        assert isa == "x86_avx512"
        ones_kernel = "window_ones_u1_i32_x86_avx2"
    floats = np.ones(OUTPUTS, np.float32)
    for kernel, stride, pad, size in geometries():
        where = f"{kernel}x{kernel}, stride {stride}, padding {pad}"
        bits, signs = draw(rng, channels, kernel, size)
        want = float_conv(bits, signs, stride, pad)
        window = {"kernel": (kernel,) * 2, "strides": (stride,) * 2, "pads": (0,) * 4}
        words = np.pad(pack_channels(bits[None])[0], ((pad, pad), (pad, pad), (0, 0)))
        binary = {
            "input": words,
            "weights": packed(signs),
            "ones": _core.run_kernel(ones_kernel, input=words, **window),
            "outputs": OUTPUTS,
            **window,
        }
        counted = float_conv(bits, np.ones((1, channels, kernel, kernel)), stride, pad)[0]
        np.testing.assert_array_equal(binary["ones"], counted, err_msg=where)
        got = _core.run_kernel(f"conv_u1_b1_i32_{isa}", **binary)
        np.testing.assert_array_equal(got, want, err_msg=where)
        got = _core.run_kernel(f"planes_u1_b1_f32_{isa}", **binary, scale=floats, residual=None)
        np.testing.assert_array_equal(got[..., : want.shape[2]], want, err_msg=where)
        unit = {"scale": floats, "bias": 0 * floats, "sign": floats, "level": floats}
        flags = {"floats": 1, "bits": 0, "relu": 0, "residual": None}
        got = _core.run_kernel(f"unit_u1_b1_f32_{isa}", **binary, **unit, **flags)
        got = got.view(np.float32).reshape(*want.shape[1:], OUTPUTS).transpose(2, 0, 1)
        np.testing.assert_array_equal(got, want, err_msg=where)
        # Every limit is a sum that occurs, so that being equal is tested too.
        limit = rng.choice(want.reshape(-1), OUTPUTS).astype(np.int32)
        test = {"sign": np.ones(OUTPUTS, np.int32), "limit": limit}
        got = _core.run_kernel(f"chain_u1_b1_u1_{isa}", **binary, **test)
        got = unpack_channels(got.reshape(1, *want.shape[1:], -1), OUTPUTS)[0]
        np.testing.assert_array_equal(got, want >= limit[:, None, None], err_msg=where)


@pytest.mark.parametrize("channels", CHANNELS)
@pytest.mark.parametrize("isa", ISAS)
def test_the_engine_is_the_float_convolution(isa, channels):
    rng = np.random.default_rng(channels + 1)
    for kernel, stride, pad, size in geometries():
        bits, signs = draw(rng, channels, kernel, size)
        want = float_conv(bits, signs, stride, pad)
        builder = Builder((channels, *size))
        level = {"sign": np.ones(channels, np.int8), "level": np.full(channels, 0.5, np.float32)}
        a = builder.layer("threshold", {"x": builder.input}, "u1", bits.shape, {}, level)
        attrs = {"kernel": [kernel] * 2, "strides": [stride] * 2, "pads": [pad] * 4}
        tensors = binary_tensors(signs) | {"bias": np.zeros(OUTPUTS, np.float32)}
        builder.layer("conv", {"bits": a}, "f32", want.shape, {**attrs, "weight": "none"}, tensors)
        got = Engine(builder.program(), isa=isa)(bits[None].astype(np.float32))[0]
        np.testing.assert_array_equal(
            got, want, err_msg=f"{kernel}x{kernel}, stride {stride}, padding {pad}"
        )
