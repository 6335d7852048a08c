"""Shapes and dtypes of layers, one after the other, from the input's shape on.

Pads given by a word, targets of reshapes and bounds of slices become numbers on the way.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

from niwaki.errors import ShapeError, UnsupportedOpError
from niwaki.graph._windows import output_size, resolve_pads
from niwaki.graph.layers._match import GENERAL

if TYPE_CHECKING:
    from collections.abc import Callable

    from niwaki.graph.layers._match import Draft

MAX_RANK = 6
"""Axes of a value, the batch aside; the engine's limit."""
MOVES = ("expand", "gather", "strided_slice", "transpose")
"""General layers that move elements of any type."""
Shape: TypeAlias = "tuple[int, ...]"
Known: TypeAlias = "dict[str, tuple[tuple[int, ...], str]]"
"""Value name or role -> (shape without the batch, dtype)."""

_BY_DRAFT: dict[str, Callable[[Draft, Known, dict[str, Any]], Shape]] = {}
_UNCHANGED = (
    "activation",
    "affine",
    "dequantize",
    "quantize_input",
    "requantize",
    "softmax",
    "threshold",
)


def infer_layer(draft: Draft, inputs: Known, attrs: dict[str, Any]) -> tuple[Shape, str]:
    """Return a layer's output shape and dtype.

    Args:
        draft: The layer.
        inputs: Role -> (shape, dtype) of what it reads.
        attrs: Its attributes; symbolic ones are replaced by numbers in place.

    Raises:
        ShapeError: Its inputs don't fit it, or nothing remains of the image.
        UnsupportedOpError: A value would have too many axes, or integers meet a float layer.
    """
    if draft.op in GENERAL:
        assert draft.shape is not None
        shape = draft.shape
    elif draft.op in _UNCHANGED:
        shape = next(iter(inputs.values()))[0]
    else:
        shape = _BY_DRAFT[draft.op](draft, inputs, attrs)
    if len(shape) > MAX_RANK:
        raise UnsupportedOpError(
            "layers",
            f"{draft.op} (node {draft.name!r}) must give at most {MAX_RANK} axes, batch aside",
            got=shape,
        )
    if min(shape, default=1) < 1:
        raise ShapeError(
            "layers",
            f"{draft.op} (node {draft.name!r}) must leave at least one pixel",
            got=f"{shape} from {next(iter(inputs.values()))[0]}",
            fix="Give a larger input",
        )
    return shape, _dtype(draft, inputs)


def _dtype(draft: Draft, inputs: Known) -> str:
    dtypes = {dtype for _, dtype in inputs.values()}
    if draft.op in GENERAL and draft.op not in MOVES and not dtypes <= {"f32", "u1"}:
        raise UnsupportedOpError(
            "layers",
            f"{draft.op} (node {draft.name!r}) needs floats",
            got=", ".join(sorted(dtypes)),
        )
    first = "f32" if len(dtypes) > 1 else dtypes.pop()
    if first == "u1" and not _keeps_bits(draft):
        first = "f32"
    if draft.op == "threshold":
        return "u1"
    if draft.op == "quantize_input":
        return "s8"
    if draft.op == "dequantize":
        return "f32"
    if "shift" in draft.arrays:
        return "u8" if draft.attrs["lo"] >= 0 else "s8"
    if draft.op in ("conv", "linear"):
        is_integer = "weight" in draft.arrays and draft.arrays["weight"].dtype.kind == "i"
        return "s32" if is_integer else "f32"
    return first


def _keeps_bits(draft: Draft) -> bool:
    """Tell whether a layer makes bits of bits."""
    return draft.op in ("reshape", "max_pool", "slice", "concat") or (
        draft.op == "pad" and draft.attrs["value"] == 0
    )


def _shapes(op: str) -> Callable[[Any], Any]:
    def add(rule: Any) -> Any:
        _BY_DRAFT[op] = rule
        return rule

    return add


@_shapes("conv")
def _conv(draft: Draft, inputs: Known, attrs: dict[str, Any]) -> Shape:
    weight = draft.arrays.get("weight", draft.arrays.get("binary.weight"))
    assert weight is not None
    channels = weight.shape[1] * attrs["groups"]
    for role in ("x", "bits"):
        if role in inputs:
            image = _image(draft, inputs[role][0])
            if image[0] != channels:
                raise _misfit(draft, f"an input of {channels} channels", image)
    shape = (int(weight.shape[0]), *_windows(draft, next(iter(inputs.values()))[0], attrs))
    return _check_residual(draft, inputs, shape)


@_shapes("linear")
def _linear(draft: Draft, inputs: Known, attrs: dict[str, Any]) -> Shape:
    weight = draft.arrays.get("weight", draft.arrays.get("binary.weight"))
    assert weight is not None
    for role in ("x", "bits"):
        if role in inputs and inputs[role][0] != (weight.shape[1],):
            raise _misfit(draft, f"an input of {weight.shape[1]} features", inputs[role][0])
    return _check_residual(draft, inputs, (int(weight.shape[0]),))


