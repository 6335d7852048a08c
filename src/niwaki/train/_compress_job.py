"""The job: everything that can be wrong with what the user gave is found here, before any work."""

from __future__ import annotations

import copy
import functools
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from niwaki import _files, methods, models
from niwaki.artifact import MANIFEST
from niwaki.errors import InputError, ShapeError, ToolMissingError, ValueDomainError
from niwaki.recipe import BudgetPart, Recipe, TrainPart
from niwaki.registry import canonical
from niwaki.train._compress_defaults import SPARSITY, resolve
from niwaki.train.data import load

if TYPE_CHECKING:
    from niwaki.methods import Method
    from niwaki.planner import Budget
    from niwaki.train.data import DataSet


@dataclass(frozen=True)
class Job:
    """Hold what a run needs, checked."""

    recipe: Recipe
    """Resolved."""
    data: DataSet
    model: nn.Module
    """The network to start from; never changed."""
    model_name: str

    def network(self) -> nn.Module:
        """Return a copy of the network."""
        return copy.deepcopy(self.model)

    def images(self, split: str, count: int) -> np.ndarray:
        """Return the first images of a part as the network gets them. Shape (n, C, H, W)."""
        batches = self.data.batches(split, count, train=False)
        # A copy, not `ascontiguousarray`: an axis of length 1 may have any stride there, and the
        # exporter takes such a stride for another memory format.
        return np.array(next(iter(batches))[0].numpy(), order="C", copy=True)

    def example(self) -> torch.Tensor:
        """Return two images: batch norm and the exporter want more than one."""
        return torch.from_numpy(self.images("test", 2))

    def method(self, name: str, sparsity: float) -> Method:
        """Return a fresh method; the recipe's options go to the recipe's own method."""
        return make_method(self.recipe, name, sparsity)

    def compared(self, sparsity: float) -> list[str]:
        """Return the methods shown beside.

        Those that can't take all weights away are left out at sparsity 1, and beside a method that
        prunes nothing those that prune: there is no sparsity to train them at.
        """
        own = canonical(self.recipe.method.name)
        if not methods.METHODS.get(own).prunes:
            others = [canonical(name) for name in self.recipe.compare]
            unpruned = (name for name in others if not methods.METHODS.get(name).prunes)
            return [name for name in dict.fromkeys(unpruned) if name != own]
        names = [canonical(name) for name in self.recipe.compare]
        return [
            name
            for name in dict.fromkeys(names)
            if name != own and (sparsity < 1.0 or methods.METHODS.get(name).augments)
        ]


def make_method(recipe: Recipe, name: str, sparsity: float) -> Method:
    """Return a method with the recipe's settings.

    Raises:
        RegistryError, ValueDomainError: The name or a setting is not one of the method's.
    """
    options: dict[str, Any] = {"targets": tuple(recipe.targets)}
    if methods.METHODS.get(name).prunes:
        options["sparsity"] = sparsity
    if recipe.ignore is not None:
        options["ignore"] = tuple(recipe.ignore)
    if canonical(name) == canonical(recipe.method.name):
        options |= recipe.method.options
    return methods.create(name, **options)


def prepare_job(
    model: nn.Module | str | None,
    data: Any,
    recipe: Recipe | str | Path | dict[str, Any] | None,
    budget: Budget | None,
    overrides: dict[str, Any],
    out: Path,
    *,
    replace: bool,
) -> Job:
    """Resolve the recipe, load data and network, and try each of them once.

    Args:
        model: As `niwaki.compress`, like the next four.
        data: As there.
        recipe: As there.
        budget: As there.
        overrides: As there.
        out: Where the artifact will be; must be free, or one of ours with ``replace``.
        replace: A result may be there.

    Raises:
        NiwakiError: The first thing that can't be used.
    """
    _files.check_out_dir(out, MANIFEST, force=replace)
    _check_tools()
    asked = _read(model, data, recipe, budget, overrides)
    for name in (asked.method.name, *asked.compare):
        methods.METHODS.get(name)
    resolved = resolve(_checked_sparsity(asked), own_model=_is_module(model))
    sparsity = SPARSITY if resolved.sparsity is None else resolved.sparsity
    make_method(resolved, resolved.method.name, sparsity)
    network = copy.deepcopy(model) if isinstance(model, nn.Module) else None
    found = _load(data, resolved, network)
    name = type(network).__name__ if network is not None else resolved.model.spec
    if name is None:
        raise InputError(
            "compress",
            "data of your own needs a network",
            got=f"data {resolved.data!r} and no model",
            fix="Give --model NAME or --model file.py:function",
        )
    if network is None:
        network = _build(resolved, found, name)
    check_network(network, found, name)
    job = Job(resolved, found, network.eval(), name)
    _try_method(job, sparsity)
    return job


def _checked_sparsity(recipe: Recipe) -> Recipe:
    """Fix the sparsity at 0 where the method zeroes no weights.

    Raises:
        ValueDomainError: The recipe or its budget asks for zeros.
    """
    if methods.METHODS.get(recipe.method.name).prunes:
        return recipe
    for asked in (recipe.sparsity, recipe.budget.sparsity):
        if asked:
            raise ValueDomainError(
                "compress",
                f"sparsity must be 0 or left out for {recipe.method.name}, which keeps all weights",
                got=asked,
                fix="Choose a method that prunes: niwaki list methods",
            )
    return recipe.merged({"sparsity": 0.0})


def _is_module(model: Any) -> bool:
    return isinstance(model, nn.Module)


