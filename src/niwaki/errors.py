"""The error tree: every message says where, what must hold, what was got, and what to do.

Template: ``[where] what must hold, got VALUE. What to do.`` (C++ throws the same text.)
"""

from __future__ import annotations

from typing import Any

_NOTHING = object()


class NiwakiError(Exception):
    """Be the root of everything that niwaki raises on purpose.

    Args:
        where: The function, verb, file or layer that noticed, e.g. ``pack_signs``.
        must: What must hold, e.g. ``x must be 2-D (rows, cols)``.
        got: The value that was met; left out of the text when not given.
        fix: What to do about it, one sentence without the final full stop.

    Example:
        >>> print(NiwakiError("pack", "x must be 2-D", got=(3, 4, 5), fix="Flatten it first"))
        [pack] x must be 2-D, got (3, 4, 5). Flatten it first.
    """

    exit_code = 2
    """What the command line returns: 2 for bad usage or input."""

    def __init__(self, where: str, must: str, *, got: Any = _NOTHING, fix: str = "") -> None:
        self.where, self.must, self.got, self.fix = where, must, got, fix
        text = f"[{where}] {must}"
        if got is not _NOTHING:
            text += f", got {got}"
        text += "."
        if fix:
            text += f" {fix.rstrip('.')}."
        super().__init__(text)

    # KeyError would show the message in quotes.
    __str__ = Exception.__str__


class ShapeError(NiwakiError, ValueError):
    """Report an array or a tensor of the wrong shape."""


class ValueDomainError(NiwakiError, ValueError):
    """Report a value (or a dtype) outside its domain."""


class RegistryError(NiwakiError, KeyError):
    """Report an unknown name, or a name registered twice."""


class FormatError(NiwakiError):
    """Report a damaged or a foreign file."""


class InputError(NiwakiError):
    """Report input that can't be used: a missing file, an empty data set, a path in the way."""


class UnsupportedOpError(NiwakiError):
    """Report an operator, or a variant of one, that the engine doesn't run."""


class VerificationError(NiwakiError):
    """Report two parts of the chain (torch, Graph, engine) that don't agree."""

    exit_code = 1


class InfeasibleError(NiwakiError):
    """Report a budget that can't be met: the bound that broke and the nearest value reached."""

    exit_code = 3


class ToolMissingError(NiwakiError):
    """Report an optional dependency that isn't installed, and how to install it."""
