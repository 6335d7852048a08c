"""Refuse Graphs that compute with the size of an open batch.

Shape arithmetic is folded with a number in the batch's place. Where it ends as the operand of a
reshape, the layers recognise that number. Anywhere else (``x * x.shape[0]``) it would be computed
with. Constants of one Graph folded with two numbers tell: what differs depends on the batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from niwaki.errors import UnsupportedOpError
from niwaki.graph.passes._tools import constant

if TYPE_CHECKING:
    import onnx_ir as ir

_SHAPES = {
    ("ConstantOfShape", 0),
    ("Expand", 1),
    ("Reshape", 1),
    ("Resize", 3),
    ("Tile", 1),
}
"""Operands that say the shape of what a node makes."""


def check_batch_is_no_number(model: ir.Model, other: ir.Model) -> None:
    """Check that no node that runs reads a constant that depends on the batch, but for shapes.

    Args:
        model: The Graph with its shapes folded.
        other: The same Graph, folded with another batch.

    Raises:
        UnsupportedOpError: A node does; names op and node.
    """
    for node in _running(model):
        for index, value in enumerate(node.inputs):
            name = "" if value is None else value.name or ""
            if name not in other.graph.initializers:
                continue
            mine, theirs = constant(value), constant(other.graph.initializers[name])
            if mine is None or theirs is None or not _differ(mine, theirs):
                continue
            if (node.op_type, index) in _SHAPES or _cuts_the_batch(node, index, mine, theirs):
                continue
            raise UnsupportedOpError(
                "layers",
                f"{node.op_type} (node {node.name!r}) needs operands that don't depend on the "
                "batch's size",
                got=repr(name),
                fix="Export the network with a fixed batch",
            )


def _running(model: ir.Model) -> list[ir.Node]:
    """Return the nodes that an output depends on."""
    seen: set[ir.Node] = set()
    open_ = [value.producer() for value in model.graph.outputs]
    while open_:
        node = open_.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        open_ += [value.producer() for value in node.inputs if value is not None]
    return [node for node in model.graph if node in seen]


def _differ(mine: np.ndarray, theirs: np.ndarray) -> bool:
    if mine.shape != theirs.shape:
        # A constant of the batch's size: the same for every image, or not?
        if mine.ndim == 0 or mine.shape[1:] != theirs.shape[1:]:
            return True
        mine, theirs = mine[:1], theirs[:1]
    return not np.array_equal(mine, theirs, equal_nan=mine.dtype.kind == "f")


def _cuts_the_batch(node: ir.Node, index: int, mine: np.ndarray, theirs: np.ndarray) -> bool:
    """Tell whether these are bounds of a slice that depend on the batch along its own axis only."""
    if node.op_type != "Slice" or index not in (1, 2) or mine.shape != theirs.shape:
        return False
    given = constant(node.inputs[3]) if len(node.inputs) > 3 else None
    axes = np.arange(mine.size) if given is None else given.reshape(-1)
    return bool((axes[(mine != theirs).reshape(-1)] == 0).all())
