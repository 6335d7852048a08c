"""From a Graph to the engine's program: formats of weights, layouts of values, dead values gone.

The layers come from `niwaki.graph.layers`; what's decided here is how each is stored (dense or
sparse weights, packed bits) and where a value must change its layout. Section 3 of
docs/design/architecture.md says what a program is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from niwaki.graph.layers import view
from niwaki.graph.passes import run_passes
from niwaki.runtime._compile_bits import pool_bits
from niwaki.runtime._compile_tensors import encode_arrays, halve
from niwaki.runtime._compile_values import Values
from niwaki.runtime.program import Program

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import onnx_ir as ir

    from niwaki.graph.layers import Layer

_INTEGER_OPS = ("quantize_input", "requantize", "sum_pool", "dequantize")


def compile_graph(
    model: ir.Model,
    *,
    input_shape: Sequence[int] | None = None,
    preprocess: Mapping[str, Any] | None = None,
    classes: Sequence[str] | None = None,
    name: str | None = None,
    batched: bool = True,
    half_weights: bool = False,
) -> Program:
    """Turn a Graph into the program that the engine runs.

    Args:
        model: The Graph, float or integer; unchanged. Passes run on a copy: they leave a canonical
            Graph as it is, and bring a foreign file into its form.
        input_shape: (C, H, W) or (C,), where the file leaves height or width open; of the first
            input where there are several.
        preprocess: How an image becomes the input; stored as it is.
        classes: Class names; stored as they are.
        name: The program's name, if not the Graph's.
        batched: Whether the first axis of each input is the batch. Without one, the program takes
            each input whole as what one image is made of.
        half_weights: Hold float weights in 16 bits: the file is smaller, each weight is rounded
            (by at most 1 in 2048, those below 6.1e-5 by at most 3e-8), and the engine runs them
            as 32 bits.

    Returns:
        The program.

    Raises:
        UnsupportedOpError: An op, or a variant of one, that the engine doesn't run; names op and
        node. ShapeError: The input's shape isn't known, or layers don't fit together.
        ValueDomainError: A weight is too large for 16 bits.

    Source: niwaki.
    """
    seen = view(run_passes(model.clone()), input_shape, batched=batched)
    is_integer = any(layer.op in _INTEGER_OPS for layer in seen.layers)
    values = Values(is_integer=is_integer)
    inputs = [values.add(name, "f32", shape) for name, shape in seen.inputs.items()]
    for layer in pool_bits(seen.layers, seen.outputs):
        _compile_layer(layer, values)
    if half_weights:
        halve(values.tensors, values.layers)
    header: dict[str, Any] = {
        "form": "integer" if is_integer else "float",
        "name": name or model.graph.name or "model",
        "inputs": inputs,
        "outputs": [values.planes(output) for output in seen.outputs],
        "values": values.table,
        "layers": values.layers,
        "preprocess": dict(preprocess or {}),
        "classes": list(classes or []),
        "source": {},
    }
    return Program(header, values.tensors)


def _compile_layer(layer: Layer, values: Values) -> None:
    """Add one layer of the view to the program."""
    attrs, formats, arrays = dict(layer.attrs), dict[str, Any](), dict(layer.arrays)
    if layer.op in ("conv", "linear"):
        formats, arrays = encode_arrays(arrays)
    attrs |= formats
    attrs.pop("keepdims", None)  # the output's shape says it
    if layer.op == "max_pool":
        attrs.pop("count_include_pad")  # a maximum has nothing to count
    if layer.op == "pad" and len(layer.shape) == 1:
        head, tail = attrs["pads"]
        attrs["pads"] = [head, 0, 0, tail, 0, 0]
    dtype = layer.dtype
    inputs: dict[str, Any] = {}
    stays_words = _is_one_pixel(layer, values) or _pools_words(layer, values)
    for role, value in layer.inputs.items():
        as_words = role == "bits" or stays_words
        inputs[role] = values.words(value) if as_words else values.planes(value)
    if layer.op == "concat":
        inputs = {"inputs": list(inputs.values())}
    if dtype == "u1" and layer.op != "threshold" and not stays_words:
        dtype = values.bit_planes
    output = values.add(layer.output, dtype, layer.shape)
    values.layer(layer.op, layer.name, inputs, output, attrs, arrays)


def _pools_words(layer: Layer, values: Values) -> bool:
    """Tell whether a layer is a max pool of bits that exist as words."""
    return layer.op == "max_pool" and layer.dtype == "u1" and values.has_words(layer.inputs["x"])


def _is_one_pixel(layer: Layer, values: Values) -> bool:
    """Tell whether a layer reshapes the bits of one pixel: their words stay as they are."""
    return (
        layer.op == "reshape"
        and layer.dtype == "u1"
        and all(
            len(shape) == 1 or shape[1:] == (1, 1)
            for shape in (layer.shape, *values.shapes(layer.inputs))
        )
        and all(values.has_words(value) for value in layer.inputs.values())
    )
