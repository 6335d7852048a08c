"""Write pools with ``ceil_mode`` so that every reader sees the same number of windows.

Windows that start in the tail's padding are dropped by torch and by ONNX Runtime, and by ONNX's own
definition since opset 19; opset 18's shape inference counts them. Where that matters, the pool is
rewritten without ``ceil_mode``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import onnx

from niwaki.graph._windows import output_size, resolve_pads

if TYPE_CHECKING:
    from collections.abc import Sequence


def settle_ceil_mode(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Rewrite the pools whose last window would start in the padding; others stay as they are."""
    while any(_has_ceil_mode(node) for node in proto.graph.node):
        inferred = onnx.shape_inference.infer_shapes(proto)
        shapes = {
            info.name: [dim.dim_value for dim in info.type.tensor_type.shape.dim]
            for info in (*inferred.graph.input, *inferred.graph.value_info)
        }
        pools = (node for node in proto.graph.node if _has_ceil_mode(node))
        if not any(_settle(node, shapes.get(node.input[0], [])) for node in pools):
            break
        del proto.graph.value_info[:]  # what was inferred behind the pool is wrong
    return proto


def _has_ceil_mode(node: onnx.NodeProto) -> bool:
    return node.op_type in ("MaxPool", "AveragePool", "LpPool") and bool(
        _ints(node, "ceil_mode", [0])[0]
    )


def _ints(node: onnx.NodeProto, name: str, default: Sequence[int]) -> list[int]:
    for attribute in node.attribute:
        if attribute.name == name:
            return list(attribute.ints) or [attribute.i]
    return list(default)


def _settle(node: onnx.NodeProto, shape: list[int]) -> bool:
    """Rewrite one pool; tell whether it had to be, and could be."""
    size, kernel = shape[2:], _ints(node, "kernel_shape", [])
    axes = len(kernel)
    if len(size) != axes or not all(size):
        return False
    strides, dilations = (_ints(node, name, [1] * axes) for name in ("strides", "dilations"))
    words = [a.s.decode() for a in node.attribute if a.name == "auto_pad"]
    pads = resolve_pads(
        words[0] if words else "", _ints(node, "pads", []), size, kernel, strides, dilations
    )
    tails, dropped = pads[axes:], False
    for i, length in enumerate(size):
        span = (kernel[i] - 1) * dilations[i] + 1
        room = length + pads[i] + pads[axes + i] - span
        steps = (
            output_size(length, kernel[i], strides[i], dilations[i], pads[i], tails[i], True) - 1
        )
        dropped |= steps < -(-room // strides[i])
        tails[i] = max(tails[i], steps * strides[i] + span - length - pads[i])
    if not dropped or (tails != pads[axes:] and _ints(node, "count_include_pad", [0])[0]):
        return False  # padding that isn't counted has no other form
    kept = [a for a in node.attribute if a.name not in ("ceil_mode", "pads", "auto_pad")]
    del node.attribute[:]
    node.attribute.extend([*kept, onnx.helper.make_attribute("pads", pads[:axes] + tails)])
    return True
