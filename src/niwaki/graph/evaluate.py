"""Run a Graph in NumPy: the reference that the engine, ONNX Runtime and torch are held against.

onnx's own reference evaluator, with our nodes in plain NumPy and convolutions that are fast enough
for whole networks. Integers are exact.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator

from niwaki.errors import InputError, ShapeError, UnsupportedOpError, ValueDomainError
from niwaki.graph._reference_ops import REFERENCE_OPS
from niwaki.graph.io import to_proto

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from numpy.typing import NDArray


class Evaluator:
    """Hold a model ready to be run many times (calibration, verification).

    Args:
        model: The model; every node must be of onnx's operators or of our functions.

    Raises:
        UnsupportedOpError: A node is unknown; names op and node.
        FormatError: The model breaks ONNX's rules.
    """

    def __init__(self, model: ir.Model) -> None:
        proto = to_proto(model)
        self._check_known(proto.graph.node, {(f.domain, f.name) for f in proto.functions})
        self.inputs = {
            info.name: info.type.tensor_type
            for info in proto.graph.input
            if info.name not in {tensor.name for tensor in proto.graph.initializer}
        }
        self.outputs = [info.name for info in proto.graph.output]
        self._values = [name for node in proto.graph.node for name in node.output if name]
        self._run = ReferenceEvaluator(proto, new_ops=REFERENCE_OPS)

    def __call__(
        self, feeds: Mapping[str, NDArray[Any]], keep: str | Iterable[str] | None = None
    ) -> dict[str, NDArray[Any]]:
        """Run the model.

        Args:
            feeds: Input name -> array, shape and dtype as the model says.
            keep: None for the outputs; ``"all"`` for inputs and every node's outputs; or names.

        Returns:
            Value name -> array.

        Raises:
            InputError: An input is missing or unknown, or a name to keep is.
            ShapeError, ValueDomainError: An input has another shape or dtype than the model says.
        """
        self._check_feeds(feeds)
        names = (
            self.outputs
            if keep is None
            else [*self.inputs, *self._values]
            if keep == "all"
            else list(keep)
        )
        known = {*self.inputs, *self._values}
        for name in names:
            if name not in known and name not in self.outputs:
                raise InputError("evaluate", "keep must name values of the graph", got=repr(name))
        # onnx's Sigmoid computes a branch that overflows and then doesn't take it.
        with np.errstate(over="ignore", invalid="ignore"):
            results: Any = self._run.run(None, dict(feeds), intermediate=True)
        return {name: results[name] for name in names}

    def _check_feeds(self, feeds: Mapping[str, NDArray[Any]]) -> None:
        if set(feeds) != set(self.inputs):
            raise InputError(
                "evaluate", f"feeds must name the inputs {sorted(self.inputs)}", got=sorted(feeds)
            )
        for name, kind in self.inputs.items():
            array = feeds[name]
            dtype = ir.DataType(kind.elem_type).numpy()
            if array.dtype != dtype:
                raise ValueDomainError(
                    "evaluate", f"input {name!r} must be {dtype}", got=array.dtype
                )
            want = [dim.dim_value if dim.HasField("dim_value") else None for dim in kind.shape.dim]
            if len(want) != array.ndim or any(
                length not in (None, got) for length, got in zip(want, array.shape, strict=True)
            ):
                shape = tuple("N" if length is None else length for length in want)
                raise ShapeError(
                    "evaluate", f"input {name!r} must have shape {shape}", got=array.shape
                )

    @staticmethod
    def _check_known(nodes: Iterable[Any], functions: set[tuple[str, str]]) -> None:
        for node in nodes:
            known = (node.domain, node.op_type) in functions
            if not known and not (node.domain == "" and onnx.defs.has(node.op_type)):
                raise UnsupportedOpError(
                    f"node {node.name}",
                    "the op must be one of ONNX's or of niwaki's",
                    got=f"{node.domain or 'ai.onnx'}.{node.op_type}",
                )


def evaluate(
    model: ir.Model, feeds: Mapping[str, NDArray[Any]], keep: str | Iterable[str] | None = None
) -> dict[str, NDArray[Any]]:
    """Run a model once in NumPy; `Evaluator` says what may be fed and kept.

    Args:
        model: The model.
        feeds: Input name -> array.
        keep: None for the outputs, ``"all"``, or names of values.

    Returns:
        Value name -> array.
    """
    return Evaluator(model)(feeds, keep)
