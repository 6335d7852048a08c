"""Walk a Graph from its outputs up, and let each op's reader claim what becomes one layer.

A node is visited only when a layer below reads one of its outputs; all its readers have been
visited by then. So a reader that takes a node in merely doesn't ask for its output, and dead nodes
are never seen.
"""

from __future__ import annotations

import importlib
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from niwaki.errors import UnsupportedOpError
from niwaki.graph._refusals import refusing
from niwaki.graph.layers._advice import advice
from niwaki.graph.layers._values import Array, constant, data, is_identity, unsupported

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_READERS: dict[tuple[str, str], Any] = {}
_TAKEN_IN = ("Cast", "Greater", "GreaterOrEqual", "Less", "LessOrEqual")
"""Ops without a reader of their own, which the readers of bits take in."""
_MODULES = (
    "_activations",
    "_concat",
    "_elementwise",
    "_float_quantized",
    "_matrices",
    "_movers",
    "_pools",
    "_quantized",
    "_reductions",
    "_resize",
    "_shapers",
    "_sums",
    "_transposed",
)
GENERAL = (
    "binary",
    "conv_transpose",
    "expand",
    "gather",
    "matmul",
    "mul",
    "quantize_linear",
    "reduce",
    "strided_slice",
    "taps",
    "tensor_pad",
    "transpose",
    "unary",
)
"""Layers whose output has the shape that the Graph states."""


@dataclass
class Draft:
    """Hold a layer while values are still the Graph's own objects."""

    op: str
    name: str
    output: ir.Value
    inputs: dict[str, ir.Value]
    attrs: dict[str, Any] = field(default_factory=dict[str, Any])
    arrays: dict[str, Array] = field(default_factory=dict[str, Any])
    shape: tuple[int, ...] | None = None
    """The output's shape without the batch, of the layers in `GENERAL`."""


def reads(*names: str, domain: str = "") -> Callable[[Any], Any]:
    """Register the reader of some ops of one domain."""

    def add(reader: Any) -> Any:
        for name in names:
            if (domain, name) in _READERS:
                raise ValueError(f"two readers for {name}")
            _READERS[domain, name] = reader
        return reader

    return add


