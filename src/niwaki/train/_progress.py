"""What a training shows while it runs: a bar on a terminal, TensorBoard logs in a folder."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from niwaki.errors import ToolMissingError

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from niwaki.train._settings import EpochRecord


class Bar:
    """Show how far a training is; silent where stderr isn't a terminal.

    Args:
        label: What is trained.
        total: Steps of the whole training.
        done: Steps that are done.
        enabled: False is silent everywhere.
    """

    def __init__(self, label: str, total: int, done: int, *, enabled: bool) -> None:
        self._bar: Any = None
        if not (enabled and sys.stderr.isatty()):
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=Console(stderr=True),
        )
        self._task = self._bar.add_task(label, total=total, completed=done, note="")

    def __enter__(self) -> Self:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()

    def step(self) -> None:
        """Move on by one step."""
        if self._bar is not None:
            self._bar.advance(self._task)

    def note(self, record: EpochRecord) -> None:
        """Show the last epoch's figures."""
        if self._bar is not None:
            text = f"loss {record.train_loss:.3f}  test {100 * record.test_accuracy:.2f} %"
            if record.sparsity:
                text += f"  sparsity {100 * record.sparsity:.1f} %"
            self._bar.update(self._task, note=text)


class Logs:
    """Write one TensorBoard point an epoch.

    Args:
        folder: The log folder; None writes nothing.
        first_epoch: Points of this epoch and later ones, of a run that was killed, are dropped.

    Raises:
        ToolMissingError: A folder is given and tensorboard isn't installed.
    """

    def __init__(self, folder: str | Path | None, first_epoch: int) -> None:
        self._writer: Any = None
        if folder is None:
            return
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ToolMissingError(
                "train", "tensorboard must be installed", fix="pip install niwaki[train]"
            ) from None
        self._writer = SummaryWriter(str(folder), purge_step=first_epoch)

    def add(self, record: EpochRecord) -> None:
        """Write an epoch's figures."""
        if self._writer is None:
            return
        for name in ("train_loss", "test_loss", "test_accuracy", "lr", "sparsity"):
            self._writer.add_scalar(name, getattr(record, name), record.epoch)
        self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        if self._writer is not None:
            self._writer.close()
