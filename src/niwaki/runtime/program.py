"""The program: what the engine runs, as plain data (docs/design/architecture.md, section 3)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

TENSOR_DTYPES: dict[str, np.dtype[Any]] = {
    "f16": np.dtype("<f2"),
    "f32": np.dtype("<f4"),
    "f64": np.dtype("<f8"),
    "u8": np.dtype("u1"),
    "s8": np.dtype("i1"),
    "s16": np.dtype("<i2"),
    "s32": np.dtype("<i4"),
    "s64": np.dtype("<i8"),
    "u64": np.dtype("<u8"),
    "u16": np.dtype("<u2"),
}
"""What a tensor may hold; little-endian in the file. The engine makes f32 of f16 when it loads."""

VALUE_DTYPES = ("f32", "u8", "s8", "s32", "u1")
"""What a value may hold; `u1` goes with the layout `words`, the others with `planes`."""

LAYOUTS = ("planes", "words")

MAX_RANK = 6
"""Axes of a value, the batch aside."""

OPS = (
    "activation",
    "add",
    "affine",
    "average_pool",
    "binary",
    "concat",
    "conv",
    "conv_transpose",
    "dequantize",
    "expand",
    "gather",
    "global_average_pool",
    "global_max_pool",
    "linear",
    "matmul",
    "max_pool",
    "mul",
    "pad",
    "quantize_input",
    "quantize_linear",
    "reduce",
    "requantize",
    "reshape",
    "slice",
    "softmax",
    "strided_slice",
    "sum_pool",
    "taps",
    "tensor_pad",
    "threshold",
    "transpose",
    "unary",
    "unpack_bits",
)
"""The layers of a program, by name."""


@dataclass(slots=True)
class Program:
    """Hold a program: its header and its tensors.

    The header's keys are `form`, `name`, `inputs`, `outputs`, `values`, `layers`, `preprocess`,
    `classes`, `source`; `tensors` (dtype and shape of each) is filled in from the arrays when the
    program is written.
    """

    header: dict[str, Any]
    """Layers over values; what JSON can hold."""
    tensors: dict[str, NDArray[Any]] = field(default_factory=dict[str, Any])
    """Weights by name."""

    @property
    def layers(self) -> list[dict[str, Any]]:
        """The layers, in the order in which they run."""
        return self.header["layers"]

    @property
    def values(self) -> list[dict[str, Any]]:
        """The values, by id."""
        return self.header["values"]


def tensor_dtype(dtype: DTypeLike) -> str | None:
    """Return a NumPy dtype's name in a program, or None where it has none.

    Example:
        >>> tensor_dtype("int16"), tensor_dtype("complex64")
        ('s16', None)
    """
    wanted = np.dtype(dtype).newbyteorder("<")
    for name, known in TENSOR_DTYPES.items():
        if known == wanted:
            return name
    return None
