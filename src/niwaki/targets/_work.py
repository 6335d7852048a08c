"""Count what each layer of a program holds, multiplies and does in bits, for one image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from niwaki.runtime import Program


@dataclass(frozen=True)
class LayerWork:
    """Hold what one layer holds and does for one image."""

    name: str
    op: str
    shape: tuple[int, ...]
    """Weight shape (O, C/groups, kh, kw) or (O, K); () for a layer without weights."""
    weights: int
    """Weights of the multiplying branch, zeros included."""
    nonzeros: int
    """Those that are not zero."""
    binary_weights: int
    """Weights of the binary branch."""
    format: str
    """How the weights are stored, e.g. ``sparse f32 + binary``; "" without weights."""
    bytes: int
    """Bytes of the layer's tensors, without padding."""
    multiplications: int
    """Non-zero weights times output pixels."""
    binary_operations: int
    """Binary weights times output pixels: one AND and one count of a bit each."""


def work(program: Program) -> list[LayerWork]:
    """Count each layer of a program.

    Multiplications by weights of convolutions and linear layers are counted: non-zeros times
    output pixels, whatever the kernel does with zeros. The one per output value that scales or
    requantises it, pools and element-wise layers are left out, for dense and compressed alike.

    Args:
        program: The packed network.

    Returns:
        One entry per layer, in order.
    """
    return [_count(program, layer) for layer in program.header["layers"]]


def total(layers: list[LayerWork]) -> dict[str, int]:
    """Add up `weights`, `nonzeros`, `binary_weights`, `multiplications`, `binary_operations`."""
    names = ("weights", "nonzeros", "binary_weights", "multiplications", "binary_operations")
    return {name: sum(getattr(layer, name) for layer in layers) for name in names}


def weight_shape(program: Program, layer: dict[str, Any]) -> tuple[int, ...]:
    """Return the shape of a convolution's or linear layer's weight; () for any other layer."""
    if layer["op"] not in ("conv", "linear"):
        return ()
    values = program.header["values"]
    inputs = layer["inputs"]
    source = values[inputs["x"] if "x" in inputs else inputs["bits"]]["shape"]
    outputs = values[layer["output"]]["shape"][0]
    if layer["op"] == "linear":
        return (outputs, math.prod(source))
    attrs = layer["attrs"]
    return (outputs, source[0] // attrs.get("groups", 1), *attrs["kernel"])


def _count(program: Program, layer: dict[str, Any]) -> LayerWork:
    tensors = {role: program.tensors[name] for role, name in layer.get("tensors", {}).items()}
    shape = weight_shape(program, layer)
    pixels = math.prod(program.header["values"][layer["output"]]["shape"][1:])
    stored = next((tensors[role] for role in ("weight", "weight.values") if role in tensors), None)
    weights = math.prod(shape) if stored is not None else 0
    nonzeros = int(np.count_nonzero(stored)) if stored is not None else 0
    binary = math.prod(shape) if "binary.weight" in tensors else 0
    parts = [f"{layer['attrs']['weight']} {_dtype(stored)}"] if stored is not None else []
    return LayerWork(
        name=layer["name"],
        op=layer["op"],
        shape=shape,
        weights=weights,
        nonzeros=nonzeros,
        binary_weights=binary,
        format=" + ".join([*parts, *(["binary"] if binary else [])]),
        bytes=sum(tensor.nbytes for tensor in tensors.values()),
        multiplications=nonzeros * pixels,
        binary_operations=binary * pixels,
    )


def _dtype(array: np.ndarray) -> str:
    return {"f": "f", "i": "s", "u": "u"}[array.dtype.kind] + str(8 * array.dtype.itemsize)
