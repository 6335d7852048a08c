"""When a run's checkpoints are written, what is in them, and going on from one."""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

from niwaki.errors import InputError
from niwaki.train import checkpoint, distributed
from niwaki.train._settings import History

if TYPE_CHECKING:
    from pathlib import Path

    from niwaki.train._run import Run

_OPTIMIZER = "optimizer."
_MODEL = "model."
POSITION = ("step", "epoch", "batch", "loss_sum", "samples", "seconds")


class Store:
    """Write and read the checkpoints of a run; only rank 0 writes."""

    def __init__(
        self, run: Run, folder: str | Path, every_steps: int | None, every_seconds: float
    ) -> None:
        self._run, self._folder = run, folder
        self._every_steps, self._every_seconds = every_steps, every_seconds
        self._last = time.monotonic()

    def save_if_due(self) -> None:
        by_step = self._every_steps is not None and self._run.step % self._every_steps == 0
        if by_step or time.monotonic() - self._last >= self._every_seconds:
            self.save()

    def save(self) -> None:
        self._last = time.monotonic()
        run = self._run
        if distributed.rank() != 0:
            return
        arrays = {_MODEL + key: value for key, value in run.model.state_dict().items()}
        moments, plain = checkpoint.optimizer_to_plain(run.optimizer, _OPTIMIZER)
        scaler: Any = run.accelerator.scaler
        state = {
            "identity": self._identity(),
            "optimizer": plain,
            "scaler": None if scaler is None else scaler.state_dict(),
            "session": None if run.session is None else run.session.state_dict(),
            "history": run.history.to_list(),
            **{name: getattr(run, name) for name in POSITION},
        }
        checkpoint.save(self._folder, run.step, arrays | moments, state)

    def restore(self) -> None:
        found = checkpoint.load(self._folder)
        if found is None:
            return
        arrays, state = found
        mine = self._identity()
        for key, value in mine.items():
            if state["identity"].get(key) != value:
                raise InputError(
                    "resume",
                    f"the checkpoint must be of a run with the same {key}, {value!r}",
                    got=f"{state['identity'].get(key)!r} in {self._folder}",
                    fix="Give the same settings, another folder, or start over",
                )
        run = self._run
        run.model.load_state_dict(
            {k.removeprefix(_MODEL): v for k, v in arrays.items() if k.startswith(_MODEL)}
        )
        checkpoint.optimizer_from_plain(run.optimizer, arrays, state["optimizer"], _OPTIMIZER)
        if run.accelerator.scaler is not None:
            run.accelerator.scaler.load_state_dict(state["scaler"])
        if run.session is not None:
            run.session.load_state_dict(state["session"])
        run.history = History.from_list(state["history"])
        for name in POSITION:
            setattr(run, name, state[name])

    def _identity(self) -> dict[str, Any]:
        run = self._run
        session = None if run.session is None else run.session.state_dict()
        return {
            **dataclasses.asdict(run.settings),
            "data": run.dataset.name,
            "training samples": len(run.dataset.train),
            "processes": distributed.world_size(),
            "method": None if session is None else session["method"],
            "config": None if session is None else session["config"],
            "parameters": sum(p.numel() for p in run.model.parameters()),
        }
