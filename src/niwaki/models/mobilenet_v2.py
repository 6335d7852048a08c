"""MobileNetV2: narrow residual blocks that widen, filter by depth, and narrow again.

Source: Sandler, Howard, Zhu, Zhmoginov, Chen, "MobileNetV2: Inverted Residuals and Linear
Bottlenecks", CVPR 2018, doi:10.1109/CVPR.2018.00474, table 2.

Names in the state dict are torchvision's.

Departures: ``mobilenet-v2-same`` pads as TensorFlow does and has 1,001 outputs (0 is
"background"), for the authors' trained weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from niwaki.models._imagenet import draw_weights, normalization_of
from niwaki.models._mobile import ConvNorm, Padding
from niwaki.models._registry import check_input, register_model

if TYPE_CHECKING:
    from torch import Tensor

# Table 2: expansion t, channels c, blocks n, stride of the first s.
_TABLE = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)


class InvertedResidual(nn.Module):
    """1x1 to t times as many channels, 3x3 depthwise, 1x1 down without activation, a shortcut.

    Shapes: (N, before, side, side) -> (N, after, ceil(side / stride), ceil(side / stride)).
    """

    def __init__(
        self,
        before: int,
        after: int,
        side: int,
        stride: int,
        expand: int,
        padding: Padding,
        eps: float,
    ) -> None:
        super().__init__()
        inner = before * expand
        layers: list[nn.Module] = []
        if expand != 1:
            layers.append(ConvNorm(before, inner, side, kernel=1, eps=eps))
        depthwise = ConvNorm(
            inner, inner, side, stride=stride, groups=inner, padding=padding, eps=eps
        )
        project = nn.Conv2d(inner, after, 1, bias=False)
        self.conv = nn.Sequential(*layers, depthwise, project, nn.BatchNorm2d(after, eps=eps))
        self.has_shortcut = stride == 1 and before == after
        self.out_side = depthwise.out_side

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's linear activations."""
        return x + self.conv(x) if self.has_shortcut else self.conv(x)


class MobileNetV2(nn.Module):
    """A 3x3 stem, 17 blocks, a 1x1 convolution to 1280 channels, average pool, classifier.

    Shapes: x float32 (N, in_channels, input_size, input_size) -> logits (N, num_classes).
    """

    def __init__(
        self,
        num_classes: int,
        in_channels: int,
        input_size: int,
        padding: Padding = "torch",
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        check_input("mobilenet-v2", input_size, 2)
        self.normalization = normalization_of(in_channels) if padding == "torch" else None
        stem = ConvNorm(in_channels, 32, input_size, stride=2, padding=padding, eps=eps)
        layers: list[nn.Module] = [stem]
        before, side = 32, stem.out_side
        for expand, after, count, first in _TABLE:
            for i in range(count):
                stride = first if i == 0 else 1
                block = InvertedResidual(before, after, side, stride, expand, padding, eps)
                layers.append(block)
                before, side = after, block.out_side
        layers.append(ConvNorm(before, 1280, side, kernel=1, eps=eps))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, num_classes))
        draw_weights(self, linear_std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


@register_model("mobilenet-v2", in_channels=3, input_size=224, num_classes=1000)
def mobilenet_v2(
    num_classes: int = 1000, in_channels: int = 3, input_size: int = 224
) -> MobileNetV2:
    """Make MobileNetV2: 3,504,872 parameters, 301 M multiplications at 224x224."""
    return MobileNetV2(num_classes, in_channels, input_size)


@register_model("mobilenet-v2-same", in_channels=3, input_size=224, num_classes=1001)
def mobilenet_v2_same(
    num_classes: int = 1001, in_channels: int = 3, input_size: int = 224
) -> MobileNetV2:
    """Make MobileNetV2 padded as TensorFlow does: 3,506,153 parameters."""
    return MobileNetV2(num_classes, in_channels, input_size, "same", 1e-3)
