"""Find which batch norm alone reads a layer's output: methods that split a layer replace both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from niwaki._capture_export import as_inputs, evaluating, export_program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

LAYERS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
BATCH_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


@dataclass(frozen=True)
class Consumers:
    """Say who reads the outputs of a module's convolutions and linear layers."""

    batch_norms: dict[str, str | None]
    """Layer's qualified name -> that of the batch norm that alone reads it, in order of calls."""
    shared: frozenset[str]
    """Layers that forward calls more than once; they have no batch norm of their own."""


def consumers(module: nn.Module, example_inputs: Tensor | Sequence[Tensor]) -> Consumers:
    """Find, for each convolution and linear layer, the batch norm that alone reads its output.

    Args:
        module: The module; put into eval mode meanwhile, and unchanged afterwards.
        example_inputs: One tensor, or one for each input, with the batch in front.

    Returns:
        The readers. A layer that forward never calls isn't listed; None stands for a layer whose
        output is read by something else, by several, or by a batch norm called elsewhere too.

    Raises:
        InputError: The module can't run on the inputs, or can't be traced.
    """
    inputs = as_inputs(example_inputs)
    with evaluating(module):
        program = export_program(module, inputs, dynamic=False)
    layer_calls: dict[str, list[torch.fx.Node]] = {}
    norm_calls: dict[str, list[torch.fx.Node]] = {}
    names = first_names(module)
    for node in program.graph.nodes:
        path = module_path(node)
        if path is None:
            continue
        part = module.get_submodule(path)
        path = names[part]
        # A parametrised weight is computed by other nodes of the same module.
        if isinstance(part, LAYERS) and is_call(node, ("conv", "linear")):
            layer_calls.setdefault(path, []).append(node)
        elif isinstance(part, BATCH_NORMS) and is_call(node, ("batch_norm",)):
            norm_calls.setdefault(path, []).append(node)
    norm_of = {calls[0]: path for path, calls in norm_calls.items() if len(calls) == 1}
    batch_norms: dict[str, str | None] = {}
    for path, calls in layer_calls.items():
        readers = list(calls[0].users) if len(calls) == 1 else []
        batch_norms[path] = norm_of.get(readers[0]) if len(readers) == 1 else None
    return Consumers(
        batch_norms, frozenset(path for path, calls in layer_calls.items() if len(calls) > 1)
    )


def first_names(module: nn.Module) -> dict[nn.Module, str]:
    """Return each module's first name, whatever other names it is registered and called by."""
    return {part: name for name, part in module.named_modules()}


def module_path(node: torch.fx.Node) -> str | None:
    """Return the qualified name of the innermost module that a node was traced in."""
    stack = node.meta.get("nn_module_stack")
    if node.op != "call_function" or not stack:
        return None
    path = str(list(stack.values())[-1][0])
    return path.partition("@")[0]  # a second call of a module is noted as name@1


def is_call(node: torch.fx.Node, words: tuple[str, ...]) -> bool:
    return any(word in getattr(node.target, "__name__", "") for word in words)
