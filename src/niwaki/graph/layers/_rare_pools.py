"""Pools that the engine has no kernel for, written out by layers that it has.

- MaxPool with dilations: a maximum is separable, so it is the maximum of slices, one per tap, along
  each axis in turn. k + k slices instead of k * k taps, of padded maps.
- LpPool, (sum |x|^p)^(1/p): a depthwise convolution with ones between two powers; the convolution
  brings stride, dilations and pads along.
- GlobalLpPool: the reduction of that name, or powers around a sum.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from niwaki.graph._windows import resolve_pads
from niwaki.graph.layers._values import attribute, unsupported
from niwaki.graph.layers._written_out import Writer, sizes_of, writes_out

if TYPE_CHECKING:
    from collections.abc import Sequence


_LOWEST = np.finfo(np.float32).min
"""Wins over nothing but minus infinity, as in ONNX Runtime; a program holds finite numbers only."""


_MOST_TAPS = 256
"""A hostile file could ask for any number of slices."""


def _window(write: Writer) -> _Window:
    """Return a pool's geometry, along each of its axes."""
    axes = len(write.sizes) - 2
    if axes not in (1, 2):
        raise unsupported(write.node, "3 to 4 axes", got=str(len(write.sizes)))
    kernel = attribute(write.node, "kernel_shape", [])
    steps, dilations = (
        attribute(write.node, name, [1] * axes) for name in ("strides", "dilations")
    )
    word = attribute(write.node, "auto_pad", "NOTSET")
    given = attribute(write.node, "pads", None)
    pads = resolve_pads(word, given, write.sizes[2:], kernel, steps, dilations)
    if max(kernel, default=0) > _MOST_TAPS:
        raise unsupported(write.node, f"at most {_MOST_TAPS} taps along an axis", got=str(kernel))
    outputs = sizes_of(write.node.outputs[0])[2:]
    return _Window(write.sizes[2:], outputs, kernel, steps, dilations, pads[:axes])


class _Window:
    """Say which elements the windows read; numbers per axis."""

    def __init__(
        self,
        sizes: Sequence[int],
        outputs: Sequence[int],
        kernel: Sequence[int],
        steps: Sequence[int],
        dilations: Sequence[int],
        heads: Sequence[int],
    ) -> None:
        self.outputs, self.kernel, self.steps = list(outputs), list(kernel), list(steps)
        self.dilations, self.heads = list(dilations), list(heads)
        self.tails = [
            max(0, (out - 1) * step + (taps - 1) * dilation + 1 - size - head)
            for size, out, taps, step, dilation, head in zip(
                sizes, outputs, kernel, steps, dilations, heads, strict=True
            )
        ]
        """What the last window needs behind the end, whether asked for or by ceil_mode."""


@writes_out("MaxPool")
def _write_max(write: Writer) -> None:
    node = write.node
    if all(dilation == 1 for dilation in attribute(node, "dilations", [1])):
        return
    if write.x.dtype not in (None, ir.DataType.FLOAT):
        return  # 8 bits stay what they are, and are refused by their reader
    if len(node.outputs) > 1 and node.outputs[1].uses():
        raise unsupported(node, "no use of its indices", got=repr(node.outputs[1].name))
    window = _window(write)
    value, shape = write.x, list(write.sizes)
    if any(window.heads) or any(window.tails):
        pads = write.constant([0, 0, *window.heads, 0, 0, *window.tails], np.int64)
        for axis, (head, tail) in enumerate(zip(window.heads, window.tails, strict=True)):
            shape[2 + axis] += head + tail
        value = write("Pad", [value, pads, write.constant(_LOWEST)], shape, mode="constant")
    for axis in reversed(range(len(window.kernel))):  # the longest axis is cut down first
        value = _max_along(write, value, 2 + axis, window, axis)
    write.finish(value)


def _max_along(write: Writer, value: ir.Value, axis: int, window: _Window, index: int) -> ir.Value:
    """Return the maximum over one axis's taps, one slice a tap."""
    count, step = window.outputs[index], window.steps[index]
    shape = sizes_of(value)
    shape[axis] = count
    axes, steps = write.constant([axis], np.int64), write.constant([step], np.int64)
    found: list[ir.Value] = []
    for tap in range(window.kernel[index]):
        first = tap * window.dilations[index]
        start, end = (
            write.constant([at], np.int64) for at in (first, first + (count - 1) * step + 1)
        )
        found.append(write("Slice", [value, start, end, axes, steps], shape))
    return write("Max", found, shape)


@writes_out("LpPool")
def _write_lp(write: Writer) -> None:
    window, p = _window(write), float(attribute(write.node, "p", 2))
    channels, outputs = write.sizes[1], sizes_of(write.node.outputs[0])
    powers = _power(write, write("Abs", [write.x], write.sizes), p)
    ones = write.constant(np.ones((channels, 1, *window.kernel)))
    sums = write(
        "Conv",
        [powers, ones],
        outputs,
        group=channels,
        kernel_shape=window.kernel,
        strides=window.steps,
        dilations=window.dilations,
        pads=window.heads + window.tails,
    )
    write.finish(_power(write, sums, 1 / p))


@writes_out("GlobalLpPool")
def _write_global_lp(write: Writer) -> None:
    p, outputs = float(attribute(write.node, "p", 2)), sizes_of(write.node.outputs[0])
    axes = write.constant(range(2, len(write.sizes)), np.int64)
    if p in (1, 2):
        write.finish(write(f"ReduceL{p:g}", [write.x, axes], outputs, keepdims=1))
        return
    powers = _power(write, write("Abs", [write.x], write.sizes), p)
    sums = write("ReduceSum", [powers, axes], outputs, keepdims=1)
    write.finish(_power(write, sums, 1 / p))


def _power(write: Writer, x: ir.Value, exponent: float) -> ir.Value:
    """Raise what isn't negative to a power."""
    if exponent == 1:
        return x
    return write("Pow", [x, write.constant(exponent)], sizes_of(x))
