"""Reductions over any axes, and softmax along one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from niwaki.graph.layers._match import Matcher, reads
from niwaki.graph.layers._values import attribute, constant, data, operand, unsupported

if TYPE_CHECKING:
    import onnx_ir as ir

KINDS = {
    "ReduceSum": "sum",
    "ReduceMean": "mean",
    "ReduceMax": "max",
    "ReduceMin": "min",
    "ReduceProd": "prod",
    "ReduceL1": "l1",
    "ReduceL2": "l2",
    "ReduceSumSquare": "sum_square",
    "ReduceLogSum": "log_sum",
    "ReduceLogSumExp": "log_sum_exp",
}
_GLOBAL = {"mean": "global_average_pool", "max": "global_max_pool"}


@reads(*KINDS)
def read_reduction(matcher: Matcher, node: ir.Node) -> None:
    """Read a reduction; a mean or a maximum over height and width is a global pool."""
    kind, shape = KINDS[node.op_type], matcher.shape(data(node), node)
    keepdims = bool(attribute(node, "keepdims", 1))
    axes = sorted(
        matcher.axis(axis, len(shape), node) for axis in _axes(node, len(shape) + matcher.lead)
    )
    x, output = {"x": data(node)}, node.outputs[0]
    if kind in _GLOBAL and len(shape) == 3 and axes == [1, 2] and matcher.batch is not None:
        matcher.emit(_GLOBAL[kind], node, output, x, {"keepdims": keepdims})
        return
    matcher.emit("reduce", node, output, x, {"kind": kind, "axes": axes})


@reads("Softmax", "LogSoftmax")
def read_softmax(matcher: Matcher, node: ir.Node) -> None:
    """Read a softmax along any axis but the batch's."""
    shape = matcher.shape(data(node), node)
    axis = matcher.axis(attribute(node, "axis", -1), len(shape), node)
    attrs: dict[str, Any] = {} if len(shape) == 1 else {"axis": axis}
    if node.op_type == "LogSoftmax":
        attrs["log"] = True
    matcher.emit("softmax", node, node.outputs[0], {"x": data(node)}, attrs)


def _axes(node: ir.Node, rank: int) -> list[int]:
    """Return the axes that a reduction runs over; none given is all, or none."""
    given = operand(node, 1)
    if given is None:
        axes = attribute(node, "axes", None)
    else:
        found = constant(given)
        if found is None:
            raise unsupported(node, "constant axes", got=repr(given.name))
        axes = [int(axis) for axis in found.reshape(-1)]
    if axes:
        return axes
    return [] if attribute(node, "noop_with_empty_axes", 0) else list(range(rank))
