"""Store the signs of binary weights, not the latent values behind them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from niwaki.graph.functions import QONNX
from niwaki.graph.passes._base import Pass, register_pass
from niwaki.graph.passes._tools import constant, set_constant

if TYPE_CHECKING:
    import onnx_ir as ir


@register_pass("snap-signs")
class SnapSigns(Pass):
    """Replace the constant input of a ``BipolarQuant`` by its signs, -1 and +1."""

    after = ("remove-dead-code",)

    def match(self, node: ir.Node) -> bool:
        """Tell whether the node binarises a constant that isn't made of signs yet."""
        if node.domain != QONNX or node.op_type != "BipolarQuant":
            return False
        latent = constant(node.inputs[0])
        return latent is not None and bool(np.any(np.abs(latent) != 1))

    def apply(self, node: ir.Node) -> None:
        """Put the signs in."""
        value = node.inputs[0]
        latent = constant(value)
        assert value is not None
        assert latent is not None
        signs = np.where(latent >= 0, 1, -1).astype(latent.dtype)
        set_constant(node, 0, signs, value.name or f"{node.name}.weight")
