"""Integer arithmetic in float64 with straight-through gradients.

Every integer of the integer form is below 2^53, so float64 holds it exactly, whatever the order of
the sums.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional as F

from niwaki.graph._windows import output_size

if TYPE_CHECKING:
    from collections.abc import Sequence

WINDOW_LOW, WINDOW_HIGH = -0.3, 1.0
"""Where a bit's gradient passes, in standard deviations from its threshold (as Si-BNN's window)."""


class _Straight(Function):
    @staticmethod
    def forward(ctx: Any, soft: Tensor, hard: Tensor) -> Tensor:
        return hard.clone()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        return grads[0], None


class _ShiftClip(Function):
    @staticmethod
    def forward(ctx: Any, total: Tensor, scale: Tensor, lo: int, hi: int) -> Tensor:
        # total + half and the product with a power of two are exact.
        steps = torch.floor(total * scale + 0.5)
        ctx.save_for_backward((steps >= lo) & (steps <= hi), scale)
        return steps.clamp(lo, hi)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None, None]:
        passes, scale = ctx.saved_tensors
        return grads[0] * passes * scale, None, None, None


class _Bits(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, sign: Tensor, level: Tensor) -> Tensor:
        distance = x * sign - level
        axes = [axis for axis in range(x.ndim) if axis != 1]
        spread = x.std(axes, correction=0, keepdim=True).clamp_min(1.0)
        y = distance / spread
        ctx.save_for_backward((y > WINDOW_LOW) & (y < WINDOW_HIGH), sign / spread)
        return (distance >= 0).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        passes, slope = ctx.saved_tensors
        return grads[0] * passes * slope, None, None


def straight(soft: Tensor, hard: Tensor) -> Tensor:
    """Return `hard`, exactly; the gradient goes to `soft` as if nothing had been rounded."""
    result: Any = _Straight.apply(soft, hard)
    return result


def shift_and_clip(total: Tensor, shift: Tensor, lo: int, hi: int) -> Tensor:
    """Return ``clip((total + 2^(shift-1)) >> shift, lo, hi)``, exactly.

    The gradient is that of ``total / 2^shift``, and zero where the result was clipped.

    Args:
        total: Integers in float64.
        shift: Broadcast against `total`, 1 to 40.
        lo: Least result.
        hi: Largest result.

    Example:
        >>> total = torch.tensor([6.0, -6.0], dtype=torch.float64)
        >>> shift_and_clip(total, torch.tensor(2), -128, 127)
        tensor([ 2., -1.], dtype=torch.float64)
    """
    # Exact, as a vectorised pow need not be.
    scale = 1.0 / (torch.ones_like(shift, dtype=torch.int64) << shift.long()).double()
    result: Any = _ShiftClip.apply(total, scale, lo, hi)
    return result


def bits_of(x: Tensor, sign: Tensor, level: Tensor) -> Tensor:
    """Return ``sign * x >= level`` as 0 and 1.

    The gradient is Si-BNN's: it passes in an asymmetric window behind the threshold.

    Departure: the window's width is the channel's standard deviation in the batch, since the Graph
    keeps no trained width.
    """
    result: Any = _Bits.apply(x, sign, level)
    return result


def convolve(x: Tensor, weight: Tensor, attrs: dict[str, Any]) -> Tensor:
    """Convolve integers in float64, exactly: asymmetric pads, strides, dilations, groups."""
    if weight.ndim == 2:
        return F.linear(x, weight)
    top, left, bottom, right = attrs["pads"]
    if any(attrs["pads"]):
        x = F.pad(x, (left, right, top, bottom))
    # cuDNN may pick an algorithm (FFT, Winograd) whose float64 isn't exact on integers.
    with torch.backends.cudnn.flags(enabled=False):
        return F.conv2d(
            x,
            weight,
            stride=tuple(attrs["strides"]),
            dilation=tuple(attrs.get("dilations", (1, 1))),
            groups=attrs.get("groups", 1),
        )


def max_pool(x: Tensor, attrs: dict[str, Any]) -> Tensor:
    """Pool by maximum with asymmetric pads and ceil_mode."""
    kernel, strides = attrs["kernel"], attrs["strides"]
    widths: list[int] = []
    for axis in (1, 0):
        head, tail = attrs["pads"][axis], attrs["pads"][2 + axis]
        length, k, step = x.shape[2 + axis], kernel[axis], strides[axis]
        count = output_size(length, k, step, 1, head, tail, attrs["ceil_mode"])
        widths += [head, (count - 1) * step + k - length - head]  # negative crops
    x = F.pad(x, widths, value=float("-inf"))
    return F.max_pool2d(x, tuple(kernel), tuple(strides))


def sum_windows(x: Tensor, attrs: dict[str, Any]) -> Tensor:
    """Sum each channel over windows."""
    channels = x.shape[1]
    ones = torch.ones((channels, 1, *attrs["kernel"]), dtype=x.dtype, device=x.device)
    windows = {"pads": attrs["pads"], "strides": attrs["strides"], "groups": channels}
    return convolve(x, ones, windows)


def column(array: Any, shape: Sequence[int], like: Tensor) -> Tensor:
    """Return numbers per channel, (C,), as float64 that broadcasts over (N, *shape)."""
    found = torch.as_tensor(array).to(device=like.device, dtype=torch.float64)
    return found.reshape((-1,) + (1,) * (len(shape) - 1))
