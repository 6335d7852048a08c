"""SqueezeNet 1.0: AlexNet's accuracy with 50 times fewer parameters.

Source: Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer, "SqueezeNet: AlexNet-level accuracy with
50x fewer parameters and <0.5MB model size", 2016, arXiv:1602.07360.

Names in the state dict are torchvision's.

Departures: none; the last convolution has a ReLU, as in the authors' file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from niwaki.models._imagenet import draw_weights, normalization_of
from niwaki.models._registry import check_input, register_model

if TYPE_CHECKING:
    from torch import Tensor


class Fire(nn.Module):
    """Squeeze to few channels by 1x1, then expand by 1x1 and 3x3 side by side.

    Shapes: (N, before, H, W) -> (N, 2 * expand, H, W); the 1x1 half comes first.
    """

    def __init__(self, before: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(before, squeeze, 1)
        self.squeeze_activation = nn.ReLU()
        self.expand1x1 = nn.Conv2d(squeeze, expand, 1)
        self.expand1x1_activation = nn.ReLU()
        self.expand3x3 = nn.Conv2d(squeeze, expand, 3, padding=1)
        self.expand3x3_activation = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's activations."""
        x = self.squeeze_activation(self.squeeze(x))
        narrow = self.expand1x1_activation(self.expand1x1(x))
        wide = self.expand3x3_activation(self.expand3x3(x))
        return torch.cat([narrow, wide], 1)


@register_model("squeezenet1-0", in_channels=3, input_size=224, num_classes=1000)
class SqueezeNet(nn.Module):
    """SqueezeNet 1.0: 1,248,424 parameters, 820 M multiplications at 224x224.

    Shapes: x float32 (N, in_channels, input_size, input_size) -> logits (N, num_classes).
    """

    def __init__(
        self, num_classes: int = 1000, in_channels: int = 3, input_size: int = 224
    ) -> None:
        super().__init__()
        check_input("squeezenet1-0", input_size, 21)
        self.normalization = normalization_of(in_channels)
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 96, 7, stride=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            Fire(96, 16, 64),
            Fire(128, 16, 64),
            Fire(128, 32, 128),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            Fire(256, 32, 128),
            Fire(256, 48, 192),
            Fire(384, 48, 192),
            Fire(384, 64, 256),
            nn.MaxPool2d(3, stride=2, ceil_mode=True),
            Fire(512, 64, 256),
        )
        self.classifier = nn.Sequential(
            nn.Dropout(0.5), nn.Conv2d(512, num_classes, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )
        draw_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        return self.classifier(self.features(x)).flatten(1)
