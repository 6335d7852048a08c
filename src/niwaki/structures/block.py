"""Blocks of output channels: consecutive output channels keep and lose the same positions together.

A block is ``rows`` output channels at one input channel and kernel position. Blocks of four are
what the engine's ``sparse4`` kernels run at the speed of multiply-adds: each vector of activations
that is loaded feeds four of them.

Source: niwaki; blocks as in Gray, Radford, Kingma, "GPU kernels for block-sparse weights", 2017,
with blocks of one column.

Departures: the last block of a layer holds fewer channels where their number isn't a multiple of
``rows``; it is ranked by its mean score as the others are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from niwaki.errors import ValueDomainError
from niwaki.structures._base import STRUCTURES, Structure, check_scores
from niwaki.structures.unstructured import keep_highest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


@STRUCTURES.register("block")
@dataclass(frozen=True)
class Block(Structure):
    """Keep the blocks of highest mean score, round(density * blocks) of them.

    Args:
        rows: Output channels in a block, 1 or more.
        scope: ``layer`` or ``global``, as :class:`niwaki.structures.unstructured.Unstructured`.

    Raises:
        ValueDomainError: ``rows`` is below 1, or the scope is neither of the two.

    Example:
        >>> scores = np.array([[1.0, 0.0], [0.0, 3.0], [2.0, 0.0], [0.0, 3.0]])
        >>> Block(rows=2).masks({"fc": scores}, density=0.5)["fc"].tolist()
        [[False, True], [False, True], [False, True], [False, True]]
    """

    rows: int = 4
    scope: Literal["layer", "global"] = "layer"

    def __post_init__(self) -> None:
        if self.rows < 1:
            raise ValueDomainError("block", "rows must be 1 or more", got=self.rows)
        if self.scope not in ("layer", "global"):
            raise ValueDomainError(
                "block", "scope must be 'layer' or 'global'", got=repr(self.scope)
            )

    def masks(
        self, scores: Mapping[str, NDArray[Any]], density: float
    ) -> dict[str, NDArray[np.bool_]]:
        """Return the mask of every layer, see :meth:`niwaki.structures.Structure.masks`.

        The first axis of a score counts output channels.
        """
        for name, score in scores.items():
            check_scores(name, score)
        pooled = {name: block_scores(score, self.rows) for name, score in scores.items()}
        kept = keep_highest(pooled, density, self.scope)
        return {
            name: np.repeat(kept[name], self.rows, axis=0)[: len(score)].reshape(score.shape)
            for name, score in scores.items()
        }


def block_scores(scores: NDArray[Any], rows: int) -> NDArray[np.float64]:
    """Return the mean score of each block, (ceil(O / rows), weights of one output channel).

    Args:
        scores: (O, ...), the first axis output channels.
        rows: Output channels in a block.

    Example:
        >>> block_scores(np.array([[1.0], [3.0], [5.0]]), rows=2).tolist()
        [[2.0], [5.0]]
    """
    outputs = len(scores)
    flat = np.asarray(scores, np.float64).reshape(outputs, -1) if scores.size else np.zeros((0, 0))
    if not flat.size:
        return flat
    firsts = np.arange(0, outputs, rows)
    sizes = np.minimum(rows, outputs - firsts)
    return np.add.reduceat(flat, firsts, axis=0) / sizes[:, None]
