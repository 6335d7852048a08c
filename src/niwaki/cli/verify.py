"""``niwaki verify``: hold torch, the Graph and the engine against each other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from niwaki.cli._app import AsJson, Plugins, app, echo, emit_json, note, show


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A result's folder.")],
    as_json: AsJson = False,
    plugin: Plugins = None,
) -> int:
    """Check an artifact on its golden inputs; exit code 1 names the first differing layer."""
    from niwaki.artifact import verify as check

    result = check(folder)
    if as_json:
        emit_json(result.to_dict())
    else:
        show(result.table())
        if result.ok:
            echo(result.summary())
    if not result.ok:
        note(result.summary())
    return 0 if result.ok else 1
