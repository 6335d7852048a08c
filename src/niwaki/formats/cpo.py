"""CPO: a feature map's non-zeros, each stored once, filed by the windows that read its column.

Source: Amer, Salamah, Sajedi, Yang, "High Performance Convolution Using Sparsity and Patterns for
Inference in Deep Convolutional Neural Networks", arXiv:2104.08314, 2021, and the first author's
public benchmark (encoders, multiplication for stride 1, space calculator).

| paper | here | meaning |
|---|---|---|
| Ih, Iw | `height`, `width` | the map, already padded |
| Kh, Kw, S | `kernel`, `stride` | window and stride (one for both axes) |
| Oh, Ow | `out_height`, `out_width` | floor((Ih - Kh) / S) + 1, likewise for the width |
| n | `types` | ceil(Kw / S): in how many windows a column may lie |
| g(j), f(j), t(j) | `last`, `first`, `overlap` | last, first window that reads j; t = g - f |
| DA | `values` | the non-zeros by type, then chunk (first window), then column, then row |
| IN | `offsets` | i * Kw + (j - S * f(j)): the place inside the first window |
| Ptr | `pointers` | per type, where its chunks start: running counts |

Window w reads, of each type t, the chunks w - s for shifts s in 0..min(w, t); in the s-th window
after its first an entry stands s * S columns further left. So horizontal overlaps cost a
subtraction, vertical ones a loop over the kernel's rows, and no zero is ever multiplied.

Departures: the closed forms of f and g and the row rule for S > 1 are ours [ours], checked against
dense convolutions. With S = 1 and Kw > 1, type 0 lives in the first and last chunk only, so its
pointers are 3 numbers, as in the public code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from niwaki.errors import FormatError, ShapeError, ValueDomainError


@dataclass(frozen=True)
class Geometry:
    """Hold the sizes of one map and its window.

    Args:
        height: Rows of the padded map, Ih.
        width: Columns of the padded map, Iw.
        kernel: (Kh, Kw).
        stride: S, of both axes.

    Raises:
        ShapeError: The window doesn't fit into the map.
        ValueDomainError: A size or the stride is below 1.

    Example:
        >>> g = Geometry(8, 8, (3, 3))
        >>> g.out_width, g.types, g.first.tolist(), g.last.tolist()
        (6, 3, [0, 0, 0, 1, 2, 3, 4, 5], [0, 1, 2, 3, 4, 5, 5, 5])
    """

    height: int
    width: int
    kernel: tuple[int, int]
    stride: int = 1

    def __post_init__(self) -> None:
        if min(*self.kernel, self.stride) < 1:
            raise ValueDomainError(
                "cpo", "kernel and stride must be at least 1", got=(*self.kernel, self.stride)
            )
        if self.kernel[0] > self.height or self.kernel[1] > self.width:
            raise ShapeError(
                "cpo",
                f"the kernel must fit into the map of {self.height} x {self.width}",
                got=f"{self.kernel[0]} x {self.kernel[1]}",
                fix="Pad the map first",
            )

    @property
    def out_height(self) -> int:
        """Rows of the output, Oh."""
        return (self.height - self.kernel[0]) // self.stride + 1

    @property
    def out_width(self) -> int:
        """Columns of the output, Ow: how many windows there are."""
        return (self.width - self.kernel[1]) // self.stride + 1

    @property
    def types(self) -> int:
        """How many windows may share a column, n."""
        return -(-self.kernel[1] // self.stride)

    @property
    def first(self) -> NDArray[np.int64]:
        """The first window that reads each column, (width,)."""
        columns = np.arange(self.width)
        return np.maximum(0, -(-(columns - self.kernel[1] + 1) // self.stride))

    @property
    def last(self) -> NDArray[np.int64]:
        """The last window that reads each column, (width,); below `first` where none does."""
        return np.minimum(self.out_width - 1, np.arange(self.width) // self.stride)

    @property
    def short_type_0(self) -> bool:
        """Whether type 0 has entries in the first and last chunk only: 3 pointers."""
        return self.stride == 1 and self.kernel[1] > 1

    @property
    def pointer_words(self) -> int:
        """How many pointers a map takes."""
        row = self.out_width + 1
        return 3 + (self.types - 1) * row if self.short_type_0 else self.types * row


@dataclass(frozen=True)
class Cpo:
    """Hold one encoded map.

    Args:
        geometry: Of the map and its window.
        values: DA, (entries,) of the map's dtype, no zeros.
        offsets: IN, (entries,) uint16 where Ih * Kw < 65536, else uint32.
        pointers: Ptr, one array per type: (Ow + 1,), or (3,) for a short type 0; uint32.
    """

    geometry: Geometry
    values: NDArray[Any]
    offsets: NDArray[Any]
    pointers: tuple[NDArray[np.uint32], ...]

    def chunk(self, overlap: int, window: int) -> slice:
        """Return where the entries of that type lie whose first window this is."""
        row = self.pointers[overlap]
        if overlap == 0 and self.geometry.short_type_0:
            if window == 0:
                return slice(int(row[0]), int(row[1]))
            inside = window == self.geometry.out_width - 1
            return slice(int(row[1]), int(row[2] if inside else row[1]))
        return slice(int(row[window]), int(row[window + 1]))

    @property
    def words(self) -> int:
        """What the map takes, in words of one size: the paper's measure."""
        return self.values.size + self.offsets.size + sum(row.size for row in self.pointers)

    @property
    def nbytes(self) -> int:
        """What the map takes, in bytes."""
        return self.values.nbytes + self.offsets.nbytes + sum(row.nbytes for row in self.pointers)


