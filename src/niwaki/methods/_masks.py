"""Masks on weights: the parametrisation, and masks that are equal on all ranks."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from niwaki.errors import VerificationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy as np
    from numpy.typing import NDArray


class Mask(nn.Module):
    """Parametrise a weight as M * W.

    The gradient of W is exactly 0 where M = 0: a fill, not a product, so that no NaN of a masked
    position gets through either.
    """

    mask: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.register_buffer("mask", torch.ones_like(weight, dtype=torch.bool))

    def forward(self, weight: Tensor) -> Tensor:
        """Return the masked weight, same shape."""
        return weight.masked_fill(~self.mask, 0.0)


def add_mask(layer: nn.Module) -> Mask:
    """Put a mask of ones on a layer's weight and return it; the parameter stays the same object."""
    weight = layer.weight
    assert isinstance(weight, Tensor)
    mask = Mask(weight)
    nn.utils.parametrize.register_parametrization(layer, "weight", mask)
    return mask


def latent_weight(layer: nn.Module) -> nn.Parameter:
    """Return the trained weight behind a layer's mask."""
    return layer.parametrizations["weight"].original  # pyright: ignore


def remove_mask(layer: nn.Module) -> None:
    """Write the masked weight into the parameter, and give the layer its class and keys back."""
    nn.utils.parametrize.remove_parametrizations(layer, "weight", leave_parametrized=True)
    # The weight is back behind the bias: the order of parameters and keys is restored too.
    rest = [key for key in layer._parameters if key != "weight"]
    for key in rest:
        layer.register_parameter(key, layer._parameters.pop(key))


def agree(
    compute: Callable[[], Mapping[str, NDArray[np.bool_]]], masks: Mapping[str, Tensor]
) -> None:
    """Compute masks on rank 0 and write the same ones on every rank, in place.

    Without a process group it just computes them. With one, rank 0 broadcasts and every rank
    compares the hash of what it holds.

    Args:
        compute: Returns layer name -> mask; called on rank 0 only.
        masks: Layer name -> bool buffer that is overwritten.

    Raises:
        VerificationError: The ranks hold different masks.
    """
    distributed = torch.distributed.is_available() and torch.distributed.is_initialized()
    if not distributed or torch.distributed.get_rank() == 0:
        for name, mask in compute().items():
            masks[name].copy_(torch.from_numpy(mask))
    if not distributed:
        return
    for name in sorted(masks):
        # A byte tensor, since not every backend carries bool.
        carrier = masks[name].to(torch.uint8)
        torch.distributed.broadcast(carrier, src=0)
        masks[name].copy_(carrier.bool())
    check_equal_on_all_ranks(masks)


def check_equal_on_all_ranks(masks: Mapping[str, Tensor]) -> None:
    """Compare the hash of the masks between ranks; nothing to do without a process group.

    Raises:
        VerificationError: The ranks hold different masks.
    """
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return
    hashes: list[str] = [""] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(hashes, mask_hash(masks))
    if len(set(hashes)) > 1:
        raise VerificationError(
            "masks",
            "all ranks must hold the same masks",
            got=", ".join(f"rank {rank}: {value[:8]}" for rank, value in enumerate(hashes)),
            fix="Give every rank the same model, seed and schedule",
        )


def mask_hash(masks: Mapping[str, Tensor]) -> str:
    """Return the SHA-256 of the masks, names included, 64 hex digits."""
    digest = hashlib.sha256()
    for name in sorted(masks):
        digest.update(name.encode() + b"\0")
        digest.update(masks[name].detach().cpu().numpy().tobytes())
    return digest.hexdigest()
