"""Sparse entries: per output channel the non-zeros by rising position, as (gap, value) pairs.

Source: niwaki's BAP page, "index format of the sparse branch" (gap - 1 in 8 bits, filler entries).

An output channel's weights are walked kernel row first, then kernel column, then input channel:
position q = (i * kw + j) * C + c. Each entry holds the distance to the entry before it (the first
counts from position -1) and a value. The field holds gap - 1; a gap above 256 emits fillers of 256
(field 255, value 0). At 2 % density gaps average 50, so fillers are rare: about 16.1 bits per int8
non-zero.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.errors import FormatError
from niwaki.formats._base import FORMATS, check_target_shape, check_weight

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from niwaki.formats._base import Encoded

LONGEST_GAP = 256
"""The longest distance one entry can bridge."""


class Entries:
    """Store the non-zeros of each output channel as gaps and values.

    Arrays: `counts` (O,) uint16, or int32 where one count exceeds 65535; `gaps` uint8 (E,), each
    gap - 1; `values` (E,) of the weight's dtype. E counts fillers.

    Example:
        >>> encoded = Entries().encode(np.array([[0, 5, 0, -7]], np.int8))
        >>> encoded["gaps"].tolist(), encoded["values"].tolist()
        ([1, 1], [5, -7])
    """

    name = "entries"
    dtypes: tuple[str, ...] = ("float32", "int8")
    signs_only = False

    def encode(self, weight: NDArray[np.generic]) -> Encoded:
        """Return the entries of `weight`; -0.0 counts as zero."""
        check_weight("entries.encode", weight, self.dtypes)
        rows = _walk(weight)
        channels, positions = np.nonzero(rows)
        first = np.ones(channels.size, bool)
        first[1:] = channels[1:] != channels[:-1]
        gaps = positions - np.where(first, -1, np.concatenate([[0], positions[:-1]]))
        fillers = (gaps - 1) // LONGEST_GAP
        # Each non-zero becomes `fillers` filler entries and then itself.
        ends = np.cumsum(fillers + 1) - 1
        total = int(ends[-1]) + 1 if ends.size else 0
        fields = np.full(total, LONGEST_GAP - 1, np.uint8)
        values = np.zeros(total, weight.dtype)
        fields[ends] = (gaps - fillers * LONGEST_GAP - 1).astype(np.uint8)
        values[ends] = rows[channels, positions]
        counts = np.bincount(channels, weights=fillers + 1, minlength=rows.shape[0]).astype(
            np.int64
        )
        wide = counts.size > 0 and counts.max() > np.iinfo(np.uint16).max
        counts = counts.astype(np.int32 if wide else np.uint16)
        return {"counts": counts, "gaps": fields, "values": values}

    def decode(
        self, encoded: Mapping[str, NDArray[np.generic]], shape: Sequence[int]
    ) -> NDArray[np.generic]:
        """Return the weight held by the entries.

        Raises:
            FormatError: Counts don't add up, or an entry lies behind the channel's end.
        """
        shape = check_target_shape("entries.decode", shape)
        gaps: NDArray[Any] = encoded["gaps"]
        values: NDArray[Any] = encoded["values"]
        counts = encoded["counts"].astype(np.int64)
        row_size = int(np.prod(shape[1:], dtype=np.int64))
        if counts.shape != (shape[0],) or (counts < 0).any() or counts.sum() != gaps.size:
            raise FormatError(
                "entries.decode",
                f"counts must be {shape[0]} numbers that add up to the {gaps.size} gaps",
                got=f"{counts.size} that add up to {counts.sum()}",
            )
        if values.shape != gaps.shape:
            raise FormatError(
                "entries.decode", f"values must be as many as gaps ({gaps.size})", got=values.size
            )
        steps = np.cumsum(gaps.astype(np.int64) + 1)
        starts = np.concatenate([[0], np.cumsum(counts)])
        before = np.concatenate([[0], steps])[starts[:-1]]  # distance walked by the channels above
        positions = steps - np.repeat(before, counts) - 1
        if positions.size and positions.max() >= row_size:
            raise FormatError(
                "entries.decode",
                f"an entry's position must be below {row_size}",
                got=int(positions.max()),
            )
        rows = np.zeros((shape[0], row_size), values.dtype)
        channels = np.repeat(np.arange(shape[0]), counts)
        kept = values != 0  # fillers
        rows[channels[kept], positions[kept]] = values[kept]
        if len(shape) == 2:
            return rows
        outputs, inputs, height, width = shape
        walked = rows.reshape(outputs, height, width, inputs)
        return np.ascontiguousarray(walked.transpose(0, 3, 1, 2))

    def size_bits(self, weight: NDArray[np.generic]) -> int:
        """Return the bits of counts, gaps and values, fillers included."""
        return sum(array.nbytes for array in self.encode(weight).values()) * 8


def _walk(weight: NDArray[Any]) -> NDArray[Any]:
    """Return the weight as (O, K), each row in the order of positions."""
    if weight.ndim == 4:
        weight = weight.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(weight).reshape(weight.shape[0], int(np.prod(weight.shape[1:])))


FORMATS.register("entries")(Entries())
