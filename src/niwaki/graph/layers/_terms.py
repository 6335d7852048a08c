"""Read one convolution or linear node, of either dialect, as a term of a layer's sum."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.graph.functions import QONNX
from niwaki.graph.layers._values import (
    Array,
    attribute,
    constant,
    data,
    is_bits,
    is_op,
    operand,
    per_channel,
    rank_of,
    unsupported,
)

if TYPE_CHECKING:
    import onnx_ir as ir

WEIGHTED = ("Conv", "ConvInteger", "Gemm", "MatMul", "MatMulInteger")
"""Ops with weights that a layer may be built around."""


@dataclass
class Term:
    """Hold one weighted sum of a layer: which values it reads, with which weights and windows."""

    node: ir.Node
    x: ir.Value
    weight: Array
    """(O, C / groups, kh, kw) or (O, K), float32 or int8; -1 and +1 as int8 where `binary`."""
    binary: bool
    """Whether {0,1} bits meet -1 and +1."""
    scale: Array | None = None
    """One factor per output channel, (O,), or None for 1."""
    bias: Array | None = None
    """One number per output channel, (O,), inside the scale, or None for 0."""
    windows: dict[str, Any] = field(default_factory=dict[str, Any])
    """kernel, strides, pads, dilations, groups of a convolution; empty for a linear layer."""

    @property
    def op(self) -> str:
        """The layer's op."""
        return "conv" if self.windows else "linear"


def read_term(node: ir.Node) -> Term:
    """Read a node of `WEIGHTED`.

    Raises:
        UnsupportedOpError: Its weights aren't constant, or its axes aren't those of images or
            features.
    """
    for index in (2, 3) if node.op_type in ("ConvInteger", "MatMulInteger") else ():
        zero = constant(operand(node, index))
        if operand(node, index) is not None and (zero is None or np.any(zero)):
            raise unsupported(node, "zero points of 0", got="others", fix="Quantise symmetrically")
    weight, signs = _read_weight(node)
    if is_op(node, "Conv", "ConvInteger"):
        return _read_conv(node, weight, signs)
    if is_op(node, "Gemm"):
        return _read_gemm(node, weight, signs)
    if rank_of(data(node), node) != 2 or weight.ndim != 2:
        raise unsupported(node, "an input of shape (N, K)", got=f"rank {rank_of(data(node), node)}")
    return _term(node, weight.T, signs)


def read_windows(node: ir.Node, kernel: list[int]) -> dict[str, Any]:
    """Return strides, pads (or the auto_pad word), dilations and the kernel of a windowed node.

    Raises:
        UnsupportedOpError: It has other than two spatial axes.
    """
    if len(kernel) != 2:
        raise unsupported(node, "two spatial axes (NCHW)", got=f"a kernel of {kernel}")
    word = attribute(node, "auto_pad", "NOTSET")
    pads: Any = attribute(node, "pads", [0, 0, 0, 0]) if word == "NOTSET" else word
    return {
        "kernel": [int(k) for k in kernel],
        "strides": attribute(node, "strides", [1, 1]),
        "pads": pads,
        "dilations": attribute(node, "dilations", [1, 1]),
    }


def _read_weight(node: ir.Node) -> tuple[Array, Array | None]:
    """Return a node's weights, and their scale where they're -1 and +1 (else None)."""
    value = data(node, 1)
    array = constant(value)
    if array is not None:
        return array, None
    source = value.producer()
    if is_op(source, "BipolarQuant", domain=QONNX) and source is not None:
        latent, scale = constant(data(source)), constant(data(source, 1))
        if latent is not None and scale is not None:
            return np.where(latent >= 0, 1, -1).astype(np.int8), scale
    raise unsupported(
        node,
        "constant weights as its second input",
        got=repr(value.name),
        fix="Run the passes first",
    )


def _term(node: ir.Node, weight: Array, scale: Array | None, **more: Any) -> Term:
    """Return the term, telling binary sums from weights that merely have two values."""
    x, outputs = data(node), int(weight.shape[0])
    if scale is None:
        return Term(node, x, np.ascontiguousarray(weight), binary=False, **more)
    # A scale of the binary weights is one number, or one per output channel in the weight's own
    # layout.
    flat = np.broadcast_to(np.asarray(scale, np.float32).reshape(-1), (outputs,))
    if is_bits(x):
        factor = None if np.all(flat == 1) else np.array(flat)
        return Term(node, x, np.ascontiguousarray(weight), binary=True, scale=factor, **more)
    dense = weight.astype(np.float32) * flat.reshape((-1,) + (1,) * (weight.ndim - 1))
    return Term(node, x, np.ascontiguousarray(dense), binary=False, **more)


def _read_conv(node: ir.Node, weight: Array, scale: Array | None) -> Term:
    windows = read_windows(node, list(weight.shape[2:]))
    windows["groups"] = int(attribute(node, "group", 1))
    bias = constant(operand(node, 2)) if node.op_type == "Conv" else None
    return _term(node, weight, scale, bias=bias, windows=windows)


def _read_gemm(node: ir.Node, weight: Array, scale: Array | None) -> Term:
    if attribute(node, "transA", 0):
        raise unsupported(node, "transA = 0", got="1")
    weight = weight if attribute(node, "transB", 0) else weight.T
    alpha, beta = attribute(node, "alpha", 1.0), attribute(node, "beta", 1.0)
    bias = None
    if operand(node, 2) is not None:
        addend = constant(operand(node, 2))
        bias = None if addend is None else per_channel(addend, int(weight.shape[0]), 2)
        if bias is None:
            raise unsupported(node, "a constant bias of shape (O,)", got=repr(data(node, 2).name))
        bias = bias if beta == 1 else (bias * np.float32(beta)).astype(bias.dtype)
    if alpha != 1:
        if scale is None:
            weight = (weight * np.float32(alpha)).astype(weight.dtype)
        else:
            scale = scale * np.float32(alpha)
    return _term(node, weight, scale, bias=bias)
