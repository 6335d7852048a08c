"""Take out nodes and constants that no output needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from niwaki.graph.passes._base import Pass, register_pass

if TYPE_CHECKING:
    import onnx_ir as ir


@register_pass("remove-dead-code")
class RemoveDeadCode(Pass):
    """Remove nodes whose outputs nobody reads, and initializers nobody reads."""

    after = (
        "fold-constants",
        "remove-identity",
        "fold-batch-norm",
        "fold-scale-into-weights",
        "snap-signs",
    )

    def match(self, node: ir.Node) -> bool:
        """Tell whether nothing needs the node."""
        return not any(out.uses() or out.is_graph_output() for out in node.outputs)

    def apply(self, node: ir.Node) -> None:
        """Remove the node."""
        graph = node.graph
        assert graph is not None
        graph.remove(node, safe=True)

    def run(self, model: ir.Model) -> ir.Model:
        """Remove dead nodes, then the initializers that only they read."""
        super().run(model)
        for name, value in list(model.graph.initializers.items()):
            if not value.uses() and not value.is_graph_output() and not value.is_graph_input():
                del model.graph.initializers[name]
        return model
