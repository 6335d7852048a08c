"""Activations: fused into the sum in front of them, or layers of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.graph.layers._match import Matcher, reads
from niwaki.graph.layers._sums import emit_sum, is_sum
from niwaki.graph.layers._values import (
    attribute,
    constant,
    data,
    is_op,
    operand,
    unsupported,
)

if TYPE_CHECKING:
    import onnx_ir as ir

_LARGEST = float(np.finfo(np.float32).max)


@reads("Relu", "LeakyRelu", "Clip", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh")
def read_activation(matcher: Matcher, node: ir.Node) -> None:
    """Read an activation, together with the sum in front of it if nothing else reads that."""
    emit_activation(matcher, node, data(node), describe(node))


def describe(node: ir.Node) -> dict[str, Any]:
    """Return an activation node as the engine's attribute.

    Raises:
        UnsupportedOpError: The bounds of a Clip aren't constant numbers.
    """
    if is_op(node, "Relu"):
        return {"kind": "relu"}
    if is_op(node, "LeakyRelu"):
        return {"kind": "leaky_relu", "alpha": float(attribute(node, "alpha", 0.01))}
    if is_op(node, "HardSigmoid"):
        alpha, beta = attribute(node, "alpha", 0.2), attribute(node, "beta", 0.5)
        return {"kind": "hard_sigmoid", "alpha": float(alpha), "beta": float(beta)}
    if not is_op(node, "Clip"):
        names = {"Sigmoid": "sigmoid", "HardSwish": "hard_swish", "Tanh": "tanh"}
        return {"kind": names[node.op_type]}
    bounds: list[float] = []
    for index, default in ((1, -_LARGEST), (2, _LARGEST)):
        value = operand(node, index)
        found = constant(value)
        if value is not None and (found is None or found.size != 1):
            raise unsupported(node, "constant bounds", got=repr(value.name))
        bounds.append(default if found is None else float(found.reshape(-1)[0]))
    if bounds[0] == 0 and bounds[1] >= _LARGEST:
        return {"kind": "relu"}
    low, high = (float(np.clip(bound, -_LARGEST, _LARGEST)) for bound in bounds)
    return {"kind": "clip", "lo": low, "hi": high}


def emit_activation(
    matcher: Matcher, node: ir.Node, x: ir.Value, activation: dict[str, Any], readers: int = 1
) -> None:
    """Emit an activation of `x`, together with the sum in front of it if nothing else reads that.

    Args:
        matcher: Where to.
        node: The activation, or the last node of what computes it.
        x: What is activated.
        activation: The engine's attribute.
        readers: How often `node`, or the nodes it stands for, read `x`.
    """
    source = matcher.only_reader(x, readers)
    is_float = x.dtype is None or x.dtype.name == "FLOAT"
    if source is not None and is_float and is_sum(matcher, source):
        emit_sum(matcher, source, node.outputs[0], activation)
        return
    matcher.emit("activation", node, node.outputs[0], {"x": x}, {"activation": activation})
