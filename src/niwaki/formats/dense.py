"""Dense: the weight as it is, float32 or int8."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from niwaki.errors import FormatError
from niwaki.formats._base import FORMATS, check_target_shape, check_weight

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from niwaki.formats._base import Encoded


class Dense:
    """Store every value, zeros included.

    Arrays: `values`, the weight itself.

    Example:
        >>> Dense().size_bits(np.zeros((2, 3), np.float32))
        192
    """

    name = "dense"
    dtypes: tuple[str, ...] = ("float32", "int8")
    signs_only = False

    def encode(self, weight: NDArray[np.generic]) -> Encoded:
        """Return {"values": weight}, C-contiguous."""
        check_weight("dense.encode", weight, self.dtypes)
        return {"values": np.ascontiguousarray(weight)}

    def decode(
        self, encoded: Mapping[str, NDArray[np.generic]], shape: Sequence[int]
    ) -> NDArray[np.generic]:
        """Return the stored weight.

        Raises:
            FormatError: The number of values isn't that of `shape`.
        """
        shape = check_target_shape("dense.decode", shape)
        values = encoded["values"]
        if values.size != np.prod(shape, dtype=np.int64):
            raise FormatError(
                "dense.decode", f"values must fill shape {shape}", got=f"{values.size} values"
            )
        return values.reshape(shape)

    def size_bits(self, weight: NDArray[np.generic]) -> int:
        """Return 8 or 32 bits per value."""
        check_weight("dense.size_bits", weight, self.dtypes)
        return weight.size * weight.dtype.itemsize * 8


FORMATS.register("dense")(Dense())
