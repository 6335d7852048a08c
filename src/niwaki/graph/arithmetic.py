"""The arithmetic of the Graph's own nodes as plain NumPy: the oracle of every other one.

Model-local function bodies (``functions.py``), training's imitation, the C++ engine and the RTL
equal these bit for bit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from niwaki.errors import ShapeError, ValueDomainError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

MULTIPLIER_BITS = 16
BIAS_BITS = 48
MAX_SHIFT = 40


def requantize(
    terms: Sequence[NDArray[np.integer]],
    multipliers: Sequence[NDArray[np.integer]],
    bias: NDArray[np.integer],
    shift: NDArray[np.integer],
    lo: int,
    hi: int,
) -> NDArray[np.uint8] | NDArray[np.int8]:
    """Bring integer accumulators back to 8 bits, the one rule of the whole project.

    ``clip((sum_j m_j * acc_j + bias + 2^(shift-1)) >> shift, lo, hi)`` in int64; ``>>`` rounds
    down.

    Args:
        terms: Accumulators (or u8/s8 values) acc_j. Shape (N, C, H, W) or (N, C), any
            integer dtype.
        multipliers: m_j, one array a term, within int16. Shape (C, 1, 1) or (C,).
        bias: Within 48 bits. Shape as the multipliers.
        shift: 1 to 40. Shape as the multipliers.
        lo: Least result, -128 to 255.
        hi: Largest result, -128 to 255.

    Returns:
        The 8-bit values, the broadcast shape; uint8 where ``lo >= 0``, else int8.

    Raises:
        ShapeError: There are not as many multipliers as terms, or none.
        ValueDomainError: ``lo``, ``hi`` or a shift is out of range.

    Source: niwaki.

    Example:
        >>> three, one, two = np.array([3, 3]), np.array([1, 1]), np.array([2, 2])
        >>> requantize([np.array([[5, -5]])], [three], one, two, -128, 127)
        array([[ 4, -3]], dtype=int8)
    """
    if not terms or len(terms) != len(multipliers):
        raise ShapeError(
            "requantize",
            "every term needs one multiplier",
            got=f"{len(terms)} terms and {len(multipliers)} multipliers",
        )
    low, high = (0, 255) if lo >= 0 else (-128, 127)
    if not (low <= lo <= hi <= high):
        raise ValueDomainError(
            "requantize", "lo and hi must lie in one 8-bit type", got=f"lo={lo}, hi={hi}"
        )
    shift = np.asarray(shift, np.int64)
    if shift.size and (shift.min() < 1 or shift.max() > MAX_SHIFT):
        raise ValueDomainError(
            "requantize", f"shift must be 1 to {MAX_SHIFT}", got=f"{shift.min()} to {shift.max()}"
        )
    total = np.asarray(bias, np.int64) + (np.int64(1) << (shift - 1))
    for term, multiplier in zip(terms, multipliers, strict=True):
        total = total + np.asarray(term, np.int64) * np.asarray(multiplier, np.int64)
    # NumPy's >> on signed integers is arithmetic: it rounds down, as the rule asks.
    steps = np.clip(total >> shift, lo, hi)
    return steps.astype(np.uint8) if lo >= 0 else steps.astype(np.int8)


def quantize_input(x: NDArray[np.floating], inverse_scale: float) -> NDArray[np.int8]:
    """Quantise an image once, symmetric, so that zero padding stays exact.

    ``clip(round_half_even(x * inverse_scale), -128, 127)``, the product in float32.

    Args:
        x: Values. Any shape, finite.
        inverse_scale: 1 / (value of one step).

    Source: niwaki.

    Example:
        >>> quantize_input(np.array([0.5, 1.5, -400.0], np.float32), 1.0)
        array([   0,    2, -128], dtype=int8)
    """
    product = np.asarray(x, np.float32) * np.float32(inverse_scale)
    return np.clip(np.round(product), -128, 127).astype(np.int8)


def dequantize(acc: NDArray[np.integer], scale: float) -> NDArray[np.float32]:
    """Give an integer back its unit: ``float32(acc) * scale``.

    Args:
        acc: Integers. Any shape and integer dtype.
        scale: Value of one step.

    Source: niwaki.

    Example:
        >>> dequantize(np.array([3], np.int32), 0.5)
        array([1.5], dtype=float32)
    """
    return np.asarray(acc).astype(np.float32) * np.float32(scale)


def bipolar_quant(x: NDArray[np.floating], scale: NDArray[np.floating]) -> NDArray[np.floating]:
    """Keep only the sign of each value: ``scale`` where ``x >= 0``, else ``-scale``.

    Args:
        x: Values. Any shape.
        scale: The magnitude, broadcast against ``x``.

    Source: QONNX operator BipolarQuant (github.com/fastmachinelearning/qonnx, docs).

    Example:
        >>> bipolar_quant(np.array([-0.5, 0.0, 2.0]), np.array(1.0))
        array([-1.,  1.,  1.])
    """
    scale = np.asarray(scale, x.dtype)
    return np.where(x >= 0, scale, -scale).astype(x.dtype)


def quant(
    x: NDArray[np.floating],
    scale: NDArray[np.floating],
    zero_point: NDArray[np.floating],
    bit_width: NDArray[np.floating],
    *,
    signed: bool,
    narrow: bool,
) -> NDArray[np.floating]:
    """Quantise to ``bit_width`` bits and back, rounding half to even.

    Behind a {0, 1} tensor with scale 1, zero point 0, one bit, unsigned it is a marker: the
    identity.

    Args:
        x: Values. Any shape.
        scale: Value of one step, broadcast against ``x``.
        zero_point: The step that stands for 0, broadcast against ``x``.
        bit_width: Number of bits, at least 1; broadcast against ``x``.
        signed: Whether steps run from ``-2^(bits-1)`` instead of from 0.
        narrow: Whether one step is left out (the lowest if signed, else the highest).

    Source: QONNX operator Quant (github.com/fastmachinelearning/qonnx, docs).

    Example:
        >>> scale, zero, bits = np.array(0.5), np.array(0.0), np.array(3.0)
        >>> quant(np.array([-3.0, 0.6, 9.0]), scale, zero, bits, signed=True, narrow=False)
        array([-2. ,  0.5,  1.5])
    """
    if signed:
        low = -(2.0 ** (bit_width - 1)) + int(narrow)
        high = 2.0 ** (bit_width - 1) - 1
    else:
        low = np.zeros_like(bit_width)
        high = 2.0**bit_width - 1 - int(narrow)
    steps = np.round(np.clip(x / scale + zero_point, low, high))
    return ((steps - zero_point) * scale).astype(x.dtype)
