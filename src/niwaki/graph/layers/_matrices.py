"""Products of matrices: linear layers, and what isn't one; batch norms of any shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from niwaki.graph.layers._elementwise import emit_binary
from niwaki.graph.layers._match import Matcher, reads
from niwaki.graph.layers._sums import NONE, emit_sum, is_inference, is_sum
from niwaki.graph.layers._values import Array, attribute, constant, data, operand, unsupported

if TYPE_CHECKING:
    import onnx_ir as ir


@reads("MatMul")
def read_matmul(matcher: Matcher, node: ir.Node) -> None:
    """Read a linear layer, or a product of any matrices."""
    if is_sum(matcher, node):
        emit_sum(matcher, node, node.outputs[0], NONE)
    else:
        _emit_product(matcher, node, data(node), data(node, 1), node.outputs[0])


@reads("Gemm")
def read_gemm(matcher: Matcher, node: ir.Node) -> None:
    """Read a linear layer, or alpha * A' B' + beta * C in several layers."""
    if is_sum(matcher, node):
        emit_sum(matcher, node, node.outputs[0], NONE)
        return
    output = node.outputs[0]
    alpha, beta = attribute(node, "alpha", 1.0), attribute(node, "beta", 1.0)
    bias = operand(node, 2)
    if bias is not None:
        total: ir.Value | Array = bias
        known = constant(bias)
        if known is not None:
            total = (known * np.float32(beta)).astype(np.float32)
        elif beta != 1:
            total = matcher.extra(bias, "scaled", bias)
        product = matcher.extra(output, "product", output)
        if known is None and beta != 1:
            assert not isinstance(total, np.ndarray)
            emit_binary(matcher, node, "add", product, total, output)
            emit_binary(matcher, node, "mul", bias, np.array(beta, np.float32), total)
        else:
            emit_binary(matcher, node, "add", product, total, output)
        output = product
    if alpha != 1:
        product = matcher.extra(output, "unscaled", output)
        emit_binary(matcher, node, "mul", product, np.array(alpha, np.float32), output)
        output = product
    sides: list[ir.Value | Array] = []
    turned: list[tuple[ir.Value, ir.Value]] = []
    for index, flag in enumerate(("transA", "transB")):
        value = data(node, index)
        known = constant(value)
        if not attribute(node, flag, 0):
            sides.append(value)
        elif known is not None:
            sides.append(np.ascontiguousarray(known.T))
        else:
            shape = matcher.shape(value, node)
            side = matcher.extra(value, "transposed", value, shape[::-1])
            sides.append(side)
            turned.append((value, side))
    _emit_product(matcher, node, sides[0], sides[1], output)
    for value, side in turned:
        if matcher.batch is not None:
            raise unsupported(node, "the batch to stay the first axis", got="a transposed value")
        matcher.emit("transpose", node, side, {"x": value}, {"perm": [1, 0]})


@reads("BatchNormalization")
def read_batch_norm(matcher: Matcher, node: ir.Node) -> None:
    """Read a batch norm: a scale and a shift per channel, of values of any rank."""
    if is_sum(matcher, node):
        emit_sum(matcher, node, node.outputs[0], NONE)
        return
    shape = matcher.shape(data(node), node)
    found = [constant(operand(node, i)) for i in (1, 2, 3, 4)]
    if any(array is None for array in found) or not is_inference(node):
        raise unsupported(node, "constant parameters, at inference", got="others")
    gain, offset, mean, variance = (np.asarray(array, np.float64) for array in found)
    scale = gain / np.sqrt(variance + attribute(node, "epsilon", 1e-5))
    column = (-1, *[1] * (len(shape) + matcher.lead - 2))
    shift = (offset - mean * scale).reshape(column).astype(np.float32)
    output = node.outputs[0]
    scaled = matcher.extra(output, "scaled", output)
    emit_binary(matcher, node, "add", scaled, shift, output)
    factor = scale.reshape(column).astype(np.float32)
    emit_binary(matcher, node, "mul", data(node), factor, scaled)


def _emit_product(
    matcher: Matcher,
    node: ir.Node,
    a: ir.Value | Array,
    b: ir.Value | Array,
    output: ir.Value,
) -> None:
    """Emit a product of matrices; vectors become matrices of one row or column."""
    inputs: dict[str, ir.Value] = {}
    arrays: dict[str, Array] = {}
    grown: list[tuple[ir.Value, ir.Value, list[int]]] = []
    shapes: list[tuple[int, ...]] = []
    for role, value in (("a", a), ("b", b)):
        known = value if isinstance(value, np.ndarray) else constant(value)
        if known is not None:
            known = known.astype(np.float32)
            if matcher.lead and known.ndim > 2 and known.shape[0] == 1:
                known = known[0]
            shape = known.shape
        else:
            assert not isinstance(value, np.ndarray)
            shape = matcher.shape(value, node)
        matrix = shape
        if len(shape) == 1:
            matrix = (1, *shape) if role == "a" else (*shape, 1)
        shapes.append(tuple(matrix))
        if known is not None:
            arrays[role] = np.ascontiguousarray(known.reshape(matrix))
            continue
        assert not isinstance(value, np.ndarray)
        inputs[role] = value
        if matrix != shape:
            inputs[role] = matcher.extra(value, "matrix", value, matrix)
            grown.append((value, inputs[role], list(matrix)))
    _check_batch(matcher, node, inputs, arrays)
    batch = np.broadcast_shapes(shapes[0][:-2], shapes[1][:-2])
    direct = (*batch, shapes[0][-2], shapes[1][-1])
    target = output
    if matcher.shape(output, node) != direct:
        target = matcher.extra(output, "matrix", output, direct)
        sizes = list(matcher.shape(output, node))
        matcher.emit("reshape", node, output, {"x": target}, {"target": sizes})
    matcher.emit("matmul", node, target, inputs, {}, arrays)
    for value, matrix_value, sizes in grown:
        name = matrix_value.name
        matcher.emit("reshape", node, matrix_value, {"x": value}, {"target": sizes}, name=name)


def _check_batch(
    matcher: Matcher, node: ir.Node, inputs: dict[str, ir.Value], arrays: dict[str, Array]
) -> None:
    """Check that images don't meet: the batch is an axis of rows, or in front of matrices."""
    if matcher.batch is None:
        return
    ranks = [len(matcher.shape(value, node)) for value in inputs.values()]
    rows = "a" in inputs and all(array.ndim == 2 for array in arrays.values())
    if (len(inputs) == 2 and (min(ranks) < 2 or ranks[0] != ranks[1])) or (
        len(inputs) == 1 and not rows and min(ranks) < 2
    ):
        raise unsupported(
            node, "matrices that each belong to one image", got=f"{ranks} axes behind the batch"
        )
