"""The command line's frame: the app, the options that every verb has, how results leave."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from niwaki.registry import load_plugin

app = typer.Typer(
    name="niwaki",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Shape a convolutional network to a hardware budget, and get what runs it.",
    epilog="Exit codes: 0 done, 1 a check failed, 2 bad usage or input, 3 budget infeasible.",
)


def _version(asked: bool) -> None:
    if asked:
        from niwaki import __version__

        echo(f"niwaki {__version__}")
        raise typer.Exit


@app.callback()
def _niwaki(  # pyright: ignore[reportUnusedFunction]  # typer calls it
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version and stop.", is_eager=True, callback=_version
        ),
    ] = False,
) -> None:
    pass


def _load_plugins(paths: list[Path] | None) -> list[Path]:
    for path in paths or []:
        load_plugin(path)
    return paths or []


AsJson = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON on stdout, and nothing else there.")
]
Plugins = Annotated[
    list[Path] | None,
    typer.Option(
        "--plugin",
        metavar="FILE.py",
        help="Python file that registers methods or models of its own; may be given again.",
        callback=_load_plugins,
        is_eager=True,
    ),
]
Threads = Annotated[int, typer.Option("--threads", min=1, help="Threads of the engine.")]


def echo(text: str) -> None:
    """Print a line on stdout."""
    sys.stdout.write(text + "\n")


def note(text: str) -> None:
    """Print a line on stderr: for people, whatever stdout carries."""
    sys.stderr.write(text + "\n")


def emit_json(data: Any) -> None:
    """Print a result as JSON on stdout."""
    echo(json.dumps(data, indent=2, default=plain, allow_nan=False))


def show(renderable: object) -> None:
    """Print a rich table or text on stdout, as wide as it needs where stdout is no terminal."""
    from rich.console import Console

    # Piped tables would otherwise be cut at 80 columns.
    width = None if sys.stdout.isatty() else 160
    Console(file=sys.stdout, width=width, highlight=False).print(renderable)


def plain(value: Any) -> Any:
    """Turn paths, arrays and NumPy numbers into what JSON has."""
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, "tolist"):
        return value.tolist()
    raise TypeError(f"no JSON form for {type(value).__name__}")
