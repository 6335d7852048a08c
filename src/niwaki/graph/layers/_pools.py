"""Pools of the float dialect: windows and whole images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from niwaki.graph._opset import DILATED_AVERAGE
from niwaki.graph.layers._match import Matcher, reads
from niwaki.graph.layers._terms import read_windows
from niwaki.graph.layers._values import attribute, constant, data, operand, rank_of, unsupported

if TYPE_CHECKING:
    import onnx_ir as ir


@reads("MaxPool", "AveragePool")
def read_pool(matcher: Matcher, node: ir.Node) -> None:
    """Read a pool over windows."""
    attrs = read_windows(node, attribute(node, "kernel_shape", []))
    if attrs.pop("dilations") != [1, 1]:
        fix = DILATED_AVERAGE if node.op_type == "AveragePool" else "Let it read floats"
        got = str(attribute(node, "dilations", []))
        raise unsupported(node, "dilations of 1", got=got, fix=fix)
    if len(node.outputs) > 1 and node.outputs[1].uses():
        raise unsupported(node, "no use of its indices", got=repr(node.outputs[1].name))
    attrs["ceil_mode"] = bool(attribute(node, "ceil_mode", 0))
    attrs["count_include_pad"] = bool(attribute(node, "count_include_pad", 0))
    op = "max_pool" if node.op_type == "MaxPool" else "average_pool"
    matcher.emit(op, node, node.outputs[0], {"x": data(node)}, attrs)


@reads("GlobalAveragePool", "GlobalMaxPool")
def read_global_pool(matcher: Matcher, node: ir.Node) -> None:
    """Read a pool over the whole image."""
    rank = len(matcher.shape(data(node), node))
    if matcher.batch is None or rank != 3:
        raise unsupported(node, "an image (NCHW)", got=f"{rank} axes behind the batch")
    op = "global_average_pool" if node.op_type == "GlobalAveragePool" else "global_max_pool"
    matcher.emit(op, node, node.outputs[0], {"x": data(node)}, {"keepdims": True})


def check_spatial(node: ir.Node) -> bool:
    """Check that a Reduce* node runs over height and width; return its keepdims.

    Raises:
        UnsupportedOpError: It runs over other axes.
    """
    given = constant(operand(node, 1))
    axes: Any = attribute(node, "axes", None) if given is None else given.reshape(-1).tolist()
    rank = rank_of(data(node), node)
    if rank != 4 or axes is None or sorted(axis % rank for axis in axes) != [2, 3]:
        raise unsupported(
            node, "an image (NCHW) and the axes 2 and 3", got=f"rank {rank}, axes {axes}"
        )
    return bool(attribute(node, "keepdims", 1))
