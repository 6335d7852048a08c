"""Train through the integer form: torch computes exactly what the engine will, and learns.

`IntegerNetwork` is made from a float Graph and its ranges. Its forward pass holds the integers of
the integer form in float64, exactly; gradients pass straight through the roundings. The numbers
come from the same functions that write the integer Graph (`niwaki.graph.integer`), so that the two
can't differ.

Source: niwaki (docs/design/integers.md).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from niwaki.errors import UnsupportedOpError
from niwaki.graph import integer
from niwaki.graph.integer._plan import AVERAGES
from niwaki.graph.integer._rule import rescaling
from niwaki.graph.layers import view
from niwaki.train._integer_steps import (
    bits_of,
    column,
    convolve,
    max_pool,
    shift_and_clip,
    straight,
    sum_windows,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx_ir as ir
    from numpy.typing import NDArray

    from niwaki.graph.layers import Layer

TRAINABLE = ("weight", "bias", "binary.scale", "scale")
"""A layer's arrays that learn; signs and thresholds stay."""


class IntegerNetwork(nn.Module):
    """Imitate the integer form of a float Graph, bit for bit, and let it be trained.

    Parameters are the float weights (zeros stay zero), biases and the factors of binary branches.
    Scales of values, signs and thresholds are frozen.

    Args:
        model: The float Graph, its passes run.
        ranges: Value name -> magnitude, from `niwaki.graph.integer.calibrate`.

    Raises:
        UnsupportedOpError: A layer has no integer form; names it.
        InputError: A value's range is missing.

    Source: niwaki (docs/design/integers.md).
    """

    def __init__(self, model: ir.Model, ranges: Mapping[str, float]) -> None:
        super().__init__()
        self._plan = integer.make_plan(view(model), ranges)
        self._name = model.graph.name
        self._keys: dict[str, str] = {}
        self.weights = nn.ParameterDict()
        for index, layer in enumerate(self._plan.view.layers):
            for role in TRAINABLE:
                if layer.op in ("conv", "linear", "affine") and role in layer.arrays:
                    key = f"{index}_{role}".replace(".", "_")
                    self._keys[f"{layer.output} {role}"] = key
                    array = torch.from_numpy(np.array(layer.arrays[role], np.float32))
                    self.weights[key] = nn.Parameter(array)
                    if role == "weight":
                        self.register_buffer(f"mask_{key}", array != 0)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, ...]:
        """Run the network.

        Args:
            x: Images. Shape (N, C, H, W), float32.

        Returns:
            The outputs, float32: one, or a tuple in the Graph's order.
        """
        found = self._run(x)
        outputs = tuple(found[name] for name in self._plan.view.outputs)
        return outputs[0] if len(outputs) == 1 else outputs

    @torch.no_grad()
    def values(self, x: Tensor | NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return torch's value of every value that the integer Graph has a name for.

        Args:
            x: Images. Shape (N, C, H, W), float32.

        Returns:
            Value name -> array in the Graph's own dtype: the input, bits (float32), 8-bit values,
            sums (`.acc`, `.bits`, `.s32`), and the float outputs.
        """
        kept: dict[str, NDArray[Any]] = {}
        self._run(torch.as_tensor(x), kept)
        return kept

    def to_graph(self) -> ir.Model:
        """Return the integer Graph with the weights as they are now."""
        return integer.emit(self._plan.with_layers(self._layers()), self._name)

    def _layers(self) -> list[Layer]:
        """Return the plan's layers with the weights as they are now."""
        return [self._current(layer) for layer in self._plan.view.layers]

    def _current(self, layer: Layer) -> Layer:
        arrays = dict(layer.arrays)
        for role in TRAINABLE:
            weight = self._weight(layer, role)
            if weight is not None:
                arrays[role] = weight.detach().cpu().numpy()
        return replace(layer, arrays=arrays)

    def _weight(self, layer: Layer, role: str) -> Tensor | None:
        """Return a layer's learnt array, pruned weights as zeros, or None."""
        key = self._keys.get(f"{layer.output} {role}")
        if key is None:
            return None
        found = self.weights[key]
        return found * self.get_buffer(f"mask_{key}") if role == "weight" else found

    def _run(self, x: Tensor, kept: dict[str, NDArray[Any]] | None = None) -> dict[str, Tensor]:
        """Return the float outputs and, under other names, everything on the way."""
        plan = self._plan
        integers: dict[str, Tensor] = {}
        floats: dict[str, Tensor] = {}
        keep = _Keeper(kept)
        for name in plan.view.inputs:
            floats[name] = x
            inverse = torch.tensor(plan.inverse_scales[name], device=x.device)
            steps = (x.float() * inverse).double()
            integers[name] = straight(steps, steps.round()).clamp(-128, 127)
            keep(name, x, np.float32)
            if plan.is_read(name):
                keep(f"{name}.q", integers[name], np.int8)
        for layer in plan.view.layers:
            name = layer.output
            if name in plan.tail:
                floats[name] = _tail(layer, floats[layer.inputs["x"]])
                keep(name, floats[name], np.float32)
            elif name in plan.logits:
                total, scale = self._logits(layer, integers, keep)
                floats[name] = total.float() * scale
                keep(name, floats[name], np.float32)
            else:
                integers[name] = self._integer_layer(layer, integers, keep)
                dtype = {"u8": np.uint8, "s8": np.int8, "u1": np.float32}[plan.steps[name].dtype]
                is_exit = plan.is_exit(name)
                keep(
                    f"{name}.q" if is_exit and dtype is not np.float32 else name,
                    integers[name],
                    dtype,
                )
                if is_exit:
                    scale = torch.tensor(np.float32(plan.steps[name].scale), device=x.device)
                    floats[name] = integers[name].float() * scale
                    keep(name, floats[name], np.float32)
        return floats

    def _integer_layer(self, layer: Layer, integers: dict[str, Tensor], keep: _Keeper) -> Tensor:
        """Return the 8-bit values (or bits) of one layer."""
        inputs = {role: integers[name] for role, name in layer.inputs.items()}
        x = next(iter(inputs.values()))
        if layer.op == "threshold":
            sign = column(layer.arrays["sign"], layer.shape, x)
            return bits_of(x, sign, column(self._plan.levels(layer), layer.shape, x))
        if layer.op in ("conv", "linear"):
            return self._weighted(layer, inputs, keep)
        if layer.op in AVERAGES:
            return self._average(layer, x, keep)
        if layer.op in ("affine", "add", "activation"):
            return self._rescale(layer, inputs)
        return self._move(layer, inputs)

    def _weighted(self, layer: Layer, inputs: dict[str, Tensor], keep: _Keeper) -> Tensor:
        """Return a convolution or linear layer with its branch and residual."""
        rule = self._plan.rule(self._current(layer))
        out = self._plan.steps[layer.output].scale
        some = next(iter(inputs.values()))
        terms: list[Tensor] = []
        if "x" in inputs:
            acc = self._integer_sum(layer, inputs["x"], rule.weight, rule.weight_factor)
            keep(f"{layer.output}.acc", acc, np.int32)
            terms.append(acc * column(rule.multipliers["x"], layer.shape, some))
        if "bits" in inputs:
            signs = torch.as_tensor(layer.arrays["binary.weight"]).to(some)
            acc = convolve(inputs["bits"], signs, layer.attrs, peak=1)
            keep(f"{layer.output}.bits", acc, np.float32)
            hard = column(rule.multipliers["bits"], (1,), some)
            terms.append(acc * self._steps(layer, "binary.scale", hard, rule.shift, 1 / out))
        if "residual" in inputs:
            multiplier = column(rule.multipliers["residual"], layer.shape, some)
            terms.append(inputs["residual"] * multiplier)
        bias = self._steps(layer, "bias", column(rule.bias, (1,), some), rule.shift, 1 / out)
        total = sum(terms[1:], terms[0]) + bias
        low, high = self._plan.bounds(layer)
        return shift_and_clip(total, column(rule.shift, layer.shape, some), low, high)

    def _integer_sum(self, layer: Layer, x: Tensor, weight: Any, factor: Any) -> Tensor:
        """Return the sum of 8-bit products; the gradient reaches the float weights."""
        soft = self._weight(layer, "weight")
        assert soft is not None
        scale = torch.as_tensor(np.asarray(factor, np.float64)).to(x.device)
        scale = scale.reshape((-1,) + (1,) * (soft.ndim - 1)) if scale.ndim else scale
        hard = torch.as_tensor(weight).to(x)
        return convolve(x, straight(soft.double() * scale, hard), layer.attrs)

    def _steps(self, layer: Layer, role: str, hard: Tensor, shift: Any, per_unit: Any) -> Tensor:
        """Return a learnt number per channel as integers, `hard`, that pass gradients on."""
        soft = self._weight(layer, role)
        assert soft is not None
        unit = torch.as_tensor(np.ldexp(per_unit, shift)).to(hard)
        return straight(soft.double() * unit, hard).reshape((-1,) + (1,) * (len(layer.shape) - 1))

    def _logits(
        self, layer: Layer, integers: dict[str, Tensor], keep: _Keeper
    ) -> tuple[Tensor, Tensor]:
        """Return 32-bit sums and their scale."""
        rule, x = self._plan.logit_rule(self._current(layer)), integers[layer.inputs["x"]]
        acc = self._integer_sum(layer, x, rule.weight, np.float64(rule.weight_factor))
        keep(f"{layer.output}.acc", acc, np.int32)
        soft = self._weight(layer, "bias")
        assert soft is not None
        steps = straight(soft.double() / float(rule.scale), torch.as_tensor(rule.bias).to(x))
        total = acc + steps.reshape((-1,) + (1,) * (len(layer.shape) - 1))
        keep(f"{layer.output}.s32", total, np.int32)
        return total, torch.tensor(rule.scale, device=x.device)

    def _average(self, layer: Layer, x: Tensor, keep: _Keeper) -> Tensor:
        """Return an average over windows or the image."""
        rule = self._plan.rule(layer)
        if layer.op == "average_pool":
            total = sum_windows(x, layer.attrs)
        else:
            total = x.sum((2, 3), keepdim=len(layer.shape) == 3)
        keep(f"{layer.output}.acc", total, np.int32)
        total = total * column(rule.multipliers["x"], layer.shape, x)
        total = total + column(rule.bias, layer.shape, x)
        low, high = self._plan.bounds(layer)
        return shift_and_clip(total, column(rule.shift, layer.shape, x), low, high)

    def _rescale(self, layer: Layer, inputs: dict[str, Tensor]) -> Tensor:
        """Return an add, a scaling per channel, or an activation on its own."""
        rule = self._plan.rule(self._current(layer))
        some = next(iter(inputs.values()))
        total: Tensor | float = 0.0
        for role, value in inputs.items():
            multiplier = column(rule.multipliers[role], layer.shape, some)
            if layer.op == "affine":
                ratio = self._plan.steps[layer.inputs["x"]].scale
                ratio /= self._plan.steps[layer.output].scale
                hard = column(rule.multipliers[role], (1,), some)
                multiplier = self._steps(layer, "scale", hard, rule.shift, ratio)
            total = total + value * multiplier
        if layer.op == "affine":
            hard = column(rule.bias, (1,), some)
            unit = 1 / self._plan.steps[layer.output].scale
            total = total + self._steps(layer, "bias", hard, rule.shift, unit)
        assert isinstance(total, Tensor)
        low, high = self._plan.bounds(layer)
        return shift_and_clip(total, column(rule.shift, layer.shape, some), low, high)

    def _move(self, layer: Layer, inputs: dict[str, Tensor]) -> Tensor:
        """Return what moves values without changing them."""
        want = self._plan.steps[layer.output]
        moved = [
            self._same_steps(self._plan.steps[layer.inputs[role]], want, value)
            for role, value in inputs.items()
        ]
        x, attrs = moved[0], layer.attrs
        if layer.op == "concat":
            return torch.cat(moved, attrs["axis"] + 1)
        if layer.op == "max_pool":
            return max_pool(x, attrs)
        if layer.op == "global_max_pool":
            return x.amax((2, 3), keepdim=attrs["keepdims"])
        if layer.op == "reshape":
            return x.reshape(x.shape[0], *layer.shape)
        if layer.op == "slice":
            cuts = zip(attrs["starts"], attrs["ends"], attrs["steps"], strict=True)
            return x[(slice(None), *(slice(*cut) for cut in cuts))]
        rank = len(layer.shape)
        widths: list[int] = []
        for axis in reversed(range(rank)):
            widths += [attrs["pads"][axis], attrs["pads"][rank + axis]]
        low, high = (0, 255) if want.dtype == "u8" else (-128, 127)
        fill = float(np.clip(np.rint(attrs["value"] / want.scale), low, high))
        return F.pad(x, widths, value=fill)

    @staticmethod
    def _same_steps(have: integer.Steps, want: integer.Steps, x: Tensor) -> Tensor:
        """Return a value in other steps (u8 beside s8 in a concat)."""
        if have == want:
            return x
        rule = rescaling({"x": have.scale / want.scale}, 0.0)
        low, high = (0, 255) if want.dtype == "u8" else (-128, 127)
        total = x * column(rule.multipliers["x"], (1,), x)
        return shift_and_clip(total, column(rule.shift, (1,), x), low, high)


class _Keeper:
    """Keep values by name in the Graph's dtype, if anybody asked for them."""

    def __init__(self, kept: dict[str, NDArray[Any]] | None) -> None:
        self._kept = kept

    def __call__(self, name: str, value: Tensor, dtype: Any) -> None:
        if self._kept is not None:
            self._kept[name] = value.detach().cpu().numpy().astype(dtype)


def _tail(layer: Layer, x: Tensor) -> Tensor:
    """Return a layer behind the integers."""
    if layer.op == "softmax":
        return x.softmax(1)
    if layer.op == "reshape":
        return x.reshape(x.shape[0], *layer.shape)
    kinds = {"relu": torch.relu, "sigmoid": torch.sigmoid, "tanh": torch.tanh}
    kind = layer.attrs["activation"]["kind"]
    if kind not in kinds:
        raise UnsupportedOpError(
            "integer",
            f"the last activation must be one of {', '.join(kinds)}",
            got=f"{kind} (node {layer.name!r})",
        )
    return kinds[kind](x)
