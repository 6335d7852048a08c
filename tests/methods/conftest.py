"""Small networks and seeds of the method tests."""

from __future__ import annotations

import os

import pytest
import torch
from torch import nn

from niwaki.registry import load_plugin

if plugin := os.environ.get("NIWAKI_TEST_PLUGIN"):  # a file whose methods the contracts check too
    load_plugin(plugin)


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(11)
    return 11


class SmallNet(nn.Module):
    """Convolutions with and without a batch norm behind, a strided one, and linear layers."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 6, 3, padding=1)
        self.conv1 = nn.Conv2d(6, 8, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(8)
        self.conv2 = nn.Conv2d(8, 8, 3, stride=2, padding=1)
        self.shortcut = nn.Conv2d(8, 8, 1, stride=2)
        self.fc1 = nn.Linear(8 * 16, 24)
        self.bn2 = nn.BatchNorm1d(24)
        self.head = nn.Linear(24, 5)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(torch.relu(self.stem(x)))))
        x = torch.relu(self.conv2(x) + self.shortcut(x))
        return self.head(torch.relu(self.bn2(self.fc1(x.flatten(1)))))


@pytest.fixture
def make_net():
    def make() -> SmallNet:
        torch.manual_seed(5)
        net = SmallNet()
        with torch.no_grad():
            for module in net.modules():
                if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                    module.weight.uniform_(0.5, 1.5)
                    module.bias.normal_(0.0, 0.2)
        return net

    return make


@pytest.fixture
def x():
    return torch.randn(12, 2, 8, 8, generator=torch.Generator().manual_seed(3))
