"""Layers that move values without computing: reshape, concat, slice, split, pad."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.graph.layers._match import Matcher, reads
from niwaki.graph.layers._values import attribute, constant, data, operand, rank_of, unsupported

if TYPE_CHECKING:
    import onnx_ir as ir

_END = np.iinfo(np.int32).max


@reads("Flatten")
def read_flatten(matcher: Matcher, node: ir.Node) -> None:
    """Read Flatten behind the batch axis."""
    axis = attribute(node, "axis", 1) % rank_of(data(node), node)
    if axis != 1:
        raise unsupported(node, "axis 1: the batch stays", got=str(axis))
    matcher.emit("reshape", node, node.outputs[0], {"x": data(node)}, {"target": [-1]})


@reads("Reshape")
def read_reshape(matcher: Matcher, node: ir.Node) -> None:
    """Read a reshape that keeps the batch; 0 copies a size, -1 is what remains."""
    target = constant(operand(node, 1))
    result = node.outputs[0]
    if target is not None and target.size > 1:
        sizes = [int(size) for size in target[1:]]
    elif result.shape is not None and all(isinstance(size, int) for size in result.shape[1:]):
        sizes = [int(str(size)) for size in result.shape[1:]]
    else:
        raise unsupported(node, "a constant shape", got=repr(data(node, 1).name))
    matcher.emit("reshape", node, result, {"x": data(node)}, {"target": sizes})


@reads("Squeeze", "Unsqueeze")
def read_squeeze(matcher: Matcher, node: ir.Node) -> None:
    """Read axes of size 1 that come or go behind the batch."""
    axes = constant(operand(node, 1))
    rank = rank_of(data(node), node)
    grown = rank + (0 if axes is None or node.op_type == "Squeeze" else axes.size)
    found = [] if axes is None else [int(axis) % grown for axis in axes.reshape(-1)]
    if not found or 0 in found:
        raise unsupported(node, "constant axes behind the batch", got=str(found))
    key = node.op_type.lower()
    axes_behind_batch = sorted(axis - 1 for axis in found)
    matcher.emit("reshape", node, node.outputs[0], {"x": data(node)}, {key: axes_behind_batch})


@reads("Concat")
def read_concat(matcher: Matcher, node: ir.Node) -> None:
    """Read a concatenation along any axis but the batch's."""
    axis = attribute(node, "axis", 1) % rank_of(data(node), node)
    if axis == 0:
        raise unsupported(node, "another axis than the batch's", got="0")
    for value in node.inputs:
        if constant(value) is not None:
            raise unsupported(node, "inputs that aren't constant", got=repr(value and value.name))
    inputs = {str(i): data(node, i) for i in range(len(node.inputs))}
    matcher.emit("concat", node, node.outputs[0], inputs, {"axis": axis - 1})


@reads("Slice")
def read_slice(matcher: Matcher, node: ir.Node) -> None:
    """Read a slice with positive steps behind the batch."""
    found = [constant(operand(node, i)) for i in range(1, 5)]
    starts, ends, axes, steps = (None if a is None else a.reshape(-1).tolist() for a in found)
    missing = [i for i in range(1, len(node.inputs)) if node.inputs[i] is not None]
    if starts is None or ends is None or any(found[i - 1] is None for i in missing):
        raise unsupported(node, "constant starts, ends, axes and steps", got="others")
    rank = rank_of(data(node), node)
    axes = [axis % rank for axis in axes or range(len(starts))]
    steps = steps or [1] * len(starts)
    if 0 in axes or min(steps) < 1:
        raise unsupported(
            node, "axes behind the batch and steps of at least 1", got=f"axes {axes}, steps {steps}"
        )
    cut = {"starts": [0] * (rank - 1), "ends": [_END] * (rank - 1), "steps": [1] * (rank - 1)}
    for axis, start, end, step in zip(axes, starts, ends, steps, strict=True):
        cut["starts"][axis - 1] = start
        cut["ends"][axis - 1] = min(end, _END)
        cut["steps"][axis - 1] = step
    matcher.emit("slice", node, node.outputs[0], {"x": data(node)}, cut)


@reads("Split")
def read_split(matcher: Matcher, node: ir.Node) -> None:
    """Read a split as one slice per part."""
    rank, x = rank_of(data(node), node), data(node)
    axis = attribute(node, "axis", 0) % rank
    sizes = constant(operand(node, 1))
    length = None if x.shape is None else x.shape[axis]
    if axis == 0 or not isinstance(length, int):
        raise unsupported(node, "a known size along an axis behind the batch", got=f"axis {axis}")
    parts = len(node.outputs)
    each = -(-length // parts)
    lengths: list[int] = [each] * parts if sizes is None else sizes.reshape(-1).tolist()
    ends = np.minimum(np.cumsum(lengths), length)
    for index in reversed(range(parts)):
        if not matcher.is_needed(node.outputs[index]):
            continue
        cut: dict[str, list[int]] = {
            "starts": [0] * (rank - 1),
            "ends": [_END] * (rank - 1),
            "steps": [1] * (rank - 1),
        }
        cut["starts"][axis - 1] = 0 if index == 0 else int(ends[index - 1])
        cut["ends"][axis - 1] = int(ends[index])
        name = None if index == 0 else f"{node.name}.{index + 1}"
        matcher.emit("slice", node, node.outputs[index], {"x": x}, cut, name=name)


@reads("Pad")
def read_pad(matcher: Matcher, node: ir.Node) -> None:
    """Read constant padding behind the batch."""
    mode = attribute(node, "mode", "constant")
    pads, axes = constant(operand(node, 1)), constant(operand(node, 3))
    value = constant(operand(node, 2))
    rank = rank_of(data(node), node)
    if mode != "constant" or pads is None:
        raise unsupported(node, "mode constant with constant pads", got=f"mode {mode}")
    found: list[Any] = pads.reshape(-1).tolist()
    used = list(range(rank)) if axes is None else [int(a) % rank for a in axes.reshape(-1)]
    full = [0] * (2 * rank)
    for i, axis in enumerate(used):
        full[axis], full[rank + axis] = int(found[i]), int(found[len(used) + i])
    if full[0] or full[rank] or min(full) < 0:
        raise unsupported(node, "pads of at least 0, none along the batch", got=str(full))
    fill = 0.0 if value is None or not value.size else float(value.reshape(-1)[0])
    behind = full[1:rank] + full[rank + 1 :]
    matcher.emit("pad", node, node.outputs[0], {"x": data(node)}, {"pads": behind, "value": fill})
