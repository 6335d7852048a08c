"""Thresholds, and the layers that only the integer dialect has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.graph.functions import NIWAKI
from niwaki.graph.layers._advice import advice
from niwaki.graph.layers._match import Matcher, reads
from niwaki.graph.layers._pools import check_spatial
from niwaki.graph.layers._sums import NONE, emit_pair, pair_up
from niwaki.graph.layers._terms import WEIGHTED, Term, read_term
from niwaki.graph.layers._values import (
    Array,
    attribute,
    channels_of,
    constant,
    data,
    is_op,
    per_channel,
    rank_of,
    unsupported,
)

if TYPE_CHECKING:
    import onnx_ir as ir


@reads("Cast")
def read_threshold(matcher: Matcher, node: ir.Node) -> None:
    """Read Cast(GreaterOrEqual(sign * x, level)) as bits; x <= level is -x >= -level."""
    test = matcher.only_reader(data(node))
    if is_op(test, "ConvInteger", "MatMulInteger") and test is not None:
        raise unsupported(test, "niwaki's Requantize behind it", got="a Cast", fix=advice(test))
    if not is_op(test, "GreaterOrEqual", "LessOrEqual") or test is None:
        raise unsupported(node, "a comparison >= or <= in front of it", got=f"{data(node).name!r}")
    level = constant(data(test, 1))
    if level is None:
        raise unsupported(test, "a constant level", got=repr(data(test, 1).name))
    x, sign = data(test), None
    product = matcher.only_reader(x)
    if is_op(product, "Mul") and product is not None:
        sign = constant(data(product, 1))
        if sign is not None and bool(np.all(np.abs(sign) == 1)):
            x = data(product)
        else:
            sign = None
    channels, rank = channels_of(x, node), rank_of(x, node)
    levels = per_channel(level, channels, rank)
    signs = per_channel(np.array(1, np.float32) if sign is None else sign, channels, rank)
    if levels is None or signs is None:
        raise unsupported(test, "one level per channel", got=f"shape {level.shape}")
    if test.op_type == "LessOrEqual":
        levels, signs = -levels, -signs
    arrays = {"sign": signs.astype(np.int8), "level": levels}
    name = min((n.name or "" for n in (node, test)), key=len)
    matcher.emit("threshold", node, node.outputs[0], {"x": x}, {}, arrays, name=name)


@reads("QuantizeInput", domain=NIWAKI)
def read_quantize_input(matcher: Matcher, node: ir.Node) -> None:
    """Read the input's quantisation."""
    attrs = {"inverse_scale": _number(node, 1)}
    matcher.emit("quantize_input", node, node.outputs[0], {"x": data(node)}, attrs)


@reads("Dequantize", domain=NIWAKI)
def read_dequantize(matcher: Matcher, node: ir.Node) -> None:
    """Read the logits' scale."""
    matcher.emit(
        "dequantize", node, node.outputs[0], {"x": data(node)}, {"scale": _number(node, 1)}
    )


@reads("Requantize1", "Requantize2", "Requantize3", domain=NIWAKI)
def read_requantize(matcher: Matcher, node: ir.Node) -> None:
    """Read a requantisation with the sums that only it reads: one layer of the integer form."""
    count = int(node.op_type[-1])
    weighted: list[tuple[Term, Array]] = []
    binary: list[tuple[Term, Array]] = []
    values: list[tuple[ir.Value, Array]] = []
    for index in range(count):
        value, multiplier = data(node, 2 * index), _vector(node, 2 * index + 1)
        source = matcher.only_reader(value)
        if is_op(source, "Cast") and source is not None:  # int64 of the float sum of bits
            inner = matcher.only_reader(data(source))
            if is_op(inner, "Conv", "MatMul", "Gemm") and inner is not None:
                term = read_term(inner)
                if term.binary and term.scale is None and term.bias is None:
                    binary.append((term, multiplier))
                    continue
        if _is_sum_pool(source) and source is not None and count == 1:
            _emit_sum_pool(matcher, node, source, multiplier)
            return
        if is_op(source, *WEIGHTED) and source is not None:
            weighted.append((read_term(source), multiplier))
        else:
            values.append((value, multiplier))
    attrs = {"lo": int(attribute(node, "lo", 0)), "hi": int(attribute(node, "hi", 255))}
    arrays = _rule(node, 2 * count)
    if not weighted and not binary:
        _emit_without_weights(matcher, node, values, attrs, arrays)
        return
    fits = len(weighted) <= 1 and len(binary) <= 1 and len(values) <= 1
    if weighted and binary:
        fits = fits and pair_up(weighted[0][0], binary[0][0])
    if not fits:
        raise unsupported(node, "at most one weighted sum, one of bits and one residual")
    for role, found in (("", weighted), ("binary.", binary), ("residual.", values)):
        if found:
            arrays[f"{role}multiplier"] = found[0][1].astype(np.int16)
    pair = (weighted[0][0] if weighted else None, binary[0][0] if binary else None)
    residual = {"residual": values[0][0]} if values else {}
    emit_pair(matcher, pair, node.outputs[0], residual, NONE, None, attrs=attrs, arrays=arrays)


