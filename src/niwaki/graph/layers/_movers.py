"""Layers that move elements between axes: transpose, expand, gather, tile, depth to space."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from niwaki.graph.layers._match import Matcher, reads
from niwaki.graph.layers._values import (
    Array,
    attribute,
    constant,
    data,
    is_op,
    operand,
    unsupported,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx_ir as ir


@reads("Transpose")
def read_transpose(matcher: Matcher, node: ir.Node) -> None:
    """Read a transpose that leaves the batch where it is."""
    perm = _perm(matcher, node)
    matcher.emit("transpose", node, node.outputs[0], {"x": data(node)}, {"perm": perm})


@reads("Expand")
def read_expand(matcher: Matcher, node: ir.Node) -> None:
    """Read an expansion to a known shape."""
    shape, out = (matcher.shape(v, node) for v in (data(node), node.outputs[0]))
    if matcher.batch is not None and len(shape) != len(out):
        raise unsupported(node, "the batch to stay the first axis", got=f"{shape} to {out}")
    matcher.emit("expand", node, node.outputs[0], {"x": data(node)})


@reads("Gather")
def read_gather(matcher: Matcher, node: ir.Node) -> None:
    """Read a choice of known indices along an axis behind the batch."""
    shape = matcher.shape(data(node), node)
    axis = matcher.axis(attribute(node, "axis", 0), len(shape), node)
    indices = constant(operand(node, 1))
    if indices is None:
        raise unsupported(node, "constant indices", got=repr(data(node, 1).name))
    output = node.outputs[0]
    emit_gather(matcher, node, data(node), output, axis, indices.reshape(-1))


@reads("Tile")
def read_tile(matcher: Matcher, node: ir.Node) -> None:
    """Read a repetition: the indices along each axis, over and over."""
    shape = matcher.shape(data(node), node)
    repeats = constant(operand(node, 1))
    if repeats is None or (matcher.lead and int(repeats[0]) != 1):
        raise unsupported(node, "constant repeats, 1 for the batch", got=f"{repeats}")
    counts = [int(n) for n in repeats[matcher.lead :]]
    axes = {axis: np.tile(np.arange(shape[axis]), n) for axis, n in enumerate(counts) if n != 1}
    emit_gathers(matcher, node, data(node), node.outputs[0], axes)


@reads("DepthToSpace", "SpaceToDepth")
def read_depth(matcher: Matcher, node: ir.Node) -> None:
    """Read blocks of pixels that become channels, or the other way round."""
    shape = matcher.shape(data(node), node)
    if matcher.batch is None or len(shape) != 3:
        raise unsupported(node, "an image (NCHW)", got=f"{len(shape)} axes behind the batch")
    size, (channels, height, width) = int(attribute(node, "blocksize", 1)), shape
    if node.op_type == "SpaceToDepth":
        split = (channels, height // size, size, width // size, size)
        perm = [2, 4, 0, 1, 3]
    elif attribute(node, "mode", "DCR") == "CRD":
        split = (channels // size**2, size, size, height, width)
        perm = [0, 3, 1, 4, 2]
    else:
        split = (size, size, channels // size**2, height, width)
        perm = [2, 3, 0, 4, 1]
    emit_shuffle(matcher, node, data(node), node.outputs[0], split, perm)


def find_channel_shuffle(matcher: Matcher, node: ir.Node) -> tuple[ir.Value, Array] | None:
    """Return what a Reshape shuffles the channels of, and the order it gives them, or None.

    That is Reshape(g, C/g, H, W), Transpose, Reshape(C, H, W) with nothing else reading between.
    """
    out = matcher.shape(node.outputs[0], node)
    transpose = matcher.only_reader(data(node))
    if len(out) != 3 or matcher.batch is None or not is_op(transpose, "Transpose"):
        return None
    assert transpose is not None
    split = matcher.only_reader(data(transpose))
    if not is_op(split, "Reshape") or split is None:
        return None
    middle, x = matcher.shape(data(transpose), node), data(split)
    perm = _perm(matcher, transpose)
    groups = len(middle) - 2
    stays = perm[groups:] == [groups, groups + 1] and middle[groups:] == out[1:]
    if groups < 1 or not stays or matcher.shape(x, node) != out:
        return None
    order = np.arange(out[0]).reshape(middle[:groups]).transpose(perm[:groups])
    return x, order.reshape(-1)


def emit_gather(
    matcher: Matcher, node: ir.Node, x: ir.Value, output: ir.Value, axis: int, indices: Array
) -> None:
    """Emit a choice of indices along one axis; `output` holds the result in any shape.

    Raises:
        UnsupportedOpError: An index lies outside.
    """
    shape = matcher.shape(x, node)
    length = shape[axis]
    if indices.size and not -length <= indices.min() <= indices.max() < length:
        raise unsupported(node, f"indices in [{-length}, {length})", got=str(indices.tolist()))
    found = (indices % length).astype(np.int32)
    direct = (*shape[:axis], int(found.size), *shape[axis + 1 :])
    target = output
    if matcher.shape(output, node) != direct:  # indices of any rank, or one number
        target = matcher.extra(output, "gathered", output, direct)
        sizes = list(matcher.shape(output, node))
        matcher.emit("reshape", node, output, {"x": target}, {"target": sizes})
    matcher.emit("gather", node, target, {"x": x}, {"axis": axis}, {"indices": found})


def emit_gathers(
    matcher: Matcher, node: ir.Node, x: ir.Value, output: ir.Value, axes: dict[int, Array]
) -> None:
    """Emit choices of indices along several axes, one after the other."""
    if not axes:
        sizes = list(matcher.shape(output, node))
        matcher.emit("reshape", node, output, {"x": x}, {"target": sizes})
        return
    chain = [x]
    shape = list(matcher.shape(x, node))
    for axis, indices in list(axes.items())[:-1]:
        shape[axis] = int(indices.size)
        chain.append(matcher.extra(output, "part", output, list(shape)))
    chain.append(output)
    steps = list(zip(axes.items(), chain[:-1], chain[1:], strict=True))
    for (axis, indices), source, target in reversed(steps):
        emit_gather(matcher, node, source, target, axis, indices)


def emit_shuffle(
    matcher: Matcher,
    node: ir.Node,
    x: ir.Value,
    output: ir.Value,
    split: Sequence[int],
    perm: Sequence[int],
) -> None:
    """Emit a reshape to `split`, a transpose, and a reshape to the output's shape."""
    if math.prod(split) != math.prod(matcher.shape(x, node)):
        raise unsupported(node, "sizes that the block divides", got=f"{matcher.shape(x, node)}")
    parts = matcher.extra(output, "split", output, split)
    moved = matcher.extra(output, "moved", output, [split[axis] for axis in perm])
    sizes = list(matcher.shape(output, node))
    matcher.emit("reshape", node, output, {"x": moved}, {"target": sizes})
    matcher.emit("transpose", node, moved, {"x": parts}, {"perm": list(perm)}, name=moved.name)
    target = {"target": list(split)}
    matcher.emit("reshape", node, parts, {"x": x}, target, name=parts.name)


def _perm(matcher: Matcher, node: ir.Node) -> list[int]:
    """Return a transpose's order of the axes behind the batch."""
    rank = len(matcher.shape(data(node), node)) + matcher.lead
    perm = [int(axis) for axis in attribute(node, "perm", list(range(rank))[::-1])]
    if perm[: matcher.lead] != list(range(matcher.lead)):
        raise unsupported(node, "the batch to stay the first axis", got=f"perm {perm}")
    return [axis - matcher.lead for axis in perm[matcher.lead :]]
