"""Open the two parts that are checked, and tell which of them is another network's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from niwaki import graph
from niwaki.errors import NiwakiError
from niwaki.verification._reference import GraphValues, run_graph

if TYPE_CHECKING:
    from collections.abc import Mapping, Set as AbstractSet
    from pathlib import Path

    import numpy as np

    from niwaki.runtime import Engine, Program

ONNX, NWK = "model.onnx", "model.nwk"


@dataclass
class Parts:
    """Hold what could be opened and belongs to the artifact."""

    values: GraphValues | None = None
    """What the Graph computes; None where ``model.onnx`` is another network's."""
    engine: Engine | None = None
    """None where ``model.nwk`` is another network's."""
    program: Program | None = None
    """The engine's program, else the Graph's own; None where neither part is there."""
    misfits: dict[str, str] = field(default_factory=dict[str, str])
    """File name to why it isn't checked layer by layer."""


def open_parts(
    folder: Path,
    x: np.ndarray,
    golden: Mapping[str, np.ndarray],
    *,
    form: str,
    changed: AbstractSet[str],
) -> Parts:
    """Open ``model.onnx`` and ``model.nwk``, and leave out the one that isn't of the form.

    Args:
        folder: Holds the files.
        x: The golden images. Shape (G, C, H, W), float32.
        golden: Value name to torch's value for them.
        form: ``float`` or ``integer``, as the artifact says.
        changed: Names of the files that were changed since they were written: what doesn't fit
            there is the file's difference, not damage.

    Raises:
        FormatError: A file is damaged, or the golden values don't fit the Graph.
    """
    from niwaki.runtime import Engine

    parts = Parts()
    engine = Engine(folder / NWK, threads=1)
    found = engine.program.header["form"]
    if found != form:
        parts.misfits[NWK] = _state(NWK, f"of the {found} form", changed)
    elif engine.input_shape != x.shape[1:]:
        what = f"for images of shape {engine.input_shape}, not {x.shape[1:]}"
        parts.misfits[NWK] = _state(NWK, what, changed)
    else:
        parts.engine, parts.program = engine, engine.program
    _open_graph(parts, folder / ONNX, x, golden, form=form, changed=changed)
    return parts


def _open_graph(
    parts: Parts,
    path: Path,
    x: np.ndarray,
    golden: Mapping[str, np.ndarray],
    *,
    form: str,
    changed: AbstractSet[str],
) -> None:
    model = graph.load(path)
    try:
        if ONNX in changed or parts.program is None:  # else it is what the engine's was made of
            from niwaki.runtime import compile_graph

            program = compile_graph(model, input_shape=x.shape[1:])
            found = program.header["form"]
            if found != form:
                parts.misfits[ONNX] = _state(ONNX, f"of the {found} form", changed)
                return
            parts.program = parts.program or program
        parts.values = run_graph(path, x, golden)
    except NiwakiError as error:
        if ONNX not in changed:
            raise
        parts.misfits[ONNX] = _state(ONNX, f"of another network ({error})", changed)


def _state(name: str, what: str, changed: AbstractSet[str]) -> str:
    return f"changed since it was written, {what}" if name in changed else what
