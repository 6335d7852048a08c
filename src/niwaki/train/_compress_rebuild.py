"""Rebuild the torch network of an artifact: make, convert as its method does, load weights."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch

from niwaki import models
from niwaki.artifact import Artifact
from niwaki.errors import InputError
from niwaki.train._compress_job import make_method

if TYPE_CHECKING:
    from torch import nn


def rebuild(folder: str | Path) -> nn.Module:
    """Return the float network that an artifact was made from, in evaluation mode.

    Args:
        folder: The artifact.

    Raises:
        InputError: Its network was handed over from Python, or its form is integer: torch doesn't
            run that one.
    """
    artifact = Artifact.open(folder)
    recipe = artifact.recipe
    if recipe.model.spec is None:
        raise InputError("rebuild", "the recipe must name the network", got="one made in Python")
    if artifact.form != "float":
        raise InputError("rebuild", "the form must be float for torch to run it", got=artifact.form)
    size = artifact.preprocess["size"]
    network = models.from_spec(
        recipe.model.spec,
        num_classes=len(artifact.classes),
        in_channels=artifact.preprocess["channels"],
        input_size=size[0],
        seed=0,
    )
    example = torch.zeros(2, artifact.preprocess["channels"], *size)
    method = make_method(recipe, recipe.method.name, recipe.sparsity or 0.0)
    method.prepare(network, example)
    method.convert(network)
    models.load_weights(network, Path(folder) / "model.safetensors")
    return network.eval()
