"""A residual network of one's own: ``niwaki compress --model examples/user_network.py:make``.

niwaki asks nothing of it but to be a `torch.nn.Module` that maps pictures to logits. `make` may
name `num_classes`, `in_channels` and `input_size` among its parameters, and is then given the
data's.
"""

from __future__ import annotations

from torch import Tensor, nn


class Block(nn.Module):
    """Two 3x3 convolutions and a shortcut; a 1x1 convolution where the shapes differ.

    Shapes: (N, in_width, H, W) -> (N, width, H / stride, W / stride).
    """

    def __init__(self, in_width: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(in_width, width, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU()
        self.shortcut = nn.Identity()
        if stride != 1 or in_width != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(in_width, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.relu(self.bn1(self.conv1(x)))
        return self.relu(self.bn2(self.conv2(y)) + self.shortcut(x))


class SmallResNet(nn.Module):
    """A stem, four blocks in two stages, and a linear layer on the global average.

    Shapes: x float32 (N, in_channels, H, W) -> logits (N, num_classes).
    """

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(in_channels, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU()
        )
        self.stage1 = nn.Sequential(Block(32, 32, 1), Block(32, 32, 1))
        self.stage2 = nn.Sequential(Block(32, 64, 2), Block(64, 64, 1))
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(64, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.pool(self.stage2(self.stage1(self.stem(x)))).flatten(1))


def make(num_classes: int = 10, in_channels: int = 3) -> nn.Module:
    """Return the network; niwaki fills in what it knows from the data."""
    return SmallResNet(num_classes, in_channels)
