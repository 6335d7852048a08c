"""What the networks made for binarisation share: one unit, and how their weights are drawn.

Source: the authors' training code of Si-BNN, doi:10.1109/TNNLS.2022.3173498.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


class Unit(nn.Module):
    """BN_out(Conv(ReLU(BN_in(x)))), without its shortcut: the real-valued twin of a binary unit.

    The method ``si-bnn`` takes all four parts into one unit, whose binariser replaces the ReLU.

    Shapes: (N, before, H, W) -> (N, after, ceil(H / stride), ceil(W / stride)).

    Args:
        before: Input channels.
        after: Output channels.
        kernel: 1 or 3; padded so that only the stride shrinks the picture.
        stride: 1 or 2.
    """

    def __init__(self, before: int, after: int, kernel: int = 3, stride: int = 1) -> None:
        super().__init__()
        self.norm_in = nn.BatchNorm2d(before)
        self.relu = nn.ReLU()
        self.conv = nn.Conv2d(before, after, kernel, stride, padding=kernel // 2, bias=False)
        self.norm_out = nn.BatchNorm2d(after)

    def forward(self, x: Tensor) -> Tensor:
        """Return the unit's output, its shortcut not added yet."""
        return self.norm_out(self.conv(self.relu(self.norm_in(x))))


def pooled_shortcut(before: int, after: int, stride: int) -> nn.Module:
    """Return a block's shortcut: the identity, or a 1x1 convolution, batch norm and average pool.

    The convolution runs at stride 1, before the pool, as the authors' code has it.
    """
    if stride == 1 and before == after:
        return nn.Identity()
    parts: list[nn.Module] = [nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after)]
    if stride > 1:
        parts.append(nn.AvgPool2d(stride, stride, ceil_mode=True, count_include_pad=False))
    return nn.Sequential(*parts)


def float_layers(model: nn.Module) -> list[str]:
    """Return the convolutions and linear layers outside of all units: those stay in floats."""
    inside = [name for name, module in model.named_modules() if isinstance(module, Unit)]
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
        and not any(name.startswith(f"{unit}.") for unit in inside)
    ]


def draw_weights(model: nn.Module) -> None:
    """Draw weights in place: normal with deviation 1 / n, n weights an output; biases zero."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.normal_(module.weight, 0.0, 1.0 / module.weight[0].numel())
            if module.bias is not None:
                nn.init.zeros_(module.bias)
