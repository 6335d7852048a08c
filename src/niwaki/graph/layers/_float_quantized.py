"""QuantizeLinear and DequantizeLinear on activations: float layers that round and clip.

The integers between the two are held as floats, exactly, so whatever merely moves them (pools,
reshapes, concats) is the float layer.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx_ir as ir

from niwaki.graph.layers._match import Matcher, reads
from niwaki.graph.layers._values import (
    Array,
    attribute,
    constant,
    data,
    is_op,
    operand,
    unsupported,
)

_RANGES = {"UINT8": (0, 255), "INT8": (-128, 127), "UINT16": (0, 65535), "INT16": (-32768, 32767)}


@reads("QuantizeLinear")
def read_quantize(matcher: Matcher, node: ir.Node) -> None:
    """Read a quantisation whose integers other layers read."""
    attrs, arrays = _parameters(matcher, node)
    attrs["kind"] = "quantize"
    matcher.emit("quantize_linear", node, node.outputs[0], {"x": data(node)}, attrs, arrays)


@reads("DequantizeLinear")
def read_dequantize(matcher: Matcher, node: ir.Node) -> None:
    """Read a dequantisation, together with the quantisation in front of it if that is its own."""
    attrs, arrays = _parameters(matcher, node)
    attrs["kind"] = "dequantize"
    x = data(node)
    source = matcher.only_reader(x)
    if is_op(source, "QuantizeLinear") and source is not None:
        other, others = _parameters(matcher, source)
        same = all(np.array_equal(others[role], array) for role, array in arrays.items())
        if same and other["axis"] == attrs["axis"]:
            attrs, x = {**other, "kind": "both"}, data(source)
    matcher.emit("quantize_linear", node, node.outputs[0], {"x": x}, attrs, arrays)


def _parameters(matcher: Matcher, node: ir.Node) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return axis and bounds, scale and zero point of a node."""
    scale, zero = constant(data(node, 1)), constant(operand(node, 2))
    if scale is None or (operand(node, 2) is not None and zero is None):
        raise unsupported(node, "a constant scale and zero point", got=repr(data(node, 1).name))
    shape = matcher.shape(data(node), node)
    axis = 0
    if scale.size > 1:
        axis = matcher.axis(attribute(node, "axis", 1), len(shape), node)
        if scale.ndim != 1 or scale.size != shape[axis]:
            raise unsupported(node, "one scale, or one per index of its axis", got=str(scale.shape))
    integers = node.outputs[0] if node.op_type == "QuantizeLinear" else data(node)
    kind = ir.DataType.UINT8 if integers.dtype is None else integers.dtype
    if kind.name not in _RANGES or scale.dtype != np.float32:
        raise unsupported(node, f"one of {', '.join(_RANGES)} beside float32", got=kind.name)
    low, high = _RANGES[kind.name]
    count = scale.size
    offset = np.zeros(count) if zero is None else np.broadcast_to(zero.reshape(-1), count)
    arrays = {
        "scale": scale.reshape(-1).astype(np.float32),
        "zero": offset.astype(np.float32),
    }
    return {"axis": axis, "lo": low, "hi": high}, arrays
