"""Write a report as files, and read it back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from niwaki import _files
from niwaki.errors import FormatError, InputError
from niwaki.report._data import Report
from niwaki.report._page import page

if TYPE_CHECKING:
    import numpy as np


def write(report: Report, folder: str | Path) -> None:
    """Write ``report.html`` and ``report.json`` into a folder that exists.

    Raises:
        InputError: The folder can't be written.
        ToolMissingError: jinja2 or matplotlib isn't installed.
    """
    folder = Path(folder)
    _files.write_text(folder / "report.html", page(report))
    text = json.dumps(report.to_dict(), indent=1, ensure_ascii=False, default=_plain) + "\n"
    _files.write_text(folder / "report.json", text)


def read(path: str | Path) -> Report:
    """Read ``report.json``.

    Raises:
        InputError: The file is missing.   FormatError: It isn't a report, or of another version.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("report", "the report must be a file that exists", got=str(path))
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FormatError(str(path), "the report must be JSON", got=str(error)) from None
    if not isinstance(data, dict):
        raise FormatError(str(path), "the report must hold fields", got=type(data).__name__)
    return Report.from_dict(data)


def _plain(value: object) -> object:
    """Turn NumPy numbers into Python's; nothing else belongs into a report."""
    item = getattr(value, "item", None)
    if callable(item):
        number: np.generic = value  # pyright: ignore[reportAssignmentType]
        return number.item()
    raise TypeError(f"a report holds plain values, got {type(value).__name__}")
