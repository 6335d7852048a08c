"""Layers that reshape, join, cut and pad values without computing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.graph.layers._match import Matcher, reads
from niwaki.graph.layers._movers import emit_gathers, find_channel_shuffle
from niwaki.graph.layers._values import Array, attribute, constant, data, operand, unsupported

if TYPE_CHECKING:
    import onnx_ir as ir


@reads("Flatten", "Reshape", "Squeeze", "Unsqueeze")
def read_reshape(matcher: Matcher, node: ir.Node) -> None:
    """Read a reshape that keeps the batch; of channels that are shuffled, a choice of indices."""
    shape, out = (matcher.shape(value, node) for value in (data(node), node.outputs[0]))
    if math.prod(shape) != math.prod(out):
        raise unsupported(node, "the batch to stay the first axis", got=f"{shape} to {out}")
    target = {"target": list(out)}
    shuffle = find_channel_shuffle(matcher, node) if node.op_type == "Reshape" else None
    if shuffle is not None:
        x, order = shuffle
        arrays = {"indices": order.astype(np.int32)}
        matcher.emit("gather", node, node.outputs[0], {"x": x}, {"axis": 0}, arrays)
        return
    matcher.emit("reshape", node, node.outputs[0], {"x": data(node)}, target)


@reads("Slice")
def read_slice(matcher: Matcher, node: ir.Node) -> None:
    """Read a slice with constant bounds behind the batch."""
    found = [constant(operand(node, i)) for i in range(1, 5)]
    starts, ends, axes, steps = (None if a is None else a.reshape(-1).tolist() for a in found)
    missing = [i for i in range(1, len(node.inputs)) if node.inputs[i] is not None]
    if starts is None or ends is None or any(found[i - 1] is None for i in missing):
        raise unsupported(node, "constant starts, ends, axes and steps", got="others")
    shape = matcher.shape(data(node), node)
    full = [None] * matcher.lead + [range(size) for size in shape]
    for i, axis in enumerate(axes if axes is not None else range(len(starts))):
        own = full[int(axis)]
        cut = slice(int(starts[i]), int(ends[i]), int(steps[i]) if steps else 1)
        if own is None:
            if len(range(matcher.batch or 0)[cut]) != matcher.batch or (cut.step or 1) < 0:
                raise unsupported(node, "the whole batch", got=f"a slice along axis {axis}")
            continue
        full[int(axis)] = own[_bounded(cut, len(own))]
    emit_slice(matcher, node, data(node), node.outputs[0], [r for r in full if r is not None])


@reads("Split")
def read_split(matcher: Matcher, node: ir.Node) -> None:
    """Read a split as one slice per part."""
    x = data(node)
    shape = matcher.shape(x, node)
    axis = matcher.axis(attribute(node, "axis", 0), len(shape), node)
    ends = np.cumsum([matcher.shape(part, node)[axis] for part in node.outputs])
    for index in reversed(range(len(ends))):
        if not matcher.is_needed(node.outputs[index]):
            continue
        ranges = [range(size) for size in shape]
        ranges[axis] = range(0 if index == 0 else int(ends[index - 1]), int(ends[index]))
        name = None if index == 0 else f"{node.name}.{index + 1}"
        emit_slice(matcher, node, x, node.outputs[index], ranges, name=name)


@reads("Pad")
def read_pad(matcher: Matcher, node: ir.Node) -> None:
    """Read padding behind the batch, with a number or with the value's own elements."""
    mode, x, output = attribute(node, "mode", "constant"), data(node), node.outputs[0]
    shape = matcher.shape(x, node)
    full = _pads(matcher, node, len(shape) + matcher.lead)
    rank = len(shape)
    heads, tails = full[matcher.lead : matcher.lead + rank], full[-rank:] if rank else []
    if mode != "constant":
        words = {"reflect": "reflect", "edge": "edge", "wrap": "wrap"}
        if mode not in words or min([*heads, *tails], default=0) < 0:
            raise unsupported(node, "a known mode, pads of at least 0", got=f"mode {mode}")
        axes: dict[int, Array] = {
            axis: np.pad(np.arange(size), (heads[axis], tails[axis]), words[mode])  # type: ignore
            for axis, size in enumerate(shape)
            if heads[axis] or tails[axis]
        }
        emit_gathers(matcher, node, x, output, axes)
        return
    value = operand(node, 2)
    number = constant(value)
    if value is not None and (number is None or number.size != 1):
        raise unsupported(node, "a constant number to pad with", got=repr(value.name))
    fill = 0.0 if number is None else float(number.reshape(-1)[0])
    if min([*heads, *tails], default=0) < 0:
        cut = matcher.extra(output, "cut", output, [
            n + min(heads[i], 0) + min(tails[i], 0) for i, n in enumerate(shape)
        ])  # fmt: skip
        emit_pad(matcher, node, cut, output, heads, tails, fill)
        ranges = [
            range(-min(h, 0), n + min(t, 0)) for h, t, n in zip(heads, tails, shape, strict=True)
        ]
        emit_slice(matcher, node, x, cut, ranges, name=cut.name)
        return
    emit_pad(matcher, node, x, output, heads, tails, fill)


