"""Windows over images in NumPy: what convolutions and pools have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


def resolve_pads(
    auto_pad: str,
    pads: Sequence[int] | None,
    size: Sequence[int],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
) -> list[int]:
    """Return ONNX's pads (all heads, then all tails) for explicit pads or an ``auto_pad`` word."""
    if auto_pad in ("", "NOTSET", None):
        return list(pads) if pads else [0] * (2 * len(size))
    if auto_pad == "VALID":
        return [0] * (2 * len(size))
    heads: list[int] = []
    tails: list[int] = []
    for length, k, stride, dilation in zip(size, kernel, strides, dilations, strict=True):
        outputs = -(-length // stride)
        total = max(0, (outputs - 1) * stride + (k - 1) * dilation + 1 - length)
        less, more = total // 2, total - total // 2
        heads.append(more if auto_pad == "SAME_LOWER" else less)
        tails.append(less if auto_pad == "SAME_LOWER" else more)
    return heads + tails


def output_size(
    length: int, kernel: int, stride: int, dilation: int, head: int, tail: int, ceil_mode: bool
) -> int:
    """Return the number of windows along one axis; none starts in the tail's padding."""
    room = length + head + tail - ((kernel - 1) * dilation + 1)
    if not ceil_mode:
        return room // stride + 1
    count = -(-room // stride) + 1
    return count - 1 if (count - 1) * stride >= length + head else count


def windows(
    x: NDArray[Any],
    kernel: Sequence[int],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
    fill: Any,
    ceil_mode: bool = False,
) -> NDArray[Any]:
    """Cut padded windows out of images.

    Args:
        x: Images. Shape (N, C, *size).
        kernel: Window size per axis.
        strides: Step per axis.
        dilations: Distance of taps per axis.
        pads: All heads, then all tails.
        fill: Value of the padding.
        ceil_mode: Whether a last, incomplete window counts; it is filled up with ``fill``.

    Returns:
        Windows, a copy-free view of the padded images. Shape (N, C, *outputs, *kernel).
    """
    axes = len(kernel)
    span = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    outputs = [
        output_size(
            x.shape[2 + i], kernel[i], strides[i], dilations[i], pads[i], pads[axes + i], ceil_mode
        )
        for i in range(axes)
    ]
    needed = [(outputs[i] - 1) * strides[i] + span[i] for i in range(axes)]
    tails = [max(pads[axes + i], needed[i] - x.shape[2 + i] - pads[i]) for i in range(axes)]
    widths = [(0, 0), (0, 0), *((pads[i], tails[i]) for i in range(axes))]
    padded = np.pad(x, widths, constant_values=fill)
    view = np.lib.stride_tricks.sliding_window_view(padded, span, axis=tuple(range(2, 2 + axes)))
    steps = tuple(slice(0, needed[i] - span[i] + 1, strides[i]) for i in range(axes))
    taps = tuple(slice(None, None, d) for d in dilations)
    return view[(slice(None), slice(None), *steps, *taps)]


def convolve(
    x: NDArray[Any],
    weight: NDArray[Any],
    strides: Sequence[int],
    dilations: Sequence[int],
    pads: Sequence[int],
    groups: int,
) -> NDArray[np.float64]:
    """Convolve in float64: exact for integers below 2^53, and the better reference for float32.

    Args:
        x: Images. Shape (N, C, *size), any dtype.
        weight: Shape (O, C / groups, *kernel), any dtype.
        strides: Step per axis.
        dilations: Distance of taps per axis.
        pads: All heads, then all tails.
        groups: Groups of channels.

    Returns:
        Shape (N, O, *outputs), float64.
    """
    axes = weight.ndim - 2
    view = windows(x, weight.shape[2:], strides, dilations, pads, 0)
    outputs = view.shape[2 : 2 + axes]
    order = (0, *range(1 + axes, 1 + 2 * axes), *range(1, 1 + axes))
    matrix = weight.reshape(groups, weight.shape[0] // groups, -1).astype(np.float64)
    result = np.empty((x.shape[0], weight.shape[0], *outputs), np.float64)
    for image, out in zip(view, result, strict=True):  # one image at a time bounds the copy
        columns = image.transpose(order).reshape(groups, matrix.shape[2], -1).astype(np.float64)
        out[...] = (matrix @ columns).reshape(out.shape)
    return result
