"""The defaults in one table: what a data set gets where the recipe says nothing.

Epochs are chosen for two cores: digits in under two minutes with all three trainings, MNIST and
Fashion-MNIST in under fifteen. The CIFAR networks are meant to start from trained weights.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from niwaki.recipe import Recipe

SPARSITY = 0.98
"""The share of zeros where neither the recipe nor the budget says otherwise."""


@dataclass(frozen=True)
class Defaults:
    """Hold the settings of one data set."""

    model: str | None
    """The network; None: it has to be given."""
    dense_epochs: int
    epochs: int
    batch_size: int = 128
    lr: float = 2e-3
    weight_decay: float = 1e-5
    optimizer: str = "adam"
    threads: int | None = None
    """Torch's threads; one where layers are small: two took 4x the CPU time on a busy machine.

    None is one per core, written into the resolved recipe: sums in another order would make a
    resumed run differ from one that was never stopped.
    """


DEFAULTS = {
    "digits": Defaults("digits-cnn", dense_epochs=12, epochs=30, batch_size=64, threads=1),
    "mnist": Defaults("lenet5-caffe", dense_epochs=4, epochs=7, threads=1),
    "fashion-mnist": Defaults("lenet5-caffe", dense_epochs=5, epochs=7, threads=1),
    "cifar10": Defaults("resnet20", dense_epochs=30, epochs=20, lr=1e-3),
}
OTHER = Defaults(None, dense_epochs=15, epochs=20, batch_size=64)
"""For data of the user's own."""


def cores() -> int:
    """Return the cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def settings_for(data: str) -> Defaults:
    """Return the table's row for a data set: its name, or the name of its folder.

    Example:
        >>> settings_for("data/mnist/").model
        'lenet5-caffe'
    """
    name = data.rstrip("/\\").replace("\\", "/").rsplit("/", 1)[-1]
    return DEFAULTS.get(name.lower().replace("_", "-"), OTHER)


def resolve(recipe: Recipe, *, own_model: bool = False) -> Recipe:
    """Fill in what a recipe leaves open, so that it stands for itself.

    Args:
        recipe: What the user asked for.
        own_model: A module was handed over from Python; the recipe names none.

    Returns:
        A recipe without open settings, but for the sparsity where a budget is to choose it, and the
        network where it was handed over or data of the user's own has no default.
    """
    row = settings_for(recipe.data)
    changes: dict[str, Any] = {}
    if recipe.model.spec is None and not own_model and row.model is not None:
        changes["model"] = {"spec": row.model}
    has_weights = own_model or recipe.model.weights is not None
    train = recipe.train
    wanted = {
        "dense_epochs": 0 if has_weights else row.dense_epochs,
        "epochs": row.epochs,
        "batch_size": row.batch_size,
        "lr": row.lr,
        "weight_decay": row.weight_decay,
        "optimizer": row.optimizer,
        "threads": row.threads or cores(),
    }
    changes["train"] = {key: v for key, v in wanted.items() if getattr(train, key) is None}
    if recipe.sparsity is None:
        if recipe.budget.sparsity is not None:
            changes["sparsity"] = recipe.budget.sparsity
        elif recipe.budget.size_kb is None and recipe.budget.max_accuracy_drop is None:
            changes["sparsity"] = SPARSITY
    elif recipe.budget.sparsity is not None and recipe.sparsity < recipe.budget.sparsity:
        changes["sparsity"] = recipe.budget.sparsity
    return recipe.merged(changes)
