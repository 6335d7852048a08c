"""Learning rates as a pure function of the step: nothing to save, nothing to restore.

Source: Loshchilov, Hutter, "SGDR", ICLR 2017, arXiv:1608.03983, Eq. (5), one cycle to zero.
"""

from __future__ import annotations

import math
from typing import Literal

Schedule = Literal["cosine", "constant"]


def lr_factor(step: int, total_steps: int, schedule: Schedule = "cosine", warmup: int = 0) -> float:
    """Return what the highest learning rate is multiplied with at a step.

    It rises linearly over ``warmup`` steps, then stays or falls along half a cosine to 0.

    Args:
        step: Step about to be done, from 0.
        total_steps: Steps of the whole training.
        schedule: ``cosine`` or ``constant``.
        warmup: Steps of the rise.

    Example:
        >>> [round(lr_factor(step, 10, warmup=2), 3) for step in (0, 1, 2, 6, 9)]
        [0.5, 1.0, 1.0, 0.5, 0.038]
    """
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "constant":
        return 1.0
    share = (step - warmup) / max(1, total_steps - warmup)
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, share)))
