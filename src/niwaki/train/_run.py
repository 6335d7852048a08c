"""A training as it stands: one step follows from (seed, step, rank) and the weights alone."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn
from torch.nn import functional as F

from niwaki.errors import ValueDomainError
from niwaki.train import distributed
from niwaki.train._settings import EpochRecord, History, TrainSettings
from niwaki.train.data import batches_per_epoch
from niwaki.train.distill import training_loss
from niwaki.train.schedule import lr_factor

if TYPE_CHECKING:
    from collections.abc import Iterator

    from niwaki.train.data import DataSet
    from niwaki.train.session import Session

_EVALUATION_BATCH = 256


def total_steps(dataset: DataSet, settings: TrainSettings) -> int:
    """Return how many optimiser steps `fit` does: what a `Session` needs to be told.

    Args:
        dataset: The data.
        settings: Those given to `fit`.
    """
    world = distributed.start().num_processes
    steps = settings.epochs * batches_per_epoch(
        len(dataset.train), settings.batch_size, world_size=world
    )
    return steps if settings.max_steps is None else min(steps, settings.max_steps)


class Run:
    """Hold a training as it stands; one step follows from it and nothing else."""

    def __init__(
        self,
        model: nn.Module,
        dataset: DataSet,
        settings: TrainSettings,
        session: Session | None,
        teacher: nn.Module | None,
    ) -> None:
        state = AcceleratorState._shared_state
        if state.get("_mixed_precision", settings.mixed_precision) != settings.mixed_precision:
            AcceleratorState._reset_state()  # one process may train at several precisions
        distributed.start()
        self.accelerator = Accelerator(
            cpu=distributed.uses_cpu(), mixed_precision=settings.mixed_precision
        )
        self.device = self.accelerator.device
        self.came_on = next((p.device for p in model.parameters()), torch.device("cpu"))
        self.model, self.dataset, self.settings, self.session = model, dataset, settings, session
        self.total = total_steps(dataset, settings)
        if session is not None:
            _check_session(session, model, self.total)
            if not session.is_prepared:
                session.prepare()
        model.to(self.device)
        self.teacher = None if settings.distill == 0.0 or teacher is None else teacher
        if self.teacher is not None:
            self.teacher = self.teacher.to(self.device).eval()
        self.optimizer = _make_optimizer(model, settings, session)
        wrapped, self.stepper = self.accelerator.prepare(model, self.optimizer)
        self.wrapped: nn.Module = wrapped
        self.history = History()
        self.step = self.epoch = self.batch = 0
        self.loss_sum, self.samples, self.seconds = 0.0, 0, 0.0

    @property
    def is_done(self) -> bool:
        """Tell whether no epoch is left to begin or to go on with."""
        return self.epoch >= self.settings.epochs or (self.step >= self.total and not self.batch)

    def steps_of_epoch(self) -> Iterator[int]:
        """Do the steps of the epoch that are left; yield after each."""
        self.wrapped.train()
        if self.step >= self.total:  # stopped between the last step and the evaluation
            return
        began = time.monotonic()
        for x, y in self.dataset.batches(
            "train",
            self.settings.batch_size,
            epoch=self.epoch,
            seed=self.settings.seed,
            start=self.batch,
            rank=distributed.rank(),
            world_size=distributed.world_size(),
        ):
            self._do_step(x.to(self.device), y.to(self.device))
            now = time.monotonic()
            self.seconds, began = self.seconds + now - began, now
            yield self.step
            if self.step >= self.total:
                break

    def _do_step(self, x: torch.Tensor, y: torch.Tensor) -> None:
        settings = self.settings
        # Dropout's draws follow from the step, so that no random state needs saving.
        torch.manual_seed((settings.seed * 1_000_003 + self.step) * 64 + distributed.rank())
        warmup = round(settings.warmup * self.total)
        factor = lr_factor(self.step, self.total, settings.schedule, warmup)
        for group in self.optimizer.param_groups:
            group["lr"] = settings.lr * factor
        with torch.no_grad():
            soft = None if self.teacher is None else self.teacher(x)
        loss = training_loss(
            self.wrapped(x),
            y,
            soft,
            distill=settings.distill,
            temperature=settings.temperature,
            label_smoothing=settings.label_smoothing,
        )
        value = float(loss.detach())
        if not math.isfinite(value):
            raise ValueDomainError(
                "train",
                "the loss must stay finite",
                got=f"{value} at step {self.step}",
                fix="Lower the learning rate",
            )
        self.stepper.zero_grad(set_to_none=True)
        self.accelerator.backward(loss)
        self.stepper.step()
        self.step += 1
        self.batch += 1
        self.loss_sum += value * len(y)
        self.samples += len(y)
        if self.session is not None:
            self.session.step()

    def close_epoch(self) -> EpochRecord:
        """Evaluate, record, and go to the next epoch."""
        began = time.monotonic()
        distributed.broadcast_buffers(self.model)
        shard = self.dataset.batches(
            "test", _EVALUATION_BATCH, rank=distributed.rank(), world_size=distributed.world_size()
        )
        sums = [*count_correct(self.model, shard), self.loss_sum, float(self.samples)]
        correct, loss, count, train_loss, trained = distributed.sum_over_ranks(sums, self.device)
        record = EpochRecord(
            epoch=self.epoch,
            train_loss=train_loss / max(1.0, trained),
            test_loss=loss / max(1.0, count),
            test_accuracy=correct / max(1.0, count),
            lr=float(self.optimizer.param_groups[0]["lr"]),
            sparsity=0.0 if self.session is None else self.session.sparsity,
            seconds=self.seconds + time.monotonic() - began,
        )
        self.history.epochs.append(record)
        self.epoch, self.batch = self.epoch + 1, 0
        self.loss_sum, self.samples, self.seconds = 0.0, 0, 0.0
        return record

    def hand_back(self) -> None:
        """Take off what accelerate put on the model, and move it back where it came from."""
        if self.session is not None:
            distributed.check_equal_on_all_ranks(self.session.masks())
        self.accelerator.unwrap_model(self.wrapped, keep_fp32_wrapper=False)
        self.model.to(self.came_on).eval()


def count_correct(
    model: nn.Module, batches: Iterator[tuple[torch.Tensor, torch.Tensor]]
) -> tuple[float, float, float]:
    """Return the sums (correct answers, cross-entropy, samples)."""
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    modes = [(module, module.training) for module in model.modules()]
    correct = loss = count = 0.0
    model.eval()
    try:
        with torch.no_grad():
            for x, y in batches:
                logits, labels = model(x.to(device)).float(), y.to(device)
                correct += float((logits.argmax(1) == labels).sum())
                loss += float(F.cross_entropy(logits, labels, reduction="sum"))
                count += len(labels)
    finally:
        for module, training in modes:
            module.training = training
    return correct, loss, count


def _make_optimizer(
    model: nn.Module, settings: TrainSettings, session: Session | None
) -> torch.optim.Optimizer:
    kept = set() if session is None else {id(p) for p in session.method.no_decay_parameters()}
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for parameter in model.parameters():
        if parameter.requires_grad:
            group = plain if parameter.dim() < 2 or id(parameter) in kept else decayed
            group.append(parameter)
    groups = [
        {"params": decayed, "weight_decay": settings.weight_decay},
        {"params": plain, "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    if settings.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=settings.lr, momentum=settings.momentum)
    kind = torch.optim.Adam if settings.optimizer == "adam" else torch.optim.AdamW
    return kind(groups, lr=settings.lr)


def _check_session(session: Session, model: nn.Module, total: int) -> None:
    if session.model is not model:
        raise ValueDomainError("train", "the session must be of the model that is trained")
    if session.total_steps != max(1, total):  # a session has no length 0
        raise ValueDomainError(
            "train",
            f"the session must have total_steps={total}, the length of this training",
            got=session.total_steps,
            fix="Make it with total_steps(dataset, settings)",
        )
