"""What a pass is, the registry of passes, and the order they run in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, ClassVar

from niwaki.graph._refusals import refusing
from niwaki.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Iterable

    import onnx_ir as ir


class Pass(ABC):
    """Rewrite a Graph without changing its outputs; running it twice changes nothing more.

    A pass keeps the name of the last value of what it fuses, so that torch's value of it is still
    found by name.
    """

    after: ClassVar[tuple[str, ...]] = ()
    """Names of passes that must have run before."""

    @abstractmethod
    def match(self, node: ir.Node) -> bool:
        """Tell whether ``apply`` can rewrite around this node."""

    @abstractmethod
    def apply(self, node: ir.Node) -> None:
        """Rewrite around a node that matched; afterwards it must not match again."""

    def run(self, model: ir.Model) -> ir.Model:
        """Apply the pass to every node that matches, until none does; drop unread constants."""
        changed = True
        while changed:
            changed = False
            for node in list(model.graph):
                # An earlier rewrite may have taken the node out.
                must = f"node {node.name!r} ({node.op_type}) must have what its op asks for"
                with refusing(f"pass {type(self).__name__}", must):
                    if node.graph is model.graph and self.match(node):
                        self.apply(node)
                        changed = True
        for name, value in list(model.graph.initializers.items()):
            if not (value.uses() or value.is_graph_output() or value.is_graph_input()):
                del model.graph.initializers[name]
        return model


PASSES: Registry[type[Pass]] = Registry("pass", "niwaki.graph.passes")
register_pass = PASSES.register


def run_passes(model: ir.Model, names: Iterable[str] | None = None) -> ir.Model:
    """Run passes in an order that respects what each must run after.

    Args:
        model: The model, changed in place.
        names: The passes to run; None for all.

    Returns:
        The same model.

    Raises:
        RegistryError: A name is unknown.
    """
    chosen = {name: PASSES.get(name) for name in (PASSES.names() if names is None else names)}
    order = TopologicalSorter({name: sorted(chosen[name].after) for name in sorted(chosen)})
    for name in order.static_order():
        if name in chosen:
            chosen[name]().run(model)
    return model
