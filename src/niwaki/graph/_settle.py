"""Give every value of a Graph a static shape, and fold the arithmetic on shapes away.

Exporters write ``x.view(x.size(0), -1)`` as Shape, Gather, Concat and Reshape. Where the batch is
open, it is set to a number that no real size has, so that shape arithmetic folds like any other,
and what still depends on the batch is recognised by that number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx_ir as ir

from niwaki.errors import ShapeError, UnsupportedOpError
from niwaki.graph._batch_numbers import check_batch_is_no_number
from niwaki.graph._ceil_mode import settle_ceil_mode
from niwaki.graph.functions import attach_functions
from niwaki.graph.passes import run_passes
from niwaki.graph.passes._tools import initializer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OPEN_BATCH = 7919
"""Stands for an open batch. A prime: no product of usual sizes equals it or a multiple of it."""
OTHER_BATCH = 2
"""A batch unlike it: what differs between the two depends on the batch.

Small and even, so that numbers differ that saturate (``min(batch, 16)``) or repeat.
"""
_LARGE = 1024
"""Initializers of more elements play no part in shapes."""
_MAX_FOLDED = 1 << 22
_ROUNDS = 20


@dataclass(frozen=True)
class Settled:
    """Hold a Graph whose shapes are numbers."""

    model: ir.Model
    batch: int | None
    """The size of the batch axis, `OPEN_BATCH` where it's open; None without such an axis."""


def settle(
    model: ir.Model, shapes: Mapping[str, Sequence[int]], *, batched: bool = True
) -> Settled:
    """Return a copy of a Graph with a static shape for each value.

    Args:
        model: The Graph; unchanged.
        shapes: Input name -> shape, without the batch where there is one.
        batched: Whether the first axis of each input is the batch.

    Raises:
        ShapeError: Shapes or types contradict each other.
        UnsupportedOpError: The inputs have batches of different sizes; or an open batch's size is
            used as a number, by the node that is named.
    """
    batch = _batch(model) if batched else None
    found = _settle(model, shapes, batch)
    asks = any(node.op_type in ("Shape", "Size") and not node.domain for node in model.graph)
    if batch == OPEN_BATCH and asks:
        check_batch_is_no_number(found.model, _settle(model, shapes, OTHER_BATCH).model)
    return found


def _settle(model: ir.Model, shapes: Mapping[str, Sequence[int]], batch: int | None) -> Settled:
    copy = model.clone()
    sizes = {
        name: list(shape) if batch is None else [batch, *shape] for name, shape in shapes.items()
    }
    if batch == OPEN_BATCH and _is_settled(copy, sizes):
        # As this package writes it: nothing to work out.
        for value in _values(copy):
            assert value.shape is not None
            value.shape = ir.Shape([batch, *list(value.shape)[1:]])
        return Settled(copy, batch)
    for value in copy.graph.inputs:
        if value.name and value.name in sizes:
            value.shape = ir.Shape(sizes[value.name])
    for _ in range(_ROUNDS):
        _infer(copy)
        if not _fold(copy):
            break
    return Settled(copy, batch)


def _batch(model: ir.Model) -> int:
    """Return the batch that the inputs state, or `OPEN_BATCH`."""
    stated = {
        value.shape[0]
        for value in model.graph.inputs
        if value.name not in model.graph.initializers
        and value.shape
        and isinstance(value.shape[0], int)
    }
    if len(stated) > 1:
        raise UnsupportedOpError(
            "layers", "all inputs must have one batch size", got=sorted(map(str, stated))
        )
    return next((size for size in stated if isinstance(size, int)), OPEN_BATCH)


def _values(model: ir.Model) -> list[ir.Value]:
    """Return what the Graph computes or is given, without constants."""
    graph = model.graph
    inputs = [value for value in graph.inputs if value.name not in graph.initializers]
    return [*inputs, *(out for node in graph for out in node.outputs if out.name)]


def _is_settled(model: ir.Model, sizes: Mapping[str, Sequence[int]]) -> bool:
    for node in model.graph:
        if node.op_type in ("Shape", "Size", "Constant") and not node.domain:
            return False
    for value in _values(model):
        if not value.shape or any(not isinstance(size, int) for size in list(value.shape)[1:]):
            return False
        if isinstance(value.shape[0], int):
            return False
        wanted = sizes.get(value.name or "")
        if wanted is not None and list(value.shape)[1:] != list(wanted)[1:]:
            return False
    return True


def _infer(model: ir.Model) -> None:
    """Work out shapes and types anew from the inputs'."""
    light = model.clone()
    graph = light.graph
    for name, value in list(graph.initializers.items()):
        if value.const_value is not None and value.const_value.size > _LARGE:
            del graph.initializers[name]
            value.const_value = None
            if value not in graph.inputs:
                graph.inputs.append(value)
    for node in graph:
        for out in node.outputs:
            out.shape = None
    if any(node.domain for node in graph):
        attach_functions(light)  # their bodies say the shapes
    proto = ir.to_proto(light)
    del proto.graph.value_info[:]
    try:
        proto = settle_ceil_mode(proto)
        proto = onnx.shape_inference.infer_shapes(
            proto, check_type=True, strict_mode=True, data_prop=True
        )
    except onnx.shape_inference.InferenceError as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise ShapeError(
            "layers",
            f"types and shapes must agree: {lines[0] if lines else error}",
            fix="Give the input shape that the file was made for (--input-shape, or input_shape in "
            "Python)",
        ) from error
    found = {info.name: info for info in (*proto.graph.value_info, *proto.graph.output)}
    for node in model.graph:
        for out in node.outputs:
            info = found.get(out.name or "")
            if info is None:
                continue
            kind = info.type.tensor_type
            if kind.elem_type:
                out.dtype = ir.DataType(kind.elem_type)
            out.shape = None
            if kind.HasField("shape"):
                dims = [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim]
                out.shape = ir.Shape(dims)


def _fold(model: ir.Model) -> bool:
    """Replace shapes by constants and compute what follows from constants; tell of any change."""
    graph = model.graph
    before = len(graph)
    for node in list(graph):
        if node.domain or node.op_type not in ("Shape", "Size"):
            continue
        shape = _known(node.inputs[0])
        if shape is None or node.outputs[0].is_graph_output():
            continue
        array: Any = np.array(shape, np.int64)
        if node.op_type == "Size":
            array = np.array(math.prod(shape), np.int64)
        else:
            start = node.attributes.get_int("start", 0)
            end = node.attributes.get_int("end", len(shape))
            array = array[start:end]
        out = node.outputs[0]
        name = out.name or "shape"
        out.name = f"{name}.folded"
        out.replace_all_uses_with(initializer(graph, array, name))
        graph.remove(node, safe=True)
    large = [
        node
        for node in graph
        if any(math.prod(_known(out) or [0]) > _MAX_FOLDED for out in node.outputs)
        and node.op_type in ("ConstantOfShape", "Expand", "Tile", "Range")
    ]
    if not large:  # a constant of the open batch's size isn't made
        run_passes(model, ["fold-constants"])
    return len(graph) != before


def _known(value: ir.Value | None) -> list[int] | None:
    if value is None or value.shape is None:
        return None
    sizes = [size if isinstance(size, int) else None for size in value.shape]
    return None if None in sizes else [size for size in sizes if size is not None]
