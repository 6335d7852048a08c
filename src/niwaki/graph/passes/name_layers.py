"""Call every node by torch's qualified name of the layer that it came from."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from niwaki.graph.io import name_nodes
from niwaki.graph.passes._base import Pass, register_pass

if TYPE_CHECKING:
    import onnx_ir as ir

SCOPES = "pkg.torch.onnx.name_scopes"
"""The exporter's note on each node: module names from the root, then the torch operation."""


@register_pass("name-layers")
class NameLayers(Pass):
    """Name nodes after torch's modules, unique by ``.2``, ``.3``; keep those without a note.

    A convolution or linear layer is called as its weight says: where the exporter folded a batch
    norm, the note on the node speaks of the batch norm.
    """

    def match(self, node: ir.Node) -> bool:
        """Tell whether the exporter left a note."""
        return SCOPES in node.metadata_props

    def apply(self, node: ir.Node) -> None:
        """Name the node and take the note off."""
        scopes = [str(scope) for scope in ast.literal_eval(node.metadata_props.pop(SCOPES))]
        modules = [scope for scope in scopes[:-1] if scope]
        node.name = _weight_owner(node) or (modules[-1] if modules else scopes[-1])

    def run(self, model: ir.Model) -> ir.Model:
        """Name all nodes; the ones with weights have the first claim to a name."""
        super().run(model)
        name_nodes(model, first=lambda node: _weight_owner(node) == node.name)
        return model


def _weight_owner(node: ir.Node) -> str | None:
    for value in node.inputs[1:2]:
        if value is not None and value.is_initializer() and value.name:
            owner, _, kind = value.name.rpartition(".")
            if owner and kind == "weight":
                return owner
    return None
