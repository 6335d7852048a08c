"""Compare arrays the way the form asks: integers and bits exactly, floats within 1e-4."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from niwaki.runtime import Program

TOLERANCE = 1e-4
"""Of floats relative to max(1, |reference|); of sign * x - level as it is."""


@dataclass(frozen=True)
class Threshold:
    """Hold one threshold of the program: bit = sign * x >= level."""

    source: str
    """Name of x's value."""
    bits: str
    """Name of the bits' value."""
    sign: np.ndarray
    level: np.ndarray

    def distance(self, x: np.ndarray) -> np.ndarray:
        """Return how far each pre-activation is from its threshold. Shape and axes of x."""
        shape = (1, -1, *[1] * (x.ndim - 2))
        sign = self.sign.astype(np.float64).reshape(shape)
        return np.abs(sign * x.astype(np.float64) - self.level.astype(np.float64).reshape(shape))


def thresholds(program: Program) -> list[Threshold]:
    """Return the program's thresholds, in the order in which they run."""
    names = [value["name"] for value in program.header["values"]]
    return [
        Threshold(
            names[layer["inputs"]["x"]],
            names[layer["output"]],
            program.tensors[layer["tensors"]["sign"]],
            program.tensors[layer["tensors"]["level"]],
        )
        for layer in program.header["layers"]
        if layer["op"] == "threshold"
    ]


_EXACT_ACTIVATIONS = ("none", "relu", "clip")


def rounded_values(program: Program) -> set[str]:
    """Return the values of an integer network that no two implementations need agree on exactly.

    A softmax or a sigmoid behind the logits is computed in floats; all in front of it is exact.
    """
    names = [value["name"] for value in program.header["values"]]
    rounded: set[int] = set()
    for layer in program.header["layers"]:
        sources: list[int] = []
        for source in layer["inputs"].values():
            sources += source if isinstance(source, list) else [source]
        kind = layer["attrs"].get("activation", {}).get("kind", "none")
        inexact = layer["op"] == "softmax" or kind not in _EXACT_ACTIVATIONS
        if inexact or rounded.intersection(sources):
            rounded.add(layer["output"])
    return {names[index] for index in rounded}


def is_off(got: np.ndarray, want: np.ndarray, *, exact: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return which elements differ by more than is allowed, and by how much each differs.

    Args:
        got: Values to check.
        want: The reference, same shape.
        exact: Ask for equality; else floats may differ by 1e-4 of max(1, |reference|).

    Returns:
        Bools and differences (float64), shape as `got`. Not-a-number differs infinitely from
        everything.
    """
    a, b = got.astype(np.float64), want.astype(np.float64)
    with np.errstate(invalid="ignore"):  # infinity minus, or over, infinity
        difference = np.abs(a - b)
        if not exact:
            difference /= np.maximum(1.0, np.abs(b))
    difference = np.where(np.isnan(difference), np.inf, difference)
    return ~(difference <= (0.0 if exact else TOLERANCE)), difference


def match_shape(got: np.ndarray, want: np.ndarray) -> np.ndarray | None:
    """Return the reference in the other's shape: (N, C) and (N, C, 1, 1) are one; None if not.

    The engine has no separate flatten: both hold the same numbers in the same order.
    """
    if got.shape == want.shape:
        return want
    if got.size == want.size and got.shape[0] == want.shape[0]:
        return want.reshape(got.shape)
    return None


def excused_images(
    chain: list[Threshold], got: Mapping[str, Any], torch: Mapping[str, Any]
) -> np.ndarray:
    """Tell which images have a bit that fell the other way because it lay at its threshold.

    Up to an image's first differing bits everything ran alike, so all of them must be within 1e-4
    of their thresholds; what they change behind them is their consequence.

    Args:
        chain: The thresholds, in running order.
        got: Value name to array, run end to end by the part that is checked.
        torch: The same by torch.

    Returns:
        Bools. Shape (images,).
    """
    images = len(next(iter(torch.values())))
    excused, decided = np.zeros(images, bool), np.zeros(images, bool)
    for threshold in chain:
        needed = (threshold.bits, threshold.source)
        if threshold.bits not in got or any(name not in torch for name in needed):
            continue
        want = np.asarray(torch[threshold.bits]) != 0
        bits = np.asarray(got[threshold.bits]).reshape(want.shape) != 0
        near = threshold.distance(np.asarray(torch[threshold.source])) <= TOLERANCE
        differs = (bits != want).reshape(images, -1)
        near = near.reshape(images, -1)
        first = differs.any(axis=1) & ~decided
        excused |= first & (near | ~differs).all(axis=1)
        decided |= first
    return excused
