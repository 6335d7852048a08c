"""Scale and shift a layer's outputs by changing its weights: what the folding passes share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from niwaki.graph.passes._tools import constant, set_constant, sole_reader

if TYPE_CHECKING:
    from numpy.typing import NDArray

LAYERS = ("Conv", "ConvTranspose", "Gemm")


def foldable_layer(value: ir.Value | None) -> ir.Node | None:
    """Return the layer that computes a value, if a per-channel scale can go into its weights.

    The weights must be constants and the value must have one reader. Weights in another
    representation (behind a ``BipolarQuant``) aren't constants, so they stay as they are.
    """
    layer = None if value is None else value.producer()
    if value is None or layer is None or layer.domain or layer.op_type not in LAYERS:
        return None
    weight, bias = constant(layer.inputs[1]), _input(layer, 2)
    if sole_reader(value) is None or weight is None or weight.dtype.kind != "f":
        return None
    if bias is not None:
        array = constant(bias)
        if array is None or array.size not in (1, channels(layer)):
            return None
    return layer


def channels(layer: ir.Node) -> int:
    """Return the number of a layer's output channels."""
    weight = constant(layer.inputs[1])
    assert weight is not None
    if layer.op_type == "ConvTranspose":
        return weight.shape[1] * layer.attributes.get_int("group", 1)
    if layer.op_type == "Gemm" and not layer.attributes.get_int("transB", 0):
        return weight.shape[1]
    return weight.shape[0]


def fold_affine(layer: ir.Node, scale: NDArray[Any], shift: NDArray[Any]) -> None:
    """Make a layer compute ``scale * y + shift`` instead of ``y``, in float64 rounded once.

    Args:
        layer: What ``foldable_layer`` returned.
        scale: Per output channel. Shape (O,).
        shift: Per output channel. Shape (O,).
    """
    weight = constant(layer.inputs[1])
    assert weight is not None
    bias_value = _input(layer, 2)
    bias = None if bias_value is None else constant(bias_value)
    count = channels(layer)
    beta = 1.0
    if layer.op_type == "Gemm":
        beta = layer.attributes.get_float("beta", 1.0)
        layer.attributes["beta"] = ir.AttrFloat32("beta", 1.0)
    old = np.zeros(count) if bias is None else np.broadcast_to(bias.reshape(-1), count) * beta
    new_bias = (old * scale + shift).astype(weight.dtype)
    new_weight = (weight * _along(layer, weight, scale)).astype(weight.dtype)
    weight_name = _name(layer.inputs[1], f"{layer.name}.weight")
    set_constant(layer, 1, new_weight, weight_name)
    default = weight_name.removesuffix("weight") + "bias"
    if default == weight_name + "bias":
        default = f"{weight_name}.bias"
    set_constant(layer, 2, new_bias, _name(bias_value, default))


def _along(layer: ir.Node, weight: NDArray[Any], scale: NDArray[Any]) -> NDArray[Any]:
    """Return the scale in float64, shaped to multiply the weight's output channels."""
    scale = scale.astype(np.float64)
    if layer.op_type == "Conv":
        return scale.reshape(-1, *[1] * (weight.ndim - 1))
    if layer.op_type == "Gemm":
        return scale[:, None] if layer.attributes.get_int("transB", 0) else scale[None, :]
    # ConvTranspose: weight (C, O / groups, kernel); input channel c belongs to group c // (C / g)
    groups = layer.attributes.get_int("group", 1)
    per_group = scale.reshape(groups, -1).repeat(weight.shape[0] // groups, axis=0)
    return per_group.reshape(*per_group.shape, *[1] * (weight.ndim - 2))


def _input(node: ir.Node, index: int) -> ir.Value | None:
    return node.inputs[index] if index < len(node.inputs) else None


def _name(value: ir.Value | None, default: str) -> str:
    return default if value is None or not value.name else value.name
