"""Integers of one layer: multipliers, shift, bias and weights, per output channel.

Source: niwaki (docs/design/integers.md).

Real                     Here                 Meaning
s_x, s_y                 in_scale, out_scale  value of one step of input and output
W, t, b                  weight, binary_scale, bias    the float layer's, per output channel o
k, m_j                   shift, multipliers   y = clip((sum_j m_j * acc_j + B + 2^(k-1)) >> k, lo,
hi)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.errors import ValueDomainError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import ArrayLike, NDArray

MAX_MULTIPLIER = 2**15 - 1
MAX_SHIFT = 40
BIAS_BITS = 48
MAX_WEIGHT = 127
"""Weights are symmetric: -128 isn't used."""
_ACC_LIMIT = 2**31


@dataclass(frozen=True)
class IntegerParameters:
    """Hold the integers of one layer."""

    multipliers: Mapping[str, NDArray[np.int64]]
    """Input role (x, bits, residual, a, b) -> one multiplier per channel, (O,), within int16."""
    bias: NDArray[np.int64]
    """(O,), within 48 bits."""
    shift: NDArray[np.int64]
    """(O,), 1 to 40."""
    weight: NDArray[np.int8] | None = None
    """The float weight's shape, -127 to 127."""
    weight_factor: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    """(O,): `weight` is `round(float weight * weight_factor)`."""


@dataclass(frozen=True)
class LogitParameters:
    """Hold the integers of a last layer: `scale * (acc + bias)` are its floats."""

    weight: NDArray[np.int8]
    bias: NDArray[np.int64]
    """(O,), within 32 bits."""
    scale: np.float32
    weight_factor: float
    """`weight` is `round(float weight * weight_factor)`."""


def integer_parameters(
    weight: NDArray[Any] | None = None,
    *,
    in_scale: float = 1.0,
    out_scale: float,
    bias: ArrayLike = 0.0,
    binary_scale: NDArray[Any] | None = None,
    residual_scale: float | None = None,
    where: str = "integer_parameters",
) -> IntegerParameters:
    """Return the integers of a convolution or linear layer, with its binary branch and residual.

    Args:
        weight: Float weights. Shape (O, ...), or None where the layer only reads bits.
        in_scale: Value of one step of the input.
        out_scale: Value of one step of the output.
        bias: Float bias. Shape (O,) or one number.
        binary_scale: Factor of the binary sum. Shape (O,).
        residual_scale: Value of one step of the residual.
        where: The layer's name, for messages.

    Raises:
        ValueDomainError: A factor is so large that no shift holds it.

    Source: niwaki (docs/design/integers.md).

    Example:
        >>> found = integer_parameters(np.array([[0.5, -1.0]]), in_scale=0.1, out_scale=0.1)
        >>> found.weight, found.multipliers["x"], found.shift
        (array([[  63, -127]], dtype=int8), array([16514]), array([21]))
    """
    factors: dict[str, Any] = {}
    if binary_scale is not None:
        factors["bits"] = np.asarray(binary_scale, np.float64) / out_scale
    if residual_scale is not None:
        factors["residual"] = residual_scale / out_scale
    if weight is None:
        return rescaling(factors, np.asarray(bias, np.float64) / out_scale, where=where)
    wide = np.asarray(weight, np.float64)
    rows = wide.reshape(wide.shape[0], -1)
    ratio = in_scale / out_scale
    peaks = np.abs(rows).max(axis=1, initial=0.0)
    factors["x"] = peaks * ratio / MAX_WEIGHT
    found = rescaling(factors, np.asarray(bias, np.float64) / out_scale, where=where)
    # The multiplier is rounded up, and the weights are then quantised for it: they stay within
    # +-127, and the rounding of the multiplier costs no accuracy.
    multiplier = np.ceil(np.ldexp(factors["x"], found.shift)).astype(np.int64)
    multiplier = np.maximum(multiplier, 1)
    factor = np.ldexp(ratio, found.shift) / multiplier
    return IntegerParameters(
        {**found.multipliers, "x": multiplier},
        found.bias,
        found.shift,
        _round_weight(wide, factor.reshape((-1,) + (1,) * (wide.ndim - 1))),
        factor,
    )


