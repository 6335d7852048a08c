"""The piece that both MobileNets are made of: convolution, batch norm, ReLU6, either padding."""

from __future__ import annotations

from collections import OrderedDict
from typing import Literal

from torch import nn

Padding = Literal["torch", "same"]
"""``"torch"``: as many pixels on every side; ``"same"``: TensorFlow's, more below and right."""


class ConvNorm(nn.Sequential):
    """A convolution without bias, batch norm, and ReLU6, under the names 0, 1 and 2.

    ``out_side`` says how high and wide the result is. "same" pads by a layer in front of the
    convolution, as its sides differ; it has no weights, so the state dict is the same in both.

    Shapes: (N, before, side, side) -> (N, after, out_side, out_side).

    Args:
        before: Channels of the input.
        after: Channels of the output.
        side: Height and width of the input, pixels: "same" depends on it.
        kernel: Height and width of the kernel, odd.
        stride: Of the convolution.
        groups: Of the convolution; `before` for a depthwise one.
        padding: How borders are padded.
        eps: Batch norm's.
    """

    def __init__(
        self,
        before: int,
        after: int,
        side: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        groups: int = 1,
        padding: Padding = "torch",
        eps: float = 1e-5,
    ) -> None:
        low, high = same_pads(side, kernel, stride) if padding == "same" else (kernel // 2,) * 2
        layers = OrderedDict[str, nn.Module]()
        if low != high:
            layers["pad"] = nn.ZeroPad2d((low, high, low, high))
        layers["0"] = nn.Conv2d(
            before,
            after,
            kernel,
            stride=stride,
            padding=low if low == high else 0,
            groups=groups,
            bias=False,
        )
        layers["1"] = nn.BatchNorm2d(after, eps=eps)
        layers["2"] = nn.ReLU6()
        super().__init__(layers)
        self.out_side = -(-side // stride)


def same_pads(side: int, kernel: int, stride: int) -> tuple[int, int]:
    """Return TensorFlow's "same" padding before and after, pixels.

    Example:
        >>> same_pads(224, 3, 2), same_pads(112, 3, 1)
        ((0, 1), (1, 1))
    """
    total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
    return total // 2, total - total // 2
