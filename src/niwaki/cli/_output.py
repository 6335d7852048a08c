"""What several verbs do with results: write them by the file's ending, show a bar meanwhile."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from niwaki import _files
from niwaki.cli._app import plain
from niwaki.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator


def check_output(out: Path | None, endings: tuple[str, ...]) -> None:
    """Refuse an output file before any work is done for it.

    Raises:
        InputError: Its ending isn't one of the given, or it is a folder or no regular file.
    """
    if out is None:
        return
    if out.suffix not in endings:
        raise InputError("--out", f"the file must be {' or '.join(endings)}", got=out)
    if out.is_dir():
        raise InputError("--out", "the output must be a file, not a folder", got=out)
    _files.check_parent(out)


def write_result(
    out: Path,
    *,
    data: Any,
    svg: Callable[[], str] | None = None,
    html: Callable[[], str] | None = None,
) -> None:
    """Write a result as the file's ending says: data as ``.json``, a picture, or a page."""
    made = {".svg": svg, ".html": html}.get(out.suffix)
    text = made() if made else json.dumps(data, indent=2, default=plain, allow_nan=False) + "\n"
    with _files.disk_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
    _files.write_text(out, text)


@contextlib.contextmanager
def progress_bar() -> Generator[Callable[[str, float], None]]:
    """Yield a function of a label and a share in [0, 1]; silent where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield lambda label, share: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn

    bar = Progress(
        TextColumn("{task.description:<32}"),
        BarColumn(),
        TaskProgressColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("", total=1.0)
    with bar:
        yield lambda label, share: bar.update(task, description=label, completed=share)
