"""Block compressed sparse column: tiles of a matrix, each held column by column.

Source: Xie, Du, Li, Liang, Tang, Ong, Lu, Huynh, Goh, "Exploiting Sparsity to Accelerate Fully
Connected Layers of CNN-Based Applications on Mobile SoCs", ACM TECS 2018, doi:10.1145/3122788.
Only the abstract was readable: it names the format and its aim; the layout is ours.

| here | shape, unit | meaning |
|---|---|---|
| M, K | | rows (outputs) and columns (inputs) of the weight; d its share of non-zeros |
| R, Q | 16 to 256 | rows and columns of a tile |
| `block_starts` | uint32 (tiles + 1,) | where each tile's entries start; tiles by block row first |
| `column_starts` | uint16 (tiles, Q + 1) | where each column starts inside its tile |
| `rows` | uint8 (E,) | row inside the tile |
| `values` | float32 or int8 (E,) | |

A product walks the columns: an activation is read once and scaled into R sums that stay in the
first cache, and a zero activation skips its whole column.

Departures: tiles of 256 x 256 count in uint32 (65,536 entries don't fit 16 bits). Ragged tiles
keep all Q + 1 column starts, so that one formula gives the size.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.errors import FormatError, ShapeError
from niwaki.formats._base import FORMATS, check_target_shape, check_weight
from niwaki.formats._tiles import (
    array_of,
    check_starts,
    check_tile,
    from_rows,
    grid,
    starts_of,
    tiled_order,
    to_rows,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from niwaki.formats._base import Encoded


class Bcsc:
    """Store a weight as block compressed sparse columns.

    Args:
        rows: R, of a tile: 16, 32, 64, 128 or 256.
        columns: Q, of a tile; the same.

    Raises:
        ValueDomainError: A side isn't one of these.

    Example:
        >>> encoded = Bcsc().encode(np.array([[0, 5], [3, -7]], np.int8))
        >>> encoded["rows"].tolist(), encoded["values"].tolist()
        ([1, 0, 1], [3, 5, -7])
    """

    name = "bcsc"
    dtypes: tuple[str, ...] = ("float32", "int8")
    signs_only = False

    def __init__(self, rows: int = 64, columns: int = 64) -> None:
        check_tile("bcsc", rows, columns)
        self.rows, self.columns = rows, columns
        self._count = "uint16" if rows * columns < 2**16 else "uint32"

    def encode(self, weight: NDArray[np.generic]) -> Encoded:
        """Return the tiles of `weight`; -0.0 counts as zero."""
        check_weight("bcsc.encode", weight, self.dtypes)
        matrix = to_rows(weight)
        outputs, inputs = matrix.shape
        down, across = grid(outputs, inputs, self.rows, self.columns)
        tile, row, column, values = tiled_order(matrix, self.rows, self.columns)
        counts = np.zeros((down * across, self.columns), np.int64)
        np.add.at(counts, (tile, column), 1)
        inside = np.zeros((down * across, self.columns + 1), self._count)
        inside[:, 1:] = np.cumsum(counts, axis=1)
        return {
            "block_starts": starts_of(counts.sum(axis=1)).astype(np.uint32),
            "column_starts": inside,
            "rows": row.astype(np.uint8),
            "values": values,
        }

    def decode(
        self, encoded: Mapping[str, NDArray[np.generic]], shape: Sequence[int]
    ) -> NDArray[np.generic]:
        """Return the weight held by the tiles.

        Raises:
            FormatError: Starts don't rise to the number of entries, an entry lies outside the
                matrix, or rows don't rise in a column.
        """
        where = "bcsc.decode"
        shape = check_target_shape(where, shape)
        outputs, inputs = shape[0], int(np.prod(shape[1:], dtype=np.int64))
        across = grid(outputs, inputs, self.rows, self.columns)[1]
        row, column, tile = self._places(where, encoded, outputs, inputs)
        values: NDArray[Any] = encoded["values"]
        at_row = tile // max(across, 1) * self.rows + row
        at_column = tile % max(across, 1) * self.columns + column
        if (at_row >= outputs).any() or (at_column >= inputs).any():
            raise FormatError(where, f"an entry must lie inside {outputs} x {inputs}", got="not so")
        matrix = np.zeros((outputs, inputs), values.dtype)
        matrix[at_row, at_column] = values
        return from_rows(matrix, shape)

    def size_bits(self, weight: NDArray[np.generic]) -> int:
        """Return the bits of all four arrays."""
        matrix = to_rows(weight)
        outputs, inputs = matrix.shape
        kept, value_bits = int(np.count_nonzero(matrix)), 8 * weight.dtype.itemsize
        return bcsc_bits(outputs, inputs, kept, self.rows, self.columns, value_bits=value_bits)

    def multiply(
        self, encoded: Mapping[str, NDArray[np.generic]], outputs: int, x: NDArray[Any]
    ) -> tuple[NDArray[Any], int]:
        """Return W x and how many multiplications it took: the kernels' meaning, in NumPy.

        Args:
            encoded: What `encode` returned for a weight of `outputs` rows.
            outputs: M.
            x: (K,); float32, or integers, which multiply as int32.

        Returns:
            (M,) float32 or int32, and sum over columns of nnz(column) * [x of the column != 0].

        Raises:
            ShapeError: x isn't a vector.
        """
        if x.ndim != 1:
            raise ShapeError("bcsc.multiply", "x must have shape (K,)", got=f"shape {x.shape}")
        across = grid(outputs, x.size, self.rows, self.columns)[1]
        row, column, tile = self._places("bcsc.multiply", encoded, outputs, x.size)
        wide = np.dtype(np.float32 if x.dtype.kind == "f" else np.int32)
        active = x[tile % max(across, 1) * self.columns + column]
        used = active != 0
        output = np.zeros(outputs, wide)
        values: NDArray[Any] = encoded["values"]
        terms = values[used].astype(wide) * active[used].astype(wide)
        np.add.at(output, (tile // max(across, 1) * self.rows + row)[used], terms)
        return output, int(used.sum())

    def _places(
        self, where: str, encoded: Mapping[str, NDArray[np.generic]], outputs: int, inputs: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return row and column inside its tile, and the tile, of each entry, checked."""
        down, across = grid(outputs, inputs, self.rows, self.columns)
        tiles, entries = down * across, encoded["values"].size
        blocks = array_of(where, encoded, "block_starts", "uint32")
        check_starts(where, "block_starts", blocks, tiles, entries)
        inside = array_of(where, encoded, "column_starts", self._count, 2).astype(np.int64)
        sizes = np.diff(blocks.astype(np.int64))
        if inside.shape != (tiles, self.columns + 1) or (
            (inside[:, 0] != 0).any()
            or (inside[:, -1] != sizes).any()
            or (np.diff(inside, axis=1) < 0).any()
        ):
            raise FormatError(
                where,
                f"column_starts must rise from 0 to the tile's size in {tiles} rows",
                got=f"shape {inside.shape}",
            )
        row = array_of(where, encoded, "rows", "uint8").astype(np.int64)
        if row.size != entries:
            raise FormatError(where, f"rows must be as many as values ({entries})", got=row.size)
        run = np.repeat(np.arange(tiles * self.columns), np.diff(inside, axis=1).reshape(-1))
        again = (run[1:] == run[:-1]) & (row[1:] <= row[:-1])
        if again.any() or (row >= self.rows).any():
            raise FormatError(where, "rows must rise inside a column of a tile", got="not so")
        return row, run % self.columns, run // self.columns


def bcsc_bits(
    outputs: int, inputs: int, kept: int, rows: int, columns: int, *, value_bits: int = 32
) -> int:
    """Return the bits of a BCSC encoding from its sizes: values, rows, column starts, block starts.

    Example (VGG's fc6 at 4 %; 20.6 MB of values and rows, 3.3 MB of column starts):
        >>> bcsc_bits(4096, 25088, 4_110_418, 64, 64) // 8
        23913886
    """
    down, across = grid(outputs, inputs, rows, columns)
    count_bits = 16 if rows * columns < 2**16 else 32
    tiles = down * across
    return kept * (value_bits + 8) + tiles * (columns + 1) * count_bits + (tiles + 1) * 32


FORMATS.register("bcsc")(Bcsc())