def emit_slice(
    matcher: Matcher,
    node: ir.Node,
    x: ir.Value,
    output: ir.Value,
    ranges: list[range],
    name: str | None = None,
) -> None:
    """Emit a slice of an image or features, or of a tensor of any rank with any steps."""
    if min((len(found) for found in ranges), default=1) < 1:
        raise unsupported(node, "at least one element to remain", got=str(ranges))
    if len(ranges) in (1, 3) and min(found.step for found in ranges) > 0:
        cut = {
            "starts": [found.start for found in ranges],
            "ends": [found.stop for found in ranges],
            "steps": [found.step for found in ranges],
        }
        matcher.emit("slice", node, output, {"x": x}, cut, name=name)
        return
    attrs = {
        "starts": [found.start for found in ranges],
        "counts": [len(found) for found in ranges],
        "steps": [found.step for found in ranges],
    }
    matcher.emit("strided_slice", node, output, {"x": x}, attrs, name=name)


def emit_pad(
    matcher: Matcher,
    node: ir.Node,
    x: ir.Value,
    output: ir.Value,
    heads: list[int],
    tails: list[int],
    fill: float,
    name: str | None = None,
) -> None:
    """Emit padding of an image or features, or of a tensor of any rank, with a number."""
    pads = [max(n, 0) for n in (*heads, *tails)]
    op = "pad" if len(heads) in (1, 3) else "tensor_pad"
    matcher.emit(op, node, output, {"x": x}, {"pads": pads, "value": fill}, name=name)


def _bounded(cut: slice, length: int) -> slice:
    """Return a slice whose numbers fit Python's rules: ONNX's open ends are huge numbers."""
    limit = length + 1
    start, end = (max(-limit, min(int(n), limit)) for n in (cut.start, cut.stop))
    if cut.step < 0 and end < -length:
        return slice(start, None, cut.step)
    return slice(start, end, cut.step)


def _pads(matcher: Matcher, node: ir.Node, rank: int) -> list[int]:
    """Return a Pad's numbers: heads of all axes, then tails."""
    pads, axes = constant(operand(node, 1)), constant(operand(node, 3))
    if pads is None or (operand(node, 3) is not None and axes is None):
        raise unsupported(node, "constant pads", got="others")
    found: list[Any] = pads.reshape(-1).tolist()
    used = list(range(rank)) if axes is None else [int(a) % rank for a in axes.reshape(-1)]
    full = [0] * (2 * rank)
    for i, axis in enumerate(used):
        full[axis], full[rank + axis] = int(found[i]), int(found[len(used) + i])
    if matcher.lead and (full[0] or full[rank]):
        raise unsupported(node, "no pads along the batch", got=str(full))
    return full
