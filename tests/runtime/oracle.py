"""Obvious NumPy versions of the layers, in float64 or int64, batch in front."""

from __future__ import annotations

import numpy as np


def conv(x, weight, strides=(1, 1), pads=(0, 0, 0, 0), dilations=(1, 1), groups=1):
    """Return the plain convolution of (N, C, H, W) with (O, C / groups, kh, kw)."""
    x = np.pad(x, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    outputs, inputs, kernel_h, kernel_w = weight.shape
    height = (x.shape[2] - (kernel_h - 1) * dilations[0] - 1) // strides[0] + 1
    width = (x.shape[3] - (kernel_w - 1) * dilations[1] - 1) // strides[1] + 1
    result = np.zeros((x.shape[0], outputs, height, width), np.result_type(x, weight))
    for o in range(outputs):
        first = o // (outputs // groups) * inputs
        for i in range(kernel_h):
            for j in range(kernel_w):
                top, left = i * dilations[0], j * dilations[1]
                window = x[
                    :,
                    first : first + inputs,
                    top : top + (height - 1) * strides[0] + 1 : strides[0],
                    left : left + (width - 1) * strides[1] + 1 : strides[1],
                ]
                result[:, o] += np.einsum("nchw,c->nhw", window, weight[o, :, i, j])
    return result


def requantize(terms, multipliers, bias, shift, lo, hi):
    """Return the design's one rule: terms (N, C, ...) of integers, parameters (C,)."""

    def column(parameter):
        return np.asarray(parameter, np.int64).reshape(-1, *[1] * (terms[0].ndim - 2))

    total = column(bias) + (np.int64(1) << (column(shift) - 1))
    for term, multiplier in zip(terms, multipliers, strict=True):
        total = total + column(multiplier) * term.astype(np.int64)
    return np.clip(total >> column(shift), lo, hi)


def pool(x, kind, kernel, strides, pads, out_size, count_include_pad=False):
    """Return max, sum or average over windows, pixel by pixel; out_size is (height, width)."""
    images, channels, height, width = x.shape
    result = np.zeros((images, channels, *out_size), np.float64)
    for y in range(out_size[0]):
        for z in range(out_size[1]):
            top, left = y * strides[0] - pads[0], z * strides[1] - pads[1]
            bottom, right = top + kernel[0], left + kernel[1]
            inside = x[
                :, :, max(top, 0) : min(bottom, height), max(left, 0) : min(right, width)
            ].astype(np.float64)
            if kind == "max":
                result[:, :, y, z] = inside.max((2, 3))
                continue
            result[:, :, y, z] = inside.sum((2, 3))
            if kind == "average":
                rows = min(bottom, height + pads[2]) - top
                columns = min(right, width + pads[3]) - left
                count = rows * columns if count_include_pad else inside[0, 0].size
                result[:, :, y, z] /= count
    return result


def activate(x, kind, alpha=0.0, beta=0.0, lo=-np.inf, hi=np.inf):
    """Return the activation of a program, in float64."""
    sigmoid = 1 / (1 + np.exp(-x))
    return {
        "none": lambda: x,
        "relu": lambda: np.maximum(x, 0),
        "leaky_relu": lambda: np.where(x >= 0, x, alpha * x),
        "clip": lambda: np.clip(x, lo, hi),
        "sigmoid": lambda: sigmoid,
        "hard_sigmoid": lambda: np.clip(alpha * x + beta, 0, 1),
        "hard_swish": lambda: x * np.clip(x / 6 + 0.5, 0, 1),
        "silu": lambda: x * sigmoid,
        "tanh": lambda: np.tanh(x),
    }[kind]()
