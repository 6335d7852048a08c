"""A convolution or linear layer on binarised activations, {0, 1} or {-1, +1}, and its folding.

Source: niwaki; -1 and +1 are deployed as bits: with a sign 2 a - 1, in the padding too,
sum (2 a - 1) v = 2 sum a v - sum v.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor, nn
from torch.nn import functional as F

from niwaki.errors import ValueDomainError
from niwaki.methods._binary import BinaryActivation, SignActivation
from niwaki.methods._layers import zero_pads

if TYPE_CHECKING:
    from niwaki.methods._layers import Layer

Activations = Literal["bits", "signed"]


def check_activations(where: str, kind: str) -> None:
    """Raise ValueDomainError unless the kind of activations is one of the two."""
    if kind not in ("bits", "signed"):
        raise ValueDomainError(where, "activations must be bits or signed", got=repr(kind))


def make_activation(
    kind: Activations, channels: int, window_low: float
) -> BinaryActivation | SignActivation:
    """Return the binariser; {-1, +1} has nothing to train and no window to choose."""
    return SignActivation() if kind == "signed" else BinaryActivation(channels, window_low)


def apply_binary(
    layer: Layer,
    weight: Tensor,
    bias: Tensor | None,
    binarize: BinaryActivation | SignActivation,
    x: Tensor,
) -> Tensor:
    """Return the layer's product of binarised x and `weight`, with the layer's own geometry.

    Padding counts as 0 beside {0, 1}, as -1 beside {-1, +1}: as a bit it is then 0 in both.

    Args:
        layer: Gives stride, padding and dilation.
        weight: (O, C, ...).
        bias: (O,), or None.
        binarize: Applied to x before any padding.
        x: (N, C, ...).
    """
    bits = binarize(x)
    if isinstance(layer, nn.Linear):
        return F.linear(bits, weight, bias)
    window: dict[str, Any] = {"stride": layer.stride, "dilation": layer.dilation}
    if isinstance(binarize, SignActivation):
        padded = F.pad(bits, zero_pads(layer), value=-1.0)
        return F.conv2d(padded, weight, bias, **window)
    return F.conv2d(bits, weight, bias, padding=layer.padding, **window)


def fold_activation(
    binarize: BinaryActivation | SignActivation, scale: Tensor, signs: Tensor
) -> tuple[Tensor, Tensor]:
    """Return what a sum over bits is worth, and what is added, so that it gives scale * sum.

    Args:
        binarize: The binariser of the sum.
        scale: What one unit of the sum over binarised values is worth, (O,).
        signs: Weights, -1 or +1, (O, C, ...).

    Returns:
        scale and offset for the sum over {0, 1}, (O,) each.
    """
    if isinstance(binarize, SignActivation):
        return 2.0 * scale, -scale * signs.to(scale.dtype).flatten(1).sum(1)
    return scale, scale.new_zeros(scale.shape)
