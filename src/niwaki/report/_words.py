"""Numbers as people read them."""

from __future__ import annotations


def percent_text(share: float | None, digits: int = 1) -> str:
    """Return a share in [0, 1] as per cent; ``-`` for None.

    Example:
        >>> percent_text(0.98)
        '98.0 %'
    """
    return "-" if share is None else f"{100 * share:.{digits}f} %"


def bytes_text(count: int | None) -> str:
    """Return a number of bytes with its unit (1 kB = 1000 bytes); ``-`` for None.

    Example:
        >>> bytes_text(41_234)
        '41.2 kB'
    """
    if count is None:
        return "-"
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return (
                f"{count / size:.3g} {unit}" if count < 100 * size else f"{count / size:.0f} {unit}"
            )
    return f"{count} B"


def count_text(count: int | None) -> str:
    """Return a count with its unit; ``-`` for None or zero.

    Example:
        >>> count_text(2_293_000)
        '2.29 M'
    """
    if not count:
        return "-"
    for unit, size in (("G", 10**9), ("M", 10**6), ("k", 10**3)):
        if count >= size:
            return (
                f"{count / size:.3g} {unit}" if count < 100 * size else f"{count / size:.0f} {unit}"
            )
    return str(count)
