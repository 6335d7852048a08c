"""Integer arithmetic in floats, exact, with straight-through gradients.

Every integer of the integer form is below 2^53, so float64 holds it exactly, whatever the order of
the sums; sums that stay below 2^24 may run in float32.
"""

from __future__ import annotations

from functools import cache
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


def convolve(x: Tensor, weight: Tensor, attrs: dict[str, Any], peak: int = 255) -> Tensor:
    """Convolve integers exactly: asymmetric pads, strides, dilations, groups; or a linear layer.

    Args:
        x: Integers in float64. Shape (N, C, H, W) or (N, K).
        weight: Integers in float64. Shape (O, C/groups, kh, kw) or (O, K).
        attrs: The layer's windows.
        peak: Largest magnitude in `x`.

    Returns:
        Sums, float64.
    """
    # Sums below 2^24 are exact in float32 too, which is up to ten times as fast.
    bound = float(weight.detach().abs().flatten(1).sum(1).max()) * peak
    if bound < 2**24 and float32_is_exact(x.device.type, torch.get_float32_matmul_precision()):
        return _convolve(x.float(), weight.float(), attrs).double()
    return _convolve(x, weight, attrs)


def _convolve(x: Tensor, weight: Tensor, attrs: dict[str, Any]) -> Tensor:
    if weight.ndim == 2:
        return F.linear(x, weight)
    top, left, bottom, right = attrs["pads"]
    if any(attrs["pads"]):
        x = F.pad(x, (left, right, top, bottom))
    # cuDNN may pick an algorithm (FFT, Winograd) that isn't exact on integers.
    with torch.backends.cudnn.flags(enabled=False):
        return F.conv2d(
            x,
            weight,
            stride=tuple(attrs["strides"]),
            dilation=tuple(attrs.get("dilations", (1, 1))),
            groups=attrs.get("groups", 1),
        )


@cache
def float32_is_exact(device: str, precision: str) -> bool:
    """Tell whether float32 sums of integers below 2^24 come out exact on this machine, by trying.

    Not so where a library multiplies in fewer bits (TF32, bfloat16) or transforms (Winograd).

    Args:
        device: Only ``cpu`` is tried; elsewhere what a library picks depends on shapes.
        precision: torch's `get_float32_matmul_precision`, by which the answer may change.
    """
    if device != "cpu" or precision != "highest":
        return False
    generator = torch.Generator().manual_seed(0)
    for channels, size, kernel in ((16, 12, 3), (64, 8, 3), (20, 12, 5), (64, 6, 1)):
        x = torch.randint(0, 256, (32, channels, size, size), generator=generator).double()
        weight = torch.randint(-127, 128, (32, channels, kernel, kernel), generator=generator)
        weight = torch.where(weight.abs() < 64, 0, weight).double()
        attrs = {"pads": [kernel // 2] * 4, "strides": [1, 1]}
        exact = _convolve(x, weight, attrs)
        if not torch.equal(exact, _convolve(x.float(), weight.float(), attrs).double()):
            return False
    return True


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
