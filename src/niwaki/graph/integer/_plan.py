"""Which value gets which steps: type and scale of every value of the integer form.

u8 behind a ReLU, s8 where a sign stays. Values that layers only move (pools by maximum, concats,
reshapes) share their steps. Behind the last weights the network goes on in floats (softmax,
reshapes).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.errors import InputError, UnsupportedOpError
from niwaki.graph.integer._rule import (
    IntegerParameters,
    LogitParameters,
    integer_parameters,
    logit_parameters,
    rescaling,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from niwaki.graph.layers import Layer, View

MOVES = ("max_pool", "global_max_pool", "reshape", "slice", "pad", "concat")
"""Layers whose output has its inputs' steps."""
AVERAGES = ("average_pool", "global_average_pool")
_FLOAT_TAIL = ("reshape", "softmax", "activation")
_LEVEL_LIMIT = 2**10
"""Beyond any sum of a sign and an 8-bit value, and within what the hardware compares."""


@dataclass(frozen=True)
class Steps:
    """Say what the integers of a value mean: real value = scale * integer."""

    dtype: str
    """u8, s8; u1 for bits; f32 in the float tail."""
    scale: float = 1.0


@dataclass(frozen=True)
class Plan:
    """Hold the layers with the steps of every value."""

    view: View
    steps: dict[str, Steps]
    """Value name -> steps, of every input (quantised) and layer output."""
    tail: frozenset[str]
    """Outputs of the layers that run in floats, behind the integers."""
    logits: frozenset[str]
    """Outputs that leave their layer as 32-bit sums with one scale."""
    inverse_scales: dict[str, np.float32] = field(default_factory=dict[str, Any])
    """Input name -> steps per unit."""

    def with_layers(self, layers: list[Layer]) -> Plan:
        """Return the plan with other weights in the same layers."""
        return replace(self, view=replace(self.view, layers=layers))

    def is_exit(self, name: str) -> bool:
        """Tell whether a value is read in floats: it leaves, or a tail layer reads it."""
        if name in self.view.outputs:
            return True
        return any(
            name in layer.inputs.values() for layer in self.view.layers if layer.output in self.tail
        )

    def is_read(self, name: str) -> bool:
        """Tell whether a layer of the integer part reads a value."""
        return any(
            name in layer.inputs.values()
            for layer in self.view.layers
            if layer.output not in self.tail
        )

    def rule(self, layer: Layer) -> IntegerParameters:
        """Return the integers of a layer that requantises.

        Raises:
            ValueDomainError: A factor is so large that no shift holds it.
        """
        out = self.steps[layer.output].scale
        scales = {role: self.steps[name].scale for role, name in layer.inputs.items()}
        if layer.op in ("conv", "linear"):
            return integer_parameters(
                layer.arrays.get("weight"),
                in_scale=scales.get("x", 1.0),
                out_scale=out,
                bias=layer.arrays["bias"],
                binary_scale=layer.arrays.get("binary.scale"),
                residual_scale=scales.get("residual"),
                where=layer.name,
            )
        if layer.op == "affine":
            factor = layer.arrays["scale"].astype(np.float64) * scales["x"] / out
            bias = layer.arrays["bias"].astype(np.float64) / out
            return rescaling({"x": factor}, bias, where=layer.name)
        count = self.window(layer) if layer.op in AVERAGES else 1
        factors = {role: scale / (count * out) for role, scale in scales.items()}
        return rescaling(factors, 0.0, where=layer.name)

    def logit_rule(self, layer: Layer) -> LogitParameters:
        """Return the integers of a layer that makes logits."""
        return logit_parameters(
            layer.arrays["weight"],
            in_scale=self.steps[layer.inputs["x"]].scale,
            bias=layer.arrays["bias"],
            where=layer.name,
        )

    def window(self, layer: Layer) -> int:
        """Return how many pixels an average is over."""
        if layer.op == "average_pool":
            return math.prod(layer.attrs["kernel"])
        return math.prod(self.shape(layer.inputs["x"])[1:])

    def shape(self, name: str) -> tuple[int, ...]:
        """Return a value's shape without the batch."""
        if name in self.view.inputs:
            return self.view.inputs[name]
        return next(layer.shape for layer in self.view.layers if layer.output == name)

    def bounds(self, layer: Layer) -> tuple[int, int]:
        """Return the least and the largest integer that a layer may give."""
        steps = self.steps[layer.output]
        low, high = (0, 255) if steps.dtype == "u8" else (-128, 127)
        activation = layer.attrs.get("activation", {"kind": "none"})
        if activation["kind"] == "clip":
            low = int(np.clip(np.rint(activation["lo"] / steps.scale), low, high))
            high = int(np.clip(np.rint(activation["hi"] / steps.scale), low, high))
        return low, high

    def levels(self, layer: Layer) -> NDArray[np.int32]:
        """Return a threshold layer's levels as integers: sign * q >= level says the same."""
        return integer_levels(layer.arrays["level"], self.steps[layer.inputs["x"]].scale)


