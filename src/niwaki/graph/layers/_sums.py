"""Layers that are sums: convolutions and linear layers with their branches, adds, batch norms.

A tree of Adds is flattened first, so their order doesn't matter; then its leaves are grouped into
layers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.graph.functions import QONNX
from niwaki.graph.layers._match import Matcher, reads
from niwaki.graph.layers._terms import WEIGHTED, Term, read_term
from niwaki.graph.layers._values import (
    Array,
    attribute,
    channels_of,
    constant,
    data,
    is_op,
    operand,
    per_channel,
    rank_of,
    unsupported,
)

if TYPE_CHECKING:
    import onnx_ir as ir

NONE: dict[str, Any] = {"kind": "none"}
_SUMS = ("Add", "Sub", "Sum")
_FACTORS = ("Mul", "Div")


@dataclass
class Parts:
    """Collect the leaves of a tree of Adds."""

    root: ir.Node
    terms: list[Term] = field(default_factory=list[Term])
    values: list[tuple[ir.Value, Array | None]] = field(default_factory=list[Any])
    """Values added as they are (residuals), with a factor per channel or None."""
    bias: Array | None = None

    def constant(self, array: Array) -> Array:
        """Return a constant operand as one number per channel, (C,)."""
        result = self.root.outputs[0]
        channels, rank = channels_of(result, self.root), rank_of(result, self.root)
        found = per_channel(array, channels, rank)
        if found is None:
            raise unsupported(
                self.root, "constants with one number per channel", got=f"shape {array.shape}"
            )
        return found

    def add_bias(self, bias: Array | None, factor: Array | None) -> None:
        """Add numbers per channel, times the factor."""
        if bias is not None:
            scaled = bias if factor is None else bias * factor
            self.bias = scaled if self.bias is None else self.bias + scaled


@dataclass
class Source:
    """Say what makes a value that the Graph doesn't have: a pair of terms, or a scaled value."""

    pair: tuple[Term | None, Term | None] | None = None
    value: ir.Value | None = None
    factor: Array | None = None


@reads("Conv", "ConvInteger", "MatMulInteger")
def read_sum(matcher: Matcher, node: ir.Node) -> None:
    """Read a sum that no activation follows."""
    emit_sum(matcher, node, node.outputs[0], NONE)


def is_sum(matcher: Matcher, node: ir.Node | None) -> bool:
    """Tell whether a node can end a sum of images or features, with numbers per channel.

    Not so a product of two values that both change, anything that repeats a value along an axis,
    constants with a number per pixel, weights that change.
    """
    if node is None or node.domain or matcher.batch is None:
        return False
    if is_op(node, "Conv", "ConvInteger", "MatMulInteger"):
        return True
    if is_op(node, "Gemm", "MatMul"):
        return _is_linear(matcher, node)
    if is_op(node, "BatchNormalization"):
        known = all(constant(value) is not None for value in node.inputs[1:5])
        return known and is_inference(node) and len(matcher.shape(data(node), node)) in (1, 3)
    if not is_op(node, *_SUMS, *_FACTORS):
        return False
    shape = matcher.shape(node.outputs[0], node)
    constants = [constant(value) for value in node.inputs]
    if is_op(node, *_FACTORS):
        first, second = (found is not None for found in constants)
        if first == second or (first and node.op_type == "Div"):
            return False
    return len(shape) in (1, 3) and all(
        matcher.shape(data(node, i), node) == shape
        if found is None
        else per_channel(found, shape[0], len(shape) + 1) is not None
        for i, found in enumerate(constants)
    )


def is_inference(node: ir.Node) -> bool:
    """Tell whether a batch norm only scales and shifts."""
    return not attribute(node, "training_mode", 0) and not any(
        out.uses() or out.is_graph_output() for out in node.outputs[1:]
    )


def _is_linear(matcher: Matcher, node: ir.Node) -> bool:
    """Tell whether a product of matrices is one of features with weights."""
    x, weight = data(node), data(node, 1)
    stored = constant(weight)
    known = (
        stored.ndim == 2
        if stored is not None
        else is_op(weight.producer(), "BipolarQuant", domain=QONNX)
    )
    bias = operand(node, 2)
    if bias is not None:
        outputs = matcher.shape(node.outputs[0], node)[-1]
        found = constant(bias)
        known = known and found is not None and per_channel(found, outputs, 2) is not None
    return known and len(matcher.shape(x, node)) == 1 and not attribute(node, "transA", 0)


