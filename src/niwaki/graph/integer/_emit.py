"""Write the integer dialect: one planned layer after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.errors import UnsupportedOpError
from niwaki.graph.functions import NIWAKI, QONNX
from niwaki.graph.integer._builder import Builder
from niwaki.graph.integer._moves import emit_move, emit_reshape
from niwaki.graph.integer._plan import AVERAGES, MOVES, Plan
from niwaki.graph.integer._rule import IntegerParameters

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx_ir as ir

    from niwaki.graph.layers import Layer

_INT32, _INT64, _FLOAT = 6, 7, 1
_FLOAT_ACTIVATIONS = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh"}


class Emitter:
    """Write a plan as a Graph.

    Args:
        plan: The layers and the steps of their values.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.builder = Builder()
        self.integers: dict[str, ir.Value] = {}
        self._floats: dict[str, ir.Value] = {}

    def emit(self, name: str | None) -> ir.Model:
        """Return the integer Graph."""
        plan, build = self.plan, self.builder
        inputs = [build.input(value, shape) for value, shape in plan.view.inputs.items()]
        for value, shape, source in zip(
            plan.view.inputs, plan.view.inputs.values(), inputs, strict=True
        ):
            self._floats[value] = source
            if plan.is_read(value):
                scale = build.constant(f"{value}.inverse_scale", plan.inverse_scales[value])
                self.integers[value] = build.node(
                    "QuantizeInput", [source, scale], f"{value}.q", "s8", shape, domain=NIWAKI
                )
        for layer in plan.view.layers:
            if layer.output in plan.tail:
                self._tail(layer)
            elif layer.op in ("conv", "linear"):
                self._weighted(layer)
            elif layer.op == "threshold":
                self._threshold(layer)
            elif layer.op in MOVES:
                self.integers[layer.output] = emit_move(self, layer)
            elif layer.op in AVERAGES:
                self._average(layer)
            else:
                self._rescale(layer)
            if layer.output not in plan.tail and layer.output not in plan.logits:
                self._exit(layer)
        outputs = self._name_outputs()
        return build.model(inputs, outputs, name)

    def _name_outputs(self) -> list[ir.Value]:
        """Return the outputs under the Graph's own names."""
        outputs: list[ir.Value] = []
        for value, name in zip(self.plan.view.outputs, self.plan.view.output_names, strict=True):
            found = self._floats[value]
            if found.name != name:
                found = self.builder.node("Identity", [found], name, "f32", self.plan.shape(value))
            outputs.append(found)
        return outputs

    def _weighted(self, layer: Layer) -> None:
        """Write a convolution or linear layer, with branch and residual."""
        if layer.output in self.plan.logits:
            self._logits(layer)
            return
        rule = self.plan.rule(layer)
        terms: list[tuple[ir.Value, Any]] = []
        if "x" in layer.inputs:
            assert rule.weight is not None
            terms.append((self._integer_sum(layer, rule.weight), rule.multipliers["x"]))
        if "bits" in layer.inputs:
            total = self._bit_sum(layer)
            cast = self.node("Cast", [total], f"{layer.output}.bits.s64", "s64", layer, to=_INT64)
            terms.append((cast, rule.multipliers["bits"]))
        if "residual" in layer.inputs:
            residual = self.integers[layer.inputs["residual"]]
            terms.append((residual, rule.multipliers["residual"]))
        self._requantize(layer, terms, rule)

    def _logits(self, layer: Layer) -> None:
        """Write a last layer: 32-bit sums, a bias, one scale."""
        rule, name = self.plan.logit_rule(layer), layer.output
        total = self._integer_sum(layer, rule.weight)
        column = rule.bias.astype(np.int32).reshape(_column(layer.shape))
        bias = self.builder.constant(f"{layer.name}.bias", column)
        total = self.node("Add", [total, bias], f"{name}.s32", "s32", layer)
        self._dequantize(name, total, rule.scale, layer.shape)

    def _integer_sum(self, layer: Layer, weight: Any) -> ir.Value:
        """Write the sum of 8-bit products."""
        x = self.integers[layer.inputs["x"]]
        name = f"{layer.output}.acc"
        if layer.op == "conv":
            value = self.builder.constant(f"{layer.name}.weight", weight)
            return self.node(
                "ConvInteger", [x, value], name, "s32", layer, named=True, **_windows(layer)
            )
        value = self.builder.constant(f"{layer.name}.weight", weight.T)
        return self.node("MatMulInteger", [x, value], name, "s32", layer, named=True)

    def _bit_sum(self, layer: Layer) -> ir.Value:
        """Write the sum of bits by signs, in floats that hold integers."""
        bits, signs = self.integers[layer.inputs["bits"]], layer.arrays["binary.weight"]
        is_conv = layer.op == "conv"
        latent = signs.astype(np.float32) if is_conv else signs.T.astype(np.float32)
        value = self.builder.constant(f"{layer.name}.binary.weight", latent)
        one = self.builder.constant(f"{layer.name}.binary.one", np.float32(1))
        weight = self.builder.node(
            "BipolarQuant",
            [value, one],
            f"{layer.name}.binary.signs",
            "f32",
            (),
            domain=QONNX,
        )
        weight.shape = value.shape
        name = f"{layer.output}.bits"
        if is_conv:
            return self.node(
                "Conv", [bits, weight], name, "f32", layer, named=True, **_windows(layer)
            )
        return self.node("MatMul", [bits, weight], name, "f32", layer, named=True)

    def _threshold(self, layer: Layer) -> None:
        """Write sign * x >= level, the bits as marked floats."""
        x, name = self.integers[layer.inputs["x"]], layer.output
        column = _column(layer.shape)
        value = self.node("Cast", [x], f"{name}.s32", "s32", layer, to=_INT32)
        signs = layer.arrays["sign"].astype(np.int32)
        if np.any(signs < 0):
            sign = self.builder.constant(f"{layer.name}.sign", signs.reshape(column))
            value = self.node("Mul", [value, sign], f"{name}.signed", "s32", layer)
        levels = self.plan.levels(layer).reshape(column)
        level = self.builder.constant(f"{layer.name}.level", levels)
        test = self.node("GreaterOrEqual", [value, level], f"{name}.test", "bool", layer)
        bits = self.node("Cast", [test], f"{name}.f32", "f32", layer, to=_FLOAT)
        marks = [
            self.builder.constant(f"{layer.name}.{role}", np.float32(number))
            for role, number in (("scale", 1), ("zero_point", 0), ("bit_width", 1))
        ]
        self.integers[name] = self.node(
            "Quant",
            [bits, *marks],
            name,
            "u1",
            layer,
            named=True,
            domain=QONNX,
            signed=0,
            narrow=0,
            rounding_mode="ROUND",
        )

    def _average(self, layer: Layer) -> None:
        """Write an average as a sum and a requantisation."""
        x, source = self.integers[layer.inputs["x"]], self.plan.shape(layer.inputs["x"])
        rule, name = self.plan.rule(layer), f"{layer.output}.acc"
        if layer.op == "average_pool":
            channels = source[0]
            ones = np.ones((channels, 1, *layer.attrs["kernel"]), np.int8)
            weight = self.builder.constant(f"{layer.name}.ones", ones)
            windows: dict[str, Any] = {
                "strides": layer.attrs["strides"],
                "pads": layer.attrs["pads"],
                "group": channels,
            }
            total = self.node(
                "ConvInteger",
                [x, weight],
                name,
                "s32",
                layer,
                named=True,
                **windows,
            )
        else:
            wide = self.builder.node("Cast", [x], f"{name}.s32", "s32", source, to=_INT32)
            axes = self.builder.constant(f"{layer.name}.axes", np.array([2, 3], np.int64))
            keepdims = int(layer.attrs["keepdims"])
            total = self.node(
                "ReduceSum", [wide, axes], name, "s32", layer, named=True, keepdims=keepdims
            )
        self._requantize(layer, [(total, rule.multipliers["x"])], rule)

    def _rescale(self, layer: Layer) -> None:
        """Write an add, a scaling per channel, or an activation on its own."""
        rule = self.plan.rule(layer)
        terms = [
            (self.integers[value], rule.multipliers[role]) for role, value in layer.inputs.items()
        ]
        self._requantize(layer, terms, rule)

    def _requantize(
        self, layer: Layer, terms: Sequence[tuple[ir.Value, Any]], rule: IntegerParameters
    ) -> None:
        """Write the one rule that every 8-bit value comes from."""
        self.integers[layer.output] = self.rule_node(
            self.inner_name(layer),
            layer.name,
            terms,
            rule,
            self.plan.bounds(layer),
            self.plan.steps[layer.output].dtype,
            layer.shape,
        )

    def rule_node(
        self,
        output: str,
        name: str,
        terms: Sequence[tuple[ir.Value, Any]],
        rule: IntegerParameters,
        bounds: tuple[int, int],
        dtype: str,
        shape: Sequence[int],
    ) -> ir.Value:
        column = _column(shape)

        def per_channel(role: str, numbers: Any) -> ir.Value:
            spread = np.broadcast_to(np.asarray(numbers, np.int64), (shape[0],)).reshape(column)
            return self.builder.constant(f"{output}.{role}", spread)

        inputs: list[ir.Value] = []
        for index, (value, multiplier) in enumerate(terms, 1):
            inputs += [value, per_channel(f"m{index}", multiplier)]
        inputs += [per_channel("bias", rule.bias), per_channel("shift", rule.shift)]
        if dtype == "s8" and bounds[0] >= 0:
            raise UnsupportedOpError(
                "integer", f"node {name!r} must give negative values as s8", got=f"lo={bounds[0]}"
            )
        return self.builder.node(
            f"Requantize{len(terms)}",
            inputs,
            output,
            dtype,
            shape,
            name=name,
            domain=NIWAKI,
            lo=bounds[0],
            hi=bounds[1],
        )

    def _exit(self, layer: Layer) -> None:
        """Give a value that leaves the integers its unit back."""
        name = layer.output
        if not self.plan.is_exit(name):
            return
        value, steps = self.integers[name], self.plan.steps[name]
        if steps.dtype == "u1":
            self._floats[name] = value
            return
        self._dequantize(name, value, np.float32(steps.scale), layer.shape)

    def _dequantize(self, name: str, value: ir.Value, scale: Any, shape: Sequence[int]) -> None:
        unit = self.builder.constant(f"{name}.scale", np.float32(scale))
        self._floats[name] = self.builder.node(
            "Dequantize", [value, unit], name, "f32", shape, domain=NIWAKI
        )

    def _tail(self, layer: Layer) -> None:
        """Write a layer behind the integers."""
        x, name = self._floats[layer.inputs["x"]], layer.output
        if layer.op == "softmax":
            self._floats[name] = self.node("Softmax", [x], name, "f32", layer, axis=1)
        elif layer.op == "reshape":
            self._floats[name] = emit_reshape(self, layer, x, name, "f32")
        else:
            kind = layer.attrs["activation"]["kind"]
            if kind not in _FLOAT_ACTIVATIONS:
                raise UnsupportedOpError(
                    "integer",
                    f"the last activation must be one of {', '.join(_FLOAT_ACTIVATIONS)}",
                    got=f"{kind} (node {layer.name!r})",
                )
            self._floats[name] = self.node(_FLOAT_ACTIVATIONS[kind], [x], name, "f32", layer)

    def inner_name(self, layer: Layer) -> str:
        """Return the name of a layer's integers; a float that leaves has the plain one."""
        is_bits = self.plan.steps[layer.output].dtype == "u1"
        return (
            f"{layer.output}.q" if self.plan.is_exit(layer.output) and not is_bits else layer.output
        )

    def node(
        self,
        op: str,
        inputs: Sequence[ir.Value],
        output: str,
        dtype: str,
        layer: Layer,
        *,
        named: bool = False,
        domain: str = "",
        **attributes: Any,
    ) -> ir.Value:
        """Add a node of a layer; the one that does the work is `named` after it."""
        moves = layer.op in MOVES or layer.output in self.plan.tail
        name = layer.name if named or moves else output
        return self.builder.node(
            op, inputs, output, dtype, layer.shape, name=name, domain=domain, **attributes
        )


def _column(shape: Sequence[int]) -> tuple[int, ...]:
    """Return the shape of numbers per channel: (C, 1, 1), or (C,) behind a linear layer."""
    return (shape[0],) + (1,) * (len(shape) - 1)


def _windows(layer: Layer) -> dict[str, Any]:
    attrs = layer.attrs
    return {
        "kernel_shape": attrs["kernel"],
        "strides": attrs["strides"],
        "pads": attrs["pads"],
        "dilations": attrs["dilations"],
        "group": attrs["groups"],
    }
