"""Bit planes: a {-1, +1} weight as 64-bit words along its channels, bit 1 = +1, low bit first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.errors import FormatError, ValueDomainError
from niwaki.formats._base import FORMATS, check_target_shape, check_weight

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from niwaki.formats._base import Encoded

WORD_BITS = 64


class BitPlanes:
    """Store the signs of a weight, one bit each.

    Arrays: `words` uint64 (O, kh, kw, ceil(C / 64)), padding bits 0; a weight of shape
    (O, K) has kh = kw = 1.

    Example:
        >>> BitPlanes().encode(np.array([[1, -1, 1]], np.int8))["words"].tolist()
        [[[[5]]]]
    """

    name = "bit-planes"
    dtypes: tuple[str, ...] = ("float32", "int8")
    signs_only = True

    def encode(self, weight: NDArray[np.generic]) -> Encoded:
        """Return the words of a {-1, +1} weight.

        Raises:
            ValueDomainError: A value is neither -1 nor +1.
        """
        check_weight("bit_planes.encode", weight, self.dtypes)
        signs: NDArray[Any] = weight
        foreign = signs[np.abs(signs) != 1]
        if foreign.size:
            raise ValueDomainError(
                "bit_planes.encode",
                "every weight must be -1 or +1",
                got=foreign.flat[0],
                fix="Binarise the weight first",
            )
        if signs.ndim == 2:
            signs = signs[:, :, None, None]
        return {"words": pack_channels(signs > 0)}

    def decode(
        self, encoded: Mapping[str, NDArray[np.generic]], shape: Sequence[int]
    ) -> NDArray[np.generic]:
        """Return the weight as int8.

        Raises:
            FormatError: The words don't fill `shape`, or a padding bit is set.
        """
        shape = check_target_shape("bit_planes.decode", shape)
        outputs, channels, height, width = shape if len(shape) == 4 else (*shape, 1, 1)
        words: NDArray[Any] = encoded["words"]
        needed = (outputs, height, width, words_per_pixel(channels))
        if words.shape != needed or words.dtype != np.uint64:
            raise FormatError(
                "bit_planes.decode",
                f"words must be uint64 of shape {needed}",
                got=f"{words.dtype} {words.shape}",
            )
        bits = _unpack(words)
        if bits[..., channels:].any():
            raise FormatError("bit_planes.decode", "padding bits must be 0", got="a 1")
        signs = bits[..., :channels].astype(np.int8) * np.int8(2) - np.int8(1)
        return np.ascontiguousarray(signs.transpose(0, 3, 1, 2)).reshape(shape)

    def size_bits(self, weight: NDArray[np.generic]) -> int:
        """Return the bits of the words, padding of the last word included."""
        check_weight("bit_planes.size_bits", weight, self.dtypes)
        outputs, channels, *kernel = weight.shape
        pixels = outputs * int(np.prod(kernel, dtype=np.int64))
        return pixels * words_per_pixel(channels) * WORD_BITS


def words_per_pixel(channels: int) -> int:
    """Return how many 64-bit words hold `channels` bits.

    Example:
        >>> [words_per_pixel(channels) for channels in (1, 64, 65)]
        [1, 1, 2]
    """
    return -(-channels // WORD_BITS)


def pack_channels(bits: NDArray[Any]) -> NDArray[np.uint64]:
    """Pack {0, 1} of shape (N, C, H, W) along C into words of shape (N, H, W, ceil(C / 64)).

    Bit c % 64 of word c // 64, low bit first; padding bits 0.

    Example:
        >>> pack_channels(np.array([1, 1, 0, 1]).reshape(1, 4, 1, 1)).tolist()
        [[[[11]]]]
    """
    images, channels, height, width = bits.shape
    padded = np.zeros((images, height, width, words_per_pixel(channels) * WORD_BITS), np.uint8)
    padded[..., :channels] = np.asarray(bits != 0).transpose(0, 2, 3, 1)
    packed = np.packbits(padded, axis=-1, bitorder="little")
    return np.ascontiguousarray(packed).view("<u8").astype(np.uint64, copy=False)


def unpack_channels(words: NDArray[np.uint64], channels: int) -> NDArray[np.uint8]:
    """Undo `pack_channels`: words (N, H, W, ceil(C / 64)) to uint8 {0, 1} of (N, C, H, W)."""
    return np.ascontiguousarray(_unpack(words)[..., :channels].transpose(0, 3, 1, 2))


def _unpack(words: NDArray[np.uint64]) -> NDArray[np.uint8]:
    """Return the bits of each word, low bit first, along the last axis."""
    flat = np.ascontiguousarray(words.astype("<u8", copy=False)).view(np.uint8)
    return np.unpackbits(flat, axis=-1, bitorder="little")


FORMATS.register("bit-planes")(BitPlanes())
