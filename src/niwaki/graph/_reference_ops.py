"""Operators for onnx's reference evaluator: our own nodes, and the ones that onnx runs too slowly.

The class names are the operators' names: that is how onnx finds them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx.reference.op_run import OpRun
from onnx.reference.ops.op_conv_transpose import ConvTranspose as _OnnxConvTranspose
from onnx.reference.ops.op_max_pool import MaxPool as _OnnxMaxPool

from niwaki.graph import arithmetic
from niwaki.graph._windows import convolve, resolve_pads, windows
from niwaki.graph.functions import NIWAKI, QONNX

# onnx's base class takes anything: there are no types to check against.
# pyright: basic
# ruff: noqa: ANN001, ANN002, ANN202


def _geometry(x, kernel, strides, dilations, pads, auto_pad) -> tuple[Any, Any, Any]:
    axes = x.ndim - 2
    strides = list(strides or [1] * axes)
    dilations = list(dilations or [1] * axes)
    return strides, dilations, resolve_pads(auto_pad, pads, x.shape[2:], kernel, strides, dilations)


class Conv(OpRun):
    """Convolve floats."""

    def _run(
        self,
        x,
        w,
        b=None,
        auto_pad=None,
        dilations=None,
        group=None,
        kernel_shape=None,
        pads=None,
        strides=None,
    ):
        geometry = _geometry(x, w.shape[2:], strides, dilations, pads, auto_pad)
        y = convolve(x, w, *geometry, group or 1)
        if b is not None:
            y += b.reshape(-1, *[1] * (x.ndim - 2))
        return (y.astype(x.dtype),)


class ConvTranspose(_OnnxConvTranspose):
    """Convolve floats transposed; onnx's own fails for groups and for batches."""

    op_domain = ""

    def _run(
        self,
        x,
        w,
        b=None,
        auto_pad=None,
        dilations=None,
        group=None,
        kernel_shape=None,
        output_padding=None,
        output_shape=None,
        pads=None,
        strides=None,
    ):
        if output_shape or auto_pad not in (None, "", "NOTSET"):
            return super()._run(
                *(x, w, b, auto_pad, dilations, group, kernel_shape),
                *(output_padding, output_shape, pads, strides),
            )
        axes, groups = x.ndim - 2, group or 1
        strides, dilations, pads = _geometry(x, w.shape[2:], strides, dilations, pads, "")
        # Zeros between the pixels and mirrored weights make it an ordinary convolution.
        size = [(n - 1) * step + 1 for n, step in zip(x.shape[2:], strides, strict=True)]
        spread = np.zeros((*x.shape[:2], *size), x.dtype)
        spread[(slice(None), slice(None), *(slice(None, None, step) for step in strides))] = x
        span = [(k - 1) * d for k, d in zip(w.shape[2:], dilations, strict=True)]
        extra = list(output_padding or [0] * axes)
        edges = [(span[i] - pads[i], span[i] - pads[axes + i] + extra[i]) for i in range(axes)]
        spread = np.pad(spread, [(0, 0), (0, 0), *((max(a, 0), max(z, 0)) for a, z in edges)])
        crop = tuple(slice(max(-a, 0), -max(-z, 0) or None) for a, z in edges)
        mirrored = np.flip(w, tuple(range(2, w.ndim)))
        mirrored = mirrored.reshape(groups, w.shape[0] // groups, *w.shape[1:]).swapaxes(1, 2)
        mirrored = mirrored.reshape(-1, w.shape[0] // groups, *w.shape[2:])
        spread = spread[(slice(None), slice(None), *crop)]
        y = convolve(spread, mirrored, [1] * axes, dilations, [0] * 2 * axes, groups)
        if b is not None:
            y += b.reshape(-1, *[1] * axes)
        return (y.astype(x.dtype),)


class ConvInteger(OpRun):
    """Convolve integers, exactly."""

    def _run(
        self,
        x,
        w,
        x_zero_point=None,
        w_zero_point=None,
        auto_pad=None,
        dilations=None,
        group=None,
        kernel_shape=None,
        pads=None,
        strides=None,
    ):
        # Padding stands for the zero point, hence for 0 behind the subtraction.
        x = _centre(x, x_zero_point, 0)
        w = _centre(w, w_zero_point, w.ndim - 1)
        geometry = _geometry(x, w.shape[2:], strides, dilations, pads, auto_pad)
        return (convolve(x, w, *geometry, group or 1).astype(np.int64).astype(np.int32),)


class MatMulInteger(OpRun):
    """Multiply integer matrices, exactly."""

    def _run(self, a, b, a_zero_point=None, b_zero_point=None):
        a = _centre(a, a_zero_point, 1).astype(np.float64)
        b = _centre(b, b_zero_point, 0).astype(np.float64)
        return ((a @ b).astype(np.int64).astype(np.int32),)


def _centre(x, zero_point, trailing) -> Any:
    x = x.astype(np.int32)
    if zero_point is None:
        return x
    zero_point = np.asarray(zero_point, np.int32)
    return x - (
        zero_point.reshape(-1, *[1] * trailing) if zero_point.size > 1 else zero_point.reshape(())
    )


class MaxPool(_OnnxMaxPool):
    """Take the largest value of each window; padding never wins."""

    op_domain = ""

    def _run(
        self,
        x,
        auto_pad=None,
        ceil_mode=None,
        dilations=None,
        kernel_shape=(),
        pads=None,
        storage_order=None,
        strides=None,
    ):
        if len(self.output) > 1:  # indices are asked for
            return super()._run(
                x, auto_pad, ceil_mode, dilations, kernel_shape, pads, storage_order, strides
            )
        strides, dilations, pads = _geometry(x, kernel_shape, strides, dilations, pads, auto_pad)
        lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
        view = windows(x, kernel_shape, strides, dilations, pads, lowest, bool(ceil_mode))
        return (view.max(axis=tuple(range(x.ndim, view.ndim))),)


class AveragePool(OpRun):
    """Take the mean of each window."""

    def _run(
        self,
        x,
        auto_pad=None,
        ceil_mode=None,
        count_include_pad=None,
        dilations=None,
        kernel_shape=(),
        pads=None,
        strides=None,
    ):
        strides, dilations, pads = _geometry(x, kernel_shape, strides, dilations, pads, auto_pad)
        view = windows(x, kernel_shape, strides, dilations, pads, 0, bool(ceil_mode))
        total = view.sum(axis=tuple(range(x.ndim, view.ndim)), dtype=np.float64)
        axes = x.ndim - 2
        for i, (length, kernel) in enumerate(zip(x.shape[2:], kernel_shape, strict=True)):
            # The padding asked for may count; what ceil_mode adds never does.
            head, tail = (pads[i], pads[axes + i]) if count_include_pad else (0, 0)
            taps = np.arange(kernel) * dilations[i] - pads[i]
            position = np.arange(total.shape[2 + i])[:, None] * strides[i] + taps
            counts = ((position >= -head) & (position < length + tail)).sum(axis=1)
            total /= counts.reshape(-1, *[1] * (axes - 1 - i))
        return (total.astype(x.dtype),)


class Quant(OpRun):
    """QONNX's Quant."""

    op_domain = QONNX

    def _run(self, x, scale, zero_point, bit_width, signed=1, narrow=0, rounding_mode="ROUND"):
        assert rounding_mode == "ROUND"  # attach_functions refuses the others
        kind = {"signed": bool(signed), "narrow": bool(narrow)}
        return (arithmetic.quant(x, scale, zero_point, bit_width, **kind),)


class BipolarQuant(OpRun):
    """QONNX's BipolarQuant."""

    op_domain = QONNX

    def _run(self, x, scale):
        return (arithmetic.bipolar_quant(x, scale),)


class QuantizeInput(OpRun):
    """Ours: float image -> s8."""

    op_domain = NIWAKI

    def _run(self, x, inverse_scale):
        return (arithmetic.quantize_input(x, inverse_scale),)


class Dequantize(OpRun):
    """Ours: integer -> float."""

    op_domain = NIWAKI

    def _run(self, acc, scale):
        return (arithmetic.dequantize(acc, scale),)


class _Requantize(OpRun):
    op_domain = NIWAKI

    def _run(self, *inputs, lo=0, hi=255, to=None):
        *pairs, bias, shift = inputs
        return (arithmetic.requantize(pairs[::2], pairs[1::2], bias, shift, lo, hi),)


class Requantize1(_Requantize):
    """Ours: one accumulator -> 8 bits."""


class Requantize2(_Requantize):
    """Ours: two accumulators -> 8 bits."""


class Requantize3(_Requantize):
    """Ours: three accumulators -> 8 bits."""


REFERENCE_OPS: list[type[OpRun]] = [
    Conv,
    ConvTranspose,
    ConvInteger,
    MatMulInteger,
    MaxPool,
    AveragePool,
    Quant,
    BipolarQuant,
    QuantizeInput,
    Dequantize,
    Requantize1,
    Requantize2,
    Requantize3,
]
