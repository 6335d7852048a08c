"""The bodies of the Graph's own nodes, written with onnxscript (opset 18).

Parameters carry no types, ONNX's functions are generic; attributes do, and no defaults, which IR 8
can't hold. ``to`` is ONNX's number of a result type: a body can't choose a type from ``lo``.
"""

from __future__ import annotations

from typing import Any

from onnxscript import opset18, script as _script
from onnxscript.values import OnnxFunction, Opset

# onnxscript reads these functions as source: to Python's checkers they are untyped.
# pyright: basic
# ruff: noqa: ANN001, ANN202, N802

QONNX = "qonnx.custom_op.general"
NIWAKI = "niwaki"

op: Any = opset18
script: Any = _script
_qonnx = Opset(QONNX, 1)
_niwaki = Opset(NIWAKI, 1)


@script(_qonnx, default_opset=op)
def Quant(x, scale, zero_point, bit_width, signed: int, narrow: int, rounding_mode: str):
    """Quantise to bit_width bits and back, rounding half to even (QONNX)."""
    is_signed = op.CastLike(op.Constant(value_int=signed), x)
    is_narrow = op.CastLike(op.Constant(value_int=narrow), x)
    one = op.CastLike(1.0, x)
    two = op.CastLike(2.0, x)
    half_range = op.Pow(two, bit_width - one)
    low = is_signed * (is_narrow - half_range)
    signed_high = half_range - one
    unsigned_high = op.Pow(two, bit_width) - one - is_narrow
    high = is_signed * signed_high + (one - is_signed) * unsigned_high
    steps = op.Round(op.Min(op.Max(x / scale + zero_point, low), high))
    return (steps - zero_point) * scale


@script(_qonnx, default_opset=op)
def BipolarQuant(x, scale):
    """Keep the sign: scale where x >= 0, else -scale (QONNX)."""
    return op.Where(op.GreaterOrEqual(x, op.CastLike(0.0, x)), scale, op.Neg(scale))


@script(_niwaki, default_opset=op)
def QuantizeInput(x, inverse_scale):
    """Round x * inverse_scale half to even into int8."""
    return op.Cast(op.Clip(op.Round(x * inverse_scale), -128.0, 127.0), to=3)


@script(_niwaki, default_opset=op)
def Dequantize(acc, scale):
    """Give an integer back its unit: float32(acc) * scale."""
    return op.Cast(acc, to=1) * scale


@script(_niwaki, default_opset=op)
def ShiftAndClip(total, shift, lo: int, hi: int, to: int):
    """Compute clip((total + 2^(shift-1)) >> shift, lo, hi) of int64, rounding down.

    ONNX's BitShift is unsigned (and its integer Div truncates). 2^62 is a multiple of every 2^shift
    and larger than every sum, so adding it makes the numerator non-negative, and the shifted 2^62
    comes off exactly. Clip, Min and Max of int64 are wrong around 2^31 in ONNX Runtime on x86
    (microsoft/onnxruntime#25280, still so in 1.31): hence Where.
    """
    bits = op.Cast(shift, to=13)
    one = op.Cast(op.Constant(value_int=1), to=13)
    offset = op.Constant(value_int=4611686018427387904)
    half = op.Cast(op.BitShift(one, bits - one, direction="LEFT"), to=7)
    lifted = op.BitShift(op.Cast(total + half + offset, to=13), bits, direction="RIGHT")
    lift = op.BitShift(op.Cast(offset, to=13), bits, direction="RIGHT")
    steps = op.Cast(lifted, to=7) - op.Cast(lift, to=7)
    low = op.Constant(value_int=lo)
    high = op.Constant(value_int=hi)
    from_low = op.Where(op.Less(steps, low), low, steps)
    return op.Cast(op.Where(op.Greater(from_low, high), high, from_low), to=to)


@script(_niwaki, default_opset=op)
def Requantize1(acc1, m1, bias, shift, lo: int, hi: int, to: int):
    """Compute clip((m1 * acc1 + bias + 2^(shift-1)) >> shift, lo, hi)."""
    total = op.Cast(acc1, to=7) * op.Cast(m1, to=7) + op.Cast(bias, to=7)
    return ShiftAndClip(total, shift, lo, hi, to)


@script(_niwaki, default_opset=op)
def Requantize2(acc1, m1, acc2, m2, bias, shift, lo: int, hi: int, to: int):
    """Compute clip((m1 * acc1 + m2 * acc2 + bias + 2^(shift-1)) >> shift, lo, hi)."""
    first = op.Cast(acc1, to=7) * op.Cast(m1, to=7) + op.Cast(bias, to=7)
    total = first + op.Cast(acc2, to=7) * op.Cast(m2, to=7)
    return ShiftAndClip(total, shift, lo, hi, to)


@script(_niwaki, default_opset=op)
def Requantize3(acc1, m1, acc2, m2, acc3, m3, bias, shift, lo: int, hi: int, to: int):
    """Compute clip((m1 * acc1 + m2 * acc2 + m3 * acc3 + bias + 2^(shift-1)) >> shift, lo, hi)."""
    first = op.Cast(acc1, to=7) * op.Cast(m1, to=7) + op.Cast(bias, to=7)
    second = op.Cast(acc2, to=7) * op.Cast(m2, to=7)
    third = op.Cast(acc3, to=7) * op.Cast(m3, to=7)
    return ShiftAndClip(first + second + third, shift, lo, hi, to)


FUNCTIONS: dict[tuple[str, str], OnnxFunction] = {
    (function.opset.domain, function.name): function
    for function in (
        Quant,
        BipolarQuant,
        QuantizeInput,
        Dequantize,
        ShiftAndClip,
        Requantize1,
        Requantize2,
        Requantize3,
    )
}
"""(domain, name) -> function; one that another calls comes first."""
