"""Move an average pool in front of the 1x1 convolution that it reads."""

from __future__ import annotations

import onnx_ir as ir

from niwaki.graph.passes._base import Pass, register_pass
from niwaki.graph.passes._tools import constant, sole_reader


@register_pass("pool-before-pointwise")
class PoolBeforePointwise(Pass):
    """Average first where a 1x1 convolution's output is averaged over windows with a stride.

    There are fewer pixels to multiply then: a quarter for 2x2, as in binary ResNets' shortcuts.
    Both are linear and the convolution sees one pixel, so they commute up to the rounding of sums;
    the bias as well, provided that a window's weights add up to 1: pads mustn't count.
    """

    after = ("fold-batch-norm", "fold-pad", "fold-scale-into-weights")

    def match(self, node: ir.Node) -> bool:
        """Tell whether the node is a pool with fewer pixels behind a pointwise convolution."""
        return _find(node) is not None

    def apply(self, node: ir.Node) -> None:
        """Exchange the two; the last value keeps its name."""
        conv = _find(node)
        assert conv is not None
        graph, source = node.graph, conv.inputs[0]
        assert isinstance(graph, ir.Graph)
        assert source is not None
        pooled, result = node.outputs[0], conv.outputs[0]
        name, is_output = pooled.name, pooled.is_graph_output()
        node.replace_input_with(0, source)
        pooled.replace_all_uses_with(result, replace_graph_outputs=is_output)
        conv.replace_input_with(0, pooled)
        graph.remove(conv)
        graph.insert_after(node, conv)
        result.shape = pooled.shape
        pooled.shape = _shape_between(source, pooled)
        pooled.name, result.name = f"{name}.pooled", name


def _shape_between(source: ir.Value, pooled: ir.Value) -> ir.Shape | None:
    """Return the channels of one value with the sides of the other."""
    if source.shape is None or pooled.shape is None:
        return None
    return ir.Shape([*list(source.shape)[:2], *list(pooled.shape)[2:]])


def _find(node: ir.Node) -> ir.Node | None:
    """Return the convolution in front of a pool that may be exchanged with it, or None."""
    if node.domain or node.op_type != "AveragePool":
        return None
    value = node.inputs[0]
    conv = None if value is None else value.producer()
    if conv is None or value is None or sole_reader(value) is not node or not _is_pointwise(conv):
        return None
    pads = node.attributes.get("pads")
    counts = node.attributes.get_int("count_include_pad", 0)
    if node.attributes.get_string("auto_pad") not in (None, "NOTSET", "VALID"):
        return None
    if counts and pads is not None and any(pads.as_ints()):
        return None
    strides = node.attributes.get("strides")
    return conv if strides is not None and max(strides.as_ints()) > 1 else None


def _is_pointwise(conv: ir.Node) -> bool:
    """Tell whether a node is a convolution of single pixels, each of them."""
    if conv.domain or conv.op_type != "Conv" or len(conv.inputs) < 2:
        return False
    weight = constant(conv.inputs[1])
    if weight is None or weight.ndim != 4 or weight.shape[2:] != (1, 1):
        return False
    pads, strides = conv.attributes.get("pads"), conv.attributes.get("strides")
    return not (
        (pads is not None and any(pads.as_ints()))
        or (strides is not None and max(strides.as_ints()) > 1)
    )
