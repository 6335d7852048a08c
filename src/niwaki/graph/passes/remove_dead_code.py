"""Take out nodes that no output needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from niwaki.graph.passes._base import Pass, register_pass

if TYPE_CHECKING:
    import onnx_ir as ir


@register_pass("remove-dead-code")
class RemoveDeadCode(Pass):
    """Remove nodes whose outputs nobody reads; no other pass makes any."""

    after = ("fold-constants", "remove-identity")

    def match(self, node: ir.Node) -> bool:
        """Tell whether nothing needs the node."""
        return not any(out.uses() or out.is_graph_output() for out in node.outputs)

    def apply(self, node: ir.Node) -> None:
        """Remove the node."""
        graph = node.graph
        assert graph is not None
        graph.remove(node, safe=True)
