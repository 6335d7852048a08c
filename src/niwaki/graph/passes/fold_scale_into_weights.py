"""Put per-channel scales and shifts into the weights in front of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.graph.passes._affine import channels, fold_affine, foldable_layer
from niwaki.graph.passes._base import Pass, register_pass
from niwaki.graph.passes._tools import absorb, constant

if TYPE_CHECKING:
    import onnx_ir as ir
    from numpy.typing import NDArray


@register_pass("fold-scale-into-weights")
class FoldScaleIntoWeights(Pass):
    """Fold Mul, Div, Add and Sub by per-channel constants into the layer that alone feeds them.

    The scale behind a binary convolution stays where it is: its weights aren't plain floats.
    """

    after = ("fold-batch-norm",)

    def match(self, node: ir.Node) -> bool:
        """Tell whether the node is arithmetic with a per-channel constant behind a layer."""
        return _split(node) is not None

    def apply(self, node: ir.Node) -> None:
        """Change the layer's weights and take the node out."""
        found = _split(node)
        assert found is not None
        layer, value = found
        one, zero = np.ones_like(value), np.zeros_like(value)
        scale, shift = {
            "Mul": (value, zero),
            "Div": (one / value, zero),
            "Add": (one, value),
            "Sub": (one, -value),
        }[node.op_type]
        fold_affine(layer, scale, shift)
        absorb(node, layer)


def _split(node: ir.Node) -> tuple[ir.Node, NDArray[np.float64]] | None:
    """Return the layer in front of the node and the node's constant, one number a channel."""
    if node.domain or node.op_type not in ("Mul", "Div", "Add", "Sub"):
        return None
    left, right = node.inputs
    pairs = [(left, right), (right, left)] if node.op_type in ("Mul", "Add") else [(left, right)]
    for value, other in pairs:
        array, layer = constant(other), foldable_layer(value)
        if array is None or layer is None or value is None or value.shape is None:
            continue
        per_channel = _per_channel(array, channels(layer), len(value.shape))
        if per_channel is not None and not (node.op_type == "Div" and np.any(per_channel == 0)):
            return layer, per_channel
    return None


def _per_channel(array: NDArray[Any], count: int, rank: int) -> NDArray[np.float64] | None:
    """Return a constant as (count,), or None where it differs between pixels or adds an axis."""
    if array.ndim > rank:
        return None
    shape = (1,) * (rank - array.ndim) + array.shape
    if any(length != 1 for axis, length in enumerate(shape) if axis != 1):
        return None
    if shape[1] not in (1, count):
        return None
    return np.broadcast_to(array.astype(np.float64).reshape(-1), (count,)).copy()