def make_plan(view: View, ranges: Mapping[str, float]) -> Plan:
    """Give every value of a float Graph its steps.

    Args:
        view: The Graph's layers.
        ranges: Value name -> magnitude that the largest integer stands for.

    Raises:
        UnsupportedOpError: A layer has no integer form; names it.
        InputError: A value's range is missing.
    """
    _check_chains(view)
    tail = _find_tail(view)
    signs = _find_types(view, tail)
    roots = _share_steps(view, tail, signs)
    sizes = _find_ranges(view, tail, ranges)
    members: dict[str, float] = {}
    for name, root in roots.items():
        members[root] = max(members.get(root, 0.0), sizes[name])
    steps: dict[str, Steps] = {}
    inverse: dict[str, np.float32] = {}
    for name, root in roots.items():
        peak = 255 if signs[name] == "u8" else 127
        # Through float32: the input's quantiser multiplies by the inverse, and one scale holds.
        per_unit = np.float32(peak / (members[root] or 1.0))
        steps[name] = Steps(signs[name], 1.0 / float(per_unit))
        if name in view.inputs:
            inverse[name] = per_unit
    for name, dtype in signs.items():
        steps.setdefault(name, Steps(dtype))
    plan = Plan(view, steps, frozenset(tail), frozenset(), inverse)
    logits = {
        layer.output
        for layer in view.layers
        if _is_plain(layer) and layer.output not in tail and not plan.is_read(layer.output)
    }
    return replace(plan, logits=frozenset(logits))


def integer_levels(level: NDArray[Any], scale: float) -> NDArray[np.int32]:
    """Return ceil(level / scale), exactly: sign * (scale * q) >= level, in integers.

    Args:
        level: Float levels. Shape (C,); infinite ones stay out of reach.
        scale: Value of one step.

    Example:
        >>> integer_levels(np.array([0.3, -0.3, 0.0], np.float32), 0.1).tolist()
        [4, -3, 0]
    """
    found: list[int] = []
    for value in level.reshape(-1).tolist():
        if math.isinf(value):
            found.append(_LEVEL_LIMIT if value > 0 else -_LEVEL_LIMIT)
        else:
            steps = math.ceil(Fraction(value) / Fraction(scale))
            found.append(max(-_LEVEL_LIMIT, min(_LEVEL_LIMIT, steps)))
    return np.array(found, np.int32)


def _check_chains(view: View) -> None:
    """Refuse sums of bits that only thresholds test: 8 bits would round what is exact."""
    for layer in view.layers:
        if layer.op not in ("conv", "linear") or set(layer.inputs) != {"bits"}:
            continue
        readers, names = [], [layer.output]
        while names:
            name = names.pop()
            behind = [other for other in view.layers if name in other.inputs.values()]
            names += [other.output for other in behind if other.op in MOVES]
            readers += [other.op for other in behind if other.op not in MOVES]
        if readers and all(op == "threshold" for op in readers):
            raise UnsupportedOpError(
                "integer",
                f"{layer.op} (node {layer.name!r}) must have 8-bit values to round",
                got="sums of bits that only thresholds read",
                fix="Use the float form: such sums are exact there, and compared as integers",
            )


def _find_tail(view: View) -> set[str]:
    """Return the outputs of the last layers without weights: they run in floats."""
    tail: set[str] = set()
    for layer in reversed(view.layers):
        readers = [other for other in view.layers if layer.output in other.inputs.values()]
        if layer.op in _FLOAT_TAIL and all(other.output in tail for other in readers):
            tail.add(layer.output)
    return tail


