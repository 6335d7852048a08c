"""Arithmetic of values of any shapes, and functions of one number."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from niwaki.graph.layers._activations import emit_activation
from niwaki.graph.layers._match import Matcher, reads
from niwaki.graph.layers._products import find_activation, number
from niwaki.graph.layers._sums import NONE, emit_sum, is_sum
from niwaki.graph.layers._values import Array, attribute, constant, data, operand, unsupported

if TYPE_CHECKING:
    import onnx_ir as ir

KINDS = {
    "Add": "add",
    "Sub": "sub",
    "Mul": "mul",
    "Div": "div",
    "Pow": "pow",
    "Min": "min",
    "Max": "max",
    "PRelu": "prelu",
    "Sum": "add",
    "Mean": "add",
}
UNARY = {
    "Abs": "abs",
    "Neg": "neg",
    "Exp": "exp",
    "Log": "log",
    "Sqrt": "sqrt",
    "Reciprocal": "reciprocal",
    "Floor": "floor",
    "Ceil": "ceil",
    "Round": "round",
    "Sign": "sign",
    "Erf": "erf",
    "Sin": "sin",
    "Cos": "cos",
    "Tan": "tan",
    "Asin": "asin",
    "Acos": "acos",
    "Atan": "atan",
    "Sinh": "sinh",
    "Cosh": "cosh",
    "Asinh": "asinh",
    "Acosh": "acosh",
    "Atanh": "atanh",
    "Mish": "mish",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Elu": "elu",
    "Selu": "selu",
    "Celu": "celu",
    "ThresholdedRelu": "thresholded_relu",
    "Shrink": "shrink",
}
_FUSED = ("hard_sigmoid", "hard_swish", "silu")
_PARAMETERS: dict[str, tuple[tuple[str, float], tuple[str, float]]] = {
    "Elu": (("alpha", 1.0), ("", 0.0)),
    "Selu": (("alpha", 1.67326319217681884765625), ("gamma", 1.05070102214813232421875)),
    "Celu": (("alpha", 1.0), ("", 0.0)),
    "ThresholdedRelu": (("alpha", 1.0), ("", 0.0)),
    "Shrink": (("lambd", 0.5), ("bias", 0.0)),
}
"""Op -> attributes that become alpha and beta, with ONNX's defaults."""


@reads(*UNARY)
def read_unary(matcher: Matcher, node: ir.Node) -> None:
    """Read a function of one number."""
    (first, alpha), (second, beta) = _PARAMETERS.get(node.op_type, (("", 0.0), ("", 0.0)))
    attrs = {
        "kind": UNARY[node.op_type],
        "alpha": float(attribute(node, first, alpha)) if first else alpha,
        "beta": float(attribute(node, second, beta)) if second else beta,
    }
    matcher.emit("unary", node, node.outputs[0], {"x": data(node)}, attrs)


@reads("Mul", "Div")
def read_product(matcher: Matcher, node: ir.Node) -> None:
    """Read a product: an activation written out, a sum's scale, a gate, or just a product."""
    found = find_activation(matcher, node)
    if found is None:
        read_arithmetic(matcher, node)
    elif found.kind in _FUSED:
        parameters = {"alpha": found.alpha, "beta": found.beta} if found.alpha else {}
        activation = {"kind": found.kind, **parameters}
        emit_activation(matcher, node, found.x, activation, found.readers)
    else:
        attrs = {"kind": found.kind, "alpha": 0.0, "beta": 0.0}
        matcher.emit("unary", node, node.outputs[0], {"x": found.x}, attrs)


