"""What passes share: reading constants, replacing values, taking nodes out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx_ir as ir

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    import numpy as np
    from numpy.typing import NDArray


def constant(value: ir.Value | None) -> NDArray[Any] | None:
    """Return the array of an initializer, or None where a value is computed or fed."""
    if value is None or not value.is_initializer() or value.const_value is None:
        return None
    return value.const_value.numpy()


def sole_reader(value: ir.Value) -> ir.Node | None:
    """Return the only node that reads a value, or None: several do, or it is an output."""
    uses = value.uses()
    return next(iter(uses)).node if len(uses) == 1 and not value.is_graph_output() else None


def set_constant(node: ir.Node, index: int, array: NDArray[Any], name: str) -> None:
    """Give a node a new constant input.

    Args:
        node: The reader.
        index: Which input; the list is made longer where it is too short.
        array: The constant.
        name: Its name; a constant that others read keeps it, and the new one gets ``.2``, ``.3``.
    """
    graph = node.graph
    assert isinstance(graph, ir.Graph)
    old = node.inputs[index] if index < len(node.inputs) else None
    if old is not None and old.name == name and len(old.uses()) == 1 and not old.is_graph_output():
        old.const_value = ir.tensor(array, name=name)
        old.shape, old.dtype = ir.Shape(array.shape), ir.DataType.from_numpy(array.dtype)
        return
    taken = {value.name for other in graph for value in other.outputs}
    taken |= {*graph.initializers, *(value.name for value in graph.inputs)}
    value = initializer(graph, array, free_name(name, taken))
    if index >= len(node.inputs):
        node.resize_inputs(index + 1)
    node.replace_input_with(index, value)


def free_name(name: str, taken: AbstractSet[str | None]) -> str:
    """Return a name, or the first of ``name.2``, ``name.3`` ... that isn't taken."""
    free, count = name, 1
    while free in taken:
        count += 1
        free = f"{name}.{count}"
    return free


def initializer(graph: ir.Graph, array: NDArray[Any] | np.generic, name: str) -> ir.Value:
    """Add a constant to a graph under a name that is free."""
    tensor = ir.tensor(array, name=name)
    value = ir.val(name, dtype=tensor.dtype, shape=list(array.shape), const_value=tensor)
    graph.register_initializer(value)
    return value


def bypass(node: ir.Node, source: ir.Value) -> None:
    """Take a node out: what read its first output reads ``source``.

    ``source`` takes the output's name where that is an output of the graph.
    """
    graph = node.graph
    assert isinstance(graph, ir.Graph)
    out = node.outputs[0]
    name = out.name
    is_output = out.is_graph_output()
    out.replace_all_uses_with(source, replace_graph_outputs=True)
    graph.remove(node, safe=True)
    if is_output:
        source.name = name


def can_bypass(node: ir.Node, source: ir.Value) -> bool:
    """Tell whether ``bypass`` keeps the graph's inputs and outputs as they are named."""
    if not node.outputs[0].is_graph_output():
        return True
    return source.producer() is not None and not source.is_graph_output()


def absorb(node: ir.Node, into: ir.Node) -> None:
    """Take ``node`` out after its effect went into ``into``, whose output takes its name."""
    out = node.outputs[0]
    name, kept = out.name, into.outputs[0]
    bypass(node, kept)
    kept.name = name
