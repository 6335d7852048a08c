"""Chain networks made for binarisation: AlexNet in XNOR-Net's shape, and VGG-small.

Source: Rastegari, Ordonez, Redmon, Farhadi, "XNOR-Net", ECCV 2016, arXiv:1603.05279 (AlexNet's
shape: 96-256-384-384-256 convolutions, 4096-4096-1000 linear layers, on 227x227); VGG-small as the
literature on binary networks has it [recalled], 3x3 convolutions of 128-128-256-256-512-512, a max
pool behind each pair, one linear layer.

A unit is batch norm -> ReLU -> layer -> [max pool] -> next, without shortcuts: binarised, a bit
follows from an integer sum and an integer threshold, no float between (``si-bnn`` has the rest).

Departures [ours]: no dropout; a batch norm in front of the classifier, which sees sums of unknown
size otherwise (it folds into it); batch norm behind AlexNet's first convolution is the next unit's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from niwaki.models._imagenet import normalization_of
from niwaki.models._registry import check_input, register_model
from niwaki.models._units import draw_weights

if TYPE_CHECKING:
    from torch import Tensor


class _Chain(nn.Module):
    """Run features, flatten, run the classifier; its units have no shortcuts."""

    unit_shortcuts = False

    def __init__(self, features: nn.Sequential, classifier: nn.Sequential) -> None:
        super().__init__()
        self.features, self.classifier = features, classifier
        draw_weights(self)
        self.default_ignore = ["features.0", f"classifier.{len(classifier) - 1}"]

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        return self.classifier(self.features(x).flatten(1))


@register_model("sibnn-alexnet", in_channels=3, input_size=227, num_classes=1000)
class SiBNNAlexNet(_Chain):
    """AlexNet in XNOR-Net's shape: 62,367,776 weights, 58,236,928 of them in units.

    Shapes: x float32 (N, in_channels, input_size, input_size) -> logits (N, num_classes).
    """

    def __init__(
        self, num_classes: int = 1000, in_channels: int = 3, input_size: int = 227
    ) -> None:
        check_input("sibnn-alexnet", input_size, 67)
        side = (((input_size - 11) // 4 + 1 - 3) // 2 + 1 - 3) // 2 + 1
        side = (side - 3) // 2 + 1
        features = nn.Sequential(
            nn.Conv2d(in_channels, 96, 11, stride=4, bias=False),
            nn.MaxPool2d(3, stride=2),
            *_conv(96, 256, 5),
            nn.MaxPool2d(3, stride=2),
            *_conv(256, 384, 3),
            *_conv(384, 384, 3),
            *_conv(384, 256, 3),
            nn.MaxPool2d(3, stride=2),
        )
        classifier = nn.Sequential(
            *_linear(256 * side * side, 4096),
            *_linear(4096, 4096),
            nn.BatchNorm1d(4096),
            nn.Linear(4096, num_classes),
        )
        super().__init__(features, classifier)
        self.normalization = normalization_of(in_channels)


@register_model("vgg-small", in_channels=3, input_size=32)
class VggSmall(_Chain):
    """VGG-small: six 3x3 convolutions, five of them in units (4,571,136 weights), one linear layer.

    Shapes: x float32 (N, in_channels, input_size, input_size) -> logits (N, num_classes).
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 3, input_size: int = 32) -> None:
        check_input("vgg-small", input_size, 8)
        side = input_size // 8
        features = nn.Sequential(
            nn.Conv2d(in_channels, 128, 3, padding=1, bias=False),
            *_conv(128, 128, 3),
            nn.MaxPool2d(2),
            *_conv(128, 256, 3),
            *_conv(256, 256, 3),
            nn.MaxPool2d(2),
            *_conv(256, 512, 3),
            *_conv(512, 512, 3),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(512),
        )
        super().__init__(features, nn.Sequential(nn.Linear(512 * side * side, num_classes)))
        self.normalization = normalization_of(in_channels)


def _conv(before: int, after: int, kernel: int) -> list[nn.Module]:
    conv = nn.Conv2d(before, after, kernel, padding=kernel // 2, bias=False)
    return [nn.BatchNorm2d(before), nn.ReLU(), conv]


def _linear(before: int, after: int) -> list[nn.Module]:
    return [nn.BatchNorm1d(before), nn.ReLU(), nn.Linear(before, after, bias=False)]