def _emit_without_weights(
    matcher: Matcher,
    node: ir.Node,
    values: list[tuple[ir.Value, Array]],
    attrs: dict[str, Any],
    arrays: dict[str, Array],
) -> None:
    """Emit a rescaling of one value, or the sum of two."""
    if len(values) == 1:
        arrays["multiplier"] = values[0][1].astype(np.int16)
        matcher.emit("requantize", node, node.outputs[0], {"x": values[0][0]}, attrs, arrays)
        return
    if len(values) != 2:
        raise unsupported(node, "at most two values without weights", got=str(len(values)))
    arrays["a_multiplier"] = values[0][1].astype(np.int16)
    arrays["b_multiplier"] = values[1][1].astype(np.int16)
    inputs = {"a": values[0][0], "b": values[1][0]}
    matcher.emit("add", node, node.outputs[0], inputs, {**attrs, "activation": NONE}, arrays)


def _emit_sum_pool(matcher: Matcher, node: ir.Node, source: ir.Node, multiplier: Array) -> None:
    """Emit an average pool of the integer form: sums over windows, or over the whole image."""
    attrs = {"lo": int(attribute(node, "lo", 0)), "hi": int(attribute(node, "hi", 255))}
    windows: dict[str, Any]
    if is_op(source, "ReduceSum"):
        keepdims = check_spatial(source)
        x, windows = data(source), {"keepdims": keepdims, "kernel": "image"}
    else:
        term = read_term(source)
        x, windows = term.x, {k: term.windows[k] for k in ("kernel", "strides", "pads")}
        windows["keepdims"] = True
    arrays = _rule(node, 2) | {"multiplier": multiplier.astype(np.int16)}
    names = [n.name or n.op_type for n in (source, node)]
    matcher.emit(
        "sum_pool",
        node,
        node.outputs[0],
        {"x": x},
        {**windows, **attrs},
        arrays,
        name=min(names, key=len),
    )


def _is_sum_pool(node: ir.Node | None) -> bool:
    """Tell whether a node sums windows per channel: ReduceSum, or a depthwise kernel of ones."""
    if is_op(node, "ReduceSum"):
        return True
    if not is_op(node, "ConvInteger") or node is None:
        return False
    term = read_term(node)
    outputs = term.weight.shape[0]
    return (
        term.windows["groups"] == outputs == channels_of(term.x, node)
        and term.windows["dilations"] == [1, 1]
        and bool(np.all(term.weight == 1))
    )


def _rule(node: ir.Node, first: int) -> dict[str, Array]:
    """Return bias and shift of a requantisation."""
    shift = _vector(node, first + 1)
    return {"bias": _vector(node, first).astype(np.int64), "shift": shift.astype(np.uint8)}


def _vector(node: ir.Node, index: int) -> Array:
    """Return an operand that holds one integer per channel, (C,)."""
    found = constant(data(node, index))
    result = node.outputs[0]
    vector = (
        None
        if found is None
        else per_channel(found, channels_of(result, node), rank_of(result, node))
    )
    if vector is None:
        raise unsupported(node, "a constant per channel", got=repr(data(node, index).name))
    return vector


def _number(node: ir.Node, index: int) -> float:
    found = constant(data(node, index))
    if found is None or found.size != 1:
        raise unsupported(node, "one constant scale", got=repr(data(node, index).name))
    return float(found.reshape(-1)[0])
