"""``niwaki compile``: an ``.onnx`` file into the engine's packed ``.nwk``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from niwaki.cli._app import AsJson, Plugins, app, echo, emit_json
from niwaki.cli._target import InputShape, parse_shape
from niwaki.errors import InputError


@app.command()
def compile(
    source: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="The network.")],
    out: Annotated[
        Path | None, typer.Option(help="The file to write; MODEL.nwk when left out.")
    ] = None,
    input_shape: InputShape = None,
    as_json: AsJson = False,
    plugin: Plugins = None,
) -> None:
    """Compile an ONNX file into a packed .nwk file."""
    path = out if out is not None else source.with_suffix(".nwk")
    found = compile_file(source, path, input_shape=parse_shape(input_shape))
    if as_json:
        emit_json(found)
    else:
        echo(f"{path}: {found['layers']} layers, {found['bytes']} bytes")


def compile_file(
    source: Path, path: Path, *, input_shape: tuple[int, int, int] | None = None
) -> dict[str, object]:
    """Write the packed form of an ONNX file.

    Args:
        source: The ``.onnx`` file.
        path: The ``.nwk`` file to write.
        input_shape: (C, H, W) where the file leaves height or width open.

    Returns:
        ``source``, ``out``, ``layers`` (number), ``bytes``, ``form``.

    Raises:
        InputError: The source is missing or isn't ``.onnx``, or the output can't be written.
        FormatError, UnsupportedOpError, ValueDomainError: As ``niwaki.Engine``.
    """
    from niwaki import _files, graph
    from niwaki.runtime import compile_graph, nwk

    if source.suffix != ".onnx":
        raise InputError("compile", "the source must be an .onnx file", got=source)
    _files.check_parent(path)
    if path.is_dir():
        raise InputError("compile", "the output must be a file, not a folder", got=path)
    program = compile_graph(graph.load(source), input_shape=input_shape, name=source.stem)
    path.parent.mkdir(parents=True, exist_ok=True)
    nwk.write(path, program)
    return {
        "source": source,
        "out": path,
        "form": program.header["form"],
        "layers": len(program.layers),
        "bytes": path.stat().st_size,
    }
