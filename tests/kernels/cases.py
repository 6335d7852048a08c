"""Random arguments for every op of the kernels, as `run_kernel` takes them.

A case is (arguments, magnitude): `magnitude` gives, for a float op, the arguments whose reference
result is the sum of the absolute terms; an error is measured against it. None: results are equal
bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from niwaki import _core

Arguments = dict[str, Any]
Case = tuple[Arguments, Arguments | None]

AWKWARD = st.sampled_from([0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65])
SMALL = st.sampled_from([1, 2, 3, 7, 8, 9, 17])
BLOCK = 32
"""Pixels that kernels may work on at once: common/plane_layout.h, kPixelBlock."""

CASES: dict[str, st.SearchStrategy[Case]] = {}


def case(*ops: str) -> Callable[[Callable[..., Case]], Callable[..., Case]]:
    """Register `function(draw, rng, op)` as the source of the ops' cases."""

    def add(function: Callable[..., Case]) -> Callable[..., Case]:
        for op in ops:
            CASES[op] = _strategy(function, op)
        return function

    return add


@st.composite
def _strategy(draw: Any, function: Callable[..., Case], op: str) -> Case:
    return function(draw, np.random.default_rng(draw(st.integers(0, 2**32 - 1))), op)


def floats(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.uniform(-1, 1, shape).astype(np.float32)


def integers(rng: np.random.Generator, dtype: Any, *shape: int) -> np.ndarray:
    info = np.iinfo(dtype)
    return rng.integers(info.min, info.max, shape, dtype, endpoint=True)


def words(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Random words; some all zero, some all one."""
    drawn = integers(rng, np.uint64, *shape)
    pick = rng.integers(0, 4, shape)
    return np.where(pick == 0, np.uint64(0), np.where(pick == 1, ~np.uint64(0), drawn))


def draw_words(draw: Any, rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Words as above, or nothing but ones: only these fill counters of a byte."""
    return np.full(shape, ~np.uint64(0)) if draw(st.booleans()) else words(rng, *shape)


def draw_window(draw: Any, *, dilated: bool = True, most: int = 3) -> Arguments:
    side = st.integers(1, most)
    pad = st.integers(0, 2)
    window = {
        "kernel": (draw(side), draw(side)),
        "strides": (draw(side), draw(side)),
        "pads": (draw(pad), draw(pad), draw(pad), draw(pad)),
    }
    if dilated:
        window["dilations"] = (draw(st.integers(1, 2)), draw(st.integers(1, 2)))
    return window


def pack_dense(weights: np.ndarray, step: int) -> np.ndarray:
    """Pack (O, taps) into [ceil(O / 4)][taps / step][4][step], flat (conv_f32.h, conv_i16.h)."""
    outputs, taps = weights.shape
    padded = np.zeros((-(-outputs // 4) * 4, taps), weights.dtype)
    padded[:outputs] = weights
    blocks = padded.reshape(-(-outputs // 4), 4, taps // step, step).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(blocks).reshape(-1)


def pack_binary(weights: np.ndarray) -> np.ndarray:
    """Pack words (O, kh, kw, words) into [ceil(O / 8)][kh][kw][words][8] (conv_b1.h)."""
    padded = np.zeros((-(-len(weights) // 8) * 8, *weights.shape[1:]), np.uint64)
    padded[: len(weights)] = weights
    return np.ascontiguousarray(
        padded.reshape(len(padded) // 8, 8, *weights.shape[1:]).transpose(0, 2, 3, 4, 1)
    )


def draw_starts(draw: Any, rng: np.random.Generator) -> np.ndarray:
    """Entry counts of 0 to 12 outputs, some of them empty, as rising starts."""
    counts = rng.integers(0, 40, draw(st.integers(0, 12)))
    counts[rng.random(counts.size) < 0.2] = 0
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)


@case("PadPlanesF32", "PadPlanesU8", "PadPlanesS8")
def pad_planes(draw: Any, rng: np.random.Generator, op: str) -> Case:
    shape = (draw(st.integers(0, 3)), draw(SMALL), draw(SMALL))
    dtype = {"F32": np.float32, "U8": np.uint8, "S8": np.int8}[op.removeprefix("PadPlanes")]
    x = floats(rng, *shape) if dtype is np.float32 else integers(rng, dtype, *shape)
    return {"x": x, **draw_window(draw, most=5)}, None


@case("PadWords")
def pad_words(draw: Any, rng: np.random.Generator, op: str) -> Case:
    x = words(rng, draw(st.integers(0, 5)), draw(st.integers(0, 5)), draw(st.integers(0, 3)))
    return {"x": x, **draw_window(draw)}, None


@case("ConvSparseF32", "ConvSparseI16")
def conv_sparse(draw: Any, rng: np.random.Generator, op: str) -> Case:
    pixels = draw(AWKWARD | st.integers(1, 500))
    room = 100
    starts = draw_starts(draw, rng)
    size = room + -(-pixels // BLOCK) * BLOCK
    if op == "ConvSparseI16":
        values = rng.integers(-128, 128, (starts[-1], 2), np.int16)
        offsets = rng.integers(0, room, values.shape, np.int32, endpoint=True)
        x = rng.integers(-128, 256, size, np.int16)
        return {
            "input": x,
            "offsets": offsets,
            "values": values,
            "starts": starts,
            "pixels": pixels,
        }, None
    values = floats(rng, starts[-1])
    offsets = rng.integers(0, room, values.shape, np.int32, endpoint=True)
    rest = {"offsets": offsets, "starts": starts, "pixels": pixels}
    x = floats(rng, size)
    return {"input": x, "values": values, **rest}, {"input": abs(x), "values": abs(values), **rest}


@case("ConvDenseF32", "ConvDenseI16")
def conv_dense(draw: Any, rng: np.random.Generator, op: str) -> Case:
    pixels = draw(AWKWARD | st.integers(1, 500))
    room = 100
    outputs = draw(st.integers(0, 13))
    size = room + -(-pixels // BLOCK) * BLOCK
    taps = 2 * draw(st.integers(0, 20))
    offsets = rng.integers(0, room, taps, np.int32, endpoint=True)
    rest = {"offsets": offsets, "outputs": outputs, "pixels": pixels}
    if op == "ConvDenseI16":
        weights = pack_dense(rng.integers(-128, 128, (outputs, taps), np.int16), 2)
        return {"input": rng.integers(-128, 256, size, np.int16), "weights": weights, **rest}, None
    x, weights = floats(rng, size), pack_dense(floats(rng, outputs, taps), 1)
    return {"input": x, "weights": weights, **rest}, {
        "input": abs(x),
        "weights": abs(weights),
        **rest,
    }


def _binary_input(draw: Any, rng: np.random.Generator) -> tuple[np.ndarray, Arguments]:
    window = draw_window(draw)
    window["pads"] = (0, 0, 0, 0)  # the input of these ops is padded already
    shape = (draw(st.integers(1, 9)), draw(AWKWARD.filter(bool)), draw(st.integers(1, 9)))
    return draw_words(draw, rng, *shape), window


@case("WindowOnes")
def window_ones(draw: Any, rng: np.random.Generator, op: str) -> Case:
    x, window = _binary_input(draw, rng)
    return {"input": x, **window}, None


@case("ConvB1")
def conv_b1(draw: Any, rng: np.random.Generator, op: str) -> Case:
    x, window = _binary_input(draw, rng)
    outputs = draw(st.sampled_from([1, 7, 8, 9, 16, 17, 24, 25]))
    weights = draw_words(draw, rng, outputs, *window["kernel"], x.shape[2])
    ones = _core.run_kernel("window_ones_u1_i32_reference", input=x, **window)
    packed = pack_binary(weights)
    return {"input": x, "weights": packed, "ones": ones, "outputs": outputs, **window}, None


@case("LinearDenseF32", "LinearDenseI16")
def linear_dense(draw: Any, rng: np.random.Generator, op: str) -> Case:
    images, inputs, outputs = draw(st.integers(0, 3)), draw(AWKWARD), draw(AWKWARD)
    if op == "LinearDenseI16":
        x = rng.integers(-128, 256, (images, inputs), np.int16)
        return {"x": x, "weights": integers(rng, np.int8, outputs, inputs)}, None
    x, weights = floats(rng, images, inputs), floats(rng, outputs, inputs)
    return {"x": x, "weights": weights}, {"x": abs(x), "weights": abs(weights)}


@case("LinearSparseF32", "LinearSparseI16")
def linear_sparse(draw: Any, rng: np.random.Generator, op: str) -> Case:
    images, inputs = draw(st.integers(0, 3)), draw(AWKWARD.filter(bool))
    starts = draw_starts(draw, rng)
    columns = rng.integers(0, inputs, starts[-1], np.int32)
    rest = {"columns": columns, "starts": starts}
    if op == "LinearSparseI16":
        x = rng.integers(-128, 256, (images, inputs), np.int16)
        return {"x": x, "values": integers(rng, np.int8, starts[-1]), **rest}, None
    x, values = floats(rng, images, inputs), floats(rng, starts[-1])
    return {"x": x, "values": values, **rest}, {"x": abs(x), "values": abs(values), **rest}
