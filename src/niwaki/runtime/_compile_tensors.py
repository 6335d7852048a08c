"""How a layer's weights are stored: dense, sparse entries, bit words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.errors import ValueDomainError
from niwaki.formats import FORMATS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray

SPARSE_BELOW = 0.5
"""Density below which weights are stored as entries.

An int8 entry takes two bytes, so at 0.5 both forms are as large; the speed's break-even depends on
the machine and isn't measured yet.
"""


_WEIGHTS = ("weight", "weight.values")


def density(weight: NDArray[Any]) -> float:
    """Return the share of weights that aren't zero, in [0, 1].

    Example:
        >>> density(np.array([0, 1, 0, 0]))
        0.25
    """
    return float(np.count_nonzero(weight)) / max(1, weight.size)


def encode_arrays(
    arrays: Mapping[str, NDArray[Any]],
) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Encode the weights of a convolution or linear layer.

    Args:
        arrays: `weight` (O, C/groups, kh, kw) or (O, K), f32 or int8; `binary.weight` of the same
            shape, -1 and +1
            as int8; the others pass.

    Returns:
        The attribute `weight` ("dense", "sparse", "none"), and the arrays by the program's names.
    """
    found = {role: array for role, array in arrays.items() if "weight" not in role}
    kind = "none"
    if "weight" in arrays:
        weight = arrays["weight"]
        if weight.dtype.kind == "f":
            weight = weight.astype(np.float32)
        kind = "sparse" if density(weight) < SPARSE_BELOW else "dense"
        if kind == "dense":
            found["weight"] = weight
        else:
            entries = FORMATS.get("entries").encode(weight)
            found |= {f"weight.{role}": array for role, array in entries.items()}
    if "binary.weight" in arrays:
        found["binary.weight"] = FORMATS.get("bit-planes").encode(arrays["binary.weight"])["words"]
    return {"weight": kind}, found


def halve(tensors: dict[str, NDArray[Any]], layers: Iterable[Mapping[str, Any]]) -> None:
    """Hold the float weights of convolutions and linear layers in 16 bits, in place.

    Biases, scales and thresholds stay as they are: few, and a threshold decides a bit.

    Args:
        tensors: The program's, by name.
        layers: Its layers.

    Raises:
        ValueDomainError: A weight is too large for 16 bits.
    """
    for layer in layers:
        for role, name in layer["tensors"].items():
            weight = tensors[name]
            if role not in _WEIGHTS or weight.dtype != np.float32:
                continue
            largest = float(np.max(np.abs(weight), initial=0.0))
            if not largest <= float(np.finfo(np.float16).max):
                raise ValueDomainError(
                    f"layer {layer['name']}",
                    "weights must be at most 65504 in size to be held in 16 bits",
                    got=largest,
                    fix="Compile without half_weights",
                )
            tensors[name] = weight.astype(np.float16)
