"""Cases of slices_b1: binary convolutions by full adders; compared bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from .cases import Arguments, Case, case, draw_window, draw_words, floats


def _geometry(
    draw: Any, strides: tuple[int, int] | None = None
) -> tuple[Arguments, tuple[int, int, int], int]:
    """Return the common arguments, the padded image's shape, and the output's positions."""
    window = draw_window(draw)
    window["pads"] = (0, 0, 0, 0)  # the input of these ops is padded already
    window["strides"] = strides or window["strides"]
    reach = [(window["kernel"][i] - 1) * window["dilations"][i] for i in range(2)]
    shape = (
        reach[0] + draw(st.integers(1, 9)),
        reach[1] + draw(st.integers(1, 70)),
        draw(st.integers(1, 2)),
    )
    out = [(shape[i] - reach[i] - 1) // window["strides"][i] + 1 for i in range(2)]
    common = {
        "size": np.array(shape, np.int64),
        "channels": 64 * shape[2] - draw(st.integers(0, 63)),
        "row": shape[1] if draw(st.booleans()) else out[1] + draw(st.integers(0, 2)),
        "slice_words": draw(st.sampled_from([4, 8])),
        **window,
    }
    return common, shape, out[0] * common["row"]


def _inputs(common: Arguments) -> int:
    return common["channels"] * common["kernel"][0] * common["kernel"][1]


def _slices(draw: Any, rng: np.random.Generator, common: Arguments) -> np.ndarray:
    """Of one tile."""
    return draw_words(draw, rng, _inputs(common) * common["slice_words"])


def _tile(draw: Any, common: Arguments, positions: int) -> int:
    return draw(st.integers(0, (positions - 1) // (64 * common["slice_words"])))


def _base_words(common: Arguments, positions: int) -> int:
    """SliceGeometry::base_words()."""
    reach = [(common["kernel"][i] - 1) * common["dilations"][i] for i in range(2)]
    tiles = -(-positions // (64 * common["slice_words"]))
    return tiles * common["slice_words"] + -(-(reach[0] * common["row"] + reach[1]) // 64) + 2


@case("SliceBase")
def slice_base(draw: Any, rng: np.random.Generator, op: str) -> Case:
    common, shape, _ = _geometry(draw, strides=(1, 1))
    return {**common, "input": draw_words(draw, rng, *shape)}, None


@case("SliceThreshold")
def slice_threshold(draw: Any, rng: np.random.Generator, op: str) -> Case:
    shape = draw(st.integers(1, 9)), draw(st.integers(1, 9)), draw(st.integers(1, 70))
    x = rng.choice(np.array([-1, -0.25, 0, 0.25, 1, np.nan], np.float32), shape)
    return {
        "input": x,
        "sign": rng.choice(np.array([-1, 1], np.int8), shape[0]),
        "level": rng.choice(np.array([-0.25, 0, 0.25, np.inf], np.float32), shape[0]),
        "row": shape[2] + draw(st.integers(0, 2)),
        "first_word": draw(st.integers(0, 2)),
    }, None


@case("SliceBits")
def slice_bits(draw: Any, rng: np.random.Generator, op: str) -> Case:
    shifts = draw(st.booleans())
    common, shape, positions = _geometry(draw, strides=(1, 1) if shifts else None)
    if shifts:
        words = common["channels"] * _base_words(common, positions)
        source = {"base": draw_words(draw, rng, words), "lead": draw(st.integers(0, 63))}
    else:
        source = {"input": draw_words(draw, rng, *shape), "lead": 0}
    return {**common, **source, "tile": _tile(draw, common, positions)}, None


@case("SliceOnes")
def slice_ones(draw: Any, rng: np.random.Generator, op: str) -> Case:
    common, _, positions = _geometry(draw)
    slices = _slices(draw, rng, common)
    return {**common, "slices": slices, "tile": _tile(draw, common, positions)}, None


@case("SlicesB1")
def slices_b1(draw: Any, rng: np.random.Generator, op: str) -> Case:
    common, _, positions = _geometry(draw)
    outputs, group = draw(st.integers(1, 9)), draw(st.sampled_from([2, 4]))
    groups = -(-outputs // group)
    plus = rng.random((groups * group, _inputs(common))) < draw(st.sampled_from([0, 0.5, 1]))
    plus[outputs:] = False
    kinds = (plus.reshape(groups, group, -1) << np.arange(group)[:, None]).sum(axis=1)
    classes = [np.flatnonzero(kind == c) for kind in kinds for c in range(1, 2**group)]
    counts = np.array([len(each) for each in classes], np.int32).reshape(groups, -1)
    residual = floats(rng, outputs, positions) if draw(st.booleans()) else None
    return {
        **common,
        "slices": _slices(draw, rng, common),
        "tile": _tile(draw, common, positions),
        "ones": rng.integers(0, 9999, positions, np.int32),
        "group": group,
        "planes": max(int(plus.sum(axis=1).max()).bit_length(), 1),
        "counts": np.hstack([np.zeros((groups, 1), np.int32), counts]),
        "inputs": (np.concatenate(classes) * common["slice_words"]).astype(np.uint16),
        "scale": floats(rng, outputs),
        "residual": residual,
    }, None
