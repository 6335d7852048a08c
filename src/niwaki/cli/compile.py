"""``niwaki compile``: an ``.onnx`` file into the engine's packed ``.nwk``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from niwaki.cli._app import AsJson, Plugins, Threads, app, echo, emit_json
from niwaki.cli._output import progress_bar
from niwaki.cli._target import InputShape, parse_shape
from niwaki.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from niwaki.runtime import Program


@app.command()
def compile(
    source: Annotated[Path, typer.Argument(metavar="MODEL.onnx", help="The network.")],
    out: Annotated[
        Path | None, typer.Option(help="The file to write; MODEL.nwk when left out.")
    ] = None,
    input_shape: InputShape = None,
    tune: Annotated[
        bool,
        typer.Option(
            "--tune/--no-tune",
            help="Measure which algorithm runs each convolution fastest here, and note it in the "
            "file and in this machine's cost table.",
        ),
    ] = True,
    half_weights: Annotated[
        bool,
        typer.Option("--half-weights", help="Hold float weights in 16 bits: a smaller file."),
    ] = False,
    threads: Threads = 1,
    as_json: AsJson = False,
    plugin: Plugins = None,
) -> None:
    """Compile an ONNX file into a packed .nwk file, tuned for this machine."""
    path = out if out is not None else source.with_suffix(".nwk")
    with progress_bar() as progress:
        found = compile_file(
            source,
            path,
            input_shape=parse_shape(input_shape),
            tune=tune,
            half_weights=half_weights,
            threads=threads,
            progress=progress,
        )
    if as_json:
        emit_json(found)
        return
    tuned = ""
    if tune:
        tuned = f", {found['tuned']} kinds of layer tuned, {found['measured']} of them measured now"
    echo(f"{path}: {found['layers']} layers, {found['bytes']} bytes{tuned}")


def compile_file(
    source: Path,
    path: Path,
    *,
    input_shape: tuple[int, int, int] | None = None,
    tune: bool = False,
    half_weights: bool = False,
    threads: int = 1,
    progress: Callable[[str, float], None] = lambda label, share: None,
) -> dict[str, object]:
    """Write the packed form of an ONNX file.

    Args:
        source: The ``.onnx`` file.
        path: The ``.nwk`` file to write.
        input_shape: (C, H, W) where the file leaves height or width open.
        tune: Measure the convolutions that this machine's cost table doesn't know, and note in the
            file what decided: an engine on a processor of this name starts with it.
        half_weights: Hold float weights in 16 bits.
        threads: Threads that the tuning is for.
        progress: Called with what is being done and the share that is done, in [0, 1].

    Returns:
        ``source``, ``out``, ``layers`` (number), ``bytes``, ``form``, ``tuned`` (kinds of layer
        whose times are noted), ``measured`` (those measured now).

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
    progress("reading the network", 0.0)
    program = compile_graph(
        graph.load(source),
        input_shape=input_shape,
        name=source.stem,
        half_weights=half_weights,
    )
    counts = (0, 0)
    if tune:
        counts = _tune(program, threads, progress)
    progress("writing", 1.0)
    path.parent.mkdir(parents=True, exist_ok=True)
    nwk.write(path, program)
    return {
        "source": source,
        "out": path,
        "form": program.header["form"],
        "layers": len(program.layers),
        "bytes": path.stat().st_size,
        "tuned": counts[0],
        "measured": counts[1],
    }


def _tune(
    program: Program, threads: int, progress: Callable[[str, float], None]
) -> tuple[int, int]:
    """Note in the program what its convolutions take; return how many kinds, how many new."""
    from niwaki.runtime import Engine

    places = {layer["name"]: index for index, layer in enumerate(program.layers)}
    count = max(1, len(program.layers))
    measured: list[str] = []

    def told(layer: str) -> None:
        measured.append(layer)
        progress(f"tuning {layer}", 0.1 + 0.9 * places.get(layer, 0) / count)

    engine = Engine(program, threads=threads, tune=True, on_tune=told)
    return len(engine.remember_choices().get("problems", {})), len(measured)