def _check_tools() -> None:
    """Miss a package, or meet other processes, before training and not at its end."""
    processes = os.environ.get("WORLD_SIZE", "1")
    if processes != "1":
        raise InputError(
            "compress",
            "it must run in one process",
            got=f"WORLD_SIZE={processes}",
            fix="Train with niwaki.train.fit under accelerate launch, then niwaki.train.finish",
        )
    for name in ("jinja2", "matplotlib"):
        if importlib.util.find_spec(name) is None:
            raise ToolMissingError(
                "compress", f"{name} must be installed", fix="pip install 'niwaki[report]'"
            )


def _read(
    model: nn.Module | str | None,
    data: Any,
    recipe: Recipe | str | Path | dict[str, Any] | None,
    budget: Budget | None,
    overrides: dict[str, Any],
) -> Recipe:
    """Lay what was given as arguments over the recipe."""
    if recipe is None:
        recipe = Recipe()
    elif isinstance(recipe, dict):
        recipe = Recipe.of(recipe)
    elif not isinstance(recipe, Recipe):
        recipe = Recipe.load(recipe)
    changes = nest(overrides)
    if isinstance(model, str):
        changes.setdefault("model", {})["spec"] = model
    if isinstance(data, str | Path):
        changes["data"] = str(data)
    elif data is not None:
        changes["data"] = str(getattr(data, "name", type(data).__name__))
    if budget is not None:
        changes["budget"] = {**budget.bounds(), **changes.get("budget", {})}
    return recipe.merged(changes)


def nest(flat: dict[str, Any]) -> dict[str, Any]:
    """Return keyword settings as the recipe nests them.

    Example:
        >>> nest({"sparsity": 0.9, "epochs": 3, "size_kb": 60, "method": "bap"})
        {'sparsity': 0.9, 'train': {'epochs': 3}, 'budget': {'size_kb': 60}, 'method': 'bap'}
    """
    nested: dict[str, Any] = {}
    for key, value in flat.items():
        parts = {"weights": "model"}
        parts |= dict.fromkeys(TrainPart.model_fields, "train")
        parts |= dict.fromkeys(BudgetPart.model_fields, "budget")
        if key in Recipe.model_fields or key not in parts:
            nested[key] = value
        else:
            nested.setdefault(parts[key], {})[key] = value
    return nested


def _load(data: Any, recipe: Recipe, network: nn.Module | None) -> DataSet:
    """Load the data with the normalisation that the network's published weights want."""
    wanted = None
    if network is not None:
        wanted = models.normalization(network)
    elif recipe.model.weights is not None:
        if not Path(recipe.model.weights).is_file():
            raise InputError(
                "weights", "the weights must be a file that exists", got=recipe.model.weights
            )
        if recipe.model.spec is not None:
            wanted = models.normalization(models.from_spec(recipe.model.spec))
    given = recipe.data if data is None or isinstance(data, str | Path) else data
    plain = functools.partial(
        load,
        given,
        seed=recipe.train.seed,
        num_classes=recipe.model.num_classes,
        augment=recipe.train.augment,
    )
    if wanted is None:
        return plain()
    try:
        return plain(mean=wanted["mean"], std=wanted["std"])
    except ValueDomainError as error:
        channels, published = plain().shape[0], len(wanted["mean"])  # the data's own trouble: again
        if channels == published:
            raise
        raise ShapeError(
            f"model {recipe.model.spec or type(network).__name__}",
            f"the pictures must have {published} channels, as the network's published "
            "normalisation has",
            got=f"{channels} in data {recipe.data!r}",
            fix=f"Give pictures of {published} channels, or leave the weights out and train",
        ) from error


def _build(recipe: Recipe, data: DataSet, spec: str) -> nn.Module:
    channels, height, width = data.shape
    if height != width and ":" not in spec and not spec.endswith(".py"):
        raise ShapeError(
            f"model {spec}",
            "pictures must be square for a known network",
            got=f"{height} x {width}",
            fix="Resize them, or give a network of your own",
        )
    network = models.from_spec(
        spec,
        num_classes=data.num_classes,
        in_channels=channels,
        input_size=height,
        seed=recipe.train.seed,
    )
    if recipe.model.weights is not None:
        models.load_weights(network, recipe.model.weights)
    return network


def check_network(network: nn.Module, data: DataSet, name: str) -> None:
    """Run a network once on two pictures, in evaluation mode.

    Raises:
        ValueDomainError: A weight is NaN or infinite.
        ShapeError: It doesn't take the pictures, or doesn't give one logit a class.
    """
    where = f"model {name}"
    for key, tensor in network.state_dict().items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise ValueDomainError(where, f"weight {key!r} must be finite", got="NaN or infinity")
    x, _ = next(iter(data.batches("test", 2)))
    network.eval()
    try:
        with torch.no_grad():
            output = network(x)
    except Exception as error:
        told = " ".join(str(error).split())[:200]
        raise ShapeError(
            where, f"the network must take the data's {tuple(x.shape)} ({told})"
        ) from error
    if not isinstance(output, torch.Tensor) or output.ndim != 2:
        got = tuple(output.shape) if isinstance(output, torch.Tensor) else type(output).__name__
        raise ShapeError(where, "the network must return logits (N, classes)", got=got)
    if output.shape[1] < data.num_classes:
        raise ShapeError(
            where, f"the network needs {data.num_classes} outputs for the data", got=output.shape[1]
        )


def _try_method(job: Job, sparsity: float) -> None:
    """Let each method choose its layers once: patterns that match nothing are found now."""
    for name in (job.recipe.method.name, *job.compared(sparsity)):
        job.method(name, sparsity).prepare(job.network(), job.example())
