"""Put a Graph together node by node, with names, types and shapes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx_ir as ir

from niwaki.graph.functions import IR_VERSION, NIWAKI, OPSET, QONNX
from niwaki.graph.io import BATCH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

DTYPES = {
    "f32": ir.DataType.FLOAT,
    "u8": ir.DataType.UINT8,
    "s8": ir.DataType.INT8,
    "s32": ir.DataType.INT32,
    "s64": ir.DataType.INT64,
    "bool": ir.DataType.BOOL,
    "u1": ir.DataType.FLOAT,  # bits are floats 0 and 1 in the Graph
}


class Builder:
    """Collect nodes and constants; names that are taken get `.2`, `.3`."""

    def __init__(self) -> None:
        self.nodes: list[ir.Node] = []
        self._constants: dict[str, ir.Value] = {}
        self._node_names: set[str] = set()
        self._value_names: set[str] = set()

    def input(self, name: str, shape: Sequence[int]) -> ir.Value:
        """Make a float input of any batch size."""
        return self._value(name, "f32", shape)

    def constant(self, name: str, array: NDArray[Any] | Any) -> ir.Value:
        """Make an initializer."""
        name = self._free(name, self._value_names)
        array = np.asarray(array)
        tensor = ir.tensor(np.require(array, requirements="C"), name=name)
        value = ir.Value(
            name=name,
            shape=ir.Shape(array.shape),
            type=ir.TensorType(tensor.dtype),
            const_value=tensor,
        )
        self._constants[name] = value
        return value

    def node(
        self,
        op: str,
        inputs: Sequence[ir.Value],
        output: str,
        dtype: str,
        shape: Sequence[int],
        *,
        name: str | None = None,
        domain: str = "",
        **attributes: Any,
    ) -> ir.Value:
        """Add a node with one output and return that.

        Args:
            op: The op type.
            inputs: Values.
            output: The output's name.
            dtype: A key of `DTYPES`.
            shape: The output's shape without the batch.
            name: The node's name, if not the output's.
            domain: The op's domain.
            attributes: The node's attributes.
        """
        result = self._value(output, dtype, shape)
        node = ir.node(
            op,
            list(inputs),
            attributes,
            domain=domain,
            outputs=[result],
            name=self._free(name or output, self._node_names),
        )
        self.nodes.append(node)
        return result

    def model(
        self, inputs: Sequence[ir.Value], outputs: Sequence[ir.Value], name: str | None
    ) -> ir.Model:
        """Return the model."""
        graph = ir.Graph(
            list(inputs),
            list(outputs),
            nodes=self.nodes,
            initializers=list(self._constants.values()),
            opset_imports={"": OPSET, QONNX: 1, NIWAKI: 1},
            name=name or "model",
        )
        return ir.Model(graph, ir_version=IR_VERSION, producer_name="niwaki")

    def _value(self, name: str, dtype: str, shape: Sequence[int]) -> ir.Value:
        name = self._free(name, self._value_names)
        return ir.Value(
            name=name, shape=ir.Shape([BATCH, *shape]), type=ir.TensorType(DTYPES[dtype])
        )

    @staticmethod
    def _free(name: str, taken: set[str]) -> str:
        found, count = name, 1
        while found in taken:
            count += 1
            found = f"{name}.{count}"
        taken.add(found)
        return found
