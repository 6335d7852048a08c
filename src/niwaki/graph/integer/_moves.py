"""Write the layers of the integer dialect that only move values: they keep their inputs' steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.graph.integer._rule import rescaling

if TYPE_CHECKING:
    import onnx_ir as ir

    from niwaki.graph.integer._emit import Emitter
    from niwaki.graph.layers import Layer


def emit_move(emitter: Emitter, layer: Layer) -> ir.Value:
    """Write what moves integers (or bits) without changing them; return its output."""
    dtype = emitter.plan.steps[layer.output].dtype
    inputs = [_same_steps(emitter, value, layer) for value in layer.inputs.values()]
    shape, attrs, name = layer.shape, layer.attrs, emitter.inner_name(layer)
    if layer.op == "concat":
        found = emitter.node("Concat", inputs, name, dtype, layer, axis=attrs["axis"] + 1)
    elif layer.op == "max_pool":
        windows: dict[str, Any] = {
            "kernel_shape": attrs["kernel"],
            "ceil_mode": int(attrs["ceil_mode"]),
        }
        windows |= {"strides": attrs["strides"], "pads": attrs["pads"]}
        found = emitter.node("MaxPool", inputs, name, dtype, layer, **windows)
    elif layer.op == "global_max_pool":
        size = list(emitter.plan.shape(layer.inputs["x"])[1:])
        channels, flat = (shape[0], 1, 1), not attrs["keepdims"]
        found = emitter.builder.node(
            "MaxPool",
            inputs,
            f"{name}.keepdims" if flat else name,
            dtype,
            channels,
            name=layer.name,
            kernel_shape=size,
        )
        if flat:
            found = emit_reshape(emitter, layer, found, name, dtype)
    elif layer.op == "reshape":
        found = emit_reshape(emitter, layer, inputs[0], name, dtype)
    elif layer.op == "slice":
        found = _slice(emitter, layer, inputs[0], name, dtype)
    else:
        found = _pad(emitter, layer, inputs[0], name, dtype)
    return found


def emit_reshape(emitter: Emitter, layer: Layer, x: ir.Value, name: str, dtype: str) -> ir.Value:
    """Write a reshape that keeps the batch."""
    if len(layer.shape) == 1:
        return emitter.node("Flatten", [x], name, dtype, layer, axis=1)
    target = emitter.builder.constant(f"{layer.name}.shape", np.array([0, *layer.shape], np.int64))
    return emitter.node("Reshape", [x, target], name, dtype, layer)


def _slice(emitter: Emitter, layer: Layer, x: ir.Value, name: str, dtype: str) -> ir.Value:
    axes = list(range(1, len(layer.shape) + 1))
    numbers = {
        "starts": layer.attrs["starts"],
        "ends": layer.attrs["ends"],
        "axes": axes,
        "steps": layer.attrs["steps"],
    }
    bounds = [
        emitter.builder.constant(f"{layer.name}.{role}", np.array(found, np.int64))
        for role, found in numbers.items()
    ]
    return emitter.node("Slice", [x, *bounds], name, dtype, layer)


def _pad(emitter: Emitter, layer: Layer, x: ir.Value, name: str, dtype: str) -> ir.Value:
    rank, pads = len(layer.shape), layer.attrs["pads"]
    full = np.array([0, *pads[:rank], 0, *pads[rank:]], np.int64)
    low, high = (0, 255) if dtype == "u8" else (-128, 127)
    steps = np.rint(layer.attrs["value"] / emitter.plan.steps[layer.output].scale)
    kind = {"u8": np.uint8, "s8": np.int8, "u1": np.float32}[dtype]
    fill = np.array(np.clip(steps, low, high), kind)
    amounts = emitter.builder.constant(f"{layer.name}.pads", full)
    value = emitter.builder.constant(f"{layer.name}.value", fill)
    return emitter.node("Pad", [x, amounts, value], name, dtype, layer)


def _same_steps(emitter: Emitter, value: str, layer: Layer) -> ir.Value:
    """Return a value in a layer's steps: what differs (u8 beside s8) is requantised."""
    have, want = emitter.plan.steps[value], emitter.plan.steps[layer.output]
    if have == want:
        return emitter.integers[value]
    rule = rescaling({"x": have.scale / want.scale}, 0.0, where=layer.name)
    shape = emitter.plan.shape(value)
    low, high = (0, 255) if want.dtype == "u8" else (-128, 127)
    name = f"{value}.{want.dtype}"
    terms = [(emitter.integers[value], rule.multipliers["x"])]
    return emitter.rule_node(name, name, terms, rule, (low, high), want.dtype, shape)
