"""The CIFAR ResNets of 6n + 2 layers: ResNet-20, -32 and -56.

Source: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", CVPR 2016, section 4.2,
doi:10.1109/CVPR.2016.90

Names in the state dict are those of the trained weights of akamaster/pytorch_resnet_cifar10 (91.73,
92.63 and 93.39 % on the CIFAR-10 test set), which want `normalization`.

Departures: a shortcut that halves the size (the paper's option A) puts a quarter of the new width
in zero channels before and a quarter after, as those weights were trained, where the paper doesn't
say which side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional

from niwaki.models._registry import check_input, register_model

if TYPE_CHECKING:
    from torch import Tensor


class PaddedShortcut(nn.Module):
    """Option A: every second pixel, and zero channels around: no weights.

    Shapes: (N, C, H, W) -> (N, C + 2 * pad_channels, ceil(H / 2), ceil(W / 2)).
    """

    def __init__(self, pad_channels: int) -> None:
        super().__init__()
        self.pad_channels = pad_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return the halved and widened picture."""
        pads = (0, 0, 0, 0, self.pad_channels, self.pad_channels)
        return functional.pad(x[:, :, ::2, ::2], pads)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with batch norm, and a shortcut around them.

    Shapes: (N, in_width, H, W) -> (N, width, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, in_width: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_width, width, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu1 = nn.ReLU()
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu2 = nn.ReLU()
        self.shortcut = nn.Identity() if stride == 1 else PaddedShortcut((width - in_width) // 2)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's activations."""
        y = self.bn2(self.conv2(self.relu1(self.bn1(self.conv1(x)))))
        return self.relu2(y + self.shortcut(x))


class ResNetCifar(nn.Module):
    """Three stages of 16, 32 and 64 channels, n blocks each, global average pool, classifier.

    Shapes: x float32 (N, in_channels, input_size, input_size) -> logits (N, num_classes).
    """

    # ImageNet's constants, which the published weights were trained with; in units of x / 255.
    normalization: dict[str, tuple[float, ...]] | None = None

    def __init__(self, blocks: int, num_classes: int, in_channels: int, input_size: int) -> None:
        super().__init__()
        check_input(f"resnet{6 * blocks + 2}", input_size, 4)
        if in_channels == 3:
            self.normalization = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
        self.conv1 = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.relu = nn.ReLU()
        self.layer1 = _stage(16, 16, blocks, stride=1)
        self.layer2 = _stage(16, 32, blocks, stride=2)
        self.layer3 = _stage(32, 64, blocks, stride=2)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(64, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(self.average(x).flatten(1))


def _stage(in_width: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    rest = [BasicBlock(width, width, 1) for _ in range(blocks - 1)]
    return nn.Sequential(BasicBlock(in_width, width, stride), *rest)


@register_model("resnet20", in_channels=3, input_size=32)
def resnet20(num_classes: int = 10, in_channels: int = 3, input_size: int = 32) -> ResNetCifar:
    """Make ResNet-20: 269,722 parameters, 40.6 M multiplications at 32x32."""
    return ResNetCifar(3, num_classes, in_channels, input_size)


@register_model("resnet32", in_channels=3, input_size=32)
def resnet32(num_classes: int = 10, in_channels: int = 3, input_size: int = 32) -> ResNetCifar:
    """Make ResNet-32: 464,154 parameters, 68.9 M multiplications at 32x32."""
    return ResNetCifar(5, num_classes, in_channels, input_size)


@register_model("resnet56", in_channels=3, input_size=32)
def resnet56(num_classes: int = 10, in_channels: int = 3, input_size: int = 32) -> ResNetCifar:
    """Make ResNet-56: 853,018 parameters, 125.5 M multiplications at 32x32."""
    return ResNetCifar(9, num_classes, in_channels, input_size)
