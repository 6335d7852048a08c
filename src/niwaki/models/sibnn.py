"""Residual networks of the Si-BNN form: two batch norms a convolution, a shortcut around each.

Source: Wang, He, Cheng, "Toward Accurate Binarized Neural Networks With Sparsity for Mobile
Application", IEEE TNNLS 2022, doi:10.1109/TNNLS.2022.3173498; ResNet-18 as in the authors' code,
its shortcuts per convolution as in Bi-Real Net (Liu et al., ECCV 2018, arXiv:1808.00278).

Made by `create`, a network is the real-valued twin: ReLUs and real weights. The method ``si-bnn``
turns it into the binary network, whose parameters the docstrings count.

Departures: the code has ResNet-18 alone; ResNet-50 and -20 are ours. ResNet-20 keeps the CIFAR
ResNets' option-A shortcuts and their names in the state dict, so that their trained weights load.
Weights of the CIFAR and the small network are drawn by the same rule as those of ResNet-18.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn
from torch.nn import functional as F

from niwaki.models._imagenet import normalization_of
from niwaki.models._registry import check_input, register_model
from niwaki.models._units import Unit, draw_weights, float_layers, pooled_shortcut

if TYPE_CHECKING:
    from torch import Tensor


class BasicBlock(nn.Module):
    """Two 3x3 units; the first has the block's shortcut, the second an identity."""

    widen = 1

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.unit1 = Unit(before, width, stride=stride)
        self.unit2 = Unit(width, width)
        self.shortcut = pooled_shortcut(before, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        x = self.unit1(x) + self.shortcut(x)
        return self.unit2(x) + x


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 units; the 3x3 has a shortcut of its own where its stride is 1.

    The first 1x1 of the network keeps its shape, so ``si-bnn`` gives it one as well.
    """

    widen = 4

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.unit1 = Unit(before, width, kernel=1)
        self.unit2 = Unit(width, width, stride=stride)
        self.unit3 = Unit(width, 4 * width, kernel=1)
        self.is_strided = stride > 1
        self.shortcut = pooled_shortcut(before, 4 * width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        y = self.unit1(x)
        y = self.unit2(y) if self.is_strided else self.unit2(y) + y
        return self.unit3(y) + self.shortcut(x)


class SiBNNResNet(nn.Module):
    """A 7x7 stem without ReLU, four stages, ReLU, global average pool, classifier.

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
        check_input("sibnn-resnet", input_size, 2)
        self.normalization = normalization_of(in_channels)
        self.conv1 = nn.Conv2d(in_channels, 64, 7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        stages: list[nn.Module] = []
        before = 64
        for index, count in enumerate(counts):
            for place in range(count):
                stride = 2 if index and not place else 1
                stages.append(block(before, 64 << index, stride))
                before = (64 << index) * block.widen
        self.blocks = nn.Sequential(*stages)
        self.relu = nn.ReLU()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(before, num_classes)
        draw_weights(self)
        self.default_ignore = float_layers(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        x = self.blocks(self.maxpool(self.bn1(self.conv1(x))))
        return self.fc(self.avgpool(self.relu(x)).flatten(1))


@register_model("sibnn-resnet18", in_channels=3, input_size=224, num_classes=1000)
def sibnn_resnet18(
    num_classes: int = 1000, in_channels: int = 3, input_size: int = 224
) -> SiBNNResNet:
    """Make ResNet-18 of the Si-BNN form: binarised, 11,703,080 parameters, 10,985,472 binary."""
    return SiBNNResNet(BasicBlock, (2, 2, 2, 2), num_classes, in_channels, input_size)


@register_model("sibnn-resnet50", in_channels=3, input_size=224, num_classes=1000)
def sibnn_resnet50(
    num_classes: int = 1000, in_channels: int = 3, input_size: int = 224
) -> SiBNNResNet:
    """Make ResNet-50 of the Si-BNN form: every 1x1 and 3x3 convolution of the blocks is a unit."""
    return SiBNNResNet(Bottleneck, (3, 4, 6, 3), num_classes, in_channels, input_size)


class SmallSiBNN(nn.Module):
    """A real 3x3 stem and four units of 16 to 64 channels, for pictures of 28x28.

    Shapes: x float32 (N, in_channels, input_size, input_size) -> logits (N, num_classes).
    """

    def __init__(self, num_classes: int, in_channels: int, input_size: int) -> None:
        super().__init__()
        check_input("sibnn-small", input_size, 4)
        self.conv1 = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.pool = nn.MaxPool2d(2)
        self.unit1 = Unit(16, 32)
        self.unit2 = Unit(32, 32)
        self.unit3 = Unit(32, 64)
        self.unit4 = Unit(64, 64)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, num_classes)
        draw_weights(self)
        self.default_ignore = float_layers(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        x = self.pool(self.bn1(self.conv1(x)))
        x = self.pool(self.unit1(x))
        x = self.unit2(x) + x
        x = self.unit3(x)
        x = self.unit4(x) + x
        return self.fc(self.average(x).flatten(1))


@register_model("sibnn-small", in_channels=1, input_size=28)
def sibnn_small(num_classes: int = 10, in_channels: int = 1, input_size: int = 28) -> SmallSiBNN:
    """Make the small network: 69,120 weights in units, 794 outside for one channel and 10 classes.

    Source: niwaki; it is what Si-BNN, its sign twin and its real twin are compared on.
    """
    return SmallSiBNN(num_classes, in_channels, input_size)


class CifarBlock(nn.Module):
    """Two 3x3 units with the names of a CIFAR ResNet's block: conv1, bn1, conv2, bn2.

    Shapes: (N, before, H, W) -> (N, width, ceil(H / stride), ceil(W / stride)).
    """

    def __init__(self, before: int, width: int, stride: int) -> None:
        super().__init__()
        self.stride, self.more = stride, (width - before) // 2
        self.norm1, self.norm2 = nn.BatchNorm2d(before), nn.BatchNorm2d(width)
        self.conv1 = nn.Conv2d(before, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu1, self.relu2 = nn.ReLU(), nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        carried = x
        if self.stride > 1:  # option A: every second pixel, zero channels on both sides
            carried = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.more, self.more))
        x = self.bn1(self.conv1(self.relu1(self.norm1(x)))) + carried
        return self.bn2(self.conv2(self.relu2(self.norm2(x)))) + x


class SiBNNResNetCifar(nn.Module):
    """Three stages of 16, 32 and 64 channels, three blocks each; names as in ``resnet20``.

    Shapes: x float32 (N, in_channels, input_size, input_size) -> logits (N, num_classes).
    """

    normalization: dict[str, tuple[float, ...]] | None = None

    def __init__(self, num_classes: int, in_channels: int, input_size: int) -> None:
        super().__init__()
        check_input("sibnn-resnet20", input_size, 4)
        if in_channels == 3:
            self.normalization = normalization_of(in_channels)
        self.conv1 = nn.Conv2d(in_channels, 16, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = _stage(16, 16, stride=1)
        self.layer2 = _stage(16, 32, stride=2)
        self.layer3 = _stage(32, 64, stride=2)
        self.relu = nn.ReLU()
        self.average = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(64, num_classes)
        draw_weights(self)
        self.default_ignore = ["conv1", "linear"]

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        x = self.layer3(self.layer2(self.layer1(self.bn1(self.conv1(x)))))
        return self.linear(self.average(self.relu(x)).flatten(1))


def _stage(before: int, width: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        CifarBlock(before, width, stride), CifarBlock(width, width, 1), CifarBlock(width, width, 1)
    )


@register_model("sibnn-resnet20", in_channels=3, input_size=32)
def sibnn_resnet20(
    num_classes: int = 10, in_channels: int = 3, input_size: int = 32
) -> SiBNNResNetCifar:
    """Make ResNet-20 of the Si-BNN form: 267,264 weights in units."""
    return SiBNNResNetCifar(num_classes, in_channels, input_size)
