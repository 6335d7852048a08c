"""The training loss: cross-entropy, with or without the dense network as a teacher.

Source: Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network", 2015,
arXiv:1503.02531; the weight and temperature 2 are those of the "our BAP" page.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional as F

if TYPE_CHECKING:
    from torch import Tensor


def training_loss(
    logits: Tensor,
    labels: Tensor,
    teacher_logits: Tensor | None = None,
    *,
    distill: float = 0.0,
    temperature: float = 2.0,
    label_smoothing: float = 0.0,
) -> Tensor:
    """Return (1 - w) * cross-entropy + w * T^2 * KL(teacher / T || student / T), a scalar.

    Args:
        logits: (N, classes), float.
        labels: (N,), int64.
        teacher_logits: (N, classes), or None for cross-entropy alone.
        distill: w, in [0, 1].
        temperature: T, above 0.
        label_smoothing: In [0, 1), of the cross-entropy.
    """
    hard = F.cross_entropy(logits.float(), labels, label_smoothing=label_smoothing)
    if teacher_logits is None or distill == 0.0:
        return hard
    soft = F.kl_div(
        F.log_softmax(logits.float() / temperature, dim=1),
        F.log_softmax(teacher_logits.float() / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )
    return (1.0 - distill) * hard + distill * temperature**2 * soft
