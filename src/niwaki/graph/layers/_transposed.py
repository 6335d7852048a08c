"""Transposed convolutions; with stride 1 they are ordinary ones with mirrored weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.graph.layers._match import Matcher, reads
from niwaki.graph.layers._values import Array, attribute, constant, data, operand, unsupported

if TYPE_CHECKING:
    import onnx_ir as ir


@reads("ConvTranspose")
def read_conv_transpose(matcher: Matcher, node: ir.Node) -> None:
    """Read a transposed convolution of images with constant weights."""
    weight, bias = constant(data(node, 1)), constant(operand(node, 2))
    shape, out = (matcher.shape(v, node) for v in (data(node), node.outputs[0]))
    if matcher.batch is None or len(shape) != 3:
        raise unsupported(node, "an image (NCHW)", got=f"{len(shape)} axes behind the batch")
    if weight is None or (operand(node, 2) is not None and bias is None):
        raise unsupported(node, "constant weights", got=repr(data(node, 1).name))
    attrs: dict[str, Any] = {
        "kernel": [int(n) for n in weight.shape[2:]],
        "strides": attribute(node, "strides", [1, 1]),
        "dilations": attribute(node, "dilations", [1, 1]),
        "groups": int(attribute(node, "group", 1)),
    }
    attrs["pads"] = _pads(node, shape, out, attrs)
    arrays: dict[str, Array] = {"weight": weight.astype(np.float32)}
    arrays["bias"] = np.zeros(out[0], np.float32) if bias is None else bias.astype(np.float32)
    if attrs["strides"] == [1, 1] and _become_conv(attrs, arrays, shape, out):
        attrs["activation"] = {"kind": "none"}
        matcher.emit("conv", node, node.outputs[0], {"x": data(node)}, attrs, arrays)
        return
    matcher.emit("conv_transpose", node, node.outputs[0], {"x": data(node)}, attrs, arrays)


def _pads(
    node: ir.Node, shape: tuple[int, ...], out: tuple[int, ...], attrs: dict[str, Any]
) -> list[int]:
    """Return what is cut off on each side, from the attributes or from the output's size."""
    word = attribute(node, "auto_pad", "NOTSET")
    given = attribute(node, "pads", [0, 0, 0, 0])
    if word == "NOTSET" and attribute(node, "output_shape", None) is None:
        return given
    extra = attribute(node, "output_padding", [0, 0])
    pads = [0, 0, 0, 0]
    for i in range(2):
        span = (attrs["kernel"][i] - 1) * attrs["dilations"][i] + 1
        full = (shape[1 + i] - 1) * attrs["strides"][i] + span + extra[i]
        total = max(0, full - out[1 + i])
        less = total // 2
        pads[i] = less if word == "SAME_UPPER" else total - less
        pads[2 + i] = total - pads[i]
    return pads


def _become_conv(
    attrs: dict[str, Any],
    arrays: dict[str, Array],
    shape: tuple[int, ...],
    out: tuple[int, ...],
) -> bool:
    """Turn the layer into an ordinary convolution, if its pads allow."""
    weight, groups = arrays["weight"], attrs["groups"]
    span = [(attrs["kernel"][i % 2] - 1) * attrs["dilations"][i % 2] for i in range(4)]
    pads = [s - p for s, p in zip(span, attrs["pads"], strict=True)]
    size = [shape[1 + i] + pads[i] + pads[2 + i] - span[i] for i in range(2)]
    if min(pads) < 0 or size != list(out[1:]):
        return False
    mirrored = weight[:, :, ::-1, ::-1]
    mirrored = mirrored.reshape(groups, weight.shape[0] // groups, *weight.shape[1:])
    mirrored = mirrored.swapaxes(1, 2).reshape(out[0], -1, *weight.shape[2:])
    arrays["weight"] = np.ascontiguousarray(mirrored)
    attrs["pads"] = pads
    return True
