"""``niwaki export``: an ONNX file for other readers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from niwaki.cli._app import AsJson, Plugins, app, echo, emit_json
from niwaki.cli._target import TargetPath, model_file
from niwaki.errors import InputError


@app.command()
def export(
    target: TargetPath,
    out: Annotated[Path, typer.Option(help="The .onnx file to write.")],
    inline: Annotated[
        bool,
        typer.Option("--inline", help="Replace niwaki's functions by their bodies, keep QONNX's."),
    ] = False,
    as_json: AsJson = False,
    plugin: Plugins = None,
) -> None:
    """Write the network as ONNX; with --inline for readers that know QONNX but no functions."""
    export_file(target, out, inline=inline)
    if as_json:
        emit_json({"out": out, "bytes": out.stat().st_size, "inline": inline})
    else:
        echo(f"{out}: {out.stat().st_size} bytes")


def export_file(target: Path, out: Path, *, inline: bool = False) -> None:
    """Write a folder's or an ONNX file's network as ONNX.

    Raises:
        InputError: The target holds no ``.onnx``, or the output can't be written.
        FormatError: The file is damaged.
    """
    from niwaki import _files, graph

    source = model_file(target, prefer="model.onnx")
    if source.suffix != ".onnx":
        raise InputError("export", "the source must be a folder or an .onnx file", got=source)
    _files.check_parent(out)
    graph.save(graph.load(source), out, inline=inline)
