"""Start the engines that run beside niwaki in `bench_binary.py`, each in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from _client import Worker, WorkerError
from peers import BACKENDS, PEERS, PeerMissingError, interpreter


@dataclass
class Started:
    """Hold the engines that run, their versions, and why others don't."""

    workers: dict[str, Worker] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    why: dict[str, str] = field(default_factory=dict)


def start(
    models: Mapping[str, Path],
    environments: Path | None,
    folder: Path,
    x: np.ndarray,
    stack: ExitStack,
) -> Started:
    """Load engines, one thread; one that can't be had leaves its reason.

    Args:
        models: Engine to the ONNX file that it gets, or for Larq the name of what it makes; each
            engine is one of `peers.PEERS`.
        environments: Folder of `peers.py setup`, or None.
        folder: The cache, for the files that engines make of theirs.
        x: The input, float32 (N, C, H, W).
        stack: Ends the processes.
    """
    found = Started()
    picture = folder / f"x-{'x'.join(map(str, x.shape))}.npy"
    np.save(picture, x)
    for name, model in models.items():
        backend = BACKENDS / f"{PEERS[name].backend}.py"
        try:
            python = interpreter(name, environments)
            with Worker(python, backend, timeout=1800) as maker:
                made = maker.ask("prepare", path=str(model), folder=str(folder), threads=1)
            worker = stack.enter_context(Worker(python, backend))
            loaded = worker.ask("load", path=made["path"], threads=1, batch=1, x=str(picture))
            worker.ask("run", count=1)
        except (WorkerError, PeerMissingError) as error:
            found.why[name] = str(error)
            continue
        found.workers[name], found.versions[name] = worker, loaded["version"]
    return found
