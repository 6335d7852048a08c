"""Weights from a file into a module: .safetensors or .npz, never a pickle."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from niwaki._npz import load_arrays
from niwaki.errors import FormatError, InputError, ShapeError, ValueDomainError

if TYPE_CHECKING:
    from torch import Tensor, nn

_PICKLES = (".pt", ".pth", ".th", ".tar", ".bin", ".ckpt", ".pkl", ".pickle")


def load_weights(module: nn.Module, path: str | Path) -> None:
    """Fill a module's parameters and buffers from a file; all or nothing.

    Keys are those of the state dict; a ``module.`` in front of all of them (DataParallel) is taken
    off, and ``num_batches_tracked`` may be missing. Any float type is converted to the module's.

    Args:
        module: What to fill, in place.
        path: ``.safetensors``, or ``.npz`` of named arrays. Convolution weights are (out, in, h,
            w).

    Raises:
        InputError: The file is missing, or keys are missing or unexpected.
        FormatError: The file is damaged, or of another kind (pickles are refused).
        ShapeError: An array has another shape than the module's.
        ValueDomainError: A value is NaN or infinite, or not a float where floats belong.
    """
    path = Path(path)
    where = f"weights {path.name}"
    given = _read(path)
    if given and all(name.startswith("module.") for name in given):
        given = {name.removeprefix("module."): tensor for name, tensor in given.items()}
    fill(module, given, where)


def fill(module: nn.Module, given: dict[str, Tensor], where: str) -> None:
    """Fill a module's parameters and buffers from named tensors; all or nothing.

    Args:
        module: What to fill, in place.
        given: As the module's state dict; ``num_batches_tracked`` may be missing.
        where: For messages.

    Raises:
        InputError, ShapeError, ValueDomainError: As `load_weights`.
    """
    wanted = module.state_dict()
    _check_keys(where, set(given), set(wanted))
    for name, tensor in given.items():
        _check_tensor(where, name, tensor, wanted[name])
    module.load_state_dict(given, strict=False)


def _read(path: Path) -> dict[str, Tensor]:
    """Return the named tensors of a file."""
    where = f"weights {path.name}"
    if not path.is_file():
        raise InputError(where, "the weights must be a file that exists", got=str(path))
    if path.suffix == ".safetensors":
        return _read_safetensors(path)
    if path.suffix == ".npz":
        return _read_npz(path)
    if path.suffix in _PICKLES:
        raise FormatError(
            where,
            "weights must be .safetensors or .npz: opening a pickle can run any code",
            got=path.suffix,
            fix="If you trust the file, convert it: safetensors.torch.save_file("
            "torch.load(path, weights_only=True), 'weights.safetensors')",
        )
    raise FormatError(where, "weights must be .safetensors or .npz", got=repr(path.suffix))


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except SafetensorError as error:
        raise FormatError(
            f"weights {path.name}", "the file must be safetensors", got=f"an error: {error}"
        ) from error


def _read_npz(path: Path) -> dict[str, Tensor]:
    where = f"weights {path.name}"
    arrays = load_arrays(path, where)
    for name, array in arrays.items():
        if array.dtype.kind not in "fiub":
            raise ValueDomainError(where, f"array {name!r} must hold numbers", got=array.dtype)
    return {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}


def _check_keys(where: str, given: set[str], wanted: set[str]) -> None:
    missing = sorted(name for name in wanted - given if not name.endswith("num_batches_tracked"))
    unexpected = sorted(given - wanted)
    if missing or unexpected:
        raise InputError(
            where,
            "the keys must be those of the network's state dict",
            got=f"{len(missing)} missing ({_some(missing)}) and "
            f"{len(unexpected)} unexpected ({_some(unexpected)})",
            fix="Check that the weights belong to this network and its number of classes",
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "") if names else "none"


def _check_tensor(where: str, name: str, tensor: Tensor, wanted: Tensor) -> None:
    if tuple(tensor.shape) != tuple(wanted.shape):
        raise ShapeError(
            where, f"{name!r} must have shape {tuple(wanted.shape)}", got=tuple(tensor.shape)
        )
    if wanted.is_floating_point() != tensor.is_floating_point():
        raise ValueDomainError(
            where, f"{name!r} must be convertible to {wanted.dtype}", got=tensor.dtype
        )
    if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
        bad = int((~torch.isfinite(tensor)).sum())
        raise ValueDomainError(
            where, f"{name!r} must be finite", got=f"{bad} NaN or infinite values"
        )
