"""QLinearConv and QLinearMatMul, written out as the float op between (de)quantisations.

ONNX Runtime's quantiser writes them in its QOperator form. In QDQ form the same network has a
DequantizeLinear in front of the float op and a QuantizeLinear behind it, which is what they become
here; a QuantizeLinear and the DequantizeLinear that reads it then run as one layer. Sums are of
floats: an answer that lies within their rounding of a tie may be one step off.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from niwaki.graph.layers._values import Array, constant, data, operand, unsupported
from niwaki.graph.layers._written_out import Writer, sizes_of, writes_out

if TYPE_CHECKING:
    from collections.abc import Sequence

_GEOMETRY = ("auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")


@writes_out("QLinearConv")
def _write_conv(write: Writer) -> None:
    node = write.node
    x_scale = _step(write, 1)
    x = _dequantized(write, 0, (1, 2))
    weight = constant(data(node, 3))
    if weight is None:
        raise unsupported(node, "constant weights", got=repr(data(node, 3).name))
    scale, zero = (_numbers(write, index) for index in (4, 5))
    tail = [1] * (weight.ndim - 1)
    for found in (scale, zero):
        if found.size not in (1, len(weight)):
            raise unsupported(node, "one number per output channel", got=str(found.shape))
    scale, zero = (np.broadcast_to(found.reshape(-1), len(weight)) for found in (scale, zero))
    floats = (weight.astype(np.float32) - zero.reshape(-1, *tail)) * scale.reshape(-1, *tail)
    inputs = [x, write.constant(floats)]
    if operand(node, 8) is not None:
        inputs.append(write.constant(_numbers(write, 8).reshape(-1) * (scale * x_scale)))
    kept = {name: node.attributes[name].value for name in _GEOMETRY if name in node.attributes}
    sums = write("Conv", inputs, sizes_of(node.outputs[0]), **kept)
    _quantize(write, sums, (6, 7))


@writes_out("QLinearMatMul")
def _write_matmul(write: Writer) -> None:
    node = write.node
    a = _dequantized(write, 0, (1, 2))
    weight = constant(data(node, 3))
    if weight is None:
        b = _dequantized(write, 3, (4, 5))
    else:
        # One number, or one per column: (N,) of (K, N).
        scale, zero = (_numbers(write, index) for index in (4, 5))
        if any(found.size not in (1, weight.shape[-1]) for found in (scale, zero)):
            raise unsupported(node, "one number per column of its second factor")
        b = write.constant((weight.astype(np.float32) - zero.reshape(-1)) * scale.reshape(-1))
    _quantize(write, write("MatMul", [a, b], sizes_of(node.outputs[0])), (6, 7))


def _dequantized(write: Writer, index: int, step: Sequence[int]) -> ir.Value:
    """Return an activation as floats."""
    value = data(write.node, index)
    for each in step:
        _step(write, each)
    shape = sizes_of(value)
    return write("DequantizeLinear", [value, *(data(write.node, each) for each in step)], shape)


def _quantize(write: Writer, value: ir.Value, step: Sequence[int]) -> None:
    """Let a value, in 8 bits again, stand for the node's output."""
    for each in step:
        _step(write, each)
    inputs = [value, *(data(write.node, each) for each in step)]
    kind = write.node.outputs[0].dtype or data(write.node, step[1]).dtype or ir.DataType.UINT8
    write.finish(write("QuantizeLinear", inputs, sizes_of(value), dtype=kind))


def _step(write: Writer, index: int) -> float:
    """Return a scale or zero point of a whole tensor."""
    found = _numbers(write, index)
    if found.size != 1:
        raise unsupported(write.node, f"one number as input {index}", got=str(found.shape))
    return float(found.reshape(-1)[0])


def _numbers(write: Writer, index: int) -> Array:
    """Return an input that must be constant, scales and zero points."""
    value = data(write.node, index)
    found = constant(value)
    if found is None:
        raise unsupported(write.node, f"a constant input {index}", got=repr(value.name))
    return found.astype(np.float32)
