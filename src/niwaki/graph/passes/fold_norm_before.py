"""Put batch norms into the weights behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.graph.passes._base import Pass, register_pass
from niwaki.graph.passes._tools import bypass, constant, set_constant, sole_reader

if TYPE_CHECKING:
    import onnx_ir as ir
    from numpy.typing import NDArray


@register_pass("fold-norm-before")
class FoldNormBefore(Pass):
    """Fold BatchNormalization into the Conv without pads, or the Gemm, that alone reads it.

    A convolution that pads keeps its norm: the padding is zero behind the norm, not in front of it.
    """

    after = ("fold-batch-norm", "fold-pad", "fold-scale-into-weights")

    def match(self, node: ir.Node) -> bool:
        """Tell whether the node is a batch norm at inference in front of such a layer."""
        if node.domain or node.op_type != "BatchNormalization" or len(node.outputs) > 1:
            return False
        reader = sole_reader(node.outputs[0])
        if reader is None or node.attributes.get_int("training_mode", 0) or not _takes(reader):
            return False
        values = [constant(value) for value in node.inputs[1:5]]
        return reader.inputs[0] is node.outputs[0] and all(value is not None for value in values)

    def apply(self, node: ir.Node) -> None:
        """Scale the layer's weights by input channel, and add what the shifts amount to."""
        reader = sole_reader(node.outputs[0])
        assert reader is not None
        gain, shift, mean, variance = (
            np.asarray(constant(value), np.float64) for value in node.inputs[1:5]
        )
        scale = gain / np.sqrt(variance + node.attributes.get_float("epsilon", 1e-5))
        shift = shift - mean * scale
        weight = constant(reader.inputs[1])
        assert weight is not None
        if reader.op_type == "Conv":
            added = _scale_conv(reader, weight, scale, shift)
        else:
            added = _scale_gemm(reader, weight, scale, shift)
        value = reader.inputs[2] if len(reader.inputs) > 2 else None
        old = constant(value)
        total = added if old is None else added + np.broadcast_to(old.reshape(-1), added.shape)
        name = f"{reader.name}.bias" if value is None or not value.name else value.name
        set_constant(reader, 2, total.astype(weight.dtype), name)
        source = node.inputs[0]
        assert source is not None
        bypass(node, source)


def _takes(reader: ir.Node) -> bool:
    """Tell whether a layer's weights and bias are constants, and its windows stay inside."""
    if reader.domain or reader.op_type not in ("Conv", "Gemm"):
        return False
    weight = constant(reader.inputs[1])
    bias = reader.inputs[2] if len(reader.inputs) > 2 else None
    if weight is None or weight.dtype.kind != "f" or (bias is not None and constant(bias) is None):
        return False
    attributes = reader.attributes
    if reader.op_type == "Gemm":
        plain = all(attributes.get_float(name, 1.0) == 1 for name in ("alpha", "beta"))
        return plain and not attributes.get_int("transA", 0)
    pads = attributes.get("pads")
    word = attributes.get_string("auto_pad")
    return word in (None, "NOTSET", "VALID") and not (pads is not None and any(pads.as_ints()))


def _scale_conv(
    reader: ir.Node, weight: NDArray[Any], scale: NDArray[Any], shift: NDArray[Any]
) -> NDArray[Any]:
    """Scale (O, C / groups, ...) by the input channel of each group; return the added bias (O,)."""
    groups = reader.attributes.get_int("group", 1)
    per_group = weight.shape[0] // groups
    # Row o of these holds the numbers of the channels that output o reads.
    rows = [np.repeat(v.reshape(groups, -1), per_group, axis=0) for v in (scale, shift)]
    scales, shifts = (row.reshape(*row.shape, *[1] * (weight.ndim - 2)) for row in rows)
    wide = weight.astype(np.float64)
    added = (wide * shifts).reshape(weight.shape[0], -1).sum(1)
    name = reader.inputs[1].name if reader.inputs[1] is not None else None
    set_constant(reader, 1, (wide * scales).astype(weight.dtype), name or f"{reader.name}.weight")
    return added


def _scale_gemm(
    reader: ir.Node, weight: NDArray[Any], scale: NDArray[Any], shift: NDArray[Any]
) -> NDArray[Any]:
    """Scale (K, O), or (O, K) where it's transposed, by the feature; return the added bias (O,)."""
    turned = bool(reader.attributes.get_int("transB", 0))
    wide = weight.astype(np.float64)
    added = wide @ shift if turned else shift @ wide
    scaled = wide * (scale[None, :] if turned else scale[:, None])
    name = reader.inputs[1].name if reader.inputs[1] is not None else None
    set_constant(reader, 1, scaled.astype(weight.dtype), name or f"{reader.name}.weight")
    return added
