"""Concatenations, also with parts that are constant: class tokens, planes of positions."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from niwaki.graph.layers._elementwise import emit_binary
from niwaki.graph.layers._match import Matcher, reads
from niwaki.graph.layers._shapers import emit_pad
from niwaki.graph.layers._values import Array, attribute, constant, data, unsupported

if TYPE_CHECKING:
    import onnx_ir as ir


@dataclass
class _Part:
    """Hold a value of a concatenation with the constants beside it."""

    value: ir.Value
    before: list[Array] = field(default_factory=list["Array"])
    after: list[Array] = field(default_factory=list["Array"])


@reads("Concat")
def read_concat(matcher: Matcher, node: ir.Node) -> None:
    """Read a concatenation along any axis but the batch's."""
    output = node.outputs[0]
    axis = matcher.axis(attribute(node, "axis", 1), len(matcher.shape(output, node)), node)
    parts = _parts(matcher, node, axis)
    if len(parts) == 1 and (parts[0].before or parts[0].after):
        _emit_part(matcher, node, parts[0], axis, output)
        return
    widened = [_widened(matcher, node, part, axis) for part in parts]
    inputs = {str(index): value for index, value in enumerate(widened)}
    matcher.emit("concat", node, output, inputs, {"axis": axis})
    for part, value in zip(reversed(parts), reversed(widened), strict=True):
        if value is not part.value:
            _emit_part(matcher, node, part, axis, value)


def _parts(matcher: Matcher, node: ir.Node, axis: int) -> list[_Part]:
    """Return the values that are joined, each constant beside one of them."""
    parts: list[_Part] = []
    leading: list[Array] = []
    for index in range(len(node.inputs)):
        value = data(node, index)
        known = constant(value)
        if known is not None:
            (parts[-1].after if parts else leading).append(_one_image(matcher, node, known))
        elif matcher.shape(value, node)[axis] > 0:  # what a split left empty adds nothing
            parts.append(_Part(value))
    if not parts:
        raise unsupported(node, "an input that isn't constant and not empty", got="none")
    parts[0].before = leading
    return parts


def _one_image(matcher: Matcher, node: ir.Node, array: Array) -> Array:
    """Return a constant part without the batch axis."""
    if array.dtype.kind != "f":
        raise unsupported(node, "floats as constant inputs", got=str(array.dtype))
    found = array.astype(np.float32, copy=False)
    if not matcher.lead:
        return found
    if not len(found) or not np.array_equal(found, np.broadcast_to(found[:1], found.shape)):
        raise unsupported(
            node, "constants that are the same for each image", got=f"shape {found.shape}"
        )
    return found[0]


def _widened(matcher: Matcher, node: ir.Node, part: _Part, axis: int) -> ir.Value:
    """Return the value that a part with its constants makes."""
    if not part.before and not part.after:
        return part.value
    shape = list(matcher.shape(part.value, node))
    shape[axis] += sum(array.shape[axis] for array in (*part.before, *part.after))
    return matcher.extra(node.outputs[0], "joined", part.value, shape)


def _emit_part(matcher: Matcher, node: ir.Node, part: _Part, axis: int, output: ir.Value) -> None:
    """Emit a value between constants: zeros in their place, then their sum (-0 becomes 0)."""
    shape = matcher.shape(part.value, node)
    zeros = np.zeros(shape, np.float32)
    addend = np.concatenate([*part.before, zeros, *part.after], axis)
    heads, tails = [0] * len(shape), [0] * len(shape)
    heads[axis] = sum(array.shape[axis] for array in part.before)
    tails[axis] = sum(array.shape[axis] for array in part.after)
    padded = matcher.extra(output, "padded", part.value, addend.shape)
    emit_binary(matcher, node, "add", padded, addend, output)
    emit_pad(matcher, node, part.value, padded, heads, tails, 0.0, name=padded.name)
