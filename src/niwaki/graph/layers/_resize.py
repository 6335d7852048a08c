"""Resize: per axis, each output index is a sum of a few input indices (taps) with weights.

Every mode (nearest, linear, cubic, with or without antialiasing) and every way to map coordinates
comes down to such a table, worked out here once; the engine only sums taps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.graph.layers._match import Matcher, reads
from niwaki.graph.layers._values import Array, attribute, constant, data, operand, unsupported

if TYPE_CHECKING:
    import onnx_ir as ir

_COORDINATES = (
    "align_corners",
    "asymmetric",
    "half_pixel",
    "half_pixel_symmetric",
    "pytorch_half_pixel",
)
_NEAREST = ("ceil", "floor", "round_prefer_ceil", "round_prefer_floor")


MOST_SIDE = 1 << 14
"""Elements of an axis that may be resized: each has a row of taps."""


@dataclass(frozen=True)
class Rule:
    """Say how one axis is resized."""

    length: int
    size: int
    """Of the output."""
    scale: float
    mode: str
    coordinates: str
    nearest: str
    cubic: float
    exclude_outside: bool
    antialias: bool

    def source(self, index: int) -> float:
        """Return the input coordinate of an output index."""
        span = self.scale * self.length  # the output's length before it is rounded down
        if self.coordinates == "align_corners":
            return 0.0 if self.size == 1 else index * (self.length - 1) / (span - 1)
        if self.coordinates == "asymmetric":
            return index / self.scale
        if self.coordinates == "pytorch_half_pixel" and self.size == 1:
            return 0.0
        if self.coordinates == "half_pixel_symmetric":
            # The output's centre stays over the input's.
            middle = self.length / 2 * (1 - self.size / span)
            return middle + (index + 0.5) / self.scale - 0.5
        return (index + 0.5) / self.scale - 0.5


def axis_taps(rule: Rule) -> tuple[Array, Array]:
    """Return the table of one axis.

    Args:
        rule: How it is resized.

    Returns:
        Input indices (size, taps) s32, and weights (size, taps) f32; unused taps have weight 0.
    """
    rows: list[dict[int, float]] = []
    for index in range(rule.size):
        at = rule.source(index)
        found = {_nearest(rule, at): 1.0} if rule.mode == "nearest" else _weigh(rule, at)
        total = sum(found.values())
        if total and (rule.exclude_outside or rule.antialias):
            found = {tap: weight / total for tap, weight in found.items()}
        row: dict[int, float] = {}
        for tap, weight in found.items():  # what lies outside is the edge again
            inside = min(max(tap, 0), rule.length - 1)
            row[inside] = row.get(inside, 0.0) + weight
        rows.append({tap: weight for tap, weight in row.items() if weight} or {0: 0.0})
    taps = max(len(row) for row in rows)
    indices, weights = np.zeros((rule.size, taps), np.int32), np.zeros((rule.size, taps))
    for i, row in enumerate(rows):
        indices[i, : len(row)], weights[i, : len(row)] = list(row), list(row.values())
    return indices, weights.astype(np.float32)


@reads("Resize")
def read_resize(matcher: Matcher, node: ir.Node) -> None:
    """Read a resize to a known size: one table of taps for each axis that changes."""
    x, output = data(node), node.outputs[0]
    shape, out = (matcher.shape(value, node) for value in (x, output))
    rules = _rules(matcher, node, shape, out)
    changing = [axis for axis, rule in enumerate(rules) if _changes(rule)]
    if not changing:
        matcher.emit("reshape", node, output, {"x": x}, {"target": list(out)})
        return
    chain, sizes = [x], list(shape)
    for axis in changing[:-1]:
        sizes[axis] = out[axis]
        chain.append(matcher.extra(output, "part", output, list(sizes)))
    chain.append(output)
    steps = list(zip(changing, chain[:-1], chain[1:], strict=True))
    for axis, source, target in reversed(steps):
        indices, weights = axis_taps(rules[axis])
        name = None if target is output else target.name
        if indices.shape[1] == 1 and bool(np.all(weights == 1)):
            arrays = {"indices": indices.reshape(-1)}
            matcher.emit("gather", node, target, {"x": source}, {"axis": axis}, arrays, name=name)
        else:
            arrays = {"index": indices, "weight": weights}
            matcher.emit("taps", node, target, {"x": source}, {"axis": axis}, arrays, name=name)


def _changes(rule: Rule) -> bool:
    return rule.length != rule.size or rule.scale != 1


def _rules(
    matcher: Matcher, node: ir.Node, shape: tuple[int, ...], out: tuple[int, ...]
) -> list[Rule]:
    words: dict[str, Any] = {
        "mode": attribute(node, "mode", "nearest"),
        "coordinates": attribute(node, "coordinate_transformation_mode", "half_pixel"),
        "nearest": attribute(node, "nearest_mode", "round_prefer_floor"),
    }
    known = {"mode": ("nearest", "linear", "cubic"), "coordinates": _COORDINATES,
             "nearest": _NEAREST}  # fmt: skip
    for key, word in words.items():
        if word not in known[key]:
            raise unsupported(node, f"{key} of {', '.join(known[key])}", got=str(word))
    if len(shape) != len(out):
        raise unsupported(node, "an output of its input's rank", got=f"{shape} and {out}")
    scales = _scales(matcher, node, shape, out)
    longest = max(*shape, *out, 0)
    if longest > MOST_SIDE:
        raise unsupported(node, f"sides of at most {MOST_SIDE}", got=str(longest))
    return [
        Rule(
            length=length,
            size=size,
            scale=scale,
            cubic=float(attribute(node, "cubic_coeff_a", -0.75)),
            exclude_outside=bool(attribute(node, "exclude_outside", 0)),
            antialias=bool(attribute(node, "antialias", 0)) and scale < 1,
            **words,
        )
        for length, size, scale in zip(shape, out, scales, strict=True)
    ]


def _scales(
    matcher: Matcher, node: ir.Node, shape: tuple[int, ...], out: tuple[int, ...]
) -> list[float]:
    """Return the scale of each axis behind the batch, as given or from the sizes."""
    rank = len(shape) + matcher.lead
    axes = [int(a) % rank for a in attribute(node, "axes", list(range(rank)))]
    scales, sizes = constant(operand(node, 2)), constant(operand(node, 3))
    found = [1.0] * rank
    full_in, full_out = [1] * matcher.lead + list(shape), [1] * matcher.lead + list(out)
    if scales is not None and scales.size:
        for axis, scale in zip(axes, scales.reshape(-1), strict=True):
            found[axis] = float(scale)
    elif sizes is not None and sizes.size:
        for axis in axes:
            found[axis] = full_out[axis] / full_in[axis]
        policy = attribute(node, "keep_aspect_ratio_policy", "stretch")
        if policy != "stretch":
            wanted = [int(n) / full_in[a] for a, n in zip(axes, sizes.reshape(-1), strict=True)]
            least = min(wanted) if policy == "not_larger" else max(wanted)
            for axis in axes:
                found[axis] = least
    else:
        raise unsupported(node, "constant scales or sizes", got="others")
    if matcher.lead and found[0] != 1:
        raise unsupported(node, "a batch that keeps its size", got=f"scale {found[0]}")
    return found[matcher.lead :]


def _nearest(rule: Rule, at: float) -> int:
    if rule.nearest == "ceil":
        return math.ceil(at)
    if rule.nearest == "floor":
        return math.floor(at)
    if rule.nearest == "round_prefer_ceil":
        return math.floor(at + 0.5)
    return math.ceil(at - 0.5)


def _weigh(rule: Rule, at: float) -> dict[int, float]:
    """Return the taps around a coordinate, some perhaps outside, with their weights."""
    # Antialiasing stretches the kernel over the pixels that one output pixel stands for.
    stretch = 1 / rule.scale if rule.antialias else 1.0
    reach = (1.0 if rule.mode == "linear" else 2.0) * stretch
    kernel = _hat if rule.mode == "linear" else _cubic
    found: dict[int, float] = {}
    for tap in range(math.ceil(at - reach), math.floor(at + reach) + 1):
        weight = kernel((tap - at) / stretch, rule.cubic)
        if weight and (0 <= tap < rule.length or not rule.exclude_outside):
            found[tap] = weight
    return found


def _hat(distance: float, _: float) -> float:
    return max(0.0, 1 - abs(distance))


def _cubic(distance: float, a: float) -> float:
    """Return Keys' kernel (IEEE TASSP 29, 1981)."""
    d = abs(distance)
    if d <= 1:
        return ((a + 2) * d - (a + 3)) * d * d + 1
    if d < 2:
        return ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
    return 0.0