@_shapes("max_pool")
@_shapes("average_pool")
def _pool(draft: Draft, inputs: Known, attrs: dict[str, Any]) -> Shape:
    image = _image(draft, inputs["x"][0])
    return (image[0], *_windows(draft, image, attrs))


@_shapes("sum_pool")
def _sum_pool(draft: Draft, inputs: Known, attrs: dict[str, Any]) -> Shape:
    image = _image(draft, inputs["x"][0])
    if attrs["kernel"] == "image":
        attrs |= {"kernel": list(image[1:]), "strides": [1, 1], "pads": [0, 0, 0, 0]}
    shape = (image[0], *_windows(draft, image, attrs))
    return shape if attrs["keepdims"] else shape[:1]


@_shapes("global_average_pool")
@_shapes("global_max_pool")
def _global_pool(draft: Draft, inputs: Known, attrs: dict[str, Any]) -> Shape:
    image = _image(draft, inputs["x"][0])
    return (image[0], 1, 1) if attrs["keepdims"] else image[:1]


@_shapes("add")
def _add(draft: Draft, inputs: Known, attrs: dict[str, Any]) -> Shape:
    a, b = inputs["a"][0], inputs["b"][0]
    if a != b:
        raise _misfit(draft, "two inputs of the same shape", f"{a} and {b}")
    return a


@_shapes("concat")
def _concat(draft: Draft, inputs: Known, attrs: dict[str, Any]) -> Shape:
    shapes = [shape for shape, _ in inputs.values()]
    axis = attrs["axis"]
    rest = {shape[:axis] + shape[axis + 1 :] for shape in shapes}
    if len(rest) != 1:
        raise _misfit(draft, f"inputs that differ only along axis {axis}", shapes)
    length = sum(shape[axis] for shape in shapes)
    return (*shapes[0][:axis], length, *shapes[0][axis + 1 :])


@_shapes("slice")
def _slice(draft: Draft, inputs: Known, attrs: dict[str, Any]) -> Shape:
    shape = inputs["x"][0]
    cuts = zip(attrs["starts"], attrs["ends"], attrs["steps"], strict=True)
    ranges = [range(n)[slice(a, b, s)] for n, (a, b, s) in zip(shape, cuts, strict=True)]
    attrs["starts"] = [r.start for r in ranges]
    attrs["ends"] = [r.stop for r in ranges]
    return tuple(len(r) for r in ranges)


@_shapes("pad")
def _pad(draft: Draft, inputs: Known, attrs: dict[str, Any]) -> Shape:
    shape, pads = inputs["x"][0], attrs["pads"]
    rank = len(shape)
    return tuple(n + pads[i] + pads[rank + i] for i, n in enumerate(shape))


@_shapes("reshape")
def _reshape(draft: Draft, inputs: Known, attrs: dict[str, Any]) -> Shape:
    shape = inputs["x"][0]
    count = math.prod(shape)
    if "squeeze" in attrs:
        gone = attrs.pop("squeeze")
        target = [n for i, n in enumerate(shape) if i not in gone]
    elif "unsqueeze" in attrs:
        target = list(shape)
        for axis in attrs.pop("unsqueeze"):
            target.insert(axis, 1)
    else:
        target = [
            shape[i] if n == 0 and i < len(shape) else n for i, n in enumerate(attrs.pop("target"))
        ]
        if target.count(-1) == 1:
            rest = math.prod(n for n in target if n != -1)
            target[target.index(-1)] = count // max(rest, 1)
    if math.prod(target) != count:
        raise _misfit(draft, f"a target of {count} elements, the batch kept", tuple(target))
    return tuple(target)


def _windows(draft: Draft, image: Shape, attrs: dict[str, Any]) -> list[int]:
    """Return height and width behind windows; a word for the pads becomes numbers."""
    kernel, strides = attrs["kernel"], attrs["strides"]
    dilations = attrs.get("dilations", [1, 1])
    if isinstance(attrs["pads"], str):
        attrs["pads"] = resolve_pads(attrs["pads"], None, image[1:], kernel, strides, dilations)
    pads, ceil_mode = attrs["pads"], attrs.get("ceil_mode", False)
    return [
        output_size(
            image[1 + i], kernel[i], strides[i], dilations[i], pads[i], pads[2 + i], ceil_mode
        )
        for i in range(2)
    ]


def _check_residual(draft: Draft, inputs: Known, shape: Shape) -> Shape:
    if "residual" in inputs and inputs["residual"][0] != shape:
        raise _misfit(draft, f"a residual of shape {shape}", inputs["residual"][0])
    return shape


def _image(draft: Draft, shape: Shape) -> Shape:
    if len(shape) != 3:
        raise _misfit(draft, "an image (C, H, W)", shape)
    return shape


def _misfit(draft: Draft, must: str, got: Any) -> ShapeError:
    return ShapeError("layers", f"{draft.op} (node {draft.name!r}) needs {must}", got=got)
