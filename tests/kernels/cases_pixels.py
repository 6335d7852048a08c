"""Cases of pixels_f32: float maps channels last; compared bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from .cases import AWKWARD, SMALL, Case, case, draw_window, floats
from .cases_planes import WIDTHS

CHANNELS = st.sampled_from([1, 3, 8, 15, 16, 17, 33, 64, 65])


@case("PixelsOfPlanesF32")
def pixels_of_planes(draw: Any, rng: np.random.Generator, op: str) -> Case:
    x = floats(rng, draw(CHANNELS), draw(SMALL), draw(WIDTHS))
    return {"x": x, "extra": draw(st.integers(0, 2))}, None


@case("PlanesOfPixelsF32")
def planes_of_pixels(draw: Any, rng: np.random.Generator, op: str) -> Case:
    x = floats(rng, draw(SMALL), draw(WIDTHS), draw(CHANNELS))
    return {"x": x, "extra": draw(st.integers(0, 2))}, None


@case("ThresholdPixelsF32")
def threshold_pixels(draw: Any, rng: np.random.Generator, op: str) -> Case:
    pixels, channels = draw(AWKWARD), draw(CHANNELS | st.integers(1, 130))
    x = rng.integers(-3, 4, (pixels, channels)).astype(np.float32)
    x[rng.random(x.shape) < 0.05] = np.nan
    sign = rng.choice(np.array([-1, 1], np.int8), channels)
    level = rng.choice(np.array([-2, 0, 1, np.inf], np.float32), channels)
    return {"x": x, "sign": sign, "level": level}, None


@case("ThresholdPlanesF32")
def threshold_planes(draw: Any, rng: np.random.Generator, op: str) -> Case:
    shape = draw(CHANNELS | st.integers(1, 130)), draw(SMALL), draw(WIDTHS)
    x = rng.integers(-3, 4, shape).astype(np.float32)
    x[rng.random(x.shape) < 0.05] = np.nan
    sign = rng.choice(np.array([-1, 1], np.int8), shape[0])
    level = rng.choice(np.array([-2, 0, 1, np.inf], np.float32), shape[0])
    return {"x": x, "sign": sign, "level": level, "extra": draw(st.integers(0, 2))}, None


@case("AveragePixelsF32")
def average_pixels(draw: Any, rng: np.random.Generator, op: str) -> Case:
    window = draw_window(draw, dilated=False, most=4)
    kernel, pads = window["kernel"], list(window["pads"])
    sizes = [max(draw(SMALL), kernel[0]), max(draw(SMALL), kernel[1])]
    if draw(st.booleans()):  # global
        window["kernel"] = kernel = tuple(sizes)
    window["pads"] = pads = [min(pad, kernel[i % 2] - 1) for i, pad in enumerate(pads)]
    out = []
    for i in range(2):
        room = sizes[i] + pads[i] + pads[i + 2] - kernel[i]
        out.append(room // window["strides"][i] + 1)
    return {
        "x": floats(rng, *sizes, draw(CHANNELS)),
        **window,
        "count_include_pad": draw(st.integers(0, 1)),
        "out_height": out[0],
        "out_width": out[1],
    }, None
