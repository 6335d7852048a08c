"""Write the mean over height and width as the pool that it is.

torch's exporter writes an adaptive pool to 1x1 as ReduceMean. Other engines run GlobalAveragePool
as a pool, and ReduceMean by their slower general path or not at all.
"""

from __future__ import annotations

import onnx_ir as ir

from niwaki.graph.passes._base import Pass, register_pass
from niwaki.graph.passes._tools import constant


@register_pass("name-global-pools")
class NameGlobalPools(Pass):
    """Replace ReduceMean over the axes 2 and 3 of a float (N, C, H, W) by GlobalAveragePool.

    Only where the result keeps both axes: without them a second node would be needed.
    """

    after = ("fold-constants",)

    def match(self, node: ir.Node) -> bool:
        """Tell whether the node is such a mean."""
        if node.domain or node.op_type != "ReduceMean" or not node.inputs:
            return False
        source = node.inputs[0]
        if source is None or source.shape is None or len(source.shape) != 4:
            return False
        keepdims = node.attributes.get("keepdims")
        if source.dtype != ir.DataType.FLOAT or (keepdims is not None and not keepdims.as_int()):
            return False
        return sorted(axis % 4 for axis in _axes(node)) == [2, 3]

    def apply(self, node: ir.Node) -> None:
        """Turn the node into the pool; its values stay."""
        node.op_type = "GlobalAveragePool"
        node.attributes.clear()
        node.resize_inputs(1)


def _axes(node: ir.Node) -> list[int]:
    """Return the axes of a reduction, as input (from opset 18) or attribute; [] if unknown."""
    if len(node.inputs) > 1 and node.inputs[1] is not None:
        given = constant(node.inputs[1])
        return [] if given is None else [int(axis) for axis in given.reshape(-1)]
    attribute = node.attributes.get("axes")
    return [] if attribute is None else list(attribute.as_ints())
