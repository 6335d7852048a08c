"""Small questions that the layer view asks of a Graph's values: constants, identities, bits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import onnx_ir as ir

from niwaki.errors import UnsupportedOpError
from niwaki.graph.functions import QONNX

if TYPE_CHECKING:
    from numpy.typing import NDArray

Array: TypeAlias = "NDArray[Any]"

_INTEGERS = {"UINT8": 8, "INT8": 8, "INT16": 16, "UINT16": 16, "INT32": 32, "INT64": 64}


def constant(value: ir.Value | None) -> Array | None:
    """Return a value's array if it's known before the network runs, else None."""
    if value is None:
        return None
    if value.const_value is not None:
        return value.const_value.numpy()
    node = value.producer()
    if node is None or node.domain:
        return None
    if node.op_type == "Identity":
        return constant(node.inputs[0])
    if node.op_type == "Constant":
        found = next(iter(node.attributes.values())).value
        return found.numpy() if hasattr(found, "numpy") else np.asarray(found)
    return None


def attribute(node: ir.Node, name: str, default: Any) -> Any:
    """Return a node's attribute as a plain Python value."""
    found = node.attributes.get(name)
    if found is None:
        return default
    value = found.value
    if isinstance(value, bytes):
        return value.decode()
    return list(value) if isinstance(value, tuple) else value


def operand(node: ir.Node, index: int) -> ir.Value | None:
    """Return an input that may be left out."""
    return node.inputs[index] if index < len(node.inputs) else None


def data(node: ir.Node, index: int = 0) -> ir.Value:
    """Return an input that must be there."""
    value = operand(node, index)
    if value is None:
        raise unsupported(node, f"input {index} to be given", got="nothing")
    return value


def check_input_type(value: ir.Value) -> None:
    """Check that an input of the Graph can be fed.

    Raises:
        UnsupportedOpError: It isn't float32, nor 8-bit integers that are dequantised first.
    """
    kind = value.dtype
    if kind is None or kind == ir.DataType.FLOAT:
        return
    readers = [use.node for use in value.uses()]
    if kind in (ir.DataType.UINT8, ir.DataType.INT8) and all(
        is_op(node, "DequantizeLinear", "QLinearConv", "QLinearMatMul") for node in readers
    ):
        return
    raise UnsupportedOpError(
        "layers",
        f"input {value.name!r} must be float32",
        got=kind.name,
        fix="Export the network without the conversion of its input",
    )


def is_op(node: ir.Node | None, *names: str, domain: str = "") -> bool:
    """Tell whether a node is one of these ops of one domain."""
    return node is not None and node.domain == domain and node.op_type in names


def is_identity(node: ir.Node | None) -> bool:
    """Tell whether a node hands its first input on: also Dropout, markers, widening Casts."""
    if node is None:
        return False
    if is_op(node, "Identity"):
        return True
    if is_op(node, "Dropout"):
        training = constant(operand(node, 2))
        return training is None or not bool(np.any(training))
    if is_op(node, "Cast"):
        source, target = data(node).dtype, ir.DataType(attribute(node, "to", 1))
        if source is None:
            return False
        if source == target:
            return True
        narrow, wide = _INTEGERS.get(source.name), _INTEGERS.get(target.name)
        return narrow is not None and wide is not None and wide > narrow
    if is_op(node, "Quant", domain=QONNX):
        return is_marker(node)
    return False


def is_marker(node: ir.Node) -> bool:
    """Tell whether a Quant only marks a {0,1} tensor: scale 1, zero point 0, one bit, unsigned."""
    wanted = (1.0, 0.0, 1.0)
    found = [constant(operand(node, i)) for i in (1, 2, 3)]
    return not attribute(node, "signed", 1) and all(
        got is not None and bool(np.all(got == want))
        for got, want in zip(found, wanted, strict=True)
    )


def is_bits(value: ir.Value) -> bool:
    """Tell whether a value holds only zeros and ones: a comparison, perhaps reshaped or cut."""
    node = value.producer()
    if node is None:
        return False
    if is_op(node, "Cast"):
        source = data(node).producer()
        if is_op(source, "GreaterOrEqual", "LessOrEqual", "Greater", "Less"):
            return True
    if is_identity(node) or is_op(
        node, "Flatten", "Reshape", "Squeeze", "Unsqueeze", "MaxPool", "Slice"
    ):
        return is_bits(data(node))
    if is_op(node, "Concat"):
        return all(v is not None and is_bits(v) for v in node.inputs)
    return False


def rank_of(value: ir.Value, node: ir.Node) -> int:
    """Return a value's rank, the batch included.

    Raises:
        UnsupportedOpError: The file doesn't state it.
    """
    if value.shape is None:
        raise unsupported(
            node, "the shape of each value to be stated", got=f"none for {value.name!r}"
        )
    return len(value.shape)


def channels_of(value: ir.Value, node: ir.Node) -> int:
    """Return a value's number of channels (or features).

    Raises:
        UnsupportedOpError: The file doesn't state it.
    """
    if value.shape is not None and len(value.shape) > 1:
        size = value.shape[1]
        if isinstance(size, int):
            return size
    raise unsupported(node, "a known number of channels", got=f"{value.shape} for {value.name!r}")


def per_channel(array: Array, channels: int, rank: int) -> Array | None:
    """Return a constant as one number per channel, shape (C,), or None if it isn't that.

    Example:
        >>> per_channel(np.ones((3, 1, 1)), 3, 4).shape
        (3,)
        >>> per_channel(np.ones((4, 4)), 3, 4) is None
        True
    """
    if array.ndim > rank:
        return None
    shape = (1,) * (rank - array.ndim) + array.shape
    if any(size != 1 for axis, size in enumerate(shape) if axis != 1) or shape[1] not in (
        1,
        channels,
    ):
        return None
    return np.array(np.broadcast_to(array.reshape(-1), (channels,)))


def unsupported(node: ir.Node, need: str, *, got: str = "", fix: str = "") -> UnsupportedOpError:
    """Return the error for a node that the engine doesn't run.

    Args:
        node: The node; its op type and name are in the text.
        need: What the engine needs, e.g. ``two spatial axes``.
        got: What was met.
        fix: What to do.
    """
    op = f"{node.domain}::{node.op_type}" if node.domain else node.op_type
    return UnsupportedOpError(
        "layers",
        f"{op} (node {node.name!r}) needs {need}",
        **({"got": got} if got else {}),
        fix=fix,
    )
