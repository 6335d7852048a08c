"""Find what stands around each convolution and linear layer: methods that replace whole units ask.

A unit is [batch norm] -> [ReLU] -> layer -> [batch norm], and perhaps an addition behind it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

from niwaki._capture_export import as_inputs, evaluating, export_program
from niwaki._capture_readers import BATCH_NORMS, LAYERS, first_names, is_call, module_path

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from torch import Tensor


@dataclass(frozen=True)
class Surroundings:
    """Say what stands around one layer that forward calls once."""

    norm_before: str | None
    """The batch norm in front that the layer alone reads; may be another layer's `norm_behind`."""
    relus_before: tuple[str, ...]
    """The ``nn.ReLU`` in front that the layer alone reads: one that stands between it and
    `norm_before`, or straight in front of it."""
    norm_behind: str | None
    """The batch norm that alone reads the layer."""
    is_added: bool
    """Whether the layer's output (its batch norm's, where it has one) is added to something that
    isn't computed from it: a shortcut stands around the layer already."""
    keeps_shape: bool
    """Whether that output has the shape of the layer's input, the batch included."""


def surroundings(
    module: nn.Module, example_inputs: Tensor | Sequence[Tensor]
) -> dict[str, Surroundings]:
    """Find what stands around each convolution and linear layer.

    Args:
        module: The module; put into eval mode meanwhile, and unchanged afterwards.
        example_inputs: One tensor, or one for each input, with the batch in front.

    Returns:
        Qualified name -> what stands around it, in order of calls; layers that forward calls never
        or more than once aren't listed.

    Raises:
        InputError: The module can't run on the inputs, or can't be traced.
    """
    inputs = as_inputs(example_inputs)
    with evaluating(module):
        program = export_program(module, inputs, dynamic=False)
    return _Finder(module, program.graph).find()


class _Finder:
    def __init__(self, module: nn.Module, graph: torch.fx.Graph) -> None:
        self._paths: dict[torch.fx.Node, str] = {}
        calls: dict[str, list[torch.fx.Node]] = {}
        names = first_names(module)
        for node in graph.nodes:
            called_as = module_path(node)
            if called_as is None:
                continue
            part = module.get_submodule(called_as)
            if not _does_the_work(node, type(part)):
                continue
            path = names[part]
            calls.setdefault(path, []).append(node)
            self._paths[node] = path
        once = {path: found[0] for path, found in calls.items() if len(found) == 1}
        self._nodes = {node: path for path, node in once.items()}
        self._kinds = {path: type(module.get_submodule(path)) for path in once}

    def find(self) -> dict[str, Surroundings]:
        return {
            path: self._around(node)
            for node, path in self._nodes.items()
            if issubclass(self._kinds[path], LAYERS)
        }

    def _around(self, layer: torch.fx.Node) -> Surroundings:
        x = _first_input(layer)
        relus: list[str] = []
        above = x
        while self._is(above, (nn.ReLU,)) and len(above.users) == 1:
            relus.insert(0, self._nodes[above])
            above = _first_input(above)
        norm_before = None
        if self._is(above, BATCH_NORMS) and len(above.users) == 1:
            norm_before = self._nodes[above]
        end, norm_behind = layer, None
        readers = list(layer.users)
        if len(readers) == 1 and self._is(readers[0], BATCH_NORMS):
            end, norm_behind = readers[0], self._nodes[readers[0]]
        return Surroundings(
            norm_before,
            tuple(relus),
            norm_behind,
            is_added=any(
                _is_addition(reader) and not _carries(reader, end) for reader in end.users
            ),
            keeps_shape=x.meta["val"].shape == end.meta["val"].shape,
        )

    def _is(self, node: torch.fx.Node, kinds: tuple[type[nn.Module], ...]) -> bool:
        path = self._nodes.get(node)
        return path is not None and issubclass(self._kinds[path], kinds)


def _first_input(node: torch.fx.Node) -> torch.fx.Node:
    return node.all_input_nodes[0]


def _is_addition(node: torch.fx.Node) -> bool:
    return getattr(node.target, "__name__", "").split(".")[0] in ("add", "add_")


def _carries(addition: torch.fx.Node, value: torch.fx.Node) -> bool:
    """Tell whether what is added to a value is computed from it: the value is the shortcut then."""
    pending = [node for node in addition.all_input_nodes if node is not value]
    seen = set(pending)
    while pending:
        for node in pending.pop().all_input_nodes:
            if node is value:
                return True
            if node not in seen:
                seen.add(node)
                pending.append(node)
    return False


def _does_the_work(node: torch.fx.Node, kind: type[nn.Module]) -> bool:
    if issubclass(kind, LAYERS):
        return is_call(node, ("conv", "linear"))
    if issubclass(kind, BATCH_NORMS):
        return is_call(node, ("batch_norm",))
    return issubclass(kind, nn.ReLU) and is_call(node, ("relu",))
