"""Binarisers of activations to {0, 1} and of weights to {-1, +1}, with their gradients.

Source: Wang, He, Cheng, "Toward Accurate Binarized Neural Networks With Sparsity for Mobile
Application", IEEE TNNLS 2022, doi:10.1109/TNNLS.2022.3173498, and its AAAI 2020 predecessor,
doi:10.1609/aaai.v34i07.6900. Formulas as in the authors' published training code.

Paper     Here          Meaning
theta = b bias          where an activation becomes 1, in units of x; trainable, per channel
D = 1/s   scale         the gradient window is 1/scale wide; trainable, per channel, > 0
rho       window_low    the gradient passes where -rho < (x - b) s < 1; in [0, 1]
W         latent        real weights behind the binary ones, in [-1, 1]
alpha_o   -             mean |W_o|: the scale of output channel o

Departures:
- y = 0 gives 1 and sign(0) = +1 (the code: 0.5 and 0): bits must be bits.
- s is kept at 0.01 or more (the code leaves it free), so that the forward value never flips.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from torch.autograd.function import FunctionCtx

LEAST_SCALE = 1e-2
WINDOW_LOW = 0.3


class _Step(torch.autograd.Function):
    """1 where y >= 0, else 0; the gradient passes where -rho < y < 1, with slope 1."""

    @staticmethod
    def forward(ctx: FunctionCtx, y: Tensor, window_low: float) -> Tensor:
        ctx.save_for_backward((y > -window_low) & (y < 1.0))
        return (y >= 0).to(y.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        (inside,) = ctx.saved_tensors
        return grads[0] * inside, None


class _ScaledSign(torch.autograd.Function):
    """alpha_o * sign(W_o), with the gradient of the authors' code."""

    @staticmethod
    def forward(ctx: FunctionCtx, latent: Tensor) -> Tensor:
        ctx.save_for_backward(latent)
        return channel_mean_abs(latent) * signs(latent)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (latent,) = ctx.saved_tensors
        (grad,) = grads
        sign, size = signs(latent), latent[0].numel()
        through_sign = (1.0 - 1.0 / size) * grad * (latent.abs() <= 1.0)
        axes = tuple(range(1, latent.dim()))
        through_alpha = sign * (sign * grad).sum(axes, keepdim=True) / size
        return through_sign + through_alpha


def binarize_activation(y: Tensor, window_low: float = WINDOW_LOW) -> Tensor:
    """Return 1 where y >= 0 and 0 elsewhere; the gradient passes where -window_low < y < 1.

    Args:
        y: (x - bias) * scale, any shape, float.
        window_low: rho, in [0, 1].

    Example:
        >>> binarize_activation(torch.tensor([-0.1, 0.0, 2.0]))
        tensor([0., 1., 1.])
    """
    out = _Step.apply(y, window_low)
    assert isinstance(out, Tensor)
    return out


def binarize_weight(latent: Tensor) -> Tensor:
    """Return alpha_o * sign(W_o), alpha_o = mean |W_o| over each output channel.

    With G the gradient of the result and n weights a channel, W gets
    (1 - 1/n) G 1[|W| <= 1] + sign(W_o) (1/n) sum(sign(W_o) G_o).

    Args:
        latent: (O, ...), float.

    Example:
        >>> binarize_weight(torch.tensor([[0.5, -1.0]]))
        tensor([[ 0.7500, -0.7500]])
    """
    out = _ScaledSign.apply(latent)
    assert isinstance(out, Tensor)
    return out


def signs(x: Tensor) -> Tensor:
    """Return +1 where x >= 0 and -1 elsewhere, of x's dtype."""
    return torch.where(x >= 0, 1.0, -1.0).to(x.dtype)


def channel_mean_abs(latent: Tensor) -> Tensor:
    """Return alpha: mean |W_o| of each output channel, shape (O, 1, ...)."""
    return latent.abs().mean(tuple(range(1, latent.dim())), keepdim=True)


class BinaryActivation(nn.Module):
    """Turn activations into bits by a trainable threshold per channel.

    Shapes: x float (N, C, ...) -> bits, 0.0 or 1.0, same shape and dtype.

    Args:
        channels: C.
        window_low: rho, in [0, 1].
    """

    def __init__(self, channels: int, window_low: float = WINDOW_LOW) -> None:
        super().__init__()
        self.window_low = window_low
        self.scale = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return the bits of x."""
        shape = (1, -1) + (1,) * (x.dim() - 2)
        y = (x - self.bias.view(shape)) * self.scale.view(shape)
        return binarize_activation(y, self.window_low)

    @torch.no_grad()
    def clamp(self) -> None:
        """Keep the scale positive; called after each optimiser step."""
        self.scale.clamp_(min=LEAST_SCALE)


class _Sign(torch.autograd.Function):
    """+1 where x >= 0, else -1; the gradient passes where |x| < 1, with slope 1."""

    @staticmethod
    def forward(ctx: FunctionCtx, x: Tensor) -> Tensor:
        ctx.save_for_backward(x.abs() < 1.0)
        return signs(x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Tensor:
        (inside,) = ctx.saved_tensors
        return grads[0] * inside


class SignActivation(nn.Module):
    """Turn activations into -1 and +1: the baseline that {0, 1} is held against.

    Shapes: x float (N, C, ...) -> -1.0 or 1.0, same shape and dtype. Nothing is trained here: the
    batch norm in front places the threshold.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the signs of x."""
        out = _Sign.apply(x)
        assert isinstance(out, Tensor)
        return out
