"""Random arguments for the activation-sparse convolution and im2col: see cases.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from .cases import Case, case, floats


def _maps(draw: Any, rng: np.random.Generator, columns: int) -> dict[str, Any]:
    block = draw(st.sampled_from([16, 32]))
    shape = (draw(st.integers(1, block)), draw(st.integers(1, 9)), columns)
    density = draw(st.sampled_from([0.0, 0.1, 0.5, 1.0]))
    x = floats(rng, *shape) * (rng.random(shape) < density)
    x[rng.random(shape) < 0.1] = -0.0
    return {"x": x.astype(np.float32), "block": block}


@case("CpoEncodeF32", "CpsEncodeF32")
def encode(draw: Any, rng: np.random.Generator, op: str) -> Case:
    return _maps(draw, rng, draw(st.integers(1, 16))), None


@case("CpoMultiplyF32", "CpsMultiplyF32")
def multiply(draw: Any, rng: np.random.Generator, op: str) -> Case:
    maps = _maps(draw, rng, draw(st.integers(1, 33)))
    stride, overlaps = draw(st.integers(1, 3)), draw(st.integers(1, 7))
    kernel_w = draw(st.integers((overlaps - 1) * stride + 1, overlaps * stride))
    kernel_h = draw(st.integers(1, 4))
    weights = floats(
        rng, kernel_h * maps["block"], kernel_w, draw(st.sampled_from([16, 32, 48, 64]))
    )
    rest = {
        "block": maps["block"],
        "stride_w": stride,
        "pad_left": draw(st.integers(0, 5)),
        "windows": draw(st.integers(1, 35)),
        "top": draw(st.integers(-3, maps["x"].shape[1] + 1)),
    }
    magnitude = {"x": abs(maps["x"]), "weights": abs(weights), **rest}
    return {"x": maps["x"], "weights": weights, **rest}, magnitude


@case("CpoStoreF32")
def store(draw: Any, rng: np.random.Generator, op: str) -> Case:
    rows, width = draw(st.integers(1, 4)), draw(st.integers(1, 40))
    row = width + draw(st.sampled_from([0, 0, 1, 3]))
    outputs = draw(st.sampled_from([16, 32, 64]))
    channels = draw(st.integers(1, outputs))
    values = {"sums": floats(rng, rows, width, outputs)}
    if draw(st.booleans()):
        values |= {"bias": floats(rng, channels), "residual": floats(rng, channels, rows * row)}
    rest = {"channels": channels, "row": row}
    return values | rest, {key: abs(value) for key, value in values.items()} | rest


PANEL = 48
"""Pixels of a panel: im2col_f32.h, kPanelPixels."""


@case("Im2colF32")
def lower(draw: Any, rng: np.random.Generator, op: str) -> Case:
    cuts = sorted(draw(st.sets(st.integers(1, PANEL - 1), max_size=4)))
    ends = list(zip([0, *cuts], [*cuts, PANEL], strict=True))
    step = draw(st.integers(1, 3))
    taps = rng.integers(0, 50, draw(st.sampled_from([1, 2, 9])), np.int32)
    runs = np.array([(rng.integers(0, 40), a, b - a) for a, b in ends], np.int64)
    x = floats(rng, 50 + 40 + PANEL * step)
    return {"input": x, "taps": taps, "runs": runs, "step": step}, None


@case("GemmF32")
def gemm(draw: Any, rng: np.random.Generator, op: str) -> Case:
    outputs, size = draw(st.sampled_from([1, 3, 4, 7, 8, 9, 17])), draw(st.integers(1, 150))
    taps = draw(st.sampled_from([1, 2, 27, 64]))
    values = {
        "panel": floats(rng, taps, PANEL),
        "weights": floats(rng, -(-outputs // 8), taps, 8),
        "bias": floats(rng, outputs),
        "residual": floats(rng, outputs, size),
    }
    rest = {"outputs": outputs, "size": size}
    return values | rest, {key: abs(value) for key, value in values.items()} | rest
