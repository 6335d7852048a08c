"""Bring a file's opset to the dialect's, both ways.

Older files go through onnx's own converter. Newer ones only change their number: since opset 18 the
operators of convolutional networks gained types, not meanings, so a node stays as it is unless its
op or one of its attributes is unknown to opset 18; the ones that matter are written out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
import onnx.version_converter
from onnx import helper, numpy_helper

from niwaki.errors import UnsupportedOpError
from niwaki.graph.functions import OPSET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_MEANINGLESS = {
    ("QuantizeLinear", "saturate"): 1,
    ("QuantizeLinear", "block_size"): 0,
    ("QuantizeLinear", "output_dtype"): 0,
    ("QuantizeLinear", "precision"): 0,
    ("DequantizeLinear", "block_size"): 0,
    ("DequantizeLinear", "output_dtype"): 0,
    ("Cast", "saturate"): 1,
    ("Cast", "round_mode"): b"up",
    ("AveragePool", "dilations"): 1,
    ("SpaceToDepth", "mode"): b"DCR",
}
"""Attributes that came later, with the value (of each element) at which they change nothing."""
DILATED_AVERAGE = (
    "Write it as a depthwise Conv with these dilations, each weight 1 over the number of taps"
)
_INSTEAD = {("AveragePool", "dilations"): DILATED_AVERAGE}
"""What to do where an attribute has no form at the dialect's opset."""
_EIGHT_BITS = (onnx.TensorProto.UINT8, onnx.TensorProto.INT8)


def convert_opset(proto: onnx.ModelProto, where: str) -> onnx.ModelProto:
    """Return the model at the dialect's opset.

    Args:
        proto: The model; may be changed in place.
        where: The file's name, for messages.

    Raises:
        UnsupportedOpError: A node has no form at that opset; names op and node.
    """
    versions = {entry.domain: entry.version for entry in proto.opset_import}
    version = versions.get("", versions.get("ai.onnx", OPSET))
    if version == OPSET:
        return proto
    if version < OPSET:
        return _raise(proto, version, where)
    newest = onnx.defs.onnx_opset_version()
    if version > newest:
        raise UnsupportedOpError(
            where,
            f"the opset must be at most {newest}, the newest that the installed onnx knows",
            got=str(version),
            fix="Update onnx, or export with an older opset_version",
        )
    _lower(proto, where)
    return proto


def _raise(proto: onnx.ModelProto, version: int, where: str) -> onnx.ModelProto:
    try:
        return onnx.version_converter.convert_version(proto, OPSET)
    except (RuntimeError, onnx.version_converter.ConvertError) as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        raise UnsupportedOpError(
            where,
            f"the model must be convertible to opset {OPSET}: {lines[0] if lines else error}",
            got=f"opset {version}",
            fix=f"Export it again with opset_version={OPSET}",
        ) from error


def _lower(proto: onnx.ModelProto, where: str) -> None:
    nodes: list[onnx.NodeProto] = []
    for node in proto.graph.node:
        if node.domain not in ("", "ai.onnx"):
            nodes.append(node)
        elif node.op_type in _WRITTEN_OUT:
            nodes.extend(_WRITTEN_OUT[node.op_type](node))
        else:
            _check_node(node, where)
            nodes.append(node)
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    for entry in proto.opset_import:
        if entry.domain in ("", "ai.onnx"):
            entry.version = OPSET
    # Attributes and types of functions are the newer opset's too: bodies are inlined later.
    for function in proto.functions:
        for node in function.node:
            if node.domain in ("", "ai.onnx"):
                _check_node(node, where)
        for entry in function.opset_import:
            if entry.domain in ("", "ai.onnx"):
                entry.version = min(entry.version, OPSET)


def _check_node(node: onnx.NodeProto, where: str) -> None:
    """Drop later attributes that change nothing; refuse what opset 18 can't say."""
    if not onnx.defs.has(node.op_type, max_inclusive_version=OPSET):
        raise _unknown(node, where, f"opset {OPSET} to know it")
    known = onnx.defs.get_schema(node.op_type, OPSET).attributes
    kept: list[onnx.AttributeProto] = []
    for attribute in node.attribute:
        if attribute.name in known:
            kept.append(attribute)
            continue
        value = helper.get_attribute_value(attribute)
        elements = value if isinstance(value, list) else [value]
        neutral = _MEANINGLESS.get((node.op_type, attribute.name), "no")
        is_type = attribute.name == "output_dtype" and value in (1, *_EIGHT_BITS)
        if not is_type and any(element != neutral for element in elements):
            need = f"its attribute {attribute.name} to change nothing"
            raise _unknown(node, where, need, _INSTEAD.get((node.op_type, attribute.name), ""))
    if len(kept) != len(node.attribute):
        del node.attribute[:]
        node.attribute.extend(kept)


def _unknown(node: onnx.NodeProto, where: str, need: str, fix: str = "") -> UnsupportedOpError:
    return UnsupportedOpError(
        where,
        f"{node.op_type} (node {node.name!r}) needs {need}",
        fix=fix or f"Export it again with opset_version={OPSET}",
    )


def _gelu(node: onnx.NodeProto) -> Iterable[onnx.NodeProto]:
    """Write Gelu (opset 20) with Erf or Tanh, as exporters did before."""
    words = [a.s for a in node.attribute if a.name == "approximate"]
    make = _Maker(node)
    x = node.input[0]
    if b"tanh" in words:
        cube = make("Mul", make("Mul", x, x), x)
        inner = make("Add", x, make("Mul", cube, make.number(0.044715)))
        gate = make("Tanh", make("Mul", inner, make.number(np.sqrt(2 / np.pi))))
    else:
        gate = make("Erf", make("Div", x, make.number(np.sqrt(2))))
    half = make("Mul", x, make.number(0.5))
    make("Mul", half, make("Add", gate, make.number(1)), output=node.output[0], name=node.name)
    return make.nodes


def _swish(node: onnx.NodeProto) -> Iterable[onnx.NodeProto]:
    """Write Swish (opset 24), x * sigmoid(alpha * x)."""
    alpha = next((a.f for a in node.attribute if a.name == "alpha"), 1.0)
    make = _Maker(node)
    x = node.input[0]
    inner = x if alpha == 1 else make("Mul", x, make.number(alpha))
    make("Mul", x, make("Sigmoid", inner), output=node.output[0], name=node.name)
    return make.nodes


_WRITTEN_OUT: dict[str, Callable[[onnx.NodeProto], Iterable[onnx.NodeProto]]] = {
    "Gelu": _gelu,
    "Swish": _swish,
}


class _Maker:
    """Collect the nodes that stand for one."""

    def __init__(self, node: onnx.NodeProto) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self._base = node.output[0]

    def __call__(self, op: str, *inputs: str, output: str = "", name: str = "") -> str:
        """Add a node and return its output's name."""
        output = output or f"{self._base}.{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [output], name=name))
        return output

    def number(self, value: float) -> str:
        """Add a constant and return its name."""
        output = f"{self._base}.{len(self.nodes)}"
        tensor = numpy_helper.from_array(np.array(value, np.float32), output)
        self.nodes.append(helper.make_node("Constant", [], [output], value=tensor))
        return output
