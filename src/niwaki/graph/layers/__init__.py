"""A Graph seen as layers: a read-only view that groups its nodes into what the engine runs as one.

It's a pattern matcher, not a second representation: a view is made, read and thrown away. It reads
both dialects of docs/design/architecture.md (float and integer), with the Adds of a layer in any
order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from niwaki.errors import ShapeError, UnsupportedOpError
from niwaki.graph._settle import settle
from niwaki.graph.layers._lines import lift_lines
from niwaki.graph.layers._match import Matcher
from niwaki.graph.layers._shapes import Known, infer_layer
from niwaki.graph.layers._values import check_input_type
from niwaki.graph.layers._written_out import write_out

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx_ir as ir

    from niwaki.graph.layers._values import Array


@dataclass(frozen=True)
class Layer:
    """Describe one layer as the engine runs it.

    Ops, input roles and attributes are those of section 3 of docs/design/architecture.md, before
    any layout or weight format is chosen: weights are plain arrays, binary ones -1 and +1 as int8.
    """

    op: str
    """The engine's op."""
    name: str
    """The name of the node that does the work: torch's qualified layer name."""
    output: str
    """The name of the value it makes: the last one of what was fused."""
    inputs: dict[str, str]
    """Role -> value name; concat counts its inputs from "0"."""
    shape: tuple[int, ...]
    """The output's shape without the batch: (C, H, W), (C,), or of a general op any."""
    dtype: str
    """The output's dtype: f32, u8, s8, s32, or u1 for bits."""
    attrs: dict[str, Any] = field(default_factory=dict[str, Any])
    """Windows, activation, bounds."""
    arrays: dict[str, Array] = field(default_factory=dict[str, Any])
    """weight (O, C/groups, kh, kw) or (O, K); binary.weight; per output channel (O,) the rest."""


@dataclass(frozen=True)
class View:
    """Hold a Graph's layers with what goes in and comes out."""

    layers: list[Layer]
    inputs: dict[str, tuple[int, ...]]
    """Input name -> shape without the batch."""
    outputs: list[str]
    """Names of the values that leave, in the Graph's order."""
    output_names: list[str]
    """The Graph's own names of its outputs (another name where an identity was at the end)."""


def layers(model: ir.Model, input_shape: Sequence[int] | None = None) -> list[Layer]:
    """List a Graph's layers in the order in which they run.

    Args:
        model: The Graph, float or integer.
        input_shape: (C, H, W) or (C,), where the file leaves height or width open.

    Returns:
        The layers; what no output depends on isn't among them.

    Raises:
        UnsupportedOpError: An op, or a variant of one, that the engine doesn't run; names op and
        node. ShapeError: The input's shape isn't known, or layers don't fit together.
    """
    return view(model, input_shape).layers


def view(
    model: ir.Model, input_shape: Sequence[int] | None = None, *, batched: bool = True
) -> View:
    """List a Graph's layers, inputs and outputs; arguments and errors as for `layers`.

    Args:
        model: The Graph.
        input_shape: As for `layers`; of the first input where there are several.
        batched: Whether the first axis of each input is the batch. Without one, the whole Graph is
            seen as what happens to one image.
    """
    initializers = set(model.graph.initializers)
    images = [value for value in model.graph.inputs if value.name not in initializers]
    inputs: dict[str, tuple[int, ...]] = {}
    for index, value in enumerate(images):
        check_input_type(value)
        asked = input_shape if index == 0 else None
        inputs[value.name or ""] = _input_shape(value, asked, batched=batched)
    settled = settle(model, inputs, batched=batched)
    model = lift_lines(write_out(settled.model))
    matcher = Matcher(model, settled.batch)
    drafts = matcher.match()
    known: Known = {name: (shape, "f32") for name, shape in inputs.items()}
    found: list[Layer] = []
    for draft in drafts:
        names = {role: matcher.name_of(value) for role, value in draft.inputs.items()}
        for name in names.values():
            if name not in known:
                raise UnsupportedOpError(
                    "layers",
                    f"{draft.op} (node {draft.name!r}) needs inputs that aren't constant",
                    got=repr(name),
                )
        attrs = dict(draft.attrs)
        shape, dtype = infer_layer(draft, {r: known[n] for r, n in names.items()}, attrs)
        output = matcher.name_of(draft.output)
        known[output] = (shape, dtype)
        found.append(Layer(draft.op, draft.name, output, names, shape, dtype, attrs, draft.arrays))
    outputs = [matcher.name_of(value) for value in model.graph.outputs]
    for name in outputs:
        if name not in known:
            raise UnsupportedOpError(
                "layers", "each output must depend on an input", got=f"a constant for {name!r}"
            )
    return View(found, inputs, outputs, [value.name or "" for value in model.graph.outputs])


def _input_shape(value: ir.Value, asked: Sequence[int] | None, *, batched: bool) -> tuple[int, ...]:
    """Return an input's shape without the batch, from the file or else from the caller."""
    lead = int(batched)
    stated = (
        None if value.shape is None else [d if isinstance(d, int) else None for d in value.shape]
    )
    if asked is not None:
        shape = tuple(int(size) for size in asked)
        fits = stated is None or (
            len(stated) == len(shape) + lead
            and all(a in (b, None) for a, b in zip(stated[lead:][:1], shape[:1], strict=True))
        )
        if not fits:
            raise ShapeError(
                "layers",
                f"the shape given for input {value.name!r} must fit the file's "
                f"{tuple(stated or ())} (batch first)",
                got=shape,
            )
        return shape
    if stated is None or len(stated) < lead or None in stated[lead:]:
        raise ShapeError(
            "layers",
            f"input {value.name!r} must have a known shape, batch aside",
            got="none" if stated is None else tuple(stated),
            fix="Give the input shape (C, H, W): --input-shape C,H,W, or input_shape in Python",
        )
    return tuple(size for size in stated[lead:] if size is not None)
