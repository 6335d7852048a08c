"""Test the integer sum of a binary layer itself, where only a threshold reads what follows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.graph.functions import QONNX
from niwaki.graph.passes._base import Pass, register_pass
from niwaki.graph.passes._tools import bypass, constant, set_constant, sole_reader

if TYPE_CHECKING:
    import onnx_ir as ir
    from numpy.typing import NDArray

_MOVED_BEHIND = ("MaxPool", "Reshape", "Flatten")
"""Ops between scale and threshold that stay: they see the sums then."""


@register_pass("integer-thresholds")
class IntegerThresholds(Pass):
    """Move scale, bias and ReLU behind a binary layer into the thresholds that alone read it.

    ``sign * relu(acc * scale + bias) >= level`` becomes ``sign * acc >= T``. The chain never falls
    as acc rises (scale >= 0), so there is one integer T for which both agree on every acc that the
    layer can give; it is found by bisection in the chain's own float32 arithmetic. Max pools
    commute with what is taken out. No float is left in a chain of binary layers.
    """

    after = ("fold-constants", "fold-scale-into-weights", "remove-identity", "snap-signs")

    def match(self, node: ir.Node) -> bool:
        """Tell whether the node tests such a chain against constants."""
        return _find(node) is not None

    def apply(self, node: ir.Node) -> None:
        """Put the integer thresholds in and take the arithmetic out."""
        chain = _find(node)
        assert chain is not None
        level = chain.integer_levels()
        value = node.inputs[1]
        assert value is not None
        set_constant(node, 1, level, value.name or f"{node.name}.level")
        for step in chain.steps:
            if step.op_type in _MOVED_BEHIND:
                step.outputs[0].name = f"{step.outputs[0].name}.acc"  # torch's has other values
            else:
                bypass(step, _data(step))


@dataclass
class _Chain:
    """Hold what stands between a binary layer and a test."""

    layer: ir.Node
    steps: list[ir.Node]
    """From the layer to the test; Mul and Add by constants, Relu, and what may stay."""
    sign: NDArray[np.float32]
    level: NDArray[np.float32]

    def integer_levels(self) -> NDArray[np.float32]:
        """Return sign * T for each channel, or feature where the map was flattened; (C, 1, ...)."""
        most = _most(self.layer)
        inner = _inner_shape(self.steps[-1].outputs[0])
        shape = (inner[0],) + (1,) * (len(inner) - 1)
        sign, level = (_per_channel(a, inner).reshape(shape) for a in (self.sign, self.level))
        rising = sign > 0
        # Where rising, the least sum that passes; else the least that doesn't: both are monotone.
        low = np.full(shape, -most - 1, np.int64)  # never counted as found
        high = np.full(shape, most + 1, np.int64)
        while np.any(is_open := high - low > 1):
            middle = (low + high) // 2
            passes = sign * self._values(middle) >= level
            found = passes == rising
            high = np.where(is_open & found, middle, high)
            low = np.where(is_open & ~found, middle, low)
        # Falling: the bit is 1 up to high - 1, so -acc >= -(high - 1).
        return np.where(rising, high, 1 - high).astype(np.float32)

    def _values(self, acc: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return what the steps make of sums, one a channel or feature, in float32."""
        value = acc.astype(np.float32)
        flat = [step.op_type in ("Reshape", "Flatten") for step in self.steps]
        for index, step in enumerate(self.steps):
            if step.op_type == "Relu":
                value = np.maximum(value, np.float32(0))
            elif step.op_type in ("Mul", "Add"):
                number = _per_channel(_constant_of(step), _inner_shape(step.outputs[0]))
                if any(flat[index:]):
                    behind = _inner_shape(self.steps[-1].outputs[0])[0]
                    number = np.repeat(number, behind // number.size)
                number = number.reshape(value.shape)
                value = value * number if step.op_type == "Mul" else value + number
        return value


def _find(node: ir.Node) -> _Chain | None:
    """Return the chain in front of a test, or None where it isn't one of those."""
    if node.domain or node.op_type != "GreaterOrEqual":
        return None
    x, level = node.inputs[0], constant(node.inputs[1])
    if x is None or level is None or level.dtype != np.float32:
        return None
    sign = np.ones(1, np.float32)
    above = x.producer()
    if above is not None and above.op_type == "Mul" and sole_reader(x) is not None:
        array = _constant_of(above)
        if array is not None and np.all(np.abs(array) == 1):
            sign, x = array, _data(above)
    steps: list[ir.Node] = []
    while sole_reader(x) is not None:
        step = x.producer()
        if step is None or step.domain:
            return None
        if _is_binary_layer(step):
            steps.reverse()
            return _checked(_Chain(step, steps, sign, level))
        if not _is_step(step):
            return None
        steps.append(step)
        x = _data(step)
    return None


def _checked(chain: _Chain) -> _Chain | None:
    """Return the chain if something is to be taken out of it and T is one number a channel."""
    arithmetic = [step for step in chain.steps if step.op_type not in _MOVED_BEHIND]
    if not arithmetic:
        return None
    for step in chain.steps:
        inner = _inner_shape(step.outputs[0])
        if not inner or (step.op_type in ("Reshape", "Flatten") and not _flattens(step)):
            return None
        if step.op_type in ("Mul", "Add"):
            array = _constant_of(step)
            if array is None or _channels_only(array, inner) is None:
                return None
            if _inner_shape(_data(step)) != inner:  # it makes more channels of one
                return None
            if step.op_type == "Mul" and np.any(array < 0):
                return None
    inner = _inner_shape(chain.steps[-1].outputs[0])
    for array in (chain.sign, chain.level):
        if _channels_only(array, inner) is None:
            return None
    return chain


def _is_step(node: ir.Node) -> bool:
    if node.op_type in ("Mul", "Add"):
        array = _constant_of(node)
        return array is not None and array.dtype == np.float32
    return node.op_type == "Relu" or (node.op_type in _MOVED_BEHIND and len(node.outputs) == 1)


def _is_binary_layer(node: ir.Node) -> bool:
    """Tell whether a node multiplies bits with signs, and nothing else."""
    if node.op_type not in ("Conv", "Gemm", "MatMul") or len(node.inputs) != 2:
        return False
    bits, weight = (None if value is None else value.producer() for value in node.inputs)
    if bits is None or weight is None or bits.domain != QONNX or weight.domain != QONNX:
        return False
    if bits.op_type != "Quant" or weight.op_type != "BipolarQuant":
        return False
    signed, width = bits.attributes.get_int("signed", 1), constant(bits.inputs[3])
    scales = constant(bits.inputs[1]), constant(weight.inputs[1]), constant(bits.inputs[2])
    plain = signed == 0 and width is not None and bool(np.all(width == 1))
    return (
        plain
        and constant(weight.inputs[0]) is not None
        and all(array is not None for array in scales)
        and [float(np.max(a)) for a in scales if a is not None] == [1.0, 1.0, 0.0]
        and node.attributes.get_float("alpha", 1.0) == 1.0
    )


def _most(layer: ir.Node) -> int:
    """Return the number of products in one sum."""
    weight = layer.inputs[1]
    latent = None if weight is None else weight.producer()
    signs = None if latent is None else constant(latent.inputs[0])
    assert signs is not None
    turned = layer.op_type == "MatMul" or (
        layer.op_type == "Gemm" and not layer.attributes.get_int("transB", 0)
    )
    return signs.size // signs.shape[1 if turned else 0]


def _flattens(step: ir.Node) -> bool:
    """Tell whether a step makes (N, C * H * W) of (N, C, H, W)."""
    before, after = _inner_shape(_data(step)), _inner_shape(step.outputs[0])
    return len(after) == 1 and bool(before) and int(np.prod(before)) == after[0]


def _inner_shape(value: ir.Value) -> tuple[int, ...]:
    """Return a value's shape without the batch; empty where it isn't known."""
    sizes = [] if value.shape is None else list(value.shape)[1:]
    known = [size for size in sizes if isinstance(size, int)]
    return tuple(known) if len(known) == len(sizes) else ()


def _channels_only(array: NDArray[Any], inner: tuple[int, ...]) -> tuple[int, ...] | None:
    """Return a constant's shape over (C, ...), or None where it differs between pixels."""
    shape = (1,) * (len(inner) - array.ndim) + array.shape
    if len(shape) > len(inner):
        shape = shape[len(shape) - len(inner) :] if array.shape[0] == 1 else ()
    if not shape or shape[0] not in (1, inner[0]) or any(size != 1 for size in shape[1:]):
        return None
    return shape


def _per_channel(array: NDArray[Any] | None, inner: tuple[int, ...]) -> NDArray[np.float32]:
    assert array is not None
    return np.broadcast_to(array.reshape(-1), (inner[0],)).astype(np.float32)


def _constant_of(node: ir.Node) -> NDArray[Any] | None:
    """Return the constant of a Mul or Add, or None where both sides are computed."""
    for value in reversed(node.inputs):
        array = constant(value)
        if array is not None:
            return array
    return None


def _data(node: ir.Node) -> ir.Value:
    """Return what a step reads, its constant aside."""
    for value in node.inputs:
        if value is not None and constant(value) is None:
            return value
    raise AssertionError("a step whose inputs are all constants is folded before")
