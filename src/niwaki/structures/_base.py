"""What every structure shares: the registry, the scores of weights, the exact count of survivors.

Source: niwaki; the global threshold on |W| / std(W) is the one of the "our BAP" page.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.errors import ValueDomainError
from niwaki.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

_DIGITS = 12
"""1 - 0.98 is 0.020000000000000018 in floating point: densities are read to 12 digits."""


class Structure(ABC):
    """Choose which groups of weights live, from the scores of the weights alone."""

    @abstractmethod
    def masks(
        self, scores: Mapping[str, NDArray[Any]], density: float
    ) -> dict[str, NDArray[np.bool_]]:
        """Return the mask of every layer: True where a weight is kept.

        Args:
            scores: Layer name -> importance of each weight, any shape, finite, >= 0.
            density: Share of the weights that are kept, in [0, 1].

        Raises:
            ValueDomainError: The density is outside [0, 1], or a score isn't finite.
        """


STRUCTURES: Registry[type[Structure]] = Registry("structure", "niwaki.structures")


def density_of(sparsity: float) -> float:
    """Return the share of kept weights for a share of zeros, free of floating-point dust.

    Raises:
        ValueDomainError: The sparsity is outside [0, 1].

    Example:
        >>> density_of(0.98)
        0.02
    """
    if not 0.0 <= sparsity <= 1.0:  # NaN fails too
        raise ValueDomainError(
            "density_of", "sparsity must be in [0, 1]", got=sparsity, fix="98 % is 0.98"
        )
    return round(1.0 - sparsity, _DIGITS)


def kept_count(size: int, density: float) -> int:
    """Return how many of ``size`` weights are kept: round(density * size), halves to even.

    Raises:
        ValueDomainError: The density is outside [0, 1].

    Example:
        >>> kept_count(36864, 0.02)
        737
    """
    if not 0.0 <= density <= 1.0:
        raise ValueDomainError("kept_count", "density must be in [0, 1]", got=density)
    return round(density * size)


def magnitude(weight: NDArray[Any]) -> NDArray[np.float64]:
    """Return |W|, float64, of the weight's shape."""
    return np.abs(np.asarray(weight, np.float64))


def relative_magnitude(weight: NDArray[Any]) -> NDArray[np.float64]:
    """Return |W| / std(W), comparable between layers; |W| where the layer is constant or empty."""
    weight = np.asarray(weight, np.float64)
    spread = float(weight.std()) if weight.size else 0.0
    return np.abs(weight) / spread if spread > 0.0 else np.abs(weight)


def check_scores(name: str, scores: NDArray[Any]) -> None:
    """Refuse scores that can't be ranked.

    Raises:
        ValueDomainError: A score is NaN or infinite.
    """
    if not np.isfinite(scores).all():
        raise ValueDomainError(
            f"mask {name}",
            "weights must be finite to be ranked",
            got=f"{int((~np.isfinite(scores)).sum())} that are NaN or infinite",
            fix="Check the learning rate, or the file that the weights came from",
        )