def encode(image: NDArray[Any], kernel: tuple[int, int], stride: int = 1) -> Cpo:
    """File the non-zeros of one map.

    Args:
        image: (Ih, Iw), any dtype; already padded. A zero map costs one scan and has no entries.
        kernel: (Kh, Kw).
        stride: S.

    Raises:
        ShapeError: The map isn't 2-D, or the window doesn't fit.
        ValueDomainError: Kernel or stride below 1.

    Example:
        >>> found = encode(np.array([[0, 5, 0], [7, 0, 0], [0, 0, 9]]), (3, 3))
        >>> found.values.tolist(), found.offsets.tolist(), found.words
        ([7, 5, 9], [3, 1, 8], 13)
    """
    if image.ndim != 2:
        raise ShapeError("cpo.encode", "the map must be 2-D", got=f"shape {image.shape}")
    height, width = image.shape
    geometry = Geometry(height, width, kernel, stride)
    rows, columns = np.nonzero(image)
    first, last = geometry.first[columns], geometry.last[columns]
    read = first <= last
    rows, columns, first, last = rows[read], columns[read], first[read], last[read]
    overlap = last - first
    order = np.lexsort((rows, columns, first, overlap))
    rows, columns, first, overlap = (x[order] for x in (rows, columns, first, overlap))
    counts = np.zeros((geometry.types, geometry.out_width), np.int64)
    np.add.at(counts, (overlap, first), 1)
    ends = np.concatenate([[0], np.cumsum(counts)])
    pointers = [
        ends[t * geometry.out_width : (t + 1) * geometry.out_width + 1].astype(np.uint32)
        for t in range(geometry.types)
    ]
    if geometry.short_type_0:
        pointers[0] = pointers[0][[0, 1, -1]]
    wide = image.shape[0] * kernel[1] >= 2**16
    offsets = rows * kernel[1] + columns - stride * first
    return Cpo(
        geometry,
        image[rows, columns],
        offsets.astype(np.uint32 if wide else np.uint16),
        tuple(pointers),
    )


def decode(encoded: Cpo) -> NDArray[Any]:
    """Return the map, (Ih, Iw); columns that no window reads are zeros.

    Raises:
        FormatError: An offset lies outside its window, or a column belongs to another chunk.
    """
    geometry = encoded.geometry
    image = np.zeros((geometry.height, geometry.width), encoded.values.dtype)
    first, last = geometry.first, geometry.last
    for overlap in range(geometry.types):
        for window in range(geometry.out_width):
            part = encoded.chunk(overlap, window)
            offsets = encoded.offsets[part].astype(np.int64)
            row = offsets // geometry.kernel[1]
            column = offsets % geometry.kernel[1] + window * geometry.stride
            if (row >= geometry.height).any() or (
                (first[column] != window) | (last[column] - window != overlap)
            ).any():
                raise FormatError(
                    "cpo.decode",
                    f"an entry must belong to chunk {window} of type {overlap}",
                    got=offsets.tolist(),
                )
            image[row, column] = encoded.values[part]
    return image


def multiply(encoded: Cpo, kernel: NDArray[Any]) -> tuple[NDArray[Any], int]:
    """Convolve (cross-correlate) an encoded map: the paper's loops, the meaning of every kernel.

    Args:
        encoded: The map.
        kernel: (Kh, Kw) of the geometry; integers multiply and add as int64.

    Returns:
        (Oh, Ow), and how many multiplications it took: the pairs of a non-zero and a kernel tap
        that meet in the dense convolution.

    Raises:
        ShapeError: The kernel has another size.
    """
    geometry = encoded.geometry
    if kernel.shape != geometry.kernel:
        raise ShapeError("cpo.multiply", f"the kernel must be {geometry.kernel}", got=kernel.shape)
    wide = np.result_type(encoded.values, kernel)
    wide = wide if wide.kind == "f" else np.dtype(np.int64)
    output = np.zeros((geometry.out_height, geometry.out_width), wide)
    values, taps = encoded.values.astype(wide), kernel.astype(wide)
    done = 0
    for window in range(geometry.out_width):
        for overlap in range(geometry.types):
            for shift in range(min(window, overlap) + 1):
                part = encoded.chunk(overlap, window - shift)
                offsets = encoded.offsets[part].astype(np.int64)
                row = offsets // geometry.kernel[1]
                column = offsets % geometry.kernel[1] - shift * geometry.stride
                for tap in range(geometry.kernel[0]):
                    at, rest = np.divmod(row - tap, geometry.stride)
                    met = (rest == 0) & (at >= 0) & (at < geometry.out_height)
                    terms = values[part][met] * taps[tap, column[met]]
                    np.add.at(output[:, window], at[met], terms)
                    done += int(met.sum())
    return output, done


def words_of_others(image: NDArray[Any], kernel: tuple[int, int]) -> dict[str, int]:
    """Return the words that other lowerings of a map take at stride 1.

    Returns:
        `im2col`: Oh Ow Kh Kw; `mec`: Ow strips of Ih x Kw; `cscc`: the strips as CSR, a value and
        an index per non-zero of a strip, and Ow + 1 pointers.

    Example:
        >>> words_of_others(np.ones((17, 17)), (3, 3))
        {'im2col': 2025, 'mec': 765, 'cscc': 1546}
    """
    height, width = image.shape
    g = Geometry(height, width, kernel)
    in_column = np.count_nonzero(image, axis=0)
    in_strips = int((in_column * (g.last - g.first + 1)).sum())
    return {
        "im2col": g.out_height * g.out_width * kernel[0] * kernel[1],
        "mec": g.out_width * g.height * kernel[1],
        "cscc": 2 * in_strips + g.out_width + 1,
    }
