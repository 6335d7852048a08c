"""From a split to what a training loop eats: order, augmentation, normalisation, sharding."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from niwaki.errors import ValueDomainError
from niwaki.preprocess import gain_and_offset
from niwaki.train.augment import Augment, hash_numbers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from niwaki.train.data._types import Split

# The stream of `hash_numbers` that orders an epoch; augmentation has 0 to 2.
_ORDER = 3


def batches(
    split: Split,
    epoch: int,
    batch_size: int,
    seed: int,
    *,
    preprocess: Mapping[str, Any],
    augment: Augment | None = None,
    start: int = 0,
    rank: int = 0,
    world_size: int = 1,
    train: bool = True,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield one epoch.

    In training the order is a permutation drawn from (seed, epoch) and samples are augmented; each
    rank gets every `world_size`-th sample of a step, all ranks equally many, and a remainder that
    leaves a rank fewer than two samples is left out (batch norm can't use it). Otherwise the order
    is the split's own, nothing is augmented and nothing left out.

    Args:
        split: The samples.
        epoch: Epoch, from 0.
        batch_size: Samples a step, over all ranks.
        seed: The run's seed.
        preprocess: The data set's.
        augment: The policy; None does nothing. Not used when `train` is False.
        start: Steps of this epoch that are done and not given again.
        rank: This process, from 0.
        world_size: Number of processes.
        train: Whether to shuffle and augment.

    Yields:
        x float32 (n, C, H, W), normalised, and y int64 (n,).

    Raises:
        ValueDomainError: `batch_size` is no multiple of `world_size`, or `rank` is none of the
        ranks.
    """
    _check_sharding(batch_size, rank, world_size)
    order = _order(len(split), epoch, seed) if train else torch.arange(len(split))
    steps = _steps(len(split), batch_size, world_size, train)
    return _batches(
        split, order, steps[start:], epoch, seed, preprocess, augment, (rank, world_size), train
    )


def batches_per_epoch(
    samples: int, batch_size: int, *, world_size: int = 1, train: bool = True
) -> int:
    """Return how many steps `batches` gives in an epoch.

    Example:
        >>> batches_per_epoch(101, 50), batches_per_epoch(101, 50, train=False)
        (2, 3)
    """
    return len(_steps(samples, batch_size, world_size, train))


def normalize_tensor(images: Tensor, preprocess: Mapping[str, Any]) -> Tensor:
    """Return the network's input for raw pictures, bit for bit as `niwaki.preprocess.normalize`.

    Args:
        images: uint8 or float32 (N, C, H, W), raw values.
        preprocess: The data set's.

    Returns:
        float32 (N, C, H, W).
    """
    gain, offset = (
        torch.from_numpy(values).to(images.device)[:, None, None]
        for values in gain_and_offset(preprocess)
    )
    return images.to(torch.float32) * gain + offset


def _batches(
    split: Split,
    order: Tensor,
    steps: list[tuple[int, int]],
    epoch: int,
    seed: int,
    preprocess: Mapping[str, Any],
    augment: Augment | None,
    shard: tuple[int, int],
    train: bool,
) -> Iterator[tuple[Tensor, Tensor]]:
    rank, world_size = shard
    for first, last in steps:
        indices = order[first:last][rank::world_size]
        if not len(indices):
            continue
        images = split.images[indices]
        if train and augment is not None:
            images = augment.apply(images, indices, seed, epoch)
        yield normalize_tensor(images, preprocess), split.labels[indices]


def _order(samples: int, epoch: int, seed: int) -> Tensor:
    keys = hash_numbers(seed, epoch, np.arange(samples), _ORDER)
    return torch.from_numpy(np.argsort(keys, kind="stable"))


def _steps(samples: int, batch_size: int, world_size: int, train: bool) -> list[tuple[int, int]]:
    """Return the (first, last + 1) places in the order that each step takes."""
    steps = [(first, min(first + batch_size, samples)) for first in range(0, samples, batch_size)]
    if not train or not steps:
        return steps
    first, last = steps[-1]
    share = (last - first) // world_size
    steps[-1:] = [(first, first + share * world_size)] if share >= 2 or not steps[:-1] else []
    return [step for step in steps if step[0] < step[1]]


def _check_sharding(batch_size: int, rank: int, world_size: int) -> None:
    if batch_size < 1 or batch_size % world_size:
        raise ValueDomainError(
            "batches",
            f"batch_size must be a multiple of {world_size} (ranks), above 0",
            got=batch_size,
        )
    if not 0 <= rank < world_size:
        raise ValueDomainError("batches", f"rank must be in 0 to {world_size - 1}", got=rank)
