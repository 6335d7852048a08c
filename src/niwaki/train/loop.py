"""The training loop: accelerate for devices, processes and mixed precision; the rest is plain.

Everything that a step does follows from (seed, step, rank) and the weights: the order and the
augmentation of the data, the learning rate, the masks, dropout. So a checkpoint needs no random
state, and a run that was killed at any point and resumed equals the uninterrupted run.
"""

from __future__ import annotations

import contextlib
import dataclasses
from typing import TYPE_CHECKING

import torch

from niwaki.train import distributed
from niwaki.train._progress import Bar, Logs
from niwaki.train._run import Run, count_correct, total_steps as total_steps
from niwaki.train._settings import (
    EpochRecord as EpochRecord,
    History as History,
    TrainSettings as TrainSettings,
)
from niwaki.train._store import Store
from niwaki.train.augment import Augment

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from torch import nn

    from niwaki.train.data import DataSet
    from niwaki.train.session import Session


def fit(
    model: nn.Module,
    dataset: DataSet,
    settings: TrainSettings | None = None,
    session: Session | None = None,
    teacher: nn.Module | None = None,
    checkpoint_dir: str | Path | None = None,
    resume: bool = True,
    log_dir: str | Path | None = None,
    progress: bool = True,
    *,
    checkpoint_steps: int | None = None,
    checkpoint_seconds: float = 60.0,
    label: str = "train",
) -> History:
    """Train a model in place.

    Args:
        model: Maps float32 (N, C, H, W) to logits (N, classes).
        dataset: What `niwaki.train.data.load` returns.
        settings: The defaults when None.
        session: A session of this model with ``total_steps(dataset, settings)`` steps; prepared
            here if it isn't yet, and stepped. Converting is the caller's.
        teacher: The dense network, where ``settings.distill`` is above 0.
        checkpoint_dir: Where checkpoints go; None writes none.
        resume: Go on from the newest checkpoint there; False starts over it.
        log_dir: Where TensorBoard logs go.
        progress: Show a bar where stderr is a terminal.
        checkpoint_steps: Write a checkpoint every so many steps.
        checkpoint_seconds: Write one when the last is that old; one is written at the end too.
        label: What the bar calls it.

    Returns:
        One record an epoch; on a resumed run those of the earlier part too. The model is left in
        evaluation mode on the device it came on.

    Raises:
        InputError: The checkpoint is of a run with other settings, or can't be written.
        FormatError: The checkpoint is damaged.
        ValueDomainError: The loss isn't finite any more, or the session has another length.
    """
    settings = TrainSettings() if settings is None else settings
    if not settings.augment:
        dataset = dataclasses.replace(dataset, augment=Augment())
    run = Run(model, dataset, settings, session, teacher)
    store = (
        None
        if checkpoint_dir is None
        else Store(run, checkpoint_dir, checkpoint_steps, checkpoint_seconds)
    )
    if store is not None and resume:
        store.restore()
    logs = Logs(log_dir if distributed.rank() == 0 else None, run.epoch)
    shown = progress and distributed.rank() == 0
    try:
        with _own_generator(run.device), Bar(label, run.total, run.step, enabled=shown) as bar:
            while not run.is_done:
                for _ in run.steps_of_epoch():
                    bar.step()
                    if store is not None:
                        store.save_if_due()
                record = run.close_epoch()
                logs.add(record)
                bar.note(record)
            if store is not None:
                store.save()
    finally:
        logs.close()
    run.hand_back()
    return run.history


def evaluate(
    model: nn.Module, dataset: DataSet, batch_size: int = 256, split: str = "test"
) -> tuple[float, float]:
    """Return (accuracy, loss) of a model on a part of a data set, by this process alone.

    Args:
        model: Maps float32 (N, C, H, W) to logits; its mode is restored afterwards.
        dataset: The data.
        batch_size: Samples at a time.
        split: ``test`` or ``train``; nothing is augmented.

    Returns:
        Share of correct answers in [0, 1], and the mean cross-entropy.
    """
    correct, loss, count = count_correct(model, dataset.batches(split, batch_size, train=False))
    return correct / max(1.0, count), loss / max(1.0, count)


@contextlib.contextmanager
def _own_generator(device: torch.device) -> Generator[None]:
    """Leave torch's generators as they were: every step seeds them."""
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        yield
