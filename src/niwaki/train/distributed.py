"""What several processes need to agree on; everything works without a process group too."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch
from accelerate import PartialState

from niwaki.methods._masks import (
    agree as agree,
    check_equal_on_all_ranks as check_equal_on_all_ranks,
    mask_hash as mask_hash,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


def start() -> PartialState:
    """Join the process group that ``accelerate launch`` set up, if it did; idempotent.

    Without an accelerator the processes must be told that they are on CPUs: accelerate otherwise
    joins the group, and then trains every process by itself.
    """
    return PartialState(cpu=uses_cpu())


def uses_cpu() -> bool:
    """Tell whether training runs on CPUs: there is nothing else, or ACCELERATE_USE_CPU says so."""
    asked = os.environ.get("ACCELERATE_USE_CPU", "").lower() in ("1", "true", "yes")
    return asked or not torch.accelerator.is_available()


def is_distributed() -> bool:
    """Tell whether a process group is up."""
    return torch.distributed.is_available() and torch.distributed.is_initialized()


def rank() -> int:
    """Return this process's number, from 0; 0 without a process group."""
    return torch.distributed.get_rank() if is_distributed() else 0


def world_size() -> int:
    """Return the number of processes; 1 without a process group."""
    return torch.distributed.get_world_size() if is_distributed() else 1


def sum_over_ranks(values: Sequence[float], device: torch.device | str = "cpu") -> list[float]:
    """Return the sums of ``values`` over all ranks, float64, the same on each.

    Example:
        >>> sum_over_ranks([1.0, 2.5])
        [1.0, 2.5]
    """
    if not is_distributed():
        return [float(value) for value in values]
    total = torch.tensor(list(values), dtype=torch.float64, device=device)
    torch.distributed.all_reduce(total)
    return total.tolist()


def broadcast_buffers(model: torch.nn.Module) -> None:
    """Give every rank rank 0's buffers, such as batch norm's running statistics."""
    if not is_distributed():
        return
    for buffer in model.buffers():
        # A byte tensor for bool, which not every backend carries.
        carrier = buffer.to(torch.uint8) if buffer.dtype == torch.bool else buffer.detach()
        torch.distributed.broadcast(carrier, src=0)
        if carrier.data_ptr() != buffer.data_ptr():
            buffer.copy_(carrier)


def barrier() -> None:
    """Wait for all ranks; nothing to do without a process group."""
    if is_distributed():
        torch.distributed.barrier()
