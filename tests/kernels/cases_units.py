"""Cases of unit_b1: binary convolutions that finish their sums; compared bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from niwaki import _core

from .cases import Arguments, Case, case, draw_window, draw_words, floats, pack_binary, words


def _signs(rng: np.random.Generator, count: int, dtype: Any) -> np.ndarray:
    return rng.choice(np.array([-1, 1], dtype), count)


def _quarters(rng: np.random.Generator, count: int) -> np.ndarray:
    """Few values, so that many sums are equal to their level."""
    return (rng.integers(-9, 10, count) / 4).astype(np.float32)


def _binary(draw: Any, rng: np.random.Generator) -> tuple[Arguments, tuple[int, ...]]:
    window = draw_window(draw)
    window["pads"] = (0, 0, 0, 0)  # the input of these ops is padded already
    shape = draw(st.integers(1, 7)), draw(st.integers(1, 20)), draw(st.integers(1, 5))
    x = draw_words(draw, rng, *shape)
    outputs = draw(st.integers(1, 130))
    packed = pack_binary(draw_words(draw, rng, outputs, *window["kernel"], shape[2]))
    ones = _core.run_kernel("window_ones_u1_i32_reference", input=x, **window)
    binary = {"input": x, "weights": packed, "ones": ones, "outputs": outputs, **window}
    return binary, ones.shape


@case("UnitB1")
def unit_b1(draw: Any, rng: np.random.Generator, op: str) -> Case:
    binary, (height, width) = _binary(draw, rng)
    outputs = binary["outputs"]
    floats = draw(st.booleans())
    scale = rng.choice(np.array([-1, 0, 0.25, 0.3], np.float32), outputs)
    residual = None
    if draw(st.booleans()):
        residual = rng.standard_normal((height * width, outputs)).astype(np.float32)
        residual[rng.random(residual.shape) < 0.05] = np.nan
    return {
        **binary,
        "floats": int(floats),
        "bits": int(not floats or draw(st.booleans())),
        "relu": int(draw(st.booleans())),
        "scale": scale,
        "bias": _quarters(rng, outputs),
        "sign": _signs(rng, outputs, np.float32),
        "level": _quarters(rng, outputs),
        "residual": residual,
    }, None


@case("PlanesB1")
def planes_b1(draw: Any, rng: np.random.Generator, op: str) -> Case:
    binary, (height, width) = _binary(draw, rng)
    outputs = binary["outputs"]
    residual = floats(rng, outputs, height, width) if draw(st.booleans()) else None
    return {**binary, "scale": floats(rng, outputs), "residual": residual}, None


@case("PoolB1")
def pool_b1(draw: Any, rng: np.random.Generator, op: str) -> Case:
    window = draw_window(draw, dilated=False)
    kernel = window["kernel"]
    sizes = [draw(st.integers(kernel[i], 9)) for i in range(2)]
    window["pads"] = pads = [min(pad, kernel[i % 2] - 1) for i, pad in enumerate(window["pads"])]
    out = [
        (sizes[i] + pads[i] + pads[i + 2] - kernel[i]) // window["strides"][i] + 1 for i in range(2)
    ]
    count = draw(st.integers(1, 3))
    return {
        "input": words(rng, *sizes, count),
        "falling": words(rng, count),
        **window,
        "out_height": out[0],
        "out_width": out[1],
    }, None


@case("ChainB1")
def chain_b1(draw: Any, rng: np.random.Generator, op: str) -> Case:
    binary, _ = _binary(draw, rng)
    outputs = binary["outputs"]
    limit = rng.integers(-40, 40, outputs, np.int32)
    limit[rng.random(outputs) < 0.1] = 2**31 - 1
    return {**binary, "sign": _signs(rng, outputs, np.int32), "limit": limit}, None
