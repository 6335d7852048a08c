"""What the tiled formats share: rows of a weight, the grid of tiles, a fair cut by non-zeros."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.errors import FormatError, ValueDomainError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

TILE_SIDES = (16, 32, 64, 128, 256)
"""Rows or columns that a tile may have: powers of two, and a row fits a byte."""


def check_tile(where: str, rows: int, columns: int) -> None:
    """Check the sides of a tile.

    Raises:
        ValueDomainError: A side isn't one of `TILE_SIDES`.
    """
    if rows not in TILE_SIDES or columns not in TILE_SIDES:
        raise ValueDomainError(
            where,
            f"a tile's rows and columns must be one of {', '.join(map(str, TILE_SIDES))}",
            got=f"{rows} x {columns}",
        )


def to_rows(weight: NDArray[Any]) -> NDArray[Any]:
    """Return a weight (O, C, kh, kw) or (O, K) as (O, K), position q = (i * kw + j) * C + c."""
    if weight.ndim == 4:
        weight = weight.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(weight).reshape(weight.shape[0], int(np.prod(weight.shape[1:])))


def from_rows(rows: NDArray[Any], shape: Sequence[int]) -> NDArray[Any]:
    """Undo `to_rows`."""
    if len(shape) == 2:
        return rows
    outputs, inputs, height, width = shape
    walked = rows.reshape(outputs, height, width, inputs)
    return np.ascontiguousarray(walked.transpose(0, 3, 1, 2))


def grid(outputs: int, inputs: int, rows: int, columns: int) -> tuple[int, int]:
    """Return how many tiles of (rows, columns) cover a matrix of (outputs, inputs).

    Example:
        >>> grid(65, 128, 64, 64)
        (2, 2)
    """
    return -(-outputs // rows), -(-inputs // columns)


def tiled_order(
    matrix: NDArray[Any], rows: int, columns: int, *, rows_first: bool = False
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[Any]]:
    """Return a matrix's non-zeros in the order of tiles.

    Args:
        matrix: (M, K), any dtype; -0.0 counts as zero.
        rows: Of a tile.
        columns: Of a tile.
        rows_first: Inside a tile row by row, columns rising, instead of column by column.

    Returns:
        tile (block row first), row and column inside the tile, and value; one of each per
        non-zero.
    """
    outputs, inputs = matrix.shape
    down, across = grid(outputs, inputs, rows, columns)
    padded = np.zeros((down * rows, across * columns), matrix.dtype)
    padded[:outputs, :inputs] = matrix
    # (down, rows, across, columns) with what varies fastest inside a tile last: no sorting.
    order = (0, 2, 1, 3) if rows_first else (0, 2, 3, 1)
    flat = padded.reshape(down, rows, across, columns).transpose(order).reshape(-1)
    at = np.flatnonzero(flat)
    tile, place = np.divmod(at, rows * columns)
    slow, fast = np.divmod(place, columns if rows_first else rows)
    row, column = (slow, fast) if rows_first else (fast, slow)
    return tile, row, column, flat[at]


def starts_of(sizes: NDArray[Any]) -> NDArray[np.int64]:
    """Return where runs of these sizes start, and where the last one ends.

    Example:
        >>> starts_of(np.array([2, 0, 3])).tolist()
        [0, 2, 2, 5]
    """
    return np.concatenate([[0], np.cumsum(sizes, dtype=np.int64)])


def check_starts(where: str, name: str, starts: NDArray[Any], count: int, total: int) -> None:
    """Check that `starts` holds count + 1 numbers that rise from 0 to total.

    Raises:
        FormatError: It doesn't.
    """
    wide = starts.astype(np.int64)
    if wide.shape != (count + 1,) or wide[0] != 0 or wide[-1] != total or (np.diff(wide) < 0).any():
        raise FormatError(
            where, f"{name} must be {count + 1} numbers that rise from 0 to {total}", got=wide
        )


def array_of(
    where: str, encoded: Mapping[str, NDArray[np.generic]], name: str, dtype: str, rank: int = 1
) -> NDArray[Any]:
    """Return one array of an encoding.

    Raises:
        FormatError: It is missing, or of another dtype or rank.
    """
    array = encoded.get(name)
    if array is None or array.dtype != dtype or array.ndim != rank:
        got = "none" if array is None else f"{array.dtype} of rank {array.ndim}"
        raise FormatError(where, f"{name} must be {dtype} of rank {rank}", got=got)
    return array


def balance(weights: NDArray[Any], parts: int) -> NDArray[np.int64]:
    """Cut blocks into contiguous ranges of nearly equal weight, one range per thread.

    Args:
        weights: (blocks,) what each block costs, e.g. the non-zeros of each block row.
        parts: How many ranges, at least 1.

    Returns:
        (parts + 1,) rising: range k is blocks [starts[k], starts[k + 1]). No cut could be moved by
        one block and come nearer to its share of the total.

    Raises:
        ValueDomainError: parts is below 1.

    Example:
        >>> balance(np.array([4, 4, 1, 1, 1, 1]), 2).tolist()
        [0, 1, 6]
        >>> balance(np.array([8, 4, 1, 1, 1, 1]), 2).tolist()
        [0, 1, 6]
    """
    if parts < 1:
        raise ValueDomainError("balance", "parts must be at least 1", got=parts)
    ends = starts_of(weights)
    shares = ends[-1] * np.arange(1, parts) / parts
    above = np.minimum(np.searchsorted(ends, shares), ends.size - 1)
    below = np.maximum(above - 1, 0)
    cuts = np.where(shares - ends[below] <= ends[above] - shares, below, above)
    return np.concatenate([[0], cuts, [ends.size - 1]]).astype(np.int64)
