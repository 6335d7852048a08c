"""What to do about an op that the engine doesn't run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx_ir as ir

_OTHERWISE = (
    "Replace the op in the network, or run the file in ONNX Runtime; docs/onnx-operators.md lists "
    "what the engine runs"
)
QDQ = (
    "Quantise the network statically in QDQ form, e.g. onnxruntime.quantization.quantize_static("
    "..., quant_format=QuantFormat.QDQ)"
)
DYNAMIC = f"Its range depends on the other images of a batch. {QDQ}"
_INTEGERS = ("ConvInteger", "MatMulInteger")


def advice(node: ir.Node) -> str:
    """Return what to do about a node of an op that no layer is made of.

    8-bit networks come in several forms; this engine runs the one that says scales next to float
    ops. A quantisation that is worked out as the network runs is over the whole batch, so that one
    image's answer would depend on its neighbours.
    """
    if node.op_type == "DynamicQuantizeLinear":
        return DYNAMIC
    quantised = node.domain == "com.microsoft" and node.op_type.startswith(("QLinear", "QGemm"))
    return QDQ if quantised or node.op_type in _INTEGERS else _OTHERWISE
