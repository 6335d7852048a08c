"""Random arguments for the dense float convolutions: see cases.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from .cases import Case, case, floats

BLOCK = 32
"""Output channels of a block of packed weights: dense_conv_f32.h, kDenseConvBlock."""


@case("DenseConvF32")
def dense_conv(draw: Any, rng: np.random.Generator, op: str) -> Case:
    rows, width = draw(st.integers(1, 5)), draw(st.integers(1, 40))
    step, row_step = draw(st.integers(0, 4)), draw(st.integers(0, 50))
    row = width + draw(st.sampled_from([0, 0, 1, 3]))
    outputs = draw(st.sampled_from([1, 3, 4, 8, 9, 15, 16, 17, 31, 32]))
    taps = rng.integers(0, 100, draw(st.sampled_from([0, 1, 7, 255, 256, 257])), np.int32)
    x = floats(rng, 100 + (rows - 1) * row_step + (width - 1) * step)
    weights = floats(rng, len(taps), BLOCK)
    bias, residual = floats(rng, outputs), floats(rng, outputs, rows * row)
    rest: dict[str, Any] = {
        "taps": taps,
        "outputs": outputs,
        "rows": rows,
        "width": width,
        "row": row,
        "row_step": row_step,
        "step": step,
        "run": draw(st.integers(1, min(7, width))),
    }
    values = {"input": x, "weights": weights}
    if draw(st.booleans()):
        values |= {"bias": bias, "residual": residual}
    return values | rest, {key: abs(value) for key, value in values.items()} | rest


@case("DepthwiseF32")
def depthwise(draw: Any, rng: np.random.Generator, op: str) -> Case:
    if draw(st.booleans()):  # the squares that have tiles of their own
        kernel, dilations = (draw(st.sampled_from([3, 5, 7])),) * 2, (1, 1)
        strides = (draw(st.integers(1, 2)),) * 2
    else:
        kernel = draw(st.tuples(st.integers(1, 4), st.integers(1, 4)))
        dilations = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
        strides = (draw(st.integers(1, 3)), draw(st.integers(1, 2)))
    rows, width = draw(st.integers(1, 15)), draw(st.integers(1, 40))
    per_input = draw(st.integers(1, 2))
    outputs = draw(st.integers(1, 4))
    height, columns = (
        (size - 1) * strides[k] + (kernel[k] - 1) * dilations[k] + 1 + draw(st.integers(0, 2))
        for k, size in enumerate((rows, width))
    )
    values = {
        "input": floats(rng, -(-outputs // per_input), height, columns),
        "weights": floats(rng, outputs, *kernel),
    }
    row = width + draw(st.sampled_from([0, 1, 3, 17]))
    if draw(st.booleans()):
        values |= {"bias": floats(rng, outputs), "residual": floats(rng, outputs, rows, row)}
    rest: dict[str, Any] = {
        "kernel": kernel,
        "strides": strides,
        "pads": (0, 0, 0, 0),
        "dilations": dilations,
        "rows": rows,
        "width": width,
        "row": row,
        "per_input": per_input,
    }
    return values | rest, {key: abs(value) for key, value in values.items()} | rest


@case("WinogradF32")
def winograd(draw: Any, rng: np.random.Generator, op: str) -> Case:
    channels = draw(st.sampled_from([1, 3, 8, 16, 17]))
    outputs = draw(st.sampled_from([1, 5, 16, 31, 32, 33]))
    height, width = draw(st.integers(1, 11)), draw(st.sampled_from([1, 3, 4, 7, 13, 16, 21, 35]))
    x = floats(rng, channels, height, width)
    values = {"input": x, "weights": floats(rng, outputs, channels, 3, 3)}
    if draw(st.booleans()):
        values |= {
            "bias": floats(rng, outputs),
            "residual": floats(rng, outputs, height * width),
        }
    rest: dict[str, Any] = {"tile": draw(st.sampled_from([2, 4])), "rows": draw(st.integers(1, 4))}
    # Its transforms have both signs, so absolute inputs don't give the size of the terms: a bias
    # does, of all |terms| of a plain sum and a factor for the transforms' own growth.
    size = np.full(outputs, 12.0 * (9 * channels + 2), np.float32)
    absolute = values | rest | {"weights": np.zeros_like(values["weights"]), "bias": size}
    absolute["residual"] = np.zeros((outputs, height * width), np.float32)
    return values | rest, absolute


@case("WinogradPhasesF32")
def winograd_phases(draw: Any, rng: np.random.Generator, op: str) -> Case:
    strides = draw(st.sampled_from([(1, 1), (2, 2), (2, 2), (3, 1), (4, 4)]))
    taps = draw(st.integers(2, 5))  # along one side; the other may have fewer
    kernel = (taps * strides[0] - draw(st.integers(0, strides[0] - 1)), draw(st.integers(1, taps)))
    pads = draw(st.tuples(*[st.integers(0, 3)] * 4))
    channels, outputs = draw(st.sampled_from([1, 3, 5])), draw(st.sampled_from([1, 3, 8, 9, 17]))
    height = kernel[0] + draw(st.integers(0, 20))
    width = kernel[1] + draw(st.sampled_from([0, 3, 20, 37, 70]))
    x = floats(rng, channels, height, width)
    values = {"input": x, "weights": floats(rng, outputs, channels, *kernel)}
    pixels = (height + pads[0] + pads[2] - kernel[0]) // strides[0] + 1
    pixels *= (width + pads[1] + pads[3] - kernel[1]) // strides[1] + 1
    if draw(st.booleans()):
        values |= {"bias": floats(rng, outputs), "residual": floats(rng, outputs, pixels)}
    window: dict[str, Any] = {"kernel": kernel, "strides": strides, "pads": pads}
    rest = window | {"rows": draw(st.integers(1, 4))}
    # As above: the size of a plain sum's terms, and a factor for the transforms' growth.
    size = np.full(outputs, 40.0 * (kernel[0] * kernel[1] * channels + 2), np.float32)
    absolute = values | rest | {"weights": np.zeros_like(values["weights"]), "bias": size}
    absolute["residual"] = np.zeros((outputs, pixels), np.float32)
    return values | rest, absolute
