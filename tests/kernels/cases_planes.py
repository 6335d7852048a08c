"""Random arguments for the layers on padded planes."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from .cases import SMALL, Case, case, draw_window, floats
from .cases_store import ACTIVATIONS

WIDTHS = st.sampled_from([1, 2, 3, 7, 8, 14, 15, 16, 17, 31, 32, 33, 56])


@case("MapPlanesF32")
def map_planes(draw: Any, rng: np.random.Generator, op: str) -> Case:
    shape = (draw(st.integers(1, 4)), draw(SMALL) + 1, draw(WIDTHS))
    arguments: dict[str, Any] = {"a": 4 * floats(rng, *shape), "extra": draw(st.integers(0, 3))}
    if draw(st.booleans()):
        arguments["b"] = 4 * floats(rng, *shape)
    for key in ("scale", "bias"):
        if draw(st.booleans()):
            arguments[key] = floats(rng, shape[0])
    size = {key: abs(value) for key, value in arguments.items()}
    size["bias"] = 1 + size.get("bias", np.zeros(shape[0], np.float32))
    rest = {"alpha": 0.2, "beta": 0.5, "lo": -0.5, "hi": 6.0}
    kind = draw(st.sampled_from(ACTIVATIONS))
    # No activation steepens by more than 1.1; the 1 covers those that end between -1 and 1.
    return {**arguments, "activation": kind, **rest}, {**size, "activation": "none", **rest}


@case("PoolPlanesF32")
def pool_planes(draw: Any, rng: np.random.Generator, op: str) -> Case:
    window = draw_window(draw, dilated=False, most=5)
    if draw(st.booleans()):  # the pools of networks
        window |= {"kernel": (3, 3), "strides": (2, 2), "pads": (1, 1, 1, 1)}
    pads = [min(pad, window["kernel"][i % 2] - 1) for i, pad in enumerate(window["pads"])]
    sizes = [max(draw(SMALL), window["kernel"][0]), max(draw(WIDTHS), window["kernel"][1])]
    if draw(st.integers(0, 3)) == 0:  # global
        pads = [0, 0, 0, 0]
        window |= {"kernel": tuple(sizes)}
    x = floats(rng, draw(st.integers(1, 3)), *sizes)
    average = draw(st.integers(0, 1))
    ceil = draw(st.booleans())
    out = []
    for i in range(2):
        stride = window["strides"][i]
        room = sizes[i] + pads[i] + pads[i + 2] - window["kernel"][i]
        count = (room + (stride - 1 if ceil else 0)) // stride + 1
        out.append(count - ((count - 1) * stride >= sizes[i] + pads[i]))
    arguments = {
        "x": x,
        **window,
        "pads": pads,
        "average": average,
        "count_include_pad": draw(st.integers(0, 1)),
        "out_height": out[0],
        "out_width": out[1],
        "extra": draw(st.integers(0, 3)),
        "out_extra": draw(st.integers(0, 3)),
    }
    if not average:
        x[rng.random(x.shape) < 0.05] = np.nan
        return arguments, None
    return arguments, {**arguments, "x": abs(x)}
