"""Put batch norms into the weights in front of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from niwaki.graph.passes._affine import channels, fold_affine, foldable_layer
from niwaki.graph.passes._base import Pass, register_pass
from niwaki.graph.passes._tools import absorb, constant

if TYPE_CHECKING:
    import onnx_ir as ir


@register_pass("fold-batch-norm")
class FoldBatchNorm(Pass):
    """Fold BatchNormalization into the Conv, ConvTranspose or Gemm that alone feeds it.

    One that reads anything else (a pool, a sum of branches) stays.

    Source: Jacob et al., "Quantization and Training of Neural Networks for Efficient
    Integer-Arithmetic-Only Inference", CVPR 2018, section 3.2.
    """

    after = ("remove-dead-code",)

    def match(self, node: ir.Node) -> bool:
        """Tell whether the node is a batch norm at inference behind a layer."""
        if node.domain or node.op_type != "BatchNormalization" or len(node.outputs) > 1:
            return False
        layer = foldable_layer(node.inputs[0])
        if layer is None or node.attributes.get_int("training_mode", 0):
            return False
        values = [constant(value) for value in node.inputs[1:5]]
        return all(value is not None and value.size == channels(layer) for value in values)

    def apply(self, node: ir.Node) -> None:
        """Change the layer's weights and take the batch norm out."""
        layer = foldable_layer(node.inputs[0])
        assert layer is not None
        gamma, beta, mean, variance = (
            np.asarray(constant(value), np.float64) for value in node.inputs[1:5]
        )
        scale = gamma / np.sqrt(variance + node.attributes.get_float("epsilon", 1e-5))
        fold_affine(layer, scale, beta - mean * scale)
        absorb(node, layer)
