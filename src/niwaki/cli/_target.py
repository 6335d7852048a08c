"""What most verbs take: an artifact's folder, a packed ``.nwk`` or an ``.onnx`` file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from niwaki.errors import InputError

if TYPE_CHECKING:
    from niwaki.runtime import Engine

TargetPath = Annotated[
    Path, typer.Argument(metavar="TARGET", help="A result's folder, a .nwk or an .onnx file.")
]


def model_file(target: Path, *, prefer: str = "model.nwk") -> Path:
    """Return the file to load for a target: a folder's ``prefer``, or the file itself.

    Raises:
        InputError: Nothing is there, or it is neither a folder of ours nor a model.
    """
    if target.is_dir():
        file = target / prefer
        if not file.is_file():
            raise InputError(
                "target", f"the folder must hold {prefer}", got=target, fix="Give niwaki's result"
            )
        return file
    if not target.exists():
        raise InputError("target", "the file or folder must exist", got=target)
    if target.suffix not in (".nwk", ".onnx"):
        raise InputError("target", "the file must be .nwk or .onnx, or a folder", got=target)
    return target


def parse_shape(text: str | None) -> tuple[int, int, int] | None:
    """Return ``1,28,28`` or ``1x28x28`` as (C, H, W); None stays None.

    Raises:
        InputError: It isn't three whole numbers above 0.
    """
    if text is None:
        return None
    parts = text.replace("x", ",").split(",")
    if len(parts) != 3 or not all(part.strip().isdigit() and int(part) > 0 for part in parts):
        raise InputError("--input-shape", "the shape must be C,H,W", got=repr(text))
    channels, height, width = (int(part) for part in parts)
    return channels, height, width


def open_engine(target: Path, *, threads: int = 1, input_shape: str | None = None) -> Engine:
    """Load the engine for a target.

    Raises:
        InputError: As ``model_file``; FormatError and UnsupportedOpError as ``niwaki.Engine``.
    """
    from niwaki.runtime import Engine

    shape = parse_shape(input_shape)
    return Engine(model_file(target), threads=threads, input_shape=shape)


InputShape = Annotated[
    str | None,
    typer.Option("--input-shape", help="C,H,W for an .onnx file that leaves height or width open."),
]