def _find_types(view: View, tail: set[str]) -> dict[str, str]:
    """Return the type of every value: u8 where nothing is negative, s8, u1, f32."""
    types = dict.fromkeys(view.inputs, "s8")
    for layer in view.layers:
        inputs = {role: types[name] for role, name in layer.inputs.items()}
        types[layer.output] = "f32" if layer.output in tail else _type_of(layer, inputs)
    return types


def _type_of(layer: Layer, inputs: dict[str, str]) -> str:
    activation = layer.attrs.get("activation", {"kind": "none"})
    kind = activation["kind"]
    if kind not in ("none", "relu", "clip"):
        raise _no_integer_form(layer, f"the activation {kind}", "ReLU, ReLU6 or none")
    for role, found in inputs.items():
        if found == "u1" and role != "bits" and layer.dtype != "u1":
            raise _no_integer_form(layer, f"{{0,1}} as its input {role}", "an 8-bit input")
    if layer.op == "threshold" or (layer.op in MOVES and set(inputs.values()) == {"u1"}):
        return "u1"
    if layer.op in MOVES or layer.op in AVERAGES:
        _check_pool(layer)
        return "u8" if set(inputs.values()) == {"u8"} else "s8"
    if layer.op not in ("conv", "linear", "affine", "add", "activation"):
        raise _no_integer_form(layer, f"the op {layer.op}", "another op, or the last place")
    if kind == "relu" or (kind == "clip" and activation["lo"] >= 0):
        return "u8"
    if layer.op == "add" and kind == "none" and set(inputs.values()) == {"u8"}:
        return "u8"
    return "s8"


def _check_pool(layer: Layer) -> None:
    if layer.op != "average_pool":
        return
    attrs = layer.attrs
    if attrs["ceil_mode"] or (any(attrs["pads"]) and not attrs["count_include_pad"]):
        raise _no_integer_form(
            layer,
            "an average over windows of several sizes",
            "ceil_mode off, and no padding or count_include_pad",
        )


def _share_steps(view: View, tail: set[str], types: dict[str, str]) -> dict[str, str]:
    """Return value -> the value whose steps it has, for all 8-bit values."""
    roots = {name: name for name, dtype in types.items() if dtype in ("u8", "s8")}

    def find(name: str) -> str:
        while roots[name] != name:
            name = roots[name]
        return name

    for layer in view.layers:
        if layer.op in MOVES and layer.output in roots and layer.output not in tail:
            for name in layer.inputs.values():
                # u8 beside s8 in a concat can't share: it gets a requantisation of its own.
                if types[name] == types[layer.output]:
                    roots[find(name)] = find(layer.output)
    return {name: find(name) for name in roots}


def _find_ranges(view: View, tail: set[str], ranges: Mapping[str, float]) -> dict[str, float]:
    """Return every value's range; a sum that the Graph doesn't have gets its inputs' ranges."""
    found: dict[str, float] = {}
    for name in view.inputs:
        found[name] = _range(ranges, name)
    for layer in view.layers:
        if layer.dtype == "u1" or layer.output in tail:
            continue
        if layer.op == "add" and layer.output not in ranges:
            found[layer.output] = found[layer.inputs["a"]] + found[layer.inputs["b"]]
        else:
            found[layer.output] = _range(ranges, layer.output)
    return found


def _range(ranges: Mapping[str, float], name: str) -> float:
    if name not in ranges:
        raise InputError(
            "integer",
            f"ranges must hold value {name!r}",
            got=f"{len(ranges)} others",
            fix="Make them with calibrate, on this same Graph",
        )
    return float(ranges[name])


def _is_plain(layer: Layer) -> bool:
    """Tell whether a layer is one weighted sum and nothing else."""
    return (
        layer.op in ("conv", "linear")
        and set(layer.inputs) == {"x"}
        and layer.attrs["activation"]["kind"] == "none"
    )


def _no_integer_form(layer: Layer, got: str, need: str) -> UnsupportedOpError:
    return UnsupportedOpError(
        "integer",
        f"{layer.op} (node {layer.name!r}) must have an integer form",
        got=got,
        fix=f"Use {need}, or the float form",
    )
