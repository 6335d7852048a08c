"""Activations that exporters write out as products: SiLU, HardSwish, Mish, GELU, HardSigmoid."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from niwaki.graph.layers._values import attribute, constant, data, is_op, operand

if TYPE_CHECKING:
    import onnx_ir as ir

    from niwaki.graph.layers._match import Matcher


@dataclass
class Product:
    """Hold a product as a number times values, with the nodes between taken in."""

    number: float = 1.0
    values: list[ir.Value] = field(default_factory=list["ir.Value"])


@dataclass(frozen=True)
class Found:
    """Name the function that a product computes."""

    kind: str
    x: ir.Value
    readers: int
    """How often the nodes of the product read `x`."""
    alpha: float = 0.0
    beta: float = 0.0


def find_activation(matcher: Matcher, node: ir.Node) -> Found | None:
    """Return the activation that a Mul or Div is the last node of, or None.

    The nodes between must be read by nothing else: they vanish.
    """
    product = Product()
    if not _expand(matcher, node, product) or not 1 <= len(product.values) <= 2:
        return None
    if len(product.values) == 1:
        x = _shifted_relu6(matcher, product.values[0])
        if x is not None and np.isclose(product.number, 1 / 6):
            return Found("hard_sigmoid", x, 1, 1 / 6, 0.5)
        return None
    for x, gate in (product.values, product.values[::-1]):
        found = _gated(matcher, x, gate, product.number)
        if found is not None:
            return found
    return None


def number(value: ir.Value | None) -> float | None:
    """Return a constant of one element, or None."""
    found = constant(value)
    return None if found is None or found.size != 1 else float(found.reshape(-1)[0])


def _expand(matcher: Matcher, node: ir.Node, product: Product) -> bool:
    """Add a node's factors; tell whether they are numbers and values only."""
    for index in (0, 1):
        value = data(node, index)
        known = number(value)
        divides = node.op_type == "Div" and index == 1
        if known is not None:
            if divides and known == 0:
                return False
            product.number *= 1 / known if divides else known
            continue
        if divides or constant(value) is not None:
            return False
        source = matcher.only_reader(value)
        if is_op(source, "Mul", "Div") and source is not None and _has_number(source):
            if not _expand(matcher, source, product):
                return False
            continue
        product.values.append(value)
    return True


def _has_number(node: ir.Node) -> bool:
    """Tell whether a product scales by a number: others are layers of their own."""
    if number(data(node, 1)) is not None:
        return True
    if node.op_type == "Div":
        return False
    # x * (something of x), times a number further down: the half of a GELU.
    return number(data(node)) is not None or any(
        is_op(value.producer(), "Add", "Clip") for value in (data(node), data(node, 1))
    )


def _gated(matcher: Matcher, x: ir.Value, gate: ir.Value, factor: float) -> Found | None:
    """Return the function that is x times a gate of x, times a number."""
    node = matcher.only_reader(gate)
    if node is None:
        return None
    if np.isclose(factor, 1):
        if is_op(node, "Sigmoid") and data(node) is x:
            return Found("silu", x, 2)
        if is_op(node, "HardSigmoid") and data(node) is x:
            slope, offset = attribute(node, "alpha", 0.2), attribute(node, "beta", 0.5)
            if np.isclose(slope, 1 / 6) and np.isclose(offset, 0.5):
                return Found("hard_swish", x, 2)
        if is_op(node, "Tanh"):
            inner = matcher.only_reader(data(node))
            if is_op(inner, "Softplus") and inner is not None and data(inner) is x:
                return Found("mish", x, 2)
    if np.isclose(factor, 1 / 6) and _shifted_relu6(matcher, gate) is x:
        return Found("hard_swish", x, 2)
    if np.isclose(factor, 0.5) and _erf_gate(matcher, gate) is x:
        return Found("gelu", x, 2)
    return None


def _shifted_relu6(matcher: Matcher, value: ir.Value) -> ir.Value | None:
    """Return x where a value is Clip(x + 3, 0, 6)."""
    clip = matcher.only_reader(value)
    if not is_op(clip, "Clip") or clip is None:
        return None
    if number(operand(clip, 1)) != 0 or number(operand(clip, 2)) != 6:
        return None
    return _plus(matcher, data(clip), 3)


def _erf_gate(matcher: Matcher, value: ir.Value) -> ir.Value | None:
    """Return x where a value is 1 + Erf(x / sqrt(2))."""
    inner = _plus(matcher, value, 1)
    erf = None if inner is None else matcher.only_reader(inner)
    if not is_op(erf, "Erf") or erf is None:
        return None
    scaled = matcher.only_reader(data(erf))
    if not is_op(scaled, "Mul", "Div") or scaled is None:
        return None
    product = Product()
    if not _expand(matcher, scaled, product) or len(product.values) != 1:
        return None
    return product.values[0] if np.isclose(product.number, np.sqrt(0.5), rtol=1e-4) else None


def _plus(matcher: Matcher, value: ir.Value, addend: float) -> ir.Value | None:
    """Return x where a value is x + addend."""
    add = matcher.only_reader(value)
    if not is_op(add, "Add") or add is None:
        return None
    for index in (0, 1):
        if number(data(add, 1 - index)) == addend:
            return data(add, index)
    return None
