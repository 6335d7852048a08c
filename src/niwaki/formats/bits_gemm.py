"""BitsGEMM: tiles of a matrix, the places of their non-zeros as bits, then their values.

Source: Xie, Du, Li, Liang, Tang, Ong, Lu, Huynh, Goh, "Exploiting Sparsity to Accelerate Fully
Connected Layers of CNN-Based Applications on Mobile SoCs", ACM TECS 2018, doi:10.1145/3122788.
Only the abstract was readable ("represents the non-zero positions by bits"); the layout is ours.

| here | shape, unit | meaning |
|---|---|---|
| M, K | | rows (outputs) and columns (inputs) of the weight; d its share of non-zeros |
| R, Q | 16 to 256 | rows and columns of a tile |
| `mask` | uint64 (tiles, R Q / 64) | bit p % 64 of word p / 64: place p = column * R + row |
| `block_starts` | uint32 (tiles + 1,) | where each tile's values start; tiles by block row first |
| `values` | float32 or int8 (E,) | in the order of the bits |
| `signs` | uint64 (ceil(E / 64),) | instead of values, for weights in {-1, 0, +1}: bit 1 = +1 |

The value of bit p of a word is number base(word) + popcount(word & (2^p - 1)), base being the sum
of popcounts before it in its tile. A float32 weight takes 32 + 1/d bits, a sign 1 + 1/d.

Departures: with `rows_first` place p = row * Q + column. A product with several columns of x reads
the tile row by row, since a row's sums then stay in registers; the order by columns, which can skip
zero activations, would load and store a sum for each weight.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.errors import FormatError, ValueDomainError
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

WORD_BITS = 64


class BitsGemm:
    """Store a weight as bits for its places, and its non-zero values.

    Args:
        rows: R, of a tile: 16, 32, 64, 128 or 256.
        columns: Q, of a tile; the same.
        rows_first: Order of the bits inside a tile: row by row instead of column by column.
        signs: Store the signs of a {-1, 0, +1} weight instead of its values; decodes as int8.

    Raises:
        ValueDomainError: A side isn't one of these.

    Example:
        >>> encoded = BitsGemm(16, 16).encode(np.array([[0, 5], [3, -7]], np.int8))
        >>> [int(encoded["mask"][0, 0]), *encoded["values"].tolist()]
        [196610, 3, 5, -7]
    """

    name = "bits-gemm"
    dtypes: tuple[str, ...] = ("float32", "int8")
    signs_only = False

    def __init__(
        self, rows: int = 64, columns: int = 64, *, rows_first: bool = False, signs: bool = False
    ) -> None:
        check_tile("bits_gemm", rows, columns)
        self.rows, self.columns = rows, columns
        self.rows_first, self.signs = rows_first, signs
        self._words = rows * columns // WORD_BITS

    def encode(self, weight: NDArray[np.generic]) -> Encoded:
        """Return the tiles of `weight`; -0.0 counts as zero.

        Raises:
            ValueDomainError: With `signs`, a value is none of -1, 0 and +1.
        """
        check_weight("bits_gemm.encode", weight, self.dtypes)
        matrix = to_rows(weight)
        outputs, inputs = matrix.shape
        down, across = grid(outputs, inputs, self.rows, self.columns)
        tile, row, column, values = tiled_order(
            matrix, self.rows, self.columns, rows_first=self.rows_first
        )
        place = row * self.columns + column if self.rows_first else column * self.rows + row
        bits = np.zeros((down * across, self.rows * self.columns), np.uint8)
        bits[tile, place] = 1
        found: Encoded = {
            "mask": _pack(bits),
            "block_starts": starts_of(np.bincount(tile, minlength=down * across)).astype(np.uint32),
        }
        if not self.signs:
            return {**found, "values": values}
        foreign = values[np.abs(values) != 1]
        if foreign.size:
            raise ValueDomainError(
                "bits_gemm.encode", "every weight must be -1, 0 or +1", got=foreign[0]
            )
        packed = np.zeros(-(-values.size // WORD_BITS) * WORD_BITS, np.uint8)
        packed[: values.size] = values > 0
        return {**found, "signs": _pack(packed[None])[0]}

    def decode(
        self, encoded: Mapping[str, NDArray[np.generic]], shape: Sequence[int]
    ) -> NDArray[np.generic]:
        """Return the weight held by the tiles.

        Raises:
            FormatError: Bits and values don't match in number, or a bit lies outside the matrix.
        """
        where = "bits_gemm.decode"
        shape = check_target_shape(where, shape)
        outputs, inputs = shape[0], int(np.prod(shape[1:], dtype=np.int64))
        down, across = grid(outputs, inputs, self.rows, self.columns)
        tiles = down * across
        mask = array_of(where, encoded, "mask", "uint64", 2)
        if mask.shape != (tiles, self._words):
            raise FormatError(where, f"mask must be {(tiles, self._words)}", got=mask.shape)
        bits = _unpack(mask)
        tile, place = np.nonzero(bits)
        blocks = array_of(where, encoded, "block_starts", "uint32")
        check_starts(where, "block_starts", blocks, tiles, tile.size)
        if (np.diff(blocks.astype(np.int64)) != bits.sum(axis=1)).any():
            raise FormatError(where, "a tile must have as many values as bits", got="not so")
        values = self._values(where, encoded, tile.size)
        inner = self.columns if self.rows_first else self.rows
        slow, fast = place // inner, place % inner
        row, column = (slow, fast) if self.rows_first else (fast, slow)
        at_row = tile // max(across, 1) * self.rows + row
        at_column = tile % max(across, 1) * self.columns + column
        if (at_row >= outputs).any() or (at_column >= inputs).any():
            raise FormatError(where, f"a bit must lie inside {outputs} x {inputs}", got="not so")
        matrix = np.zeros((outputs, inputs), values.dtype)
        matrix[at_row, at_column] = values
        return from_rows(matrix, shape)

    def size_bits(self, weight: NDArray[np.generic]) -> int:
        """Return the bits of all arrays."""
        matrix = to_rows(weight)
        outputs, inputs = matrix.shape
        kept = int(np.count_nonzero(matrix))
        if self.signs:
            kept = -(-kept // WORD_BITS) * WORD_BITS
        value_bits = 1 if self.signs else 8 * weight.dtype.itemsize
        return bits_gemm_bits(outputs, inputs, kept, self.rows, self.columns, value_bits=value_bits)

    def bases(self, mask: NDArray[np.uint64]) -> NDArray[np.uint16]:
        """Return base(word) of each word of the mask, uint16 of its shape: popcounts summed up.

        They may be stored, for 16 bits a word, or recomputed while walking.
        """
        counts = _unpack(mask).reshape(*mask.shape, WORD_BITS).sum(axis=2)
        return (np.cumsum(counts, axis=1) - counts).astype(np.uint16)

    def _values(
        self, where: str, encoded: Mapping[str, NDArray[np.generic]], count: int
    ) -> NDArray[Any]:
        """Return the values, or the signs as int8 values, of which there must be `count`."""
        if not self.signs:
            values: NDArray[Any] = encoded["values"]
            if values.shape != (count,):
                raise FormatError(where, f"values must be ({count},)", got=values.shape)
            return values
        words = array_of(where, encoded, "signs", "uint64")
        bits = _unpack(words)
        if words.size != -(-count // WORD_BITS) or bits[count:].any():
            raise FormatError(where, f"signs must be {count} bits, then zeros", got="not so")
        return bits[:count].astype(np.int8) * np.int8(2) - np.int8(1)


def bits_gemm_bits(
    outputs: int, inputs: int, kept: int, rows: int, columns: int, *, value_bits: int = 32
) -> int:
    """Return the bits of a BitsGEMM encoding from its sizes: values, mask, block starts.

    Example (VGG's fc6 at 4 %: 16.4 MB of values, 12.8 MB of mask):
        >>> bits_gemm_bits(4096, 25088, 4_110_418, 64, 64) // 8
        29387084
    """
    down, across = grid(outputs, inputs, rows, columns)
    tiles = down * across
    return kept * value_bits + tiles * rows * columns + (tiles + 1) * 32


def _pack(bits: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Pack the last axis, a multiple of 64 long, into words, low bit first."""
    packed = np.packbits(bits, axis=-1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u8").astype(np.uint64, copy=False)


def _unpack(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Undo `_pack`."""
    flat = np.ascontiguousarray(words.astype("<u8", copy=False)).view(np.uint8)
    return np.unpackbits(flat, axis=-1, bitorder="little")


FORMATS.register("bits-gemm")(BitsGemm())
