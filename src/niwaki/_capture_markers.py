"""Torch operators that mark what is binary, and what each becomes in the Graph.

Plain torch has no word for "these are bits": a method's deployable module says it with these two,
and ``capture.to_graph`` turns them into QONNX's ``Quant`` and ``BipolarQuant``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import onnx_ir as ir
import torch
from onnxscript import evaluator, opset18

from niwaki.graph.functions import QONNX

if TYPE_CHECKING:
    from collections.abc import Callable


_opset: Any = opset18


@torch.library.custom_op("niwaki::binary_bits", mutates_args=())
def binary_bits(x: torch.Tensor) -> torch.Tensor:
    """Mark a tensor of 0 and 1 as bits; the identity.

    Args:
        x: Values 0 or 1. Any shape, float.

    Returns:
        The same values. In the Graph: ``Quant`` with scale 1, zero point 0, one bit, unsigned.
    """
    return x.clone()


@torch.library.custom_op("niwaki::bipolar", mutates_args=())
def bipolar(v: torch.Tensor) -> torch.Tensor:
    """Keep the sign of each value: +1 where ``v >= 0``, else -1.

    Args:
        v: Latent weights, or signs. Any shape, float.

    Returns:
        Signs, the shape and dtype of ``v``. In the Graph: ``BipolarQuant`` with scale 1.
    """
    one = torch.ones((), dtype=v.dtype, device=v.device)
    return torch.where(v >= 0, one, -one)


def _like(x: torch.Tensor) -> torch.Tensor:
    return torch.empty_like(x)


binary_bits.register_fake(_like)
bipolar.register_fake(_like)


def _quant(x: Any) -> ir.Value:
    one, zero = _opset.Constant(value_float=1.0), _opset.Constant(value_float=0.0)
    signs = {"signed": 0, "narrow": 0, "rounding_mode": "ROUND"}
    return _record("Quant", [x, one, zero, one], signs)


def _bipolar_quant(v: Any) -> ir.Value:
    return _record("BipolarQuant", [v, _opset.Constant(value_float=1.0)], {})


def _record(op_type: str, inputs: list[ir.Value], attributes: dict[str, Any]) -> ir.Value:
    """Add a node as it is to the graph under construction.

    A call of a real onnxscript function would be inlined, and its body folded into constants.
    """
    node = ir.node(op_type, inputs, attributes, domain=QONNX)
    recorder: Any = evaluator.default()
    recorder.nodes.append(node)
    out = node.outputs[0]
    out.type, out.shape = inputs[0].type, inputs[0].shape
    return out


TRANSLATIONS: dict[Callable[..., Any], Callable[..., ir.Value]] = {
    torch.ops.niwaki.binary_bits.default: _quant,
    torch.ops.niwaki.bipolar.default: _bipolar_quant,
}
"""torch operator -> function that writes its node, for ``torch.onnx.export``."""
