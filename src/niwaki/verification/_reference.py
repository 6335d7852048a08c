"""The Graph's side: what it computes from torch's values, node by node, and from the images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from niwaki import graph
from niwaki.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Mapping, Set as AbstractSet
    from pathlib import Path

_FED = "@reference"


@dataclass(frozen=True)
class GraphValues:
    """Hold the Graph's values for the golden images."""

    fed: dict[str, np.ndarray]
    """Each node's outputs, computed from torch's values where torch has them."""
    end_to_end: dict[str, np.ndarray]
    """Each node's outputs, computed from the images."""
    layer: dict[str, str]
    """Value name to the layer whose node makes it, in running order."""
    outputs: list[str]
    """The Graph's outputs."""
    inputs: list[str]
    """The Graph's inputs."""


def run_graph(path: Path, x: np.ndarray, golden: Mapping[str, np.ndarray]) -> GraphValues:
    """Run the Graph twice: with torch's value in front of every node, and from end to end.

    Feeding is one run of a cut copy: every reader of a value that torch has reads a new input
    instead, so each node computes from the reference's values.

    Args:
        path: ``model.onnx``.
        x: The golden images. Shape (G, C, H, W), float32.
        golden: Value name to torch's value.

    Raises:
        FormatError: A golden value doesn't fit the Graph's value of that name.
    """
    model = graph.load(path)
    image = model.graph.inputs[0].name
    assert image is not None
    end_to_end = graph.evaluate(model, {image: x}, keep="all")
    names = {node.name for node in model.graph}
    layer = {
        value.name: layer_name(node.name or node.op_type, names)
        for node in model.graph
        for value in node.outputs
        if value.name
    }
    outputs = [value.name for value in model.graph.outputs if value.name]
    feeds: dict[str, Any] = {image: x}
    # Kept as outputs, the Graph's outputs must stay the nodes' own.
    for node in list(model.graph):
        for value in node.outputs:
            name = value.name or ""
            if name in golden and name not in outputs:
                feeds[name + _FED] = _as_value(value, golden[name])
                _cut(model, value)
    fed = graph.evaluate(model, feeds, keep=list(layer))
    return GraphValues(fed, end_to_end, layer, outputs, [image])


def layer_name(node: str, names: AbstractSet[str | None]) -> str:
    """Return a node's layer: the Graph numbers what one layer became as ``conv2``, ``conv2.2`` ...

    Example:
        >>> layer_name("conv2.3", {"conv2", "conv2.3"}), layer_name("block.3", {"block.3"})
        ('conv2', 'block.3')
    """
    base, _, number = node.rpartition(".")
    return base if number.isdigit() and base in names else node


def _cut(model: ir.Model, value: ir.Value) -> None:
    """Make every reader of a value read a new input instead."""
    fed = ir.Value(name=f"{value.name}{_FED}", shape=value.shape, type=value.type)
    for use in list(value.uses()):
        use.node.replace_input_with(use.idx, fed)
    model.graph.inputs.append(fed)


def _as_value(value: ir.Value, array: np.ndarray) -> np.ndarray:
    """Return a golden array in the Graph's dtype, refusing what wouldn't be the same numbers."""
    assert value.dtype is not None
    assert value.shape is not None
    cast = array.astype(value.dtype.numpy())
    dims = [dim if isinstance(dim, int) else None for dim in value.shape.dims]
    fits = len(dims) == cast.ndim and all(
        want in (None, got) for want, got in zip(dims, cast.shape, strict=True)
    )
    if not fits or not np.array_equal(cast.astype(array.dtype), array, equal_nan=True):
        raise FormatError(
            "golden/torch.safetensors",
            f"value {value.name!r} must be {value.dtype.numpy()} of shape {value.shape}",
            got=f"{array.dtype} of shape {array.shape}",
        )
    return cast
