"""The deployable form of a binary layer: bits, signs, two floats per output channel.

y = scale * Conv(bits, weight) + bias [+ x], bits = sign * x >= level

Source: niwaki, section 1 of docs/design/architecture.md (a layer with a binary branch alone).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.nn import functional as F

from niwaki import capture
from niwaki.methods._bits import BitThreshold

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Binarized(BitThreshold):
    """Hold what both kinds share.

    Args:
        weight: -1 or +1, (O, C, ...), float32; the user's own parameter.
        bias: (O,), float32; every offset of the layer and of the batch norm behind it.
        sign: -1 or +1 per input channel, (C,).
        level: Finite thresholds, (C,).
        scale: What one unit of the binary sum is worth, at least 0, per output channel, (O,).
    """

    scale: Tensor

    def __init__(
        self,
        weight: nn.Parameter,
        bias: nn.Parameter,
        *,
        sign: Tensor,
        level: Tensor,
        scale: Tensor,
    ) -> None:
        super().__init__(sign, level)
        self.weight, self.bias = weight, bias
        self.register_buffer("scale", scale.reshape(self._channel_shape))

    def signs(self) -> Tensor:
        """Return the weights, -1 or +1."""
        return capture.bipolar(self.weight)


class BinaryConv2d(_Binarized):
    """Convolve bits with signs; shapes as in ``nn.Conv2d``, groups 1; padding adds nothing.

    Args:
        shortcut: Whether x itself is added: the unit's own identity shortcut.
    """

    _channel_shape = (-1, 1, 1)

    def __init__(
        self,
        weight: nn.Parameter,
        bias: nn.Parameter,
        *,
        stride: tuple[int, ...],
        padding: str | tuple[int, ...],
        dilation: tuple[int, ...],
        shortcut: bool,
        **folded: Tensor,
    ) -> None:
        super().__init__(weight, bias, **folded)
        self.stride, self.padding, self.dilation = stride, padding, dilation
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output, (N, O, H', W')."""
        window: Mapping[str, Any] = {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
        }
        y = F.conv2d(self.bits(x), self.signs(), None, **window)
        y = y * self.scale + self.bias.view(-1, 1, 1)
        return y + x if self.shortcut else y

    def extra_repr(self) -> str:
        """Return the shape of the layer, for ``print(model)``."""
        out, channels, *kernel = self.weight.shape
        text = f"{channels}, {out}, kernel_size={tuple(kernel)}, stride={self.stride}"
        return f"{text}, shortcut" if self.shortcut else text


class BinaryLinear(_Binarized):
    """Multiply bits with signs; x (N, C) -> (N, O)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output, (N, O)."""
        return F.linear(self.bits(x), self.signs()) * self.scale + self.bias

    def extra_repr(self) -> str:
        """Return the shape of the layer, for ``print(model)``."""
        out, channels = self.weight.shape
        return f"{channels}, {out}"
