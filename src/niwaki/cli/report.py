"""``niwaki report``: print a result's report, or write its page again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from niwaki.cli._app import AsJson, Plugins, app, echo, emit_json, show


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A result's folder.")],
    out: Annotated[
        Path | None, typer.Option(help="Write report.html and report.json into this folder.")
    ] = None,
    as_json: AsJson = False,
    plugin: Plugins = None,
) -> None:
    """Print the comparison of a result, or write its page into another folder."""
    from niwaki import report as reports
    from niwaki.artifact import Artifact

    found = Artifact.open(folder).report
    if out is not None:
        from niwaki import _files

        _files.check_parent(out)
        with _files.disk_errors(out):
            out.mkdir(parents=True, exist_ok=True)
            reports.write(found, out)
    if as_json:
        emit_json(found.to_dict())
    else:
        show(reports.summary_table(found))
        page = (folder if out is None else out) / "report.html"
        echo(f"the whole report: {page}")