def emit_sum(matcher: Matcher, root: ir.Node, output: ir.Value, activation: dict[str, Any]) -> None:
    """Emit the layers of the sum that ends at `root`, the last of them making `output`.

    Layers are emitted last first: the main one takes bias, activation and one residual; what
    remains is added up in front of it.
    """
    parts = Parts(root)
    _expand(matcher, root, None, parts)
    pairs = _pair(parts.terms)
    # What is added to the main layer: a value, and what makes it if the Graph has no layer for it.
    made: list[tuple[ir.Value, Source | None]] = []
    for pair in pairs[1:]:
        weighted, binary = pair
        if binary is None and weighted is not None and weighted.scale is None:
            made.append((weighted.node.outputs[0], None))  # a layer of its own, met further up
        else:
            made.append((matcher.extra(output, "branch", output), Source(pair=pair)))
    is_alone = not pairs and len(parts.values) == 1
    for value, factor in parts.values:
        if factor is None or is_alone:
            made.append((value, None))
        else:
            extra = matcher.extra(output, "scaled", output)
            made.append((extra, Source(value=value, factor=factor)))
    addends = [value for value, _ in made]
    keep = 2 if not pairs and len(addends) > 1 and parts.bias is None else 1
    adds: list[tuple[ir.Value, ir.Value, ir.Value]] = []
    while len(addends) > keep:
        both = matcher.extra(output, "sum", output)
        adds.append((addends[0], addends[1], both))
        addends = [both, *addends[2:]]
    if pairs:
        residual = {"residual": addends[0]} if addends else {}
        emit_pair(matcher, pairs[0], output, residual, activation, parts.bias)
    elif len(addends) == 2:
        inputs = {"a": addends[0], "b": addends[1]}
        matcher.emit("add", root, output, inputs, {"activation": activation})
    else:
        source = Source(value=addends[0], factor=parts.values[0][1] if is_alone else None)
        _emit_affine(matcher, root, output, source, parts.bias, activation)
    for a, b, both in reversed(adds):
        matcher.emit("add", root, both, {"a": a, "b": b}, {"activation": NONE}, name=both.name)
    for value, source in made:
        if source is not None and source.pair is not None:
            emit_pair(matcher, source.pair, value, {}, NONE, None)
        elif source is not None:
            _emit_affine(matcher, root, value, source, None, NONE, name=value.name)


def emit_pair(
    matcher: Matcher,
    pair: tuple[Term | None, Term | None],
    output: ir.Value,
    inputs: dict[str, ir.Value],
    activation: dict[str, Any],
    bias: Array | None,
    *,
    attrs: dict[str, Any] | None = None,
    arrays: dict[str, Array] | None = None,
) -> None:
    """Emit one convolution or linear layer of a weighted term, a binary one, or both.

    Args:
        matcher: Where to.
        pair: The weighted term and the binary one.
        output: The value it makes.
        inputs: Further inputs (the residual).
        activation: What follows the sum.
        bias: Numbers per channel that were added beside the terms' own biases.
        attrs: Further attributes.
        arrays: Arrays of the integer form; takes the place of the float form's biases and scales.
    """
    weighted, binary = pair
    found: dict[str, Array] = {}
    reads: dict[str, ir.Value] = {}
    total = bias
    for term in (weighted, binary):
        if term is None:
            continue
        own = term.bias
        if own is not None:
            own = own if term.scale is None else own * term.scale
            total = own if total is None else total + own
    if weighted is not None:
        reads["x"] = weighted.x
        weight = weighted.weight
        if weighted.scale is not None:
            column = weighted.scale.reshape((-1,) + (1,) * (weight.ndim - 1))
            weight = (weight * column).astype(weight.dtype)
        found["weight"] = weight
    if binary is not None:
        reads["bits"] = binary.x
        found["binary.weight"] = binary.weight
        if arrays is None:
            ones = np.ones(binary.weight.shape[0], np.float32)
            found["binary.scale"] = ones if binary.scale is None else _float(binary.scale)
    term = weighted or binary
    assert term is not None
    outputs = term.weight.shape[0]
    if arrays is not None:
        found |= arrays
    elif term.node.op_type in ("ConvInteger", "MatMulInteger"):
        found["bias"] = np.zeros(outputs, np.int64) if total is None else total.astype(np.int64)
    else:
        found["bias"] = np.zeros(outputs, np.float32) if total is None else _float(total)
    names = [t.node.name or t.node.op_type for t in (weighted, binary) if t is not None]
    matcher.emit(
        term.op,
        term.node,
        output,
        {**reads, **inputs},
        {**term.windows, "activation": activation, **(attrs or {})},
        found,
        # The plain name, not the one that was made unique by a suffix.
        name=min(names, key=len),
    )


