"""Compute once what depends on constants only."""

from __future__ import annotations

from typing import Any

import onnx
import onnx_ir as ir
from onnx.reference import ReferenceEvaluator

from niwaki.graph._refusals import refusing
from niwaki.graph.functions import OPSET
from niwaki.graph.passes._base import Pass, register_pass
from niwaki.graph.passes._tools import constant, initializer

_RANDOM = ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike")
_NOT_CONSTANT = (*_RANDOM, "Bernoulli", "Multinomial", "If", "Loop", "Scan")
_NEWER = {"DequantizeLinear": 21, "QuantizeLinear": 21}
"""Ops of which onnx's evaluator has no version of ours, with one that means the same."""


@register_pass("fold-constants")
class FoldConstants(Pass):
    """Replace ONNX nodes whose inputs are all constants by initializers.

    Nodes of other domains stay: a ``BipolarQuant`` of signs, or whatever else holds weights in
    another representation, is what readers of the Graph look for. What reads them stays with them.
    """

    def match(self, node: ir.Node) -> bool:
        """Tell whether the node can be computed now."""
        if node.domain or node.op_type in _NOT_CONSTANT or not node.outputs:
            return False
        if "Sequence" in node.op_type or "Optional" in node.op_type:  # no tensors
            return False
        if any(out.is_graph_output() for out in node.outputs):
            return False
        return all(value is None or constant(value) is not None for value in node.inputs)

    def apply(self, node: ir.Node) -> None:
        """Compute the node and put initializers in its outputs' place."""
        graph = node.graph
        assert isinstance(graph, ir.Graph)
        outputs = [out.name for out in node.outputs if out.name]
        feeds = {value.name: constant(value) for value in node.inputs if value is not None}
        results = dict(zip(outputs, _compute(node, feeds, outputs), strict=True))
        replacements: list[tuple[ir.Value, str]] = []
        for index, out in enumerate(node.outputs):
            if out.name:
                replacements.append((out, out.name))
                out.name = f"{out.name}.folded{index}"  # frees the name
        for out, name in replacements:
            out.replace_all_uses_with(initializer(graph, results[name], name))
        graph.remove(node, safe=True)


def _compute(node: ir.Node, feeds: dict[str | None, Any], outputs: list[str]) -> list[Any]:
    proto = onnx.helper.make_graph(
        [ir.to_proto(node)],
        "constant",
        [onnx.ValueInfoProto(name=name) for name in feeds if name],
        [onnx.ValueInfoProto(name=name) for name in outputs],
    )
    opset = onnx.helper.make_opsetid("", _NEWER.get(node.op_type, OPSET))
    model = onnx.helper.make_model(proto, opset_imports=[opset])
    named = {name: array for name, array in feeds.items() if name}
    must = f"node {node.name!r} ({node.op_type}) must be computable from its constants"
    with refusing("fold-constants", must):
        return list(ReferenceEvaluator(model).run(outputs, named))
