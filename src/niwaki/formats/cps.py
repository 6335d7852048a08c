"""CPS: CPO with a shorter list of places; neighbours in a column share one (prefix, pattern) pair.

Source: as in `cpo.py` (arXiv:2104.08314 and its authors' public encoder).

The rows of a column are taken in groups of 4, the last one maybe shorter. A non-zero's position is
p = j * Ih + i. A group of m non-zeros emits nothing (m = 0), its positions (m = 1, 2), or one pair
(m >= 3): the position of the group's first row, and a 4-bit set of rows, one of 7, 11, 13, 14, 15.
So its index list has min(m, 2) words. Values and pointers are CPO's.

Departures: the public encoder leaves positions and pairs undistinguished where small numbers
collide. Here the top bit of an index word marks a prefix, and the sets stand in an array of their
own, in the order of the prefixes; the word count stays the paper's [ours]. The public encoder
addresses the last column with Ih where Iw is meant (equal for square maps); we use Iw.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from niwaki.errors import FormatError
from niwaki.formats import cpo

GROUP = 4
"""Rows of a column that are coded together."""


@dataclass(frozen=True)
class Cps:
    """Hold one encoded map.

    Args:
        geometry: Of the map and its window.
        values: DA as in CPO, (entries,).
        indices: (words,) uint16 where Ih * Iw < 32768, else uint32: positions, or prefixes with the
            top bit set.
        sets: (prefixes,) uint8, the rows of each prefix's group, low bit first.
        pointers: Ptr as in CPO; it counts values, not index words.
    """

    geometry: cpo.Geometry
    values: NDArray[Any]
    indices: NDArray[Any]
    sets: NDArray[np.uint8]
    pointers: tuple[NDArray[np.uint32], ...]

    @property
    def index_words(self) -> int:
        """Words of the index list, a set counted as one."""
        return self.indices.size + self.sets.size

    @property
    def words(self) -> int:
        """What the map takes, in words of one size: the paper's measure."""
        return self.values.size + self.index_words + sum(row.size for row in self.pointers)

    @property
    def nbytes(self) -> int:
        """What the map takes; a set takes a byte."""
        pointers = sum(row.nbytes for row in self.pointers)
        return self.values.nbytes + self.indices.nbytes + self.sets.nbytes + pointers


def encode(image: NDArray[Any], kernel: tuple[int, int], stride: int = 1) -> Cps:
    """File the non-zeros of one map; arguments and errors are those of `cpo.encode`.

    Example:
        >>> found = encode(np.array([[1], [2], [0], [4], [5]]), (1, 1))
        >>> (found.indices & 0x7FFF).tolist(), found.sets.tolist()
        ([0, 4], [11])
    """
    filed = cpo.encode(image, kernel, stride)
    rows, columns = _places(filed)
    positions = columns * filed.geometry.height + rows
    # Entries of one group are neighbours: a chunk goes column by column, row by row.
    group = columns * filed.geometry.height + rows // GROUP * GROUP
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    counts = np.diff(starts, append=group.size)
    paired = np.repeat(counts >= 3, counts)
    bits = np.left_shift(1, rows % GROUP)
    sets = np.add.reduceat(bits, starts)[counts >= 3] if starts.size else starts
    # A pair stands where its first entry stood; its other entries emit nothing.
    kept = ~paired
    kept[starts] = True
    top = 16 if image.size < 2**15 else 32
    words = np.where(paired, group | (1 << (top - 1)), positions)[kept]
    return Cps(
        filed.geometry,
        filed.values,
        words.astype(np.uint16 if top == 16 else np.uint32),
        sets.astype(np.uint8),
        filed.pointers,
    )


def expand(encoded: Cps) -> cpo.Cpo:
    """Return the same map as CPO.

    Raises:
        FormatError: Index words and sets don't give one position in the map per value.
    """
    geometry = encoded.geometry
    top = encoded.indices.itemsize * 8 - 1
    words = encoded.indices.astype(np.int64)
    prefix = (words >> top) == 1
    words = np.where(prefix, words & ((1 << top) - 1), words)
    if prefix.sum() != encoded.sets.size or not np.isin(encoded.sets, (7, 11, 13, 14, 15)).all():
        raise FormatError(
            "cps.decode", f"sets must be {prefix.sum()} of 7, 11, 13, 14, 15", got=encoded.sets
        )
    sets = np.ones(words.size, np.int64)
    sets[prefix] = encoded.sets
    at, row = np.nonzero(sets[:, None] >> np.arange(GROUP) & 1)
    positions = words[at] + row
    if (
        positions.size != encoded.values.size
        or (positions >= geometry.height * geometry.width).any()
    ):
        raise FormatError(
            "cps.decode",
            f"positions must be {encoded.values.size}, inside the map",
            got=f"{positions.size}",
        )
    columns, rows = np.divmod(positions, geometry.height)
    wide = geometry.height * geometry.kernel[1] >= 2**16
    offsets = rows * geometry.kernel[1] + columns - geometry.stride * geometry.first[columns]
    return cpo.Cpo(
        geometry,
        encoded.values,
        offsets.astype(np.uint32 if wide else np.uint16),
        encoded.pointers,
    )


def decode(encoded: Cps) -> NDArray[Any]:
    """Return the map, (Ih, Iw); columns that no window reads are zeros.

    Raises:
        FormatError: As `expand` and `cpo.decode`.
    """
    return cpo.decode(expand(encoded))


def multiply(encoded: Cps, kernel: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Convolve an encoded map: as `cpo.multiply`."""
    return cpo.multiply(expand(encoded), kernel)


def _places(filed: cpo.Cpo) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return row and column of each entry."""
    geometry = filed.geometry
    first = np.zeros(filed.values.size, np.int64)
    for overlap in range(geometry.types):
        for window in range(geometry.out_width):
            first[filed.chunk(overlap, window)] = window
    rows, inside = np.divmod(filed.offsets.astype(np.int64), geometry.kernel[1])
    return rows, inside + first * geometry.stride
