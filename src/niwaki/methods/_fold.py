"""Fold batch norms and binarisers into thresholds, scales and biases, in float64.

Source: niwaki; the threshold is the one of the Si-BNN page,
x >= mu + sigma (b - beta) / gamma where gamma s > 0, x <= it where gamma s < 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from niwaki.errors import ValueDomainError
from niwaki.methods._binary import BinaryActivation

if TYPE_CHECKING:
    from niwaki.methods._binary import SignActivation

BatchNorm = nn.BatchNorm1d | nn.BatchNorm2d
FLOAT32_MAX = torch.finfo(torch.float32).max


@dataclass(frozen=True)
class Affine:
    """Hold a batch norm in evaluation mode as x -> gain * x + offset; float64, shape (C,)."""

    gain: Tensor
    offset: Tensor


def affine_of(norm: BatchNorm | None, channels: int) -> Affine:
    """Return what a batch norm does in evaluation mode; the identity for None."""
    if norm is None:
        return Affine(torch.ones(channels).double(), torch.zeros(channels).double())
    mean, variance = norm.running_mean, norm.running_var
    if mean is None or variance is None:
        raise ValueDomainError(
            "convert",
            "a batch norm must keep running statistics to be folded",
            got=f"{type(norm).__name__}({norm.num_features}, track_running_stats=False)",
            fix="Make it with track_running_stats=True, or keep its layer out with `ignore`",
        )
    gamma = torch.ones_like(mean) if norm.weight is None else norm.weight.detach()
    beta = torch.zeros_like(mean) if norm.bias is None else norm.bias.detach()
    gain = gamma.double() / torch.sqrt(variance.double() + norm.eps)
    return Affine(gain, beta.double() - gain * mean.double())


def fold_threshold(
    norm: BatchNorm, binarize: BinaryActivation | SignActivation
) -> tuple[Tensor, Tensor]:
    """Return (sign, level) such that the bit of x is sign * x >= level.

    The chain is y = (BN(x) - b) * s, bit = y >= 0; where activations are signed s = 1 and b = 0.
    Where y doesn't depend on x, the level is the lowest or the highest finite number: the bit is
    then a constant for every x below 3.4e38.

    Returns:
        sign: -1 or +1, float32, (C,).
        level: finite, float32, (C,).
    """
    inner = affine_of(norm, norm.num_features)
    scale, bias = torch.ones_like(inner.gain), torch.zeros_like(inner.gain)
    if isinstance(binarize, BinaryActivation):
        scale = binarize.scale.detach().double().to(inner.gain.device)
        bias = binarize.bias.detach().double().to(inner.gain.device)
    slope = inner.gain * scale  # y = slope * x + start
    start = (inner.offset - bias) * scale
    flat = slope == 0
    sign = torch.where(slope < 0, -1.0, 1.0).double()
    always = torch.where(start >= 0, -FLOAT32_MAX, FLOAT32_MAX).double()
    threshold = -start / torch.where(flat, torch.ones_like(slope), slope)
    level = torch.where(flat, always, sign * threshold).clamp(-FLOAT32_MAX, FLOAT32_MAX)
    return sign.float(), level.float()