def rescaling(
    factors: Mapping[str, ArrayLike], bias: ArrayLike, *, where: str = "rescaling"
) -> IntegerParameters:
    """Return the integers of a weighted sum of values.

    Args:
        factors: Input role -> output steps per input step. Shape (O,) or one number each.
        bias: In output steps. Shape (O,) or one number.
        where: The layer's name, for messages.

    Raises:
        ValueDomainError: A factor or the bias is so large that no shift holds it.

    Example:
        >>> found = rescaling({"x": 0.75}, 0.0)
        >>> int(found.multipliers["x"][0]), int(found.shift[0])
        (24576, 15)
    """
    arrays = [np.asarray(f, np.float64).reshape(-1) for f in (*factors.values(), bias)]
    size = max(array.size for array in arrays)
    *reals, offset = (np.broadcast_to(array, (size,)) for array in arrays)
    largest = np.max(np.abs(np.stack(reals)), axis=0)
    shift = _choose_shift(largest, np.abs(offset), where)
    multipliers = {
        role: np.rint(np.ldexp(real, shift)).astype(np.int64)
        for role, real in zip(factors, reals, strict=True)
    }
    return IntegerParameters(multipliers, np.rint(np.ldexp(offset, shift)).astype(np.int64), shift)


def logit_parameters(
    weight: NDArray[Any], *, in_scale: float, bias: ArrayLike = 0.0, where: str = "logits"
) -> LogitParameters:
    """Return the integers of the layer that makes the logits: one scale for all of them.

    Args:
        weight: Float weights. Shape (O, ...).
        in_scale: Value of one step of the input.
        bias: Float bias. Shape (O,) or one number.
        where: The layer's name, for messages.

    Raises:
        ValueDomainError: The sums don't fit 32 bits.
    """
    wide = np.asarray(weight, np.float64)
    peak = float(np.abs(wide).max(initial=0.0)) or 1.0
    factor = MAX_WEIGHT / peak
    quantized = _round_weight(wide, factor)
    step = in_scale / factor
    steps = np.rint(np.asarray(bias, np.float64).reshape(-1) / step)
    steps = np.broadcast_to(steps, (wide.shape[0],))
    sums = np.abs(quantized.astype(np.int64)).reshape(wide.shape[0], -1).sum(axis=1) * 255
    if np.any(sums + np.abs(steps) >= _ACC_LIMIT):
        raise ValueDomainError(
            where,
            "sums and biases of the logits must fit 32 bits",
            got=f"{float(np.max(sums + np.abs(steps))):.3g}",
            fix="Calibrate with inputs like the real ones, or export the float form",
        )
    return LogitParameters(quantized, steps.astype(np.int64), np.float32(step), factor)


def _round_weight(weight: NDArray[np.float64], factor: Any) -> NDArray[np.int8]:
    # The bound holds by the choice of the factor, up to the last bit of the product.
    return np.clip(np.rint(weight * factor), -MAX_WEIGHT, MAX_WEIGHT).astype(np.int8)


def _choose_shift(
    largest: NDArray[np.float64], bias: NDArray[np.float64], where: str
) -> NDArray[np.int64]:
    """Return the largest shift that keeps multipliers within int16 and the bias in 48 bits."""
    limit = 2 ** (BIAS_BITS - 1) - 1
    shift = np.zeros(largest.shape, np.int64)
    for candidate in range(1, MAX_SHIFT + 1):
        holds = np.ldexp(largest, candidate) <= MAX_MULTIPLIER
        holds &= np.ldexp(bias, candidate) + 2 ** (candidate - 1) <= limit
        shift[holds] = candidate
    if np.any(shift == 0):
        worst = int(np.argmax(np.where(shift == 0, largest, -1)))
        raise ValueDomainError(
            where,
            f"an output step must be at least 1/{MAX_MULTIPLIER // 2} of what an input step adds",
            got=f"a factor of {largest[worst]:.3g} and a bias of {bias[worst]:.3g} steps "
            f"in channel {worst}",
            fix="Calibrate with inputs like the real ones",
        )
    return shift
