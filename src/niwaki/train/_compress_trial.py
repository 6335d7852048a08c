"""The trial: an op that the engine doesn't run is found on an untrained copy, before any work."""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

import torch

from niwaki import methods
from niwaki.errors import ValueDomainError
from niwaki.registry import canonical
from niwaki.train._compress_defaults import SPARSITY
from niwaki.train._compress_measure import torch_threads
from niwaki.train._compress_stages import untrained_forms

if TYPE_CHECKING:
    from niwaki.train._compress_job import Job

_IMAGES = 8
"""For the ranges of an untrained network, which say nothing anyway."""


def try_forms(job: Job) -> None:
    """Turn an untrained copy of the network into every form that the run will need.

    Args:
        job: The run. Its network isn't changed, and nothing is written.

    Raises:
        UnsupportedOpError: The engine doesn't run an op of the network, or the integer form doesn't
            have one; the message names the op and its node.
        NiwakiError: The network can't be captured.
    """
    recipe = job.recipe
    few = min(_IMAGES, recipe.integer.calibration_images)
    trial = dataclasses.replace(job, recipe=recipe.merged({"integer": {"calibration_images": few}}))
    sparsity = SPARSITY if recipe.sparsity is None else recipe.sparsity
    # A resumed run isn't tried again: nothing random may be used up here.
    with torch_threads(recipe.train.threads), torch.random.fork_rng(devices=[]):
        for name in _with_ops_of_their_own(job, sparsity):
            _try_one(trial, name, sparsity)


def _with_ops_of_their_own(job: Job, sparsity: float) -> list[str]:
    """Return the run's method, and those compared that add ops to the dense network's."""
    others = job.compared(sparsity)
    return [
        canonical(job.recipe.method.name),
        *(name for name in others if methods.METHODS.get(name).augments),
    ]


def _try_one(job: Job, name: str, sparsity: float) -> None:
    # A value outside its domain comes of untrained weights and eight images; training may mend it,
    # and where it doesn't the run's own forms say so.
    with contextlib.suppress(ValueDomainError):
        untrained_forms(job, job.network(), name, sparsity)