def pair_up(weighted: Term, binary: Term) -> bool:
    """Tell whether two terms can run as one layer: same windows, same shapes, one group."""
    return (
        weighted.op == binary.op
        and weighted.windows == binary.windows
        and weighted.windows.get("groups", 1) == 1
        and weighted.weight.shape == binary.weight.shape
        and _sizes(weighted.x) == _sizes(binary.x)
    )


def _expand(matcher: Matcher, node: ir.Node, factor: Array | None, parts: Parts) -> None:
    """Add what a node sums, times a factor per channel, to the parts."""
    if is_op(node, *WEIGHTED):
        term = read_term(node)
        if factor is not None:
            term.scale = factor if term.scale is None else term.scale * factor
        parts.terms.append(term)
    elif is_op(node, "BatchNormalization"):
        gain, offset, mean, variance = (_need(node, i) for i in (1, 2, 3, 4))
        scale = gain / np.sqrt(variance + np.float32(attribute(node, "epsilon", 1e-5)))
        parts.add_bias(_float(offset - mean * scale), factor)
        _leaf(matcher, data(node), _times(factor, _float(scale)), parts)
    elif is_op(node, *_FACTORS):
        _expand_factor(matcher, node, factor, parts)
    else:
        for index in range(len(node.inputs)):
            sign = (
                None
                if index == 0 or node.op_type != "Sub"
                else parts.constant(np.array(-1, np.float32))
            )
            _leaf(matcher, data(node, index), _times(factor, sign), parts)


def _expand_factor(matcher: Matcher, node: ir.Node, factor: Array | None, parts: Parts) -> None:
    """Add a product with, or a quotient by, a constant."""
    first, second = constant(data(node)), constant(data(node, 1))
    if node.op_type == "Div" and second is not None:
        inner = parts.constant((1 / second.astype(np.float64)).astype(np.float32))
        _leaf(matcher, data(node), _times(factor, inner), parts)
    elif node.op_type == "Mul" and (first is not None or second is not None):
        known = first if first is not None else second
        assert known is not None
        value = data(node, 1 if first is not None else 0)
        _leaf(matcher, value, _times(factor, parts.constant(known)), parts)
    else:
        raise AssertionError("is_sum lets no other factors in")


def _leaf(matcher: Matcher, value: ir.Value, factor: Array | None, parts: Parts) -> None:
    """Add a value of the tree: a constant, a node that only the tree reads, or a value as it is."""
    known = constant(value)
    if known is not None:
        parts.add_bias(parts.constant(known), factor)
        return
    node = matcher.only_reader(value)
    if node is not None and is_sum(matcher, node):
        _expand(matcher, node, factor, parts)
        return
    parts.values.append((value, factor))


def _pair(terms: list[Term]) -> list[tuple[Term | None, Term | None]]:
    """Group terms into layers, a weighted with a binary one where they fit; pairs come first."""
    weighted = [term for term in terms if not term.binary]
    binary = [term for term in terms if term.binary]
    pairs: list[tuple[Term | None, Term | None]] = []
    for term in binary:
        mate = next((other for other in weighted if pair_up(other, term)), None)
        if mate is not None:
            weighted.remove(mate)
        pairs.append((mate, term))
    pairs.sort(key=lambda pair: pair[0] is None)
    # The largest weighted term is the main one: a projection is what gets added to it.
    weighted.sort(key=lambda term: -term.weight.size)
    return pairs + [(term, None) for term in weighted]


def _emit_affine(
    matcher: Matcher,
    root: ir.Node,
    output: ir.Value,
    source: Source,
    bias: Array | None,
    activation: dict[str, Any],
    name: str | None = None,
) -> None:
    assert source.value is not None
    channels, scale = channels_of(root.outputs[0], root), source.factor
    arrays = {
        "scale": np.ones(channels, np.float32) if scale is None else _float(scale),
        "bias": np.zeros(channels, np.float32) if bias is None else _float(bias),
    }
    matcher.emit(
        "affine", root, output, {"x": source.value}, {"activation": activation}, arrays, name=name
    )


def _need(node: ir.Node, index: int) -> Array:
    found = constant(data(node, index))
    if found is None:
        raise unsupported(node, "constant parameters", got=repr(data(node, index).name))
    return found


def _times(a: Array | None, b: Array | None) -> Array | None:
    if a is None or b is None:
        return b if a is None else a
    return a * b


def _float(array: Array) -> Array:
    return np.ascontiguousarray(array, np.float32)


def _sizes(value: ir.Value) -> tuple[Any, ...] | None:
    return None if value.shape is None else tuple(str(size) for size in value.shape)
