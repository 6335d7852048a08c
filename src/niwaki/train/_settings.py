"""What the training loop is told, and what it tells."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from niwaki.errors import ValueDomainError


@dataclass(frozen=True)
class TrainSettings:
    """Hold the settings of `niwaki.train.loop.fit`.

    Raises:
        ValueDomainError: A value is out of its range.
    """

    epochs: int = 10
    batch_size: int = 128
    """Samples a step, over all processes."""
    lr: float = 2e-3
    """The highest learning rate."""
    weight_decay: float = 1e-5
    """On weights only: none on biases, batch norms and thresholds."""
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    momentum: float = 0.9
    """Of sgd."""
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: float = 0.0
    """Share of the steps over which the learning rate rises, in [0, 1]."""
    seed: int = 0
    """Of the order, the augmentation and dropout."""
    label_smoothing: float = 0.0
    distill: float = 0.0
    """Weight of the teacher in the loss, in [0, 1]; 0 is off."""
    temperature: float = 2.0
    """Of the distillation."""
    augment: bool = True
    """Use the data set's own augmentation."""
    mixed_precision: Literal["no", "bf16", "fp16"] = "no"
    max_steps: int | None = None
    """Stop after so many optimiser steps; the schedules end there too."""

    def __post_init__(self) -> None:
        for name, least in (("epochs", 0), ("batch_size", 1), ("seed", 0), ("lr", 0.0)):
            self._require(name, getattr(self, name) >= least, f"at least {least}")
        for name in ("warmup", "distill", "momentum"):
            self._require(name, 0.0 <= getattr(self, name) <= 1.0, "in [0, 1]")
        self._require("weight_decay", self.weight_decay >= 0.0, "at least 0")
        self._require("label_smoothing", 0.0 <= self.label_smoothing < 1.0, "in [0, 1)")
        self._require("temperature", self.temperature > 0.0, "above 0")
        self._require("max_steps", self.max_steps is None or self.max_steps >= 0, "at least 0")
        for name, known in (
            ("optimizer", ("adam", "adamw", "sgd")),
            ("schedule", ("cosine", "constant")),
            ("mixed_precision", ("no", "bf16", "fp16")),
        ):
            self._require(name, getattr(self, name) in known, f"one of {', '.join(known)}")

    def _require(self, name: str, holds: bool, rule: str) -> None:
        if not holds:
            raise ValueDomainError("train", f"{name} must be {rule}", got=repr(getattr(self, name)))


@dataclass(frozen=True)
class EpochRecord:
    """Say how one epoch went."""

    epoch: int
    """From 0."""
    train_loss: float
    """Mean over the epoch's samples, augmented, while the weights moved."""
    test_loss: float
    test_accuracy: float
    """Share of correct answers, in [0, 1]."""
    lr: float
    """Of the epoch's last step."""
    sparsity: float
    """Share of zeros in the compressed layers at the end; 0 without a session."""
    seconds: float


@dataclass
class History:
    """Hold the records of a training, one an epoch."""

    epochs: list[EpochRecord] = field(default_factory=list[EpochRecord])

    @property
    def test_accuracy(self) -> float:
        """Test accuracy after the last epoch, in [0, 1]; NaN before the first."""
        return self.epochs[-1].test_accuracy if self.epochs else float("nan")

    @property
    def seconds(self) -> float:
        """Time that the epochs took together, in seconds."""
        return sum(record.seconds for record in self.epochs)

    def to_list(self) -> list[dict[str, Any]]:
        """Return plain rows, JSON-able."""
        return [dataclasses.asdict(record) for record in self.epochs]

    @classmethod
    def from_list(cls, rows: list[dict[str, Any]]) -> History:
        """Return the history of rows that `to_list` gave."""
        return cls([EpochRecord(**row) for row in rows])
