"""The stages of a run: train one network of the comparison and turn it into all its forms."""

from __future__ import annotations

import copy
import dataclasses
import importlib.util
from typing import TYPE_CHECKING

from niwaki.registry import canonical
from niwaki.report import History as Curves
from niwaki.train._compress_forms import Forms, float_forms, integer_forms, integer_network
from niwaki.train._compress_measure import Variant
from niwaki.train.loop import TrainSettings, evaluate, fit, total_steps
from niwaki.train.session import Session

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from torch import nn

    from niwaki.runtime import Program
    from niwaki.train._compress_job import Job
    from niwaki.train._compress_work import Work
    from niwaki.train.loop import History

_QAT_LR = 0.1
"""Share of the learning rate that training with the integer arithmetic starts at."""


def dense_variant(job: Job, work: Work, progress: bool) -> Variant:
    """Train the dense network, where the recipe gives it epochs, and evaluate it."""
    network = job.network()
    settings = settings_of(job, job.recipe.train.dense_epochs or 0, distill=False)
    history = fit(
        network,
        job.data,
        settings,
        checkpoint_dir=work.stage("dense"),
        log_dir=_logs(work, "dense"),
        progress=progress,
        checkpoint_seconds=job.recipe.train.checkpoint_seconds,
        label="dense",
    )
    return Variant(
        name="dense",
        forms=float_forms(network, job),
        accuracy=evaluate(network, job.data)[0],
        history=curves(history),
    )


def method_variant(
    job: Job, work: Work, dense: Variant, name: str, sparsity: float, progress: bool
) -> Variant:
    """Train a copy of the dense network with a method, convert it, and make its forms.

    Args:
        job: The run.
        work: Its checkpoints.
        dense: The dense network, trained.
        name: The method.
        sparsity: Share of zeros in each compressed layer, in [0, 1].
        progress: Show a bar.
    """
    name = canonical(name)
    stage = f"{name}-{sparsity:g}"
    network = copy.deepcopy(dense.forms.network)
    settings = settings_of(job, job.recipe.train.epochs or 0)
    session = Session(
        network,
        job.method(name, sparsity),
        total_steps=max(1, total_steps(job.data, settings)),
        example_inputs=job.example(),
    )
    if settings.epochs == 0:
        session.prepare()
        session.step()  # one step of one: the masks at once, without training
    history = fit(
        network,
        job.data,
        settings,
        session=session if settings.epochs else None,
        teacher=dense.forms.network if settings.distill else None,
        checkpoint_dir=work.stage(stage),
        log_dir=_logs(work, stage),
        progress=progress,
        checkpoint_seconds=job.recipe.train.checkpoint_seconds,
        label=stage,
    )
    compressed, masks = layers_of(session)
    session.convert()
    accuracy = evaluate(network, job.data)[0]
    forms = float_forms(network, job)
    if job.recipe.form == "integer":
        forms, accuracy, more = _train_integer(job, work, forms, stage, progress)
        history.epochs.extend(more.epochs)
    is_plain = name == "magnitude" and canonical(job.recipe.method.name) != name
    return Variant(
        name="sparse only" if is_plain else name,
        forms=forms,
        accuracy=accuracy,
        sparsity=sparsity,
        compressed=compressed,
        masks=masks,
        history=curves(history),
    )


def _train_integer(
    job: Job, work: Work, found: Forms, stage: str, progress: bool
) -> tuple[Forms, float, History]:
    """Calibrate, train a little with the integer arithmetic, and write the integer forms."""
    imitation = integer_network(found, job)
    settings = settings_of(job, job.recipe.integer.qat_epochs, distill=False)
    settings = dataclasses.replace(settings, lr=settings.lr * _QAT_LR)
    history = fit(
        imitation,
        job.data,
        settings,
        checkpoint_dir=work.stage(f"{stage}-integer"),
        log_dir=_logs(work, f"{stage}-integer"),
        progress=progress,
        checkpoint_seconds=job.recipe.train.checkpoint_seconds,
        label=f"{stage}, integer",
    )
    accuracy = history.test_accuracy if history.epochs else evaluate(imitation, job.data)[0]
    return integer_forms(found, imitation, job), accuracy, history


def layers_of(session: Session) -> tuple[frozenset[str], dict[str, np.ndarray]]:
    """Return the compressed layers' names and their masks, before `convert` takes them off."""
    compressed = frozenset(choice.name for choice in session.layers() if choice.compressed)
    masks = {key: mask.cpu().numpy().astype(bool) for key, mask in session.masks().items()}
    return compressed, masks


def untrained_program(job: Job, dense: Variant, sparsity: float) -> Program:
    """Return what the dense network packs to at a sparsity, its smallest weights zero."""
    network = copy.deepcopy(dense.forms.network)
    return untrained_forms(job, network, job.recipe.method.name, sparsity).program


def untrained_forms(job: Job, network: nn.Module, name: str, sparsity: float) -> Forms:
    """Return the forms of a network compressed at once, without training.

    Args:
        job: The run.
        network: The network; it is changed in place.
        name: The method.
        sparsity: Share of zeros in each compressed layer, in [0, 1].
    """
    method = job.method(name, sparsity)
    method.prepare(network, job.example())
    method.step(1.0)
    method.convert(network)
    forms = float_forms(network, job)
    if job.recipe.form == "integer":
        forms = integer_forms(forms, integer_network(forms, job), job)
    return forms


def settings_of(job: Job, epochs: int, *, distill: bool = True) -> TrainSettings:
    """Return the loop's settings from the resolved recipe."""
    train = job.recipe.train
    chosen = {
        "batch_size": train.batch_size,
        "lr": train.lr,
        "weight_decay": train.weight_decay,
        "optimizer": train.optimizer,
    }
    return dataclasses.replace(
        TrainSettings(epochs=epochs, schedule=train.schedule, warmup=train.warmup, seed=train.seed),
        distill=train.distill if distill else 0.0,
        **{key: value for key, value in chosen.items() if value is not None},
    )


def curves(history: History) -> Curves:
    """Return a training's history as the report draws it."""
    rows = history.epochs
    return Curves(
        epoch=[row.epoch + 1 for row in rows],
        loss=[row.train_loss for row in rows],
        accuracy=[row.test_accuracy for row in rows],
        sparsity=[row.sparsity for row in rows],
    )


def _logs(work: Work, stage: str) -> Path | None:
    """Return where TensorBoard logs go; nowhere where it isn't installed."""
    if importlib.util.find_spec("tensorboard") is None:
        return None
    return work.stage("logs") / stage
