"""Augmentation as batched tensor work, drawn from (seed, epoch, sample index) alone.

What happens to a sample depends on neither the batch it is in, nor the rank that has it, nor what
was drawn before: a run that was killed and resumed sees what the uninterrupted run sees.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.nn import functional

from niwaki.errors import ValueDomainError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

_PART = re.compile(r"flip|(?:crop|shift)(\d+)")


@dataclass(frozen=True)
class Augment:
    """Say how pictures are varied in training.

    Example:
        >>> str(Augment.parse("crop4+flip"))
        'shift4+flip'
    """

    shift: int = 0
    """Move by up to so many pixels in each direction, zeros move in: padding and a random crop."""
    flip: bool = False
    """Mirror left and right for half of the samples."""

    @classmethod
    def parse(cls, text: str) -> Augment:
        """Return the policy that a recipe names.

        Args:
            text: ``none``, or ``flip``, ``shiftN`` and ``cropN`` (the same as ``shiftN``) joined by
                ``+``; N is in pixels.

        Raises:
            ValueDomainError: The text is none of these.
        """
        policy = cls()
        for part in [] if text == "none" else text.split("+"):
            match = _PART.fullmatch(part.strip())
            if match is None:
                raise ValueDomainError(
                    "augment", "a policy must be none, flip, shiftN, or parts joined by +", got=text
                )
            policy = (
                cls(policy.shift, flip=True)
                if match[1] is None
                else cls(int(match[1]), policy.flip)
            )
        return policy

    def __str__(self) -> str:
        parts = [f"shift{self.shift}"] if self.shift else []
        parts += ["flip"] if self.flip else []
        return "+".join(parts) or "none"

    def apply(self, images: Tensor, indices: Tensor, seed: int, epoch: int) -> Tensor:
        """Return varied pictures.

        Args:
            images: Raw pictures, any dtype, (N, C, H, W).
            indices: The samples' places in the split, int64 (N,).
            seed: The run's seed.
            epoch: Epoch, from 0.

        Returns:
            The same dtype and shape; `images` itself where the policy does nothing.
        """
        if not self.shift and not self.flip:
            return images
        samples = indices.cpu().numpy()
        height, width = images.shape[2:]
        span = 2 * self.shift + 1
        top = hash_numbers(seed, epoch, samples, 0) % np.uint64(span)
        left = hash_numbers(seed, epoch, samples, 1) % np.uint64(span)
        rows = _as_tensor(top)[:, None] + torch.arange(height)
        columns = torch.arange(width).expand(len(samples), width)
        if self.flip:
            mirrored = hash_numbers(seed, epoch, samples, 2) >> np.uint64(63)
            columns = torch.where(_as_tensor(mirrored)[:, None] == 1, width - 1 - columns, columns)
        columns = _as_tensor(left)[:, None] + columns
        padded = functional.pad(images, (self.shift,) * 4)
        # One place in the flattened picture per pixel, the same for all channels.
        places = rows[:, :, None] * padded.shape[3] + columns[:, None, :]
        places = places.flatten(1)[:, None].expand(-1, images.shape[1], -1).to(images.device)
        return padded.flatten(2).gather(2, places).view_as(images)


def hash_numbers(
    seed: int, epoch: int, samples: NDArray[np.int64], stream: int
) -> NDArray[np.uint64]:
    """Return one well-mixed number per sample, the same on every machine and in every version.

    Args:
        seed: The run's seed, at least 0.
        epoch: Epoch, from 0.
        samples: Places in the split, int64 (N,).
        stream: Which of the numbers of this sample and epoch.

    Returns:
        uint64 (N,), uniform.

    Source: SplitMix64: Steele, Lea, Flood, "Fast Splittable Pseudorandom Number Generators", OOPSLA
        2014, doi:10.1145/2660193.2660195

    Example:
        >>> hash_numbers(0, 0, np.array([0, 1]), 0) % 10
        array([6, 9], dtype=uint64)
    """
    state = np.zeros(len(samples), np.uint64)
    for number in (seed, epoch, stream):
        state = _mix(state + np.uint64(number % 2**64))
    return _mix(state + samples.astype(np.uint64))


def _mix(state: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Step SplitMix64 once; uint64 arrays wrap around, which is what it wants."""
    state = state + np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return state ^ (state >> np.uint64(31))


def _as_tensor(numbers: NDArray[np.uint64]) -> Tensor:
    return torch.from_numpy(numbers.astype(np.int64))
