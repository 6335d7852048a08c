"""Checkpoints: safetensors and JSON, written whole or not at all; no pickles.

A folder holds ``step-00000120/`` with ``arrays.safetensors`` and ``state.json``. The newest one
counts; it is renamed into place when it is complete, and older ones go only then, so that a process
may be killed at any moment.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors.torch import load as load_tensors, save as save_tensors

from niwaki import _files
from niwaki.errors import FormatError

if TYPE_CHECKING:
    import torch
    from torch import Tensor

VERSION = 1
_ARRAYS, _STATE = "arrays.safetensors", "state.json"


def save(folder: str | Path, step: int, arrays: dict[str, Tensor], state: dict[str, Any]) -> Path:
    """Write a checkpoint and remove the older ones.

    Args:
        folder: Where checkpoints are; made when missing.
        step: Optimiser steps that are done.
        arrays: Tensors by name.
        state: Everything else, JSON-able.

    Returns:
        The folder of this checkpoint.

    Raises:
        InputError: The folder can't be written, or the disk is full; the older checkpoint stays.
    """
    folder = Path(folder)
    target = folder / f"step-{step:08d}"
    # Clones: safetensors refuses tensors that share memory, as tied weights do.
    data = save_tensors({k: v.detach().cpu().clone().contiguous() for k, v in arrays.items()})
    record = {
        "format": "niwaki-checkpoint",
        "version": VERSION,
        "step": step,
        "sha256": hashlib.sha256(data).hexdigest(),
        "state": state,
    }
    with _files.new_dir(target) as temporary:
        _write(temporary / _ARRAYS, data)
        _write(temporary / _STATE, json.dumps(record).encode())
    for other in folder.iterdir():
        # Hidden ones are what a killed process left of a write.
        if other.name.startswith(("step-", ".step-")) and other.name != target.name:
            shutil.rmtree(other, ignore_errors=True)
    return target


def load(folder: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Return the arrays and the state of the newest checkpoint, or None where there is none.

    Raises:
        FormatError: The checkpoint is damaged, or a newer niwaki wrote it.
    """
    folder = Path(folder)
    found = sorted(folder.glob("step-*")) if folder.is_dir() else []
    if not found:
        return None
    state_file, array_file = found[-1] / _STATE, found[-1] / _ARRAYS
    try:
        record = json.loads(state_file.read_text())
        version, digest, state = record["version"], record["sha256"], record["state"]
        data = array_file.read_bytes()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _damaged(found[-1], f"{type(error).__name__}: {error}") from error
    if version != VERSION:
        raise FormatError(
            str(state_file), f"the version must be {VERSION}", got=version, fix="Update niwaki"
        )
    if hashlib.sha256(data).hexdigest() != digest:
        raise _damaged(array_file, "another SHA-256 than state.json says")
    return load_tensors(data), state


def optimizer_to_plain(
    optimizer: torch.optim.Optimizer, prefix: str
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return an optimiser's state as named tensors and JSON-able values."""
    import torch

    arrays: dict[str, Tensor] = {}
    scalars: dict[str, dict[str, Any]] = {}
    full = optimizer.state_dict()
    for index, values in full["state"].items():
        for key, value in values.items():
            if isinstance(value, torch.Tensor):
                arrays[f"{prefix}{index}.{key}"] = value
            else:
                scalars.setdefault(str(index), {})[key] = value
    return arrays, {"groups": full["param_groups"], "scalars": scalars}


def optimizer_from_plain(
    optimizer: torch.optim.Optimizer, arrays: dict[str, Tensor], plain: dict[str, Any], prefix: str
) -> None:
    """Give an optimiser the state that `optimizer_to_plain` returned."""
    state: dict[int, dict[str, Any]] = {}
    for name, value in arrays.items():
        if name.startswith(prefix):
            index, key = name.removeprefix(prefix).split(".", 1)
            state.setdefault(int(index), {})[key] = value
    for index, values in plain["scalars"].items():
        state.setdefault(int(index), {}).update(values)
    optimizer.load_state_dict({"state": state, "param_groups": plain["groups"]})


def weights_hash(model: torch.nn.Module) -> str:
    """Return the SHA-256 of all parameters and buffers, names included, 64 hex digits."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        array = value.detach().cpu().contiguous()
        digest.update(f"{name} {array.dtype} {tuple(array.shape)}\0".encode())
        digest.update(array.flatten().view(_bytes()).numpy().tobytes())
    return digest.hexdigest()


def _bytes() -> torch.dtype:
    import torch

    return torch.uint8


def _write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _damaged(path: Path, got: str) -> FormatError:
    return FormatError(
        str(path), "a checkpoint must be whole", got=got, fix="Remove it and start over"
    )
