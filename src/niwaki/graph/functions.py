"""The Graph's own nodes as model-local functions, so that one file runs in any ONNX runtime.

Domains ``qonnx.custom_op.general`` (QONNX's operators) and ``niwaki`` (ours); the bodies are in
``_function_bodies.py``, the same arithmetic in NumPy is in ``arithmetic.py``, and what each node
means stands in docs/design/architecture.md.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import onnx_ir as ir

from niwaki.errors import UnsupportedOpError
from niwaki.graph._function_bodies import FUNCTIONS, NIWAKI as NIWAKI, QONNX as QONNX

if TYPE_CHECKING:
    import onnx

OPSET = 18
IR_VERSION = 8
DOMAINS = (QONNX, NIWAKI)
_QUANT_DEFAULTS = {"signed": 1, "narrow": 0, "rounding_mode": "ROUND"}


def is_qonnx(node: ir.Node) -> bool:
    """Tell whether a node is QONNX's ``Quant`` or ``BipolarQuant``: a tag that folding stops at."""
    return node.domain == QONNX


def attach_functions(model: ir.Model) -> ir.Model:
    """Add the bodies of the functions that the model uses, and drop the ones that it doesn't.

    Attributes that a body needs and a node leaves out are filled in, since IR 8 has no defaults for
    them: ``to`` of ``Requantize*``; ``signed``, ``narrow`` and ``rounding_mode`` of ``Quant``.

    Args:
        model: The model, changed in place.

    Returns:
        The same model.

    Raises:
        UnsupportedOpError: A node is of our domains but unknown, or rounds in another way than half
            to even.
    """
    used: set[tuple[str, str]] = set()
    for node in model.graph.all_nodes():
        if node.domain in DOMAINS:
            _complete(node)
            used.add((node.domain, node.op_type))
    if any(name.startswith("Requantize") for _, name in used):
        used.add((NIWAKI, "ShiftAndClip"))
    for key in list(model.functions):
        if key[0] in DOMAINS:
            del model.functions[key]
    for key in FUNCTIONS:
        if key in used:
            model.functions[(*key, "")] = ir.serde.deserialize_function(_proto(*key))
            model.graph.opset_imports[key[0]] = 1
    model.graph.opset_imports.setdefault("", OPSET)
    return model


def detach_functions(model: ir.Model) -> ir.Model:
    """Drop the bodies of our functions: in memory their nodes are plain nodes."""
    for key in list(model.functions):
        if key[0] in DOMAINS:
            del model.functions[key]
    return model


def result_type(lo: int) -> ir.DataType:
    """Return the type that ``Requantize*`` gives: uint8 where lo >= 0, else int8."""
    return ir.DataType.UINT8 if lo >= 0 else ir.DataType.INT8


@cache
def _proto(domain: str, name: str) -> onnx.FunctionProto:
    return FUNCTIONS[domain, name].to_function_proto()


def _complete(node: ir.Node) -> None:
    if (node.domain, node.op_type) not in FUNCTIONS:
        raise UnsupportedOpError(
            f"node {node.name}",
            f"the op must be one of {', '.join(name for _, name in FUNCTIONS)}",
            got=f"{node.domain}.{node.op_type}",
        )
    if node.op_type.startswith("Requantize"):
        node.attributes["to"] = ir.AttrInt64("to", result_type(node.attributes["lo"].as_int()))
    if node.op_type == "Quant":
        for name, value in _QUANT_DEFAULTS.items():
            if name not in node.attributes:
                node.attributes[name] = _attribute(name, value)
        rounding = node.attributes["rounding_mode"].as_string()
        if rounding != "ROUND":
            raise UnsupportedOpError(
                f"node {node.name}", "Quant must have rounding_mode ROUND", got=rounding
            )


def _attribute(name: str, value: str | int) -> ir.Attr:
    return ir.AttrString(name, value) if isinstance(value, str) else ir.AttrInt64(name, value)
