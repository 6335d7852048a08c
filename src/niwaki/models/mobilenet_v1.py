"""MobileNetV1 at three widths: 3x3 depthwise and 1x1 convolutions in turn.

Source: Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam, "MobileNets: Efficient
Convolutional Neural Networks for Mobile Vision Applications", 2017, arXiv:1704.04861, table 1.

Departures: ReLU6 instead of ReLU, as in the authors' code and all published weights. The networks
called ``-same`` pad as TensorFlow does and have 1,001 outputs (0 is "background"), for the authors'
trained weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from niwaki.models._imagenet import draw_weights, normalization_of
from niwaki.models._mobile import ConvNorm, Padding
from niwaki.models._registry import check_input, register_model

if TYPE_CHECKING:
    from torch import Tensor

# Width and stride of each of the 13 pairs.
_PAIRS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *((512, 1),) * 5,
    (1024, 2),
    (1024, 1),
)


class DepthwisePair(nn.Module):
    """A 3x3 depthwise convolution, then a 1x1 one, each with batch norm and ReLU6.

    Shapes: (N, before, side, side) -> (N, after, ceil(side / stride), ceil(side / stride)).
    """

    def __init__(
        self, before: int, after: int, side: int, stride: int, padding: Padding, eps: float
    ) -> None:
        super().__init__()
        self.depthwise = ConvNorm(
            before, before, side, stride=stride, groups=before, padding=padding, eps=eps
        )
        self.out_side = self.depthwise.out_side
        self.pointwise = ConvNorm(before, after, self.out_side, kernel=1, eps=eps)

    def forward(self, x: Tensor) -> Tensor:
        """Return the pair's activations."""
        return self.pointwise(self.depthwise(x))


class MobileNetV1(nn.Module):
    """A 3x3 stem, 13 pairs, global average pool, classifier.

    Shapes: x float32 (N, in_channels, input_size, input_size) -> logits (N, num_classes).

    Args:
        width: Factor of all widths: 1, 0.5 or 0.25.
        num_classes: Outputs.
        in_channels: Channels of the input.
        input_size: Height and width of the input, pixels.
        padding: "torch" or "same".
        eps: Batch norm's; Keras' weights want 1e-3.
    """

    def __init__(
        self,
        width: float,
        num_classes: int,
        in_channels: int,
        input_size: int,
        padding: Padding = "torch",
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        check_input("mobilenet-v1", input_size, 2)
        self.normalization = normalization_of(in_channels) if padding == "torch" else None
        before = int(32 * width)
        self.stem = ConvNorm(in_channels, before, input_size, stride=2, padding=padding, eps=eps)
        side = self.stem.out_side
        pairs: list[nn.Module] = []
        for base, stride in _PAIRS:
            pair = DepthwisePair(before, int(base * width), side, stride, padding, eps)
            pairs.append(pair)
            before, side = int(base * width), pair.out_side
        self.pairs = nn.Sequential(*pairs)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(before, num_classes)
        draw_weights(self, linear_std=0.01)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        return self.fc(self.avgpool(self.pairs(self.stem(x))).flatten(1))


@register_model("mobilenet-v1", in_channels=3, input_size=224, num_classes=1000)
def mobilenet_v1(
    num_classes: int = 1000, in_channels: int = 3, input_size: int = 224
) -> MobileNetV1:
    """Make MobileNetV1: 4,231,976 parameters, 569 M multiplications at 224x224."""
    return MobileNetV1(1.0, num_classes, in_channels, input_size)


@register_model("mobilenet-v1-0.5", in_channels=3, input_size=224, num_classes=1000)
def mobilenet_v1_half(
    num_classes: int = 1000, in_channels: int = 3, input_size: int = 224
) -> MobileNetV1:
    """Make MobileNetV1 at width 0.5: 1,331,592 parameters, 149 M multiplications at 224x224."""
    return MobileNetV1(0.5, num_classes, in_channels, input_size)


@register_model("mobilenet-v1-0.25", in_channels=3, input_size=224, num_classes=1000)
def mobilenet_v1_quarter(
    num_classes: int = 1000, in_channels: int = 3, input_size: int = 224
) -> MobileNetV1:
    """Make MobileNetV1 at width 0.25: 470,072 parameters, 41 M multiplications at 224x224."""
    return MobileNetV1(0.25, num_classes, in_channels, input_size)


@register_model("mobilenet-v1-0.5-same", in_channels=3, input_size=160, num_classes=1001)
def mobilenet_v1_half_same(
    num_classes: int = 1001, in_channels: int = 3, input_size: int = 160
) -> MobileNetV1:
    """Make MobileNetV1 at width 0.5, padded as TensorFlow does: 1,332,105 parameters."""
    return MobileNetV1(0.5, num_classes, in_channels, input_size, "same", 1e-3)


@register_model("mobilenet-v1-0.25-same", in_channels=3, input_size=224, num_classes=1001)
def mobilenet_v1_quarter_same(
    num_classes: int = 1001, in_channels: int = 3, input_size: int = 224
) -> MobileNetV1:
    """Make MobileNetV1 at width 0.25, padded as TensorFlow does: 470,329 parameters."""
    return MobileNetV1(0.25, num_classes, in_channels, input_size, "same", 1e-3)
