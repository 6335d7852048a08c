"""The LeNets: two with convolutions, one without, as pruning papers use them.

Source: LeCun, Bottou, Bengio, Haffner, "Gradient-Based Learning Applied to Document Recognition",
Proc. IEEE 86(11), 1998, doi:10.1109/5.726791. `lenet5-caffe` is the variant of the Caffe examples
(20-50-500-10).

Departures: batch norm and ReLU after every hidden layer instead of tanh or nothing, and max pools
instead of trained subsampling, in all three: batch norm folds away at export, and extreme sparsity
trains badly without.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from niwaki.models._registry import check_input, register_model

if TYPE_CHECKING:
    from torch import Tensor


class _LeNet5(nn.Module):
    """Two 5x5 convolutions, each with batch norm, ReLU and a 2x2 max pool.

    Shapes: x float32 (N, in_channels, input_size, input_size) -> (N, widths[1], side, side).
    """

    def __init__(
        self, name: str, widths: tuple[int, int], in_channels: int, input_size: int, padding: int
    ) -> None:
        super().__init__()
        check_input(name, input_size, 16 - 2 * padding)
        self.conv1 = nn.Conv2d(in_channels, widths[0], 5, padding=padding, bias=False)
        self.bn1 = nn.BatchNorm2d(widths[0])
        self.relu1 = nn.ReLU()
        self.pool1 = nn.MaxPool2d(2)
        self.conv2 = nn.Conv2d(widths[0], widths[1], 5, bias=False)
        self.bn2 = nn.BatchNorm2d(widths[1])
        self.relu2 = nn.ReLU()
        self.pool2 = nn.MaxPool2d(2)
        side = ((input_size - 4 + 2 * padding) // 2 - 4) // 2
        self.features = widths[1] * side * side

    def convolve(self, x: Tensor) -> Tensor:
        """Return the flattened features, float32 (N, self.features)."""
        x = self.pool1(self.relu1(self.bn1(self.conv1(x))))
        x = self.pool2(self.relu2(self.bn2(self.conv2(x))))
        return x.flatten(1)


@register_model("lenet5-caffe", in_channels=1, input_size=28)
class LeNet5Caffe(_LeNet5):
    """LeNet-5 of the Caffe examples, 20-50-500-10: 430,500 weights for 28x28 grey pictures.

    Shapes: x float32 (N, in_channels, input_size, input_size) -> logits (N, num_classes).
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1, input_size: int = 28) -> None:
        super().__init__("lenet5-caffe", (20, 50), in_channels, input_size, padding=0)
        self.fc1 = nn.Linear(self.features, 500, bias=False)
        self.bn3 = nn.BatchNorm1d(500)
        self.relu3 = nn.ReLU()
        self.fc2 = nn.Linear(500, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        return self.fc2(self.relu3(self.bn3(self.fc1(self.convolve(x)))))


@register_model("lenet5", in_channels=1, input_size=28)
class LeNet5(_LeNet5):
    """LeNet-5, 6-16-120-84-10; its first convolution pads 28x28 to the paper's 32x32.

    Shapes: x float32 (N, in_channels, input_size, input_size) -> logits (N, num_classes).
    """

    def __init__(self, num_classes: int = 10, in_channels: int = 1, input_size: int = 28) -> None:
        padding = 2 if input_size < 32 else 0
        super().__init__("lenet5", (6, 16), in_channels, input_size, padding)
        self.fc1 = nn.Linear(self.features, 120, bias=False)
        self.bn3 = nn.BatchNorm1d(120)
        self.relu3 = nn.ReLU()
        self.fc2 = nn.Linear(120, 84, bias=False)
        self.bn4 = nn.BatchNorm1d(84)
        self.relu4 = nn.ReLU()
        self.fc3 = nn.Linear(84, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        x = self.relu3(self.bn3(self.fc1(self.convolve(x))))
        return self.fc3(self.relu4(self.bn4(self.fc2(x))))


@register_model("lenet-300-100", in_channels=1, input_size=28)
class LeNet300100(nn.Module):
    """The fully connected LeNet, 300-100-10: 266,200 weights for 28x28 grey pictures.

    Shapes: x float32 (N, in_channels, input_size, input_size) -> logits (N, num_classes).
    """

    # 88 % of the weights are in the first layer: leaving it dense would leave nothing to compress.
    default_ignore = ("fc3",)

    def __init__(self, num_classes: int = 10, in_channels: int = 1, input_size: int = 28) -> None:
        super().__init__()
        check_input("lenet-300-100", input_size, 1)
        self.fc1 = nn.Linear(in_channels * input_size * input_size, 300, bias=False)
        self.bn1 = nn.BatchNorm1d(300)
        self.relu1 = nn.ReLU()
        self.fc2 = nn.Linear(300, 100, bias=False)
        self.bn2 = nn.BatchNorm1d(100)
        self.relu2 = nn.ReLU()
        self.fc3 = nn.Linear(100, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        x = self.relu1(self.bn1(self.fc1(x.flatten(1))))
        return self.fc3(self.relu2(self.bn2(self.fc2(x))))
