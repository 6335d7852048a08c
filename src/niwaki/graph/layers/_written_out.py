"""Ops that have no reader of their own, written out by ops that have one."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from niwaki.graph._refusals import refusing
from niwaki.graph.passes._tools import free_name, initializer

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_REWRITES: dict[str, Callable[[Writer], None]] = {}
_MODULES = ("_operator_quantized", "_rare_pools")


def writes_out(name: str) -> Callable[[Callable[[Writer], None]], Callable[[Writer], None]]:
    """Register what writes an op of ONNX out; it may leave a node as it is."""

    def add(rewrite: Callable[[Writer], None]) -> Callable[[Writer], None]:
        _REWRITES[name] = rewrite
        return rewrite

    return add


def write_out(model: ir.Model) -> ir.Model:
    """Write a Graph's nodes out by other ops, in place; most stay as they are.

    Args:
        model: The Graph, every value's shape settled; a node whose shapes aren't known stays.

    Raises:
        UnsupportedOpError: A variant of an op that can't be written out.
    """
    for module in _MODULES:
        importlib.import_module(f"niwaki.graph.layers.{module}")
    for node in list(model.graph):
        rewrite = None if node.domain else _REWRITES.get(node.op_type)
        x = node.inputs[0] if node.inputs else None
        if rewrite is not None and x is not None and sizes_of(x) and sizes_of(node.outputs[0]):
            with refusing("layers", f"{node.op_type} (node {node.name!r}) must have what it needs"):
                rewrite(Writer(node, x))
    return model


class Writer:
    """Put nodes in front of one, and let the last of them make its output."""

    def __init__(self, node: ir.Node, x: ir.Value) -> None:
        assert isinstance(node.graph, ir.Graph)
        self.node, self.x, self.graph = node, x, node.graph
        self.sizes = sizes_of(x)
        self._taken = {value.name for other in self.graph for value in other.outputs}
        self._taken |= {*self.graph.initializers, *(value.name for value in self.graph.inputs)}

    def __call__(
        self,
        op: str,
        inputs: Sequence[ir.Value | None],
        shape: Sequence[int],
        *,
        dtype: ir.DataType = ir.DataType.FLOAT,
        **attributes: Any,
    ) -> ir.Value:
        """Add a node; return its output."""
        name = self._free(op.lower())
        found = ir.node(op, list(inputs), attributes, name=name)
        out = found.outputs[0]
        out.name, out.type, out.shape = name, ir.TensorType(dtype), ir.Shape(shape)
        self.graph.insert_before(self.node, found)
        return out

    def constant(self, array: Any, dtype: Any = np.float32) -> ir.Value:
        """Add a constant."""
        return initializer(self.graph, np.asarray(array, dtype), self._free("constant"))

    def finish(self, value: ir.Value) -> None:
        """Let a value stand for the node's output, under its name."""
        out = self.node.outputs[0]
        name = out.name
        out.replace_all_uses_with(value, replace_graph_outputs=True)
        self.graph.remove(self.node, safe=True)
        out.name, value.name = None, name

    def _free(self, suffix: str) -> str:
        name = free_name(f"{self.node.outputs[0].name}.{suffix}", self._taken)
        self._taken.add(name)
        return name


def sizes_of(value: ir.Value) -> list[int]:
    """Return a value's shape, [] where it isn't known."""
    found = [size for size in value.shape or () if isinstance(size, int)]
    return found if value.shape is not None and len(found) == len(value.shape) else []
