"""Unstructured sparsity: every weight lives or dies on its own.

Source: Zhu, Gupta, "To prune, or not to prune", 2017, arXiv:1710.01878 (magnitude per layer at an
exact count). The global scope is niwaki's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from niwaki.errors import ValueDomainError
from niwaki.structures._base import STRUCTURES, Structure, check_scores, kept_count

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@STRUCTURES.register("unstructured")
@dataclass(frozen=True)
class Unstructured(Structure):
    """Keep the weights of highest score, round(density * n) of them; ties go to the lower index.

    Args:
        scope: ``layer``: every layer keeps the same share. ``global``: one threshold over all
            layers (give scores that compare between layers, as
            :func:`niwaki.structures.relative_magnitude` does); ties then go to the layer that
            comes first.

    Raises:
        ValueDomainError: The scope is neither of the two.
    """

    scope: Literal["layer", "global"] = "layer"

    def __post_init__(self) -> None:
        if self.scope not in ("layer", "global"):
            raise ValueDomainError(
                "unstructured", "scope must be 'layer' or 'global'", got=repr(self.scope)
            )

    def masks(
        self, scores: Mapping[str, NDArray[Any]], density: float
    ) -> dict[str, NDArray[np.bool_]]:
        """Return the mask of every layer, see :meth:`niwaki.structures.Structure.masks`."""
        return keep_highest(scores, density, self.scope)


def keep_highest(
    scores: Mapping[str, NDArray[Any]], density: float, scope: Literal["layer", "global"]
) -> dict[str, NDArray[np.bool_]]:
    """Mark the scores of highest value, see :class:`Unstructured`.

    Raises:
        ValueDomainError: The density is outside [0, 1], or a score isn't finite.
    """
    for name, score in scores.items():
        check_scores(name, score)
    if scope == "layer":
        return {
            name: top(score.ravel(), kept_count(score.size, density)).reshape(score.shape)
            for name, score in scores.items()
        }
    flat = np.concatenate([score.ravel() for score in scores.values()] or [np.zeros(0)])
    mask = top(flat, kept_count(flat.size, density))
    ends = np.cumsum([score.size for score in scores.values()], dtype=np.int64)
    return {
        name: part.reshape(score.shape)
        for (name, score), part in zip(scores.items(), np.split(mask, ends[:-1]), strict=True)
    }


def top(scores: NDArray[Any], count: int) -> NDArray[np.bool_]:
    """Mark the ``count`` highest of 1-D ``scores``; of equal ones, those that come first.

    Example:
        >>> top(np.array([3.0, 1.0, 3.0, 3.0]), 2).tolist()
        [True, False, True, False]
    """
    mask = np.zeros(scores.size, np.bool_)
    if count <= 0:
        return mask
    # A partition is O(n), a stable sort is not: large layers are masked many times in a ramp.
    threshold = np.partition(scores, scores.size - count)[scores.size - count]
    mask[scores > threshold] = True
    ties = np.flatnonzero(scores == threshold)
    mask[ties[: count - int(mask.sum())]] = True
    return mask
