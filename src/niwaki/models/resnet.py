"""The ImageNet ResNets: 18 and 34 of basic blocks, 50, 101 and 152 of bottlenecks.

Source: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, table 1,
doi:10.1109/CVPR.2016.90

Names in the state dict are torchvision's.

Departures: a bottleneck halves the picture in its 3x3 convolution instead of its first 1x1 one
("v1.5"), as torchvision and today's weights do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from niwaki.models._imagenet import draw_weights, normalization_of
from niwaki.models._registry import check_input, register_model

if TYPE_CHECKING:
    from torch import Tensor


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut.

    Shapes: (N, before, H, W) -> (N, width, ceil(H / stride), ceil(W / stride)).
    """

    widen = 1

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.downsample = _shortcut(before, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's activations."""
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(y + self.downsample(x))


class Bottleneck(nn.Module):
    """1x1 to `width` channels, 3x3, 1x1 to four times as many, and a shortcut.

    Shapes: (N, before, H, W) -> (N, 4 * width, ceil(H / stride), ceil(W / stride)).
    """

    widen = 4

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(before, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.conv3 = nn.Conv2d(width, 4 * width, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * width)
        self.relu3 = nn.ReLU()
        self.downsample = _shortcut(before, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's activations."""
        y = self.relu1(self.bn1(self.conv1(x)))
        y = self.bn3(self.conv3(self.relu2(self.bn2(self.conv2(y)))))
        return self.relu3(y + self.downsample(x))


def _shortcut(before: int, after: int, stride: int) -> nn.Module:
    """Return the paper's option B: a 1x1 convolution where the shape changes."""
    if stride == 1 and before == after:
        return nn.Identity()
    return nn.Sequential(
        nn.Conv2d(before, after, 1, stride=stride, bias=False), nn.BatchNorm2d(after)
    )


class ResNet(nn.Module):
    """A 7x7 stem, four stages of 64 to 512 channels, global average pool, classifier.

    Shapes: x float32 (N, in_channels, input_size, input_size) -> logits (N, num_classes).
    """

    def __init__(
        self,
        block: type[BasicBlock | Bottleneck],
        counts: tuple[int, int, int, int],
        num_classes: int,
        in_channels: int,
        input_size: int,
    ) -> None:
        super().__init__()
        check_input("resnet", input_size, 2)
        self.normalization = normalization_of(in_channels)
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.relu = nn.ReLU()
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.layer1 = _stage(block, 64, 64, counts[0], stride=1)
        self.layer2 = _stage(block, 64 * block.widen, 128, counts[1], stride=2)
        self.layer3 = _stage(block, 128 * block.widen, 256, counts[2], stride=2)
        self.layer4 = _stage(block, 256 * block.widen, 512, counts[3], stride=2)
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(512 * block.widen, num_classes)
        draw_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return self.fc(self.avgpool(x).flatten(1))


def _stage(
    block: type[BasicBlock | Bottleneck], before: int, width: int, count: int, stride: int
) -> nn.Sequential:
    rest = [block(width * block.widen, width, 1) for _ in range(count - 1)]
    return nn.Sequential(block(before, width, stride), *rest)


@register_model("resnet18", in_channels=3, input_size=224, num_classes=1000)
def resnet18(num_classes: int = 1000, in_channels: int = 3, input_size: int = 224) -> ResNet:
    """Make ResNet-18: 11,689,512 parameters, 1.8 G multiplications at 224x224."""
    return ResNet(BasicBlock, (2, 2, 2, 2), num_classes, in_channels, input_size)


@register_model("resnet34", in_channels=3, input_size=224, num_classes=1000)
def resnet34(num_classes: int = 1000, in_channels: int = 3, input_size: int = 224) -> ResNet:
    """Make ResNet-34: 21,797,672 parameters, 3.7 G multiplications at 224x224."""
    return ResNet(BasicBlock, (3, 4, 6, 3), num_classes, in_channels, input_size)


@register_model("resnet50", in_channels=3, input_size=224, num_classes=1000)
def resnet50(num_classes: int = 1000, in_channels: int = 3, input_size: int = 224) -> ResNet:
    """Make ResNet-50: 25,557,032 parameters, 4.1 G multiplications at 224x224."""
    return ResNet(Bottleneck, (3, 4, 6, 3), num_classes, in_channels, input_size)


@register_model("resnet101", in_channels=3, input_size=224, num_classes=1000)
def resnet101(num_classes: int = 1000, in_channels: int = 3, input_size: int = 224) -> ResNet:
    """Make ResNet-101: 44,549,160 parameters, 7.8 G multiplications at 224x224."""
    return ResNet(Bottleneck, (3, 4, 23, 3), num_classes, in_channels, input_size)


@register_model("resnet152", in_channels=3, input_size=224, num_classes=1000)
def resnet152(num_classes: int = 1000, in_channels: int = 3, input_size: int = 224) -> ResNet:
    """Make ResNet-152: 60,192,808 parameters, 11.5 G multiplications at 224x224."""
    return ResNet(Bottleneck, (3, 8, 36, 3), num_classes, in_channels, input_size)
