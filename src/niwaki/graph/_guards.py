"""Refuse what onnx's own C++ code can't survive: it ends the process instead of raising.

Found by the fuzzer (cpp/fuzz/fuzz_onnx.py) with onnx 1.23; each rule is one that ONNX has anyway.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from niwaki.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable

    import onnx


def check_for_crashes(proto: onnx.ModelProto, where: str) -> None:
    """Check a model before onnx infers its shapes.

    Args:
        proto: The model, as read.
        where: The file's name, for messages.

    Raises:
        FormatError: A size is negative, or a Split counts other outputs than it has.
    """
    for info in (*proto.graph.input, *proto.graph.value_info, *proto.graph.output):
        sizes = [dim.dim_value for dim in info.type.tensor_type.shape.dim]
        if any(size < 0 for size in sizes):
            raise FormatError(where, f"value {info.name!r} must have sizes of 0 or more", got=sizes)
    for node in _nodes(proto):
        counts = [each.i for each in node.attribute if each.name == "num_outputs"]
        if node.op_type == "Split" and counts and counts != [len(node.output)]:
            raise FormatError(
                where,
                f"Split (node {node.name!r}) must have as many outputs as num_outputs says",
                got=f"{len(node.output)} and {counts[0]}",
            )


def _nodes(proto: onnx.ModelProto) -> Iterable[onnx.NodeProto]:
    yield from proto.graph.node
    for function in proto.functions:
        yield from function.node
