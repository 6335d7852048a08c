"""The deployable form of an augmented layer: a sparse layer plus a binary branch, both folded.

y = Conv(x, weight, bias) + scale * Conv(bits, binary_weight), bits = sign * x >= level

Source: niwaki, section 1 of docs/design/architecture.md (the float form of one BAP layer).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch import Tensor, nn
from torch.nn import functional as F

from niwaki import capture
from niwaki.methods._bits import BitThreshold

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Augmented(BitThreshold):
    """Hold what both kinds share: the thresholds and the folded branch.

    Args:
        weight: The masked weight (O, C, ...), float32; the user's own parameter.
        bias: (O,), float32; every offset of the layer and of both batch norms.
        sign: -1 or +1 per input channel, (C,).
        level: Finite thresholds, (C,).
        binary_weight: -1 or +1, (O, C, ...).
        scale: What one unit of the binary sum is worth, per output channel, (O,).
    """

    binary_weight: Tensor
    scale: Tensor

    def __init__(
        self,
        weight: nn.Parameter,
        bias: nn.Parameter,
        *,
        sign: Tensor,
        level: Tensor,
        binary_weight: Tensor,
        scale: Tensor,
    ) -> None:
        super().__init__(sign, level)
        self.weight, self.bias = weight, bias
        self.register_buffer("binary_weight", binary_weight)
        self.register_buffer("scale", scale.reshape(self._channel_shape))

    def signs(self) -> Tensor:
        """Return the binary weights, -1 or +1."""
        return capture.bipolar(self.binary_weight)


class AugmentedConv2d(_Augmented):
    """Add a sparse convolution and a binary one; shapes as in ``nn.Conv2d``, groups 1."""

    _channel_shape = (-1, 1, 1)

    def __init__(
        self,
        weight: nn.Parameter,
        bias: nn.Parameter,
        *,
        stride: tuple[int, ...],
        padding: str | tuple[int, ...],
        dilation: tuple[int, ...],
        **folded: Tensor,
    ) -> None:
        super().__init__(weight, bias, **folded)
        self.stride, self.padding, self.dilation = stride, padding, dilation

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output, (N, O, H', W')."""
        window: Mapping[str, Any] = {
            "stride": self.stride,
            "padding": self.padding,
            "dilation": self.dilation,
        }
        sparse = F.conv2d(x, self.weight, self.bias, **window)
        binary = F.conv2d(self.bits(x), self.signs(), None, **window)
        return sparse + binary * self.scale

    def extra_repr(self) -> str:
        """Return the shape of the layer, for ``print(model)``."""
        out, channels, *kernel = self.weight.shape
        return f"{channels}, {out}, kernel_size={tuple(kernel)}, stride={self.stride}"


class AugmentedLinear(_Augmented):
    """Add a sparse linear layer and a binary one; x (N, C) -> (N, O)."""

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's output, (N, O)."""
        sparse = F.linear(x, self.weight, self.bias)
        return sparse + F.linear(self.bits(x), self.signs()) * self.scale

    def extra_repr(self) -> str:
        """Return the shape of the layer, for ``print(model)``."""
        out, channels = self.weight.shape
        return f"{channels}, {out}"
