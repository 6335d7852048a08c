"""What the engine claims to run of ONNX: op, dtype, rank, attributes, inputs that must be constant.

One table: the backend asks it, and docs/onnx-operators.md is written from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

ANY = (0, 7)
"""Ranks with the batch."""
_IMAGE = (4, 4)
_LINE_OR_IMAGE = (3, 4)
_EIGHT_BITS = "int8, uint8 (held as float32)"
_ONES: tuple[Any, ...] = (1,)


@dataclass(frozen=True)
class Claim:
    """Say within which limits the engine runs an op."""

    op: str
    ranks: tuple[int, int] = ANY
    """Of the first input, the batch axis included."""
    constants: tuple[int, ...] = ()
    """Inputs that must be constant."""
    attributes: Mapping[str, tuple[Any, ...]] = field(default_factory=dict[str, Any])
    """Attribute -> values that it may have (each element of a list); others may have any."""
    inputs: int = 0
    """How many inputs may be given; 0 is any number."""
    outputs: int = 1
    """How many outputs may be asked for; 0 is any number."""
    dtype: str = "float32"
    note: str = ""


def _table(*claims: Claim) -> dict[str, Claim]:
    return {claim.op: claim for claim in sorted(claims, key=lambda claim: claim.op)}


def _each(names: str, **limits: Any) -> list[Claim]:
    return [Claim(name, **limits) for name in names.split()]


CLAIMS: dict[str, Claim] = _table(
    *_each(
        "Abs Acos Acosh Asin Asinh Atan Atanh Ceil Celu Cos Cosh Elu Erf Exp Floor HardSigmoid "
        "HardSwish Identity LeakyRelu Log Mish Neg Reciprocal Relu Round Selu Shrink Sigmoid Sign "
        "Sin Sinh Softplus Softsign Sqrt Tan Tanh ThresholdedRelu Gelu Swish"
    ),
    *_each("Add Sub Mul Div Max Mean Min PRelu Sum", note="broadcasting"),
    Claim("Pow", note="broadcasting"),
    Claim("AveragePool", _LINE_OR_IMAGE, attributes={"dilations": _ONES}),
    Claim(
        "BatchNormalization", (2, 6), (1, 2, 3, 4), {"training_mode": (0,)}, note="at inference"
    ),
    Claim("Clip", constants=(1, 2)),
    Claim("Concat", note="constant parts too"),
    Claim("Conv", _LINE_OR_IMAGE, (1, 2), note="any group, stride, dilation, pads, auto_pad"),
    Claim("ConvTranspose", _LINE_OR_IMAGE, (1, 2)),
    Claim("DepthToSpace", _IMAGE),
    Claim("DequantizeLinear", constants=(1, 2), attributes={"block_size": (0,)},
          dtype="int8, uint8 (held as float32) to float32",
          note="one scale, or one per index of an axis; of constants it is folded"),
    Claim("Dropout", constants=(1,), inputs=2, note="at inference"),
    Claim("Expand", constants=(1,)),
    Claim("Flatten"),
    Claim("Gather", constants=(1,)),
    Claim("Gemm", (2, 2), (1, 2)),
    *_each("GlobalAveragePool GlobalMaxPool", ranks=_LINE_OR_IMAGE),
    *_each("Softmax LogSoftmax", note="any axis"),
    Claim("MatMul", (1, 6)),
    *_each("LpPool GlobalLpPool", ranks=_LINE_OR_IMAGE),
    Claim("MaxPool", _LINE_OR_IMAGE, attributes={"storage_order": (0,)}),
    Claim("Pad", constants=(1, 2, 3),
          attributes={"mode": ("constant", "reflect", "edge", "wrap")}),
    Claim("QLinearConv", _LINE_OR_IMAGE, (1, 2, 3, 4, 5, 6, 7, 8), dtype=_EIGHT_BITS,
          note="as the float op between DequantizeLinear and QuantizeLinear"),
    Claim("QLinearMatMul", (1, 6), (1, 2, 4, 5, 6, 7), dtype=_EIGHT_BITS,
          note="as QLinearConv; one scale per factor, or per column of a constant second one"),
    Claim("QuantizeLinear", constants=(1, 2),
          attributes={"block_size": (0,), "output_dtype": (0, 2, 3), "precision": (0, 1)},
          dtype="float32 to int8, uint8 (held as float32)",
          note="one scale, or one per index of an axis"),
    *_each(
        "ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin ReduceProd "
        "ReduceSum ReduceSumSquare",
        constants=(1,),
        note="any axes",
    ),
    Claim("Reshape", constants=(1,)),
    Claim("Resize", constants=(1, 2, 3), attributes={
        "coordinate_transformation_mode": (
            "align_corners", "asymmetric", "half_pixel", "half_pixel_symmetric",
            "pytorch_half_pixel"),
        "mode": ("nearest", "linear", "cubic"),
    }),
    Claim("Slice", constants=(1, 2, 3, 4), note="any steps"),
    Claim("SpaceToDepth", _IMAGE, attributes={"mode": ("DCR",)}),
    Claim("Split", constants=(1,), outputs=0),
    *_each("Squeeze Unsqueeze", constants=(1,)),
    Claim("Tile", constants=(1,)),
    Claim("Transpose"),
)  # fmt: skip
"""Op -> claim."""


def as_markdown() -> str:
    """Return docs/onnx-operators.md's text."""
    rows = [
        "| op | dtype | rank, batch included | must be constant | attributes | |",
        "|---|---|---|---|---|---|",
    ]
    for claim in CLAIMS.values():
        limits = "; ".join(
            f"`{name}`: {', '.join(map(str, allowed))}"
            for name, allowed in claim.attributes.items()
        )
        constants = ", ".join(f"input {index}" for index in claim.constants)
        low, high = claim.ranks
        ranks = str(low) if low == high else f"{low} to {high}"
        rows.append(
            f"| `{claim.op}` | {claim.dtype} | {ranks} | {constants or '-'} | {limits or 'any'} "
            f"| {claim.note} |"
        )
    return _PAGE.format(count=len(CLAIMS), rows="\n".join(rows))


_PAGE = """# ONNX operators

What the engine runs of ONNX: {count} operators, opset 11 up to the newest that the installed
`onnx` package knows, IR 6 and later. The table is written from `niwaki.runtime._onnx_claims`; the
node tests of the `onnx` package's backend test suite pass for all of it
(`tests/runtime/test_onnx_backend.py`; `niwaki.runtime.onnx_backend` is the backend).

- What depends on constants or shapes only (`Constant`, `Shape`, `ConstantOfShape`, `Cast`, `Gather`
  and so on in shape arithmetic, `DequantizeLinear` of stored weights) is computed when the file is
  compiled.
- The batch is the first axis of every input and may be open; images of a batch must not meet.
  Where they do (`Softmax` along axis 0), `compile_graph(model, batched=False)` sees the whole Graph
  as what happens to one image.
- A model with open sizes is claimed where it also compiles: `Shape` and `Size` may not turn an open
  batch into a number that values are multiplied by.
- Values have at most 6 axes, the batch aside, and no axis of length 0.
- An op outside of the table is an `UnsupportedOpError` that names op and node, and all ops of the
  file that the engine lacks.

{rows}
"""
