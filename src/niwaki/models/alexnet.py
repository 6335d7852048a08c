"""AlexNet, in the single-tower form that today's weights have.

Source: Krizhevsky, "One weird trick for parallelizing convolutional neural networks", 2014,
arXiv:1404.5997; after Krizhevsky, Sutskever, Hinton, "ImageNet Classification with Deep
Convolutional Neural Networks", NeurIPS 2012.

Names in the state dict are torchvision's.

Departures: none from torchvision's network [recalled], except that weights are drawn by He's rule.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from niwaki.models._imagenet import draw_weights, normalization_of
from niwaki.models._registry import check_input, register_model

if TYPE_CHECKING:
    from torch import Tensor


@register_model("alexnet", in_channels=3, input_size=224, num_classes=1000)
class AlexNet(nn.Module):
    """AlexNet: 61,100,840 parameters, 714 M multiplications at 224x224, no batch norm.

    Shapes: x float32 (N, in_channels, input_size, input_size) -> logits (N, num_classes).
    """

    def __init__(
        self, num_classes: int = 1000, in_channels: int = 3, input_size: int = 224
    ) -> None:
        super().__init__()
        check_input("alexnet", input_size, 63)
        self.normalization = normalization_of(in_channels)
        self.features = nn.Sequential(
            nn.Conv2d(in_channels, 64, 11, stride=4, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(64, 192, 5, padding=2),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
            nn.Conv2d(192, 384, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(384, 256, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(256, 256, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(3, stride=2),
        )
        side = (((input_size - 7) // 4 + 1 - 3) // 2 + 1 - 3) // 2 + 1
        # The classifier takes 6x6; at the size it was designed for there is nothing to average.
        same = (side - 3) // 2 + 1 == 6
        self.avgpool = nn.Identity() if same else nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(0.5),
            nn.Linear(256 * 6 * 6, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Linear(4096, num_classes),
        )
        draw_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))
