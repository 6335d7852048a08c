"""Convolutions and pools over one spatial axis, (N, C, L), as images one pixel high."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from niwaki.graph.layers._values import constant
from niwaki.graph.passes._tools import initializer

if TYPE_CHECKING:
    from collections.abc import Sequence

_LIFTED = (
    "AveragePool",
    "Conv",
    "ConvTranspose",
    "GlobalAveragePool",
    "GlobalMaxPool",
    "MaxPool",
)
_NEUTRAL = {"kernel_shape": 1, "strides": 1, "dilations": 1, "output_padding": 0}


def lift_lines(model: ir.Model) -> ir.Model:
    """Rewrite layers over (N, C, L) for (N, C, 1, L), in place; others stay.

    The height goes in front of the length, so that rows stay rows in memory.
    """
    for node in list(model.graph):
        if node.domain or node.op_type not in _LIFTED or node.inputs[0] is None:
            continue
        x, out = node.inputs[0], node.outputs[0]
        if x.shape is None or len(x.shape) != 3 or out.shape is None:
            continue
        if not _lift_weight(node, model.graph):
            continue
        graph = model.graph
        axes = initializer(graph, np.array([2], np.int64), _free(graph, f"{out.name}.axis"))
        grow = ir.node("Unsqueeze", [x, axes], name=f"{node.name}.lift")
        _describe(grow.outputs[0], f"{out.name}.x", x, [*x.shape[:2], 1, x.shape[2]])
        node.replace_input_with(0, grow.outputs[0])
        _lift_attributes(node)
        shrink = ir.node("Squeeze", [out, axes], name=f"{node.name}.lower")
        lowered = shrink.outputs[0]
        out.replace_all_uses_with(lowered, replace_graph_outputs=True)
        shrink.replace_input_with(0, out)
        _describe(lowered, out.name or "", out, list(out.shape))
        _describe(out, f"{out.name}.y", out, [*out.shape[:2], 1, out.shape[2]])
        graph.insert_before(node, grow)
        graph.insert_after(node, shrink)
    return model


def _lift_weight(node: ir.Node, graph: ir.Graph) -> bool:
    if node.op_type not in ("Conv", "ConvTranspose"):
        return True
    weight = constant(node.inputs[1])
    if weight is None:
        return False
    name = _free(graph, f"{node.inputs[1].name if node.inputs[1] else node.name}.lifted")
    node.replace_input_with(1, initializer(graph, weight[:, :, None, :], name))
    return True


def _lift_attributes(node: ir.Node) -> None:
    for name, neutral in _NEUTRAL.items():
        found = node.attributes.get(name)
        if found is not None:
            node.attributes[name] = ir.AttrInt64s(name, [neutral, *found.as_ints()])
    pads = node.attributes.get("pads")
    if pads is not None:
        head, tail = pads.as_ints()
        node.attributes["pads"] = ir.AttrInt64s("pads", [0, head, 0, tail])
    size = node.attributes.get("output_shape")
    if size is not None:
        node.attributes["output_shape"] = ir.AttrInt64s("output_shape", [1, *size.as_ints()])


def _describe(
    value: ir.Value, name: str, like: ir.Value, shape: Sequence[int | ir.SymbolicDim]
) -> None:
    value.name, value.type, value.shape = name, like.type, ir.Shape(shape)


def _free(graph: ir.Graph, name: str) -> str:
    taken, count = name, 1
    while taken in graph.initializers:
        count += 1
        taken = f"{name}.{count}"
    return taken
