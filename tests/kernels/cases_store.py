"""Random arguments for the ops at the store: thresholds, epilogues, pools and conversions."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from .cases import AWKWARD, SMALL, Arguments, Case, case, draw_window, floats, integers, words

ACTIVATIONS = [
    "none",
    "relu",
    "leaky_relu",
    "clip",
    "sigmoid",
    "hard_sigmoid",
    "hard_swish",
    "silu",
    "tanh",
]
SPECIAL = np.array([0.0, -0.0, 1e-30, -1e30, 1e30, 100, -100, np.nan], np.float32)


@case("ThresholdF32", "ThresholdU8", "ThresholdS8")
def threshold(draw: Any, rng: np.random.Generator, op: str) -> Case:
    channels, pixels = draw(AWKWARD), draw(AWKWARD)
    sign = rng.choice(np.array([-1, 1], np.int8), channels)
    if op == "ThresholdF32":
        x = (
            rng.integers(-3, 4, (channels, pixels)).astype(np.float32) / 2
        )  # many are equal to a level
        x[rng.random(x.shape) < 0.05] = np.nan
        level = rng.integers(-3, 4, channels).astype(np.float32) / 2
        level[rng.random(channels) < 0.1] = np.inf
        level[rng.random(channels) < 0.1] = -np.inf
    else:
        x = integers(rng, np.uint8 if op == "ThresholdU8" else np.int8, channels, pixels)
        level = rng.integers(-300, 300, channels, np.int32)
        level[rng.random(channels) < 0.1] = np.iinfo(np.int32).max
        level[rng.random(channels) < 0.1] = np.iinfo(np.int32).min
    return {"x": x, "sign": sign, "level": level}, None


@case("UnpackBitsF32", "UnpackBitsU8")
def unpack_bits(draw: Any, rng: np.random.Generator, op: str) -> Case:
    channels = draw(AWKWARD)
    return {"words": words(rng, draw(AWKWARD), -(-channels // 64)), "channels": channels}, None


def _sizes(draw: Any) -> Arguments:
    sizes = {"channels": draw(st.integers(0, 4)), "height": draw(SMALL), "width": draw(AWKWARD)}
    if draw(st.booleans()):
        sizes |= {"channels": draw(AWKWARD), "height": 1, "width": 1}
    return sizes


def _term_shape(draw: Any, sizes: Arguments) -> tuple[int, int, int]:
    """Rows are compact, or wider than the output: accumulators of a padded plane."""
    return sizes["channels"], sizes["height"], sizes["width"] + draw(st.sampled_from([0, 1, 5]))


@case("EpilogueF32")
def epilogue(draw: Any, rng: np.random.Generator, op: str) -> Case:
    sizes = _sizes(draw)
    terms, sizes_of_terms = [], []
    for _ in range(draw(st.integers(1, 3))):
        shape = _term_shape(draw, sizes)
        kind = draw(st.sampled_from(["f32", "s32", "special"]))
        if kind == "s32":
            data = rng.integers(-1000, 1000, shape, np.int32)
            scale = floats(rng, sizes["channels"]) / 100
        else:
            data = (
                SPECIAL[rng.integers(0, 8, shape)]
                if kind == "special"
                else 10 * floats(rng, *shape)
            )
            scale = floats(rng, sizes["channels"]) if draw(st.booleans()) else None
        terms.append((data, scale))
        sizes_of_terms.append((abs(data), None if scale is None else abs(scale)))
    bias = floats(rng, sizes["channels"]) if draw(st.booleans()) else None
    rest = {**sizes, "alpha": 0.2, "beta": 0.5, "lo": -0.5, "hi": 6.0}
    arguments = {
        "terms": terms,
        "bias": bias,
        "activation": draw(st.sampled_from(ACTIVATIONS)),
        **rest,
    }
    # No activation steepens by more than 1.1; the 1 covers those that end between -1 and 1.
    one = np.ones(sizes["channels"], np.float32)
    size = one if bias is None else one + abs(bias)
    return arguments, {"terms": sizes_of_terms, "bias": size, "activation": "none", **rest}


@case("RequantizeU8", "RequantizeS8", "SumS32")
def requantize(draw: Any, rng: np.random.Generator, op: str) -> Case:
    sizes = _sizes(draw)
    channels = sizes["channels"]
    terms = []
    for _ in range(draw(st.integers(1, 3))):
        shape = _term_shape(draw, sizes)
        dtype = draw(st.sampled_from([np.int32, np.uint8, np.int8]))
        data = integers(rng, dtype, *shape)
        if op == "SumS32":
            data = np.right_shift(data, 3 if dtype is np.int32 else 0)  # the sum must fit s32
        terms.append((data, integers(rng, np.int16, channels)))
    spread = 20 if op == "SumS32" else 47
    bias = rng.integers(-(2**spread), 2**spread, channels, np.int64)
    shift = rng.integers(1, 40, channels, np.uint8, endpoint=True)
    shift[rng.random(channels) < 0.5] = 38  # where a full s32 times a full s16 lands near 8 bits
    lo, hi = (0, 255) if op == "RequantizeU8" else (-128, 127)
    if draw(st.booleans()):
        lo, hi = lo + 3, hi - 7
    return {"terms": terms, "bias": bias, "shift": shift, "lo": lo, "hi": hi, **sizes}, None


def _pool_case(draw: Any, x: np.ndarray) -> Arguments:
    window = draw_window(draw, dilated=False, most=4)
    top, left, bottom, right = window["pads"]
    (kernel_h, kernel_w), (stride_h, stride_w) = window["kernel"], window["strides"]
    extra = draw(st.integers(0, 1))  # ceil mode has one more
    return {
        "x": x,
        **window,
        "out_height": max(0, x.shape[1] + top + bottom - kernel_h) // stride_h + extra,
        "out_width": max(0, x.shape[2] + left + right - kernel_w) // stride_w + extra,
        "count_include_pad": draw(st.integers(0, 1)),
    }


@case("MaxPoolF32", "MaxPoolU8", "MaxPoolS8", "SumPoolU8", "SumPoolS8", "AveragePoolF32")
def pool(draw: Any, rng: np.random.Generator, op: str) -> Case:
    shape = (draw(st.integers(0, 3)), draw(SMALL), draw(SMALL))
    if not op.endswith("F32"):
        return _pool_case(
            draw, integers(rng, np.uint8 if op.endswith("U8") else np.int8, *shape)
        ), None
    arguments = _pool_case(draw, floats(rng, *shape))
    if op == "MaxPoolF32":
        arguments["x"][rng.random(shape) < 0.05] = np.nan
        return arguments, None
    return arguments, {**arguments, "x": abs(arguments["x"])}


@case("QuantizeS8", "DequantizeS32", "DequantizeU8", "DequantizeS8")
def convert(draw: Any, rng: np.random.Generator, op: str) -> Case:
    count = draw(AWKWARD)
    if op == "QuantizeS8":
        x = rng.integers(-600, 600, count).astype(np.float32) / 4  # halves are common
        special = np.array([np.nan, np.inf, -np.inf, 1e30], np.float32)
        pick = rng.random(count) < 0.1
        x[pick] = special[rng.integers(0, 4, pick.sum())]
        return {"x": x, "scale": draw(st.sampled_from([1.0, 2.0, 0.37]))}, None
    dtype = {"S32": np.int32, "U8": np.uint8, "S8": np.int8}[op.removeprefix("Dequantize")]
    return {"x": integers(rng, dtype, count), "scale": 0.037}, None
