"""Take out nodes that give back what they get."""

from __future__ import annotations

from typing import TYPE_CHECKING

from niwaki.graph.passes._base import Pass, register_pass
from niwaki.graph.passes._tools import bypass, can_bypass, constant

if TYPE_CHECKING:
    import onnx_ir as ir


@register_pass("remove-identity")
class RemoveIdentity(Pass):
    """Remove Identity, Dropout (at inference), and what does nothing here.

    That is a Cast to the same type, a Reshape or Flatten to the same shape, a Transpose to the same
    order.
    """

    after = ("fold-constants",)

    def match(self, node: ir.Node) -> bool:
        """Tell whether the node is one of ours to remove."""
        source = node.inputs[0] if node.inputs else None
        if node.domain or source is None or not can_bypass(node, source):
            return False
        if node.op_type == "Dropout":
            return _is_inference(node)
        return node.op_type == "Identity" or (
            node.op_type in ("Cast", "Reshape", "Flatten", "Transpose")
            and _does_nothing(node, source, node.outputs[0])
        )

    def apply(self, node: ir.Node) -> None:
        """Let the readers read the node's input."""
        source = node.inputs[0]
        assert source is not None
        bypass(node, source)


def _is_inference(node: ir.Node) -> bool:
    if len(node.outputs) > 1 and (node.outputs[1].uses() or node.outputs[1].is_graph_output()):
        return False
    if len(node.inputs) < 3 or node.inputs[2] is None:
        return True
    training = constant(node.inputs[2])
    return training is not None and not bool(training)


def _does_nothing(node: ir.Node, source: ir.Value, out: ir.Value) -> bool:
    if source.dtype is None or source.dtype != out.dtype:
        return False
    if node.op_type == "Cast":
        return True
    if source.shape is None or out.shape is None or source.shape != out.shape:
        return False
    if node.op_type == "Transpose":
        perm = list(node.attributes["perm"].as_ints()) if "perm" in node.attributes else None
        rank = len(source.shape)
        return perm == list(range(rank)) or (perm is None and rank < 2)
    # Two dimensions of unknown size might have changed places: one, the batch, can't.
    return sum(not isinstance(dim, int) for dim in source.shape) <= 1
