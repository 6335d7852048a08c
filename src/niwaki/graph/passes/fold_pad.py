"""Put zero padding into the convolution or pool behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx_ir as ir

from niwaki.graph.passes._base import Pass, register_pass
from niwaki.graph.passes._tools import bypass, constant, sole_reader

if TYPE_CHECKING:
    from numpy.typing import NDArray


@register_pass("fold-pad")
class FoldPad(Pass):
    """Add a Pad's zeros to the pads of the Conv or AveragePool that alone reads it.

    A pool must count its padding, and have none of its own yet that it doesn't count. Max pools
    stay behind their Pad: their padding is minus infinity.
    """

    after = ("remove-dead-code",)

    def match(self, node: ir.Node) -> bool:
        """Tell whether the node pads height and width with zeros, for one reader that can."""
        return _find(node) is not None

    def apply(self, node: ir.Node) -> None:
        """Give the reader the pads and take the node out."""
        found = _find(node)
        assert found is not None
        reader, pads = found
        own = reader.attributes.get("pads")
        before = [0] * len(pads) if own is None else list(own.as_ints())
        total = [a + b for a, b in zip(before, pads, strict=True)]
        reader.attributes["pads"] = ir.AttrInt64s("pads", total)
        if reader.op_type == "AveragePool":
            reader.attributes["count_include_pad"] = ir.AttrInt64("count_include_pad", 1)
        source = node.inputs[0]
        assert source is not None
        bypass(node, source)


def _find(node: ir.Node) -> tuple[ir.Node, list[int]] | None:
    """Return the reader of a Pad and the pads that it would take, or None."""
    if node.domain or node.op_type != "Pad" or node.attributes.get_string("mode") not in (
        None, "constant"
    ):  # fmt: skip
        return None
    reader = sole_reader(node.outputs[0])
    pads, value = _operand(node, 1), _operand(node, 2)
    if reader is None or reader.domain or reader.inputs[0] is not node.outputs[0]:
        return None
    if pads is None or _operand(node, 3) is not None or (value is not None and np.any(value != 0)):
        return None
    if len(node.inputs) > 2 and node.inputs[2] is not None and value is None:
        return None
    numbers: list[int] = pads.reshape(-1).tolist()
    half = len(numbers) // 2
    around = [*numbers[:2], *numbers[half : half + 2]]
    spatial = [*numbers[2:half], *numbers[half + 2 :]]
    if any(around) or min(spatial, default=-1) < 0 or not _takes(reader):
        return None
    return reader, spatial


def _takes(reader: ir.Node) -> bool:
    """Tell whether explicit pads can be added to a node's."""
    word = reader.attributes.get_string("auto_pad")
    own = reader.attributes.get("pads")
    padded = own is not None and any(own.as_ints())
    if reader.op_type == "Conv":
        return word in (None, "NOTSET")
    if reader.op_type != "AveragePool" or word not in (None, "NOTSET"):
        return False
    # With ceil_mode the last window may hang over the end, where nothing counts.
    if reader.attributes.get_int("ceil_mode", 0):
        return False
    return not padded or bool(reader.attributes.get_int("count_include_pad", 0))


def _operand(node: ir.Node, index: int) -> NDArray[np.generic] | None:
    return constant(node.inputs[index]) if index < len(node.inputs) else None
