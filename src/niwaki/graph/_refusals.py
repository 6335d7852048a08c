"""What a damaged file makes the libraries raise, as one FormatError.

A foreign file may break any rule; onnx checks some of them, and some of its own checks end in an
error of another kind. Where code reads what a file says, `refusing` turns all of these into a
FormatError that names the place, with the original behind it.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import onnx
import onnx_ir as ir
from google.protobuf.message import DecodeError

from niwaki.errors import FormatError, NiwakiError

if TYPE_CHECKING:
    from collections.abc import Generator

REFUSALS = (
    onnx.checker.ValidationError,
    onnx.shape_inference.InferenceError,
    ir.serde.SerdeError,
    DecodeError,
    ValueError,  # also text that isn't UTF-8, and NumPy's shapes that don't fit
    TypeError,
    LookupError,
    ArithmeticError,
    RuntimeError,
    MemoryError,  # asked for, not used
)


@contextmanager
def refusing(where: str, must: str) -> Generator[None]:
    """Turn what the libraries raise inside into a FormatError; niwaki's own errors stay.

    Args:
        where: The file, or the part that reads.
        must: What must hold, e.g. ``the model must follow ONNX's rules``.

    Raises:
        FormatError: Something of `REFUSALS` was raised; its first line ends the message.
    """
    try:
        yield
    except NiwakiError:
        raise
    except REFUSALS as error:
        raise FormatError(where, f"{must}: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    """Return an error's first line of text, or its class where it has none."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
