"""What a call of the engine may be given: one array, one per input in order, or one by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from niwaki.errors import InputError, ShapeError, ValueDomainError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from niwaki.runtime.program import Program

Images: TypeAlias = "NDArray[Any] | Sequence[NDArray[Any]] | Mapping[str, NDArray[Any]]"
"""Batches of images, float32 with the batch in front."""


def input_names(program: Program) -> list[str]:
    """Return the names of a program's inputs, in order."""
    return [program.values[value]["name"] for value in program.header["inputs"]]


def check_inputs(program: Program, x: Images) -> list[NDArray[np.float32]]:
    """Return the batch of each input, checked and contiguous.

    Args:
        program: The program.
        x: An array for a program with one input; several in the order of the program's inputs, or
            by name.

    Raises:
        InputError: Inputs are missing or unknown.
        ShapeError: A shape isn't the program's, or the batches differ.
        ValueDomainError: An array isn't float32.
    """
    names = input_names(program)
    arrays = _by_position(names, x)
    found: list[NDArray[np.float32]] = []
    for value, array in zip(program.header["inputs"], arrays, strict=True):
        called = "x" if len(names) == 1 else repr(program.values[value]["name"])
        found.append(_check(called, tuple(program.values[value]["shape"]), array))
    if len({len(array) for array in found}) > 1:
        raise ShapeError(
            "engine", "all inputs must have one batch size", got=[len(array) for array in found]
        )
    return found


def _by_position(names: list[str], x: Images) -> list[Any]:
    if isinstance(x, Mapping):
        if set(x) != set(names):
            raise InputError("engine", f"the inputs must be {names}", got=sorted(map(str, x)))
        return [x[name] for name in names]
    many = isinstance(x, (list, tuple))
    if many and len(x) == len(names):
        return list(x)
    if len(names) > 1:
        raise InputError(
            "engine",
            f"{len(names)} inputs must be given, in the order {names} or by name",
            got=f"{len(x)} arrays" if many else type(x).__name__,
        )
    return [x]


def _check(called: str, shape: tuple[int, ...], x: Any) -> NDArray[np.float32]:
    if not hasattr(x, "dtype") or x.dtype != np.float32:
        raise ValueDomainError(
            "engine",
            f"{called} must be float32",
            got=getattr(x, "dtype", type(x).__name__),
            fix="Convert it with x.astype(numpy.float32), scaled as in training",
        )
    if x.ndim != len(shape) + 1 or x.shape[1:] != shape:
        raise ShapeError(
            "engine",
            f"{called} must have shape ({', '.join(['N', *map(str, shape)])})",
            got=f"shape {tuple(x.shape)}",
            fix="Resize or crop the images, or compile for their size with input_shape "
            "(niwaki compile --input-shape C,H,W)",
        )
    return np.ascontiguousarray(x)
