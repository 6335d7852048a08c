"""What every weight format offers, and the registry that lists them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeAlias

from niwaki.errors import FormatError, ShapeError, ValueDomainError
from niwaki.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

Encoded: TypeAlias = "dict[str, NDArray[np.generic]]"
"""The arrays of one encoded tensor, by role (`values`, `gaps`, `counts`, `words`)."""


class Format(Protocol):
    """Store a weight tensor as named arrays, and give it back exactly."""

    name: str
    """The registered name."""
    dtypes: tuple[str, ...]
    """The NumPy dtypes that `encode` takes."""
    signs_only: bool
    """Whether the values must be -1 or +1."""

    def encode(self, weight: NDArray[np.generic]) -> Encoded:
        """Return the arrays that hold `weight`, shape (O, C, kh, kw) or (O, K)."""
        ...

    def decode(
        self, encoded: Mapping[str, NDArray[np.generic]], shape: Sequence[int]
    ) -> NDArray[np.generic]:
        """Return the weight of shape `shape` held by `encoded`.

        Raises:
            FormatError: The arrays don't describe a tensor of that shape.
        """
        ...

    def size_bits(self, weight: NDArray[np.generic]) -> int:
        """Return the bits that the encoding of `weight` takes, without padding or names."""
        ...


FORMATS: Registry[Format] = Registry("format", "niwaki.formats", entry_points="niwaki.formats")


def check_weight(where: str, weight: NDArray[np.generic], dtypes: tuple[str, ...]) -> None:
    """Check that a weight is (O, C, kh, kw) or (O, K), of one of `dtypes`.

    Raises:
        ShapeError: Another number of axes.
        ValueDomainError: Another dtype.
    """
    if weight.ndim not in (2, 4):
        raise ShapeError(
            where,
            "the weight must have shape (O, C, kh, kw) or (O, K)",
            got=f"shape {weight.shape}",
            fix="Reshape the weight to one of the two",
        )
    if weight.dtype.name not in dtypes:
        raise ValueDomainError(
            where,
            f"the weight's dtype must be {' or '.join(dtypes)}",
            got=weight.dtype.name,
            fix="Convert or quantise the weight first",
        )


def check_target_shape(where: str, shape: Sequence[int]) -> tuple[int, ...]:
    """Return `shape` as a tuple of two or four non-negative integers.

    Raises:
        FormatError: It is something else.
    """
    if len(shape) not in (2, 4) or any(size < 0 for size in shape):
        raise FormatError(
            where, "the shape to decode must be (O, C, kh, kw) or (O, K)", got=tuple(shape)
        )
    return tuple(int(size) for size in shape)
