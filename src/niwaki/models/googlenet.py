"""GoogLeNet with batch norm: nine inception blocks, with or without its two auxiliary heads.

Source: Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich, "Going Deeper
with Convolutions", CVPR 2015, doi:10.1109/CVPR.2015.7298594, table 1; batch norm after Ioffe,
Szegedy, ICML 2015.

Names in the state dict are torchvision's.

Departures: each convolution has batch norm and no bias; the "5x5" branch is 3x3, as in the weights
that torchvision took over from TensorFlow [recalled]; an auxiliary head averages to 4x4.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from niwaki.errors import ValueDomainError
from niwaki.models._imagenet import draw_weights, normalization_of
from niwaki.models._registry import check_input, register_model

if TYPE_CHECKING:
    from torch import Tensor

# Per block: 1x1; 3x3 reduce, 3x3; "5x5" reduce, "5x5"; 1x1 behind the pool.
_BLOCKS = {
    "inception3a": (64, 96, 128, 16, 32, 32),
    "inception3b": (128, 128, 192, 32, 96, 64),
    "inception4a": (192, 96, 208, 16, 48, 64),
    "inception4b": (160, 112, 224, 24, 64, 64),
    "inception4c": (128, 128, 256, 24, 64, 64),
    "inception4d": (112, 144, 288, 32, 64, 64),
    "inception4e": (256, 160, 320, 32, 128, 128),
    "inception5a": (256, 160, 320, 32, 128, 128),
    "inception5b": (384, 192, 384, 48, 128, 128),
}


class ConvNormRelu(nn.Module):
    """A convolution without bias, batch norm, ReLU.

    Shapes: (N, before, H, W) -> (N, after, H', W').
    """

    def __init__(
        self, before: int, after: int, kernel: int, stride: int = 1, padding: int = 0
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(before, after, kernel, stride=stride, padding=padding, bias=False)
        self.bn = nn.BatchNorm2d(after, eps=1e-3)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return the layer's activations."""
        return self.relu(self.bn(self.conv(x)))


class Inception(nn.Module):
    """Four branches side by side, joined along the channels.

    Shapes: (N, before, H, W) -> (N, widths[0] + widths[2] + widths[4] + widths[5], H, W).
    """

    def __init__(self, before: int, widths: tuple[int, int, int, int, int, int]) -> None:
        super().__init__()
        one, reduce3, three, reduce5, five, pooled = widths
        self.branch1 = ConvNormRelu(before, one, 1)
        self.branch2 = nn.Sequential(
            ConvNormRelu(before, reduce3, 1), ConvNormRelu(reduce3, three, 3, padding=1)
        )
        self.branch3 = nn.Sequential(
            ConvNormRelu(before, reduce5, 1), ConvNormRelu(reduce5, five, 3, padding=1)
        )
        self.branch4 = nn.Sequential(
            nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True), ConvNormRelu(before, pooled, 1)
        )
        self.width = one + three + five + pooled

    def forward(self, x: Tensor) -> Tensor:
        """Return the joined activations."""
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        return torch.cat([branch(x) for branch in branches], 1)


class AuxiliaryHead(nn.Module):
    """A small classifier on a middle layer, for training only.

    Shapes: (N, before, H, W) -> logits (N, num_classes).
    """

    def __init__(self, before: int, num_classes: int) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(4)
        self.conv = ConvNormRelu(before, 128, 1)
        self.fc1 = nn.Linear(2048, 1024)
        self.relu = nn.ReLU()
        self.dropout = nn.Dropout(0.7)
        self.fc2 = nn.Linear(1024, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        x = self.conv(self.avgpool(x)).flatten(1)
        return self.fc2(self.dropout(self.relu(self.fc1(x))))


class GoogLeNet(nn.Module):
    """A stem of three convolutions, nine inception blocks, average pool, classifier.

    ``forward`` gives the main logits, in training too; `forward_with_heads` those of the auxiliary
    heads beside them, for a loss of one's own (the paper weighs each head by 0.3).

    Shapes: x float32 (N, in_channels, input_size, input_size) -> logits (N, num_classes).
    """

    def __init__(
        self, num_classes: int, in_channels: int, input_size: int, *, heads: bool = False
    ) -> None:
        super().__init__()
        check_input("googlenet", input_size, 15)
        self.normalization = normalization_of(in_channels)
        # The heads' linear layers make no logits that anyone asks for at inference.
        self.default_ignore = ("conv1.conv", "fc")
        self.conv1 = ConvNormRelu(in_channels, 64, 7, stride=2, padding=3)
        self.maxpool1 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.conv2 = ConvNormRelu(64, 64, 1)
        self.conv3 = ConvNormRelu(64, 192, 3, padding=1)
        self.maxpool2 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        width, widths = 192, dict[str, int]()
        for name, sizes in _BLOCKS.items():
            block = Inception(width, sizes)
            self.add_module(name, block)
            widths[name] = width = block.width
        self.maxpool3 = nn.MaxPool2d(3, stride=2, ceil_mode=True)
        self.maxpool4 = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.aux1 = AuxiliaryHead(widths["inception4a"], num_classes) if heads else None
        self.aux2 = AuxiliaryHead(widths["inception4d"], num_classes) if heads else None
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.dropout = nn.Dropout(0.2)
        self.fc = nn.Linear(1024, num_classes)
        draw_weights(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        return self._run(x)[0]

    def forward_with_heads(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the logits of the network and of both auxiliary heads.

        Raises:
            ValueDomainError: The network was made without heads.
        """
        logits, fourth_a, fourth_d = self._run(x)
        if self.aux1 is None or self.aux2 is None:
            raise ValueDomainError(
                "model googlenet",
                "the network must have auxiliary heads",
                got="none",
                fix="Create 'googlenet-aux'",
            )
        return logits, self.aux1(fourth_a), self.aux2(fourth_d)

    def _run(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the logits, and what the heads read: behind the blocks 4a and 4d."""
        seen: dict[str, Tensor] = {}
        x = self.maxpool2(self.conv3(self.conv2(self.maxpool1(self.conv1(x)))))
        for name in _BLOCKS:
            x = seen[name] = self.get_submodule(name)(x)
            if name == "inception3b":
                x = self.maxpool3(x)
            elif name == "inception4e":
                x = self.maxpool4(x)
        logits = self.fc(self.dropout(self.avgpool(x).flatten(1)))
        return logits, seen["inception4a"], seen["inception4d"]


@register_model("googlenet", in_channels=3, input_size=224, num_classes=1000)
def googlenet(num_classes: int = 1000, in_channels: int = 3, input_size: int = 224) -> GoogLeNet:
    """Make GoogLeNet without heads: 6,624,904 parameters, 1.5 G multiplications at 224x224."""
    return GoogLeNet(num_classes, in_channels, input_size)


@register_model("googlenet-aux", in_channels=3, input_size=224, num_classes=1000)
def googlenet_aux(
    num_classes: int = 1000, in_channels: int = 3, input_size: int = 224
) -> GoogLeNet:
    """Make GoogLeNet with its two auxiliary heads: 13,004,888 parameters."""
    return GoogLeNet(num_classes, in_channels, input_size, heads=True)
