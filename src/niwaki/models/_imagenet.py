"""What the ImageNet networks share: their input's constants, and how their weights are drawn."""

from __future__ import annotations

from torch import nn

NORMALIZATION: dict[str, tuple[float, ...]] = {
    "mean": (0.485, 0.456, 0.406),
    "std": (0.229, 0.224, 0.225),
}
"""ImageNet's mean and std of RGB, in units of x / 255: what torchvision's weights want."""


def normalization_of(in_channels: int) -> dict[str, tuple[float, ...]] | None:
    """Return ImageNet's constants for colour pictures, None for others."""
    return NORMALIZATION if in_channels == 3 else None


def draw_weights(model: nn.Module, linear_std: float | None = None) -> None:
    """Draw fresh weights in place: He's normal for convolutions, zeros for biases.

    Args:
        model: The network; batch norm keeps torch's ones and zeros.
        linear_std: Standard deviation of linear layers; None draws them by He's rule too.

    Source: He, Zhang, Ren, Sun, "Delving Deep into Rectifiers", ICCV 2015,
    doi:10.1109/ICCV.2015.123
    """
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        elif isinstance(module, nn.Linear) and linear_std is not None:
            nn.init.normal_(module.weight, 0.0, linear_std)
        elif isinstance(module, nn.Linear):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)