class Matcher:
    """Group a Graph's nodes into drafts of layers.

    Args:
        model: The Graph, its nodes in topological order, its shapes settled.
        batch: The size of the batch axis; None where the values have none.
    """

    def __init__(self, model: ir.Model, batch: int | None) -> None:
        self.batch = batch
        self.lead = 0 if batch is None else 1
        """Axes in front of a layer's own."""
        for module in _MODULES:
            importlib.import_module(f"niwaki.graph.layers.{module}")
        self._nodes = list(model.graph)
        self._outputs: list[ir.Value] = list(model.graph.outputs)
        self._alias: dict[ir.Value, ir.Value] = {}
        self._names: dict[ir.Value, str] = {}
        self._taken = {value.name for node in self._nodes for value in node.outputs}
        self._readers = self._count_readers()
        self._drafts: list[Draft] = []
        self._needed: set[ir.Value] = set(self._outputs)

    def match(self) -> list[Draft]:
        """Return the drafts in the order in which they run.

        Raises:
            UnsupportedOpError: A node has no reader, or its reader refuses it.
        """
        for node in reversed(self._nodes):
            if self._needed.isdisjoint(node.outputs):
                continue
            if node.outputs[0] in self._needed and constant(node.outputs[0]) is not None:
                raise unsupported(node, "an input that isn't constant", fix="Run the passes first")
            if is_identity(node):
                self._forward(node)
                continue
            reader = _READERS.get((node.domain, node.op_type))
            if reader is None:
                raise self._lacks(node)
            must = f"{node.op_type} (node {node.name!r}) must have what its op asks for"
            try:
                with refusing("layers", must):
                    reader(self, node)
            except UnsupportedOpError as error:
                # What a foreign op makes has no known shape, which its innocent readers notice.
                foreign = self._foreign_above(node)
                if foreign is None:
                    raise
                raise self._lacks(foreign) from error
        return self._drafts[::-1]

    def _lacks(self, node: ir.Node) -> UnsupportedOpError:
        return unsupported(
            node,
            "an engine layer of its kind; the engine lacks layers for "
            f"{', '.join(self._missing())}",
            fix=advice(node),
        )

    def _foreign_above(self, node: ir.Node) -> ir.Node | None:
        """Return a node that this one depends on and that nothing here could take in."""
        seen: set[ir.Node] = set()
        open_ = [value.producer() for value in node.inputs if value is not None]
        while open_:
            above = open_.pop()
            if above is None or above in seen or constant(above.outputs[0]) is not None:
                continue
            seen.add(above)
            if self._is_missing(above) and (above.domain or above.op_type not in _TAKEN_IN):
                return above
            open_ += [value.producer() for value in above.inputs if value is not None]
        return None

    def emit(
        self,
        op: str,
        node: ir.Node,
        output: ir.Value,
        inputs: dict[str, ir.Value],
        attrs: dict[str, Any] | None = None,
        arrays: dict[str, Array] | None = None,
        *,
        name: str | None = None,
    ) -> None:
        """Add a layer in front of those found so far; what it reads will be visited.

        Args:
            op: The engine's op.
            node: The node that does the work.
            output: The value it makes.
            inputs: Role -> value.
            attrs: Attributes.
            arrays: Weights and numbers per channel.
            name: The layer's name, if not the node's.
        """
        own = output.producer() is not None  # else one that the Graph doesn't have
        found = name or (node.name if own else output.name) or node.op_type
        shape = self.shape(output, node) if op in GENERAL else None
        draft = Draft(op, found, output, inputs, dict(attrs or {}), arrays or {}, shape)
        self._drafts.append(draft)
        self._needed.update(inputs.values())

    def only_reader(self, value: ir.Value, readers: int = 1) -> ir.Node | None:
        """Return the node behind a value that nothing else reads, looking through identities.

        Args:
            value: A value that the caller reads.
            readers: How often the caller reads it.
        """
        while True:
            node = value.producer()
            if node is None or self._readers[value] != readers or value in self._outputs:
                return None
            if not is_identity(node):
                return node
            value = data(node)

    def is_needed(self, value: ir.Value) -> bool:
        """Tell whether a layer found so far, or the caller of the Graph, reads a value."""
        return value in self._needed

    def shape(self, value: ir.Value, node: ir.Node) -> tuple[int, ...]:
        """Return a value's shape without the batch.

        Args:
            value: What `node` reads or makes.
            node: Who asks, for messages.

        Raises:
            UnsupportedOpError: The shape isn't known, or its first axis isn't the batch.
        """
        sizes = [size for size in value.shape or () if isinstance(size, int)]
        if value.shape is None or len(sizes) != len(value.shape):
            raise unsupported(
                node,
                "the shape of each value to be known",
                got=f"{value.shape} for {value.name!r}",
            )
        if self.batch is None:
            return tuple(sizes)
        if not sizes or sizes[0] != self.batch:
            raise unsupported(
                node,
                "the batch to stay the first axis",
                got=f"another shape for {value.name!r}",
                fix="Export the network so that images in a batch don't meet",
            )
        return tuple(sizes[1:])

    def axis(self, axis: int, rank: int, node: ir.Node) -> int:
        """Return an axis of ONNX's as one of a layer's.

        Args:
            axis: As the node says it, negative from the end.
            rank: Axes of the layer's value, the batch aside.
            node: Who asks.

        Raises:
            UnsupportedOpError: It's the batch, or there is no such axis.
        """
        full = rank + self.lead
        if not -full <= axis < full or axis % full < self.lead:
            raise unsupported(node, "an axis behind the batch", got=f"axis {axis} of {full}")
        return axis % full - self.lead

    def extra(
        self,
        base: ir.Value,
        suffix: str,
        like: ir.Value,
        shape: Sequence[int] | None = None,
    ) -> ir.Value:
        """Return a value that the Graph doesn't have, where a node takes more than one layer.

        Args:
            base: The value whose name it extends.
            suffix: By what.
            like: The value that it resembles in type, and in shape unless that's given.
            shape: Its shape without the batch.
        """
        stem = f"{base.name}.{suffix}"
        name, count = stem, 1
        while name in self._taken:
            count += 1
            name = f"{stem}{count}"
        self._taken.add(name)
        sizes = like.shape
        if shape is not None:
            sizes = ir.Shape([*([] if self.batch is None else [self.batch]), *shape])
        return ir.Value(name=name, shape=sizes, type=like.type)

    def resolve(self, value: ir.Value) -> ir.Value:
        """Return the value that an identity hands on."""
        while value in self._alias:
            value = self._alias[value]
        return value

    def name_of(self, value: ir.Value) -> str:
        """Return the name under which a value survives."""
        value = self.resolve(value)
        return self._names.get(value) or value.name or ""

    def _missing(self) -> list[str]:
        """Return the ops of the Graph that nothing here reads."""
        return sorted(
            {
                f"{node.domain}::{node.op_type}" if node.domain else node.op_type
                for node in self._nodes
                if self._is_missing(node) and constant(node.outputs[0]) is None
            }
        )

    def _is_missing(self, node: ir.Node) -> bool:
        return (node.domain, node.op_type) not in _READERS and not is_identity(node)

    def _forward(self, node: ir.Node) -> None:
        """Let an identity vanish; what it read takes over its name if nothing else read that."""
        source, result = data(node), node.outputs[0]
        self._alias[result] = source
        self._needed.add(source)
        alone = self._readers[source] == 1 and source not in self._outputs
        widened = source.dtype != result.dtype  # an integer layer's value keeps its 8-bit name
        if alone and not widened and source.producer() is not None:
            self._names[source] = self._names.get(result) or result.name or ""

    def _count_readers(self) -> Counter[ir.Value]:
        """Count how often each value is read by nodes that an output depends on."""
        counts: Counter[ir.Value] = Counter()
        live = set(self._outputs)
        for node in reversed(self._nodes):
            if live.isdisjoint(node.outputs):
                continue
            for value in node.inputs:
                if value is not None:
                    counts[value] += 1
                    live.add(value)
        return counts
