"""From torch to the Graph: export a module, and find torch's value of every value of the Graph.

A value of the Graph carries the name of torch's value in the exported program, and passes keep the
name of the last value of what they fuse: that is how the two are held against each other.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import onnx_ir as ir
import torch

from niwaki import graph
from niwaki._capture_export import as_inputs, evaluating, export_program, to_onnx
from niwaki._capture_markers import binary_bits as binary_bits, bipolar as bipolar
from niwaki._capture_readers import Consumers as Consumers, consumers as consumers
from niwaki._capture_surroundings import (
    Surroundings as Surroundings,
    surroundings as surroundings,
)
from niwaki._files import write_bytes
from niwaki.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor, nn


class Recorder:
    """Run the exported program in torch and keep what the Graph has a name for.

    Args:
        program: The program that the Graph was made from.
        names: Names of the Graph's values.
    """

    def __init__(self, program: torch.export.ExportedProgram, names: Sequence[str]) -> None:
        self._module = program.module(check_guards=False)
        self._names = frozenset(names)
        # A network trained on an accelerator stays there.
        tensors = [*program.state_dict.values(), *program.constants.values()]
        devices = [item.device for item in tensors if isinstance(item, torch.Tensor)]
        self._device = devices[0] if devices else torch.device("cpu")

    def __call__(self, *x: Tensor | NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return torch's value of every value of the Graph, by name.

        Args:
            x: The inputs, one array or tensor each, any batch size.
        """
        keeper = _Keeper(self._module, self._names)
        with torch.no_grad():
            keeper.run(*(torch.as_tensor(array, device=self._device) for array in x))
        return keeper.kept


class _Keeper(torch.fx.Interpreter):
    def __init__(self, module: torch.fx.GraphModule, names: frozenset[str]) -> None:
        super().__init__(module)
        self._names = names
        self.kept: dict[str, NDArray[Any]] = {}

    def run_node(self, n: torch.fx.Node) -> Any:
        """Run one node of the program and keep its value if it has a name in the Graph."""
        value = super().run_node(n)
        if n.name in self._names and isinstance(value, torch.Tensor):
            self.kept[n.name] = value.detach().cpu().numpy().copy()
        return value


def to_graph(
    module: nn.Module, example_inputs: Tensor | Sequence[Tensor]
) -> tuple[ir.Model, Recorder]:
    """Export a module, as it is at inference, to the canonical Graph.

    Args:
        module: The module; put into eval mode meanwhile, and unchanged afterwards.
        example_inputs: One tensor, or one for each input. Shape (N, C, H, W) each, any N; the batch
            stays free, all else is fixed.

    Returns:
        The Graph with all passes run, and the recorder of torch's values.

    Raises:
        UnsupportedOpError: An operation has no ONNX form; names it.
        InputError: The module can't run on the inputs, or can't be traced.
    """
    inputs = as_inputs(example_inputs)
    with evaluating(module):
        program, model = to_onnx(export_program(module, inputs, dynamic=True), "to_graph")
    graph.run_passes(model)
    # Through the file's form and back: types, shapes and no tensor of torch's left inside.
    model = graph.from_proto(graph.to_proto(model))
    names = [value.name for node in model.graph for value in node.outputs if value.name]
    names += [value.name for value in model.graph.inputs if value.name]
    return model, Recorder(program, names)


def export(
    model: Any,
    path: str | Path,
    example_inputs: Tensor | Sequence[Tensor] | None = None,
    format: str | None = None,
) -> None:
    """Write a module, a Graph or the result of ``niwaki.compress`` in another tool's format.

    Args:
        model: A ``torch.nn.Module``, an ``onnx_ir.Model``, an artifact, or a result that has one.
        path: Where to.
        example_inputs: What the module is traced with; only modules need it.
        format: ``"onnx"`` (runs in ONNX Runtime), ``"qonnx"`` (an ``.onnx`` whose only foreign
            nodes are QONNX's) or ``"nwk"`` (the engine's file); None goes by the suffix.

    Raises:
        InputError: The format is unknown, the path can't be written, or example_inputs are missing.
        UnsupportedOpError: An operation has no form in that format.
    """
    path = Path(path)
    kind = format or path.suffix.removeprefix(".")
    if kind not in ("onnx", "qonnx", "nwk"):
        raise InputError(
            "export", "the format must be one of onnx, qonnx, nwk", got=repr(kind or path.name)
        )
    folder = getattr(getattr(model, "artifact", model), "folder", None)
    if folder is not None and kind == "nwk":
        # The artifact's own file also knows preprocessing and classes.
        write_bytes(path, (Path(folder) / "model.nwk").read_bytes())
        return
    found = graph.load(Path(folder) / "model.onnx") if folder else _graph_of(model, example_inputs)
    if kind == "nwk":
        from niwaki import runtime
        from niwaki.runtime import nwk

        nwk.write(path, runtime.compile_graph(found))
    else:
        graph.save(found, path, inline=kind == "qonnx")


def _graph_of(model: Any, example_inputs: Tensor | Sequence[Tensor] | None) -> ir.Model:
    if isinstance(model, ir.Model):
        return model
    if isinstance(model, torch.nn.Module):
        if example_inputs is None:
            raise InputError(
                "export", "a module needs example_inputs", fix="Pass one batch of its input"
            )
        return to_graph(model, example_inputs)[0]
    raise InputError(
        "export",
        "the model must be a torch.nn.Module, an onnx_ir.Model, an artifact or a result",
        got=type(model).__name__,
    )