@reads("Add", "Sub", "Pow", "Min", "Max", "PRelu", "Sum", "Mean")
def read_arithmetic(matcher: Matcher, node: ir.Node) -> None:
    """Read arithmetic of two or more operands, each repeated along axes where it must be."""
    if is_sum(matcher, node):
        emit_sum(matcher, node, node.outputs[0], NONE)
        return
    operands = [data(node, i) for i in range(len(node.inputs))]
    output = node.outputs[0]
    if _is_square(node):
        operands = [operands[0], operands[0]]
        emit_binary(matcher, node, "mul", operands[0], operands[1], output)
        return
    if node.op_type == "Mean":
        total = matcher.extra(output, "sum", output)
        share = np.array(1 / len(operands), np.float32)
        emit_binary(matcher, node, "mul", total, share, output)
        output = total
    kind = KINDS[node.op_type]
    if len(operands) == 1:
        emit_binary(matcher, node, "add", operands[0], np.array(0, np.float32), output)
        return
    # Layers are emitted last first: the last operand meets the sum of those in front of it.
    for index in range(len(operands) - 1, 0, -1):
        left = operands[0] if index == 1 else _partial(matcher, node, operands[:index], output)
        emit_binary(matcher, node, kind, left, operands[index], output)
        output = left


def emit_binary(
    matcher: Matcher,
    node: ir.Node,
    kind: str,
    a: ir.Value | Array,
    b: ir.Value | Array,
    output: ir.Value,
) -> None:
    """Emit arithmetic of two operands, of which one may be constant.

    Raises:
        UnsupportedOpError: An operand's axes don't line up with the output's, the batch apart.
    """
    out = matcher.shape(output, node)
    inputs: dict[str, ir.Value] = {}
    arrays: dict[str, Array] = {}
    for role, value in (("a", a), ("b", b)):
        known = value if isinstance(value, np.ndarray) else constant(value)
        if known is not None:
            arrays[role] = _constant(matcher, node, known, out)
            continue
        assert not isinstance(value, np.ndarray)
        shape = matcher.shape(value, node)
        if matcher.batch is not None and len(shape) != len(out):
            raise unsupported(
                node,
                "operands that both have the batch as their first axis",
                got=f"{shape} and {out} behind the batch",
            )
        inputs[role] = value
    if kind == "mul" and not arrays:
        gate = _gate(matcher, node, inputs, out)
        if gate is not None:
            matcher.emit("mul", node, output, gate)
            return
    matcher.emit("binary", node, output, inputs, {"kind": kind}, arrays)


def _gate(
    matcher: Matcher, node: ir.Node, inputs: dict[str, ir.Value], out: tuple[int, ...]
) -> dict[str, ir.Value] | None:
    """Return the operands of a product of an image and one number per channel, image first."""
    for x, gate in ((inputs["a"], inputs["b"]), (inputs["b"], inputs["a"])):
        shape = matcher.shape(x, node)
        if len(out) == 3 and shape == out and matcher.shape(gate, node) == (out[0], 1, 1):
            return {"a": x, "b": gate}
    return None


def _constant(matcher: Matcher, node: ir.Node, array: Array, out: tuple[int, ...]) -> Array:
    """Return a constant operand without a batch axis."""
    if array.dtype.kind not in "fiu":
        raise unsupported(node, "numbers as constants", got=str(array.dtype))
    found = array.astype(np.float32)
    if found.ndim > len(out):
        if matcher.lead == 0 or found.ndim > len(out) + 1 or found.shape[0] != 1:
            raise unsupported(
                node, "constants that are the same for each image", got=f"shape {found.shape}"
            )
        found = found.reshape(found.shape[1:])
    return found


def _partial(
    matcher: Matcher, node: ir.Node, operands: list[ir.Value], output: ir.Value
) -> ir.Value:
    """Return the value of an operation on some of a node's operands."""
    shapes: list[tuple[int, ...]] = []
    for value in operands:
        known = constant(value)
        shapes.append(matcher.shape(value, node) if known is None else known.shape)
    shape = np.broadcast_shapes(*shapes)[-len(matcher.shape(output, node)) or None :]
    return matcher.extra(output, "part", output, shape)


def _is_square(node: ir.Node) -> bool:
    return node.op_type == "Pow" and number(operand(node, 1)) == 2
