"""VGG-11 and VGG-16: 3x3 convolutions, 2x2 max pools, three big linear layers.

Source: Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition",
ICLR 2015, arXiv:1409.1556, table 1, columns A and D.

Names in the state dict are torchvision's.

Departures: none; no batch norm, as in the paper.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from niwaki.models._imagenet import draw_weights, normalization_of
from niwaki.models._registry import check_input, register_model

if TYPE_CHECKING:
    from torch import Tensor

# Widths of the convolutions of each stage; a max pool follows every stage.
_A = ((64,), (128,), (256, 256), (512, 512), (512, 512))
_D = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))


class Vgg(nn.Module):
    """Five stages of 3x3 convolutions with ReLU, and the classifier.

    Shapes: x float32 (N, in_channels, input_size, input_size) -> logits (N, num_classes).
    """

    def __init__(
        self,
        name: str,
        stages: tuple[tuple[int, ...], ...],
        num_classes: int,
        in_channels: int,
        input_size: int,
    ) -> None:
        super().__init__()
        check_input(name, input_size, 32)
        self.normalization = normalization_of(in_channels)
        layers: list[nn.Module] = []
        before = in_channels
        for widths in stages:
            for width in widths:
                layers += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
                before = width
            layers.append(nn.MaxPool2d(2, stride=2))
        self.features = nn.Sequential(*layers)
        # The classifier takes 7x7; at the size it was designed for there is nothing to average.
        same = input_size // 32 == 7
        self.avgpool = nn.Identity() if same else nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Linear(512 * 7 * 7, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, 4096),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(4096, num_classes),
        )
        draw_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


@register_model("vgg11", in_channels=3, input_size=224, num_classes=1000)
def vgg11(num_classes: int = 1000, in_channels: int = 3, input_size: int = 224) -> Vgg:
    """Make VGG-11: 132,863,336 parameters, 7.6 G multiplications at 224x224."""
    return Vgg("vgg11", _A, num_classes, in_channels, input_size)


@register_model("vgg16", in_channels=3, input_size=224, num_classes=1000)
def vgg16(num_classes: int = 1000, in_channels: int = 3, input_size: int = 224) -> Vgg:
    """Make VGG-16: 138,357,544 parameters, 15.5 G multiplications at 224x224."""
    return Vgg("vgg16", _D, num_classes, in_channels, input_size)
