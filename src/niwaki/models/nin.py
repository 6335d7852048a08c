"""Network in Network for CIFAR: each spatial convolution is followed by two 1x1 ones.

Source: Lin, Chen, Yan, "Network In Network", ICLR 2014, arXiv:1312.4400; widths of the authors'
Caffe model for CIFAR-10 [recalled], which binary-network papers use too.

Departures: the first pool is a maximum and the second an average, both 3x3, stride 2, rounding up,
as in that Caffe model; the paper doesn't say.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from niwaki.models._imagenet import draw_weights
from niwaki.models._registry import check_input, register_model

if TYPE_CHECKING:
    from torch import Tensor


@register_model("nin-cifar", in_channels=3, input_size=32, num_classes=10)
class NetworkInNetwork(nn.Module):
    """NiN for CIFAR: 966,986 parameters, 222 M multiplications at 32x32, no linear layer.

    Shapes: x float32 (N, in_channels, input_size, input_size) -> logits (N, num_classes).
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 3, input_size: int = 32) -> None:
        super().__init__()
        check_input("nin-cifar", input_size, 4)
        self.features = nn.Sequential(
            *_mlpconv(in_channels, 5, (192, 160, 96)),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            nn.Dropout(0.5),
            *_mlpconv(96, 5, (192, 192, 192)),
            nn.AvgPool2d(3, stride=2, ceil_mode=True),
            nn.Dropout(0.5),
            *_mlpconv(192, 3, (192, 192, num_classes)),
        )
        self.average = nn.AdaptiveAvgPool2d(1)
        draw_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        return self.average(self.features(x)).flatten(1)


def _mlpconv(before: int, kernel: int, widths: tuple[int, int, int]) -> list[nn.Module]:
    """Return one k x k convolution and two 1x1 ones, with a ReLU behind each."""
    return [
        nn.Conv2d(before, widths[0], kernel, padding=kernel // 2),
        nn.ReLU(),
        nn.Conv2d(widths[0], widths[1], 1),
        nn.ReLU(),
        nn.Conv2d(widths[1], widths[2], 1),
        nn.ReLU(),
    ]
