"""``niwaki bench``: the engine beside ONNX Runtime and torch, in turn, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from niwaki.cli._app import AsJson, Plugins, Threads, app, echo, emit_json, show
from niwaki.cli._target import InputShape, TargetPath, model_file, open_engine

if TYPE_CHECKING:
    import numpy as np

    from niwaki.targets import Runner


@app.command()
def bench(
    target: TargetPath,
    runs: Annotated[int, typer.Option(min=1, help="Timed runs of each.")] = 50,
    batch: Annotated[int, typer.Option(min=1, help="Images in one run.")] = 1,
    threads: Threads = 1,
    input_shape: InputShape = None,
    as_json: AsJson = False,
    plugin: Plugins = None,
) -> None:
    """Measure latency: median and spread of interleaved runs, beside what else is installed."""
    found = bench_target(target, runs=runs, batch=batch, threads=threads, input_shape=input_shape)
    if as_json:
        emit_json(found)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("engine", "version", "threads", "median ms", "spread ms", "runs"):
        table.add_column(column)
    for row in found["rows"]:
        table.add_row(
            row["engine"],
            row["version"],
            str(row["threads"]),
            f"{row['median_ms']:.4f}",
            f"{row['spread_ms']:.4f}",
            str(row["runs"]),
        )
    echo(f"{found['file']}, batch {found['batch']}, {found['machine']['cpu']}")
    show(table)
    for text in found["left_out"]:
        echo(f"left out  {text}")


def bench_target(
    target: Path,
    *,
    runs: int = 50,
    batch: int = 1,
    threads: int = 1,
    input_shape: str | None = None,
) -> dict[str, Any]:
    """Time the engine, ONNX Runtime and torch in turn on the same input.

    ONNX Runtime and torch take part where they are installed and the target holds what they run: a
    folder or an ``.onnx`` file, and a folder whose network can be rebuilt.

    Returns:
        ``file``, ``batch``, ``machine``, ``rows`` (engine, version, threads, median_ms, spread_ms,
        runs), ``left_out`` (who didn't run, and why).

    Raises:
        InputError, FormatError, UnsupportedOpError: The target can't be loaded.
    """
    from niwaki.targets import engine_runner, interleave, machine_info, noise

    engine = open_engine(target, threads=threads, input_shape=input_shape)
    x = noise(tuple(engine.input_shape), batch)
    runners = [engine_runner(engine, x, threads=threads)]
    left_out: list[str] = []
    _add_onnxruntime(target, x, threads, runners, left_out)
    _add_torch(target, x, threads, runners, left_out)
    timings = interleave(runners, runs=runs, warm_up=min(10, runs))
    rows = [
        {
            "engine": name,
            "version": timing.version,
            "threads": timing.threads,
            "median_ms": timing.median_ms,
            "spread_ms": timing.spread_ms,
            "runs": timing.runs,
        }
        for name, timing in timings.items()
    ]
    return {
        "file": model_file(target),
        "batch": batch,
        "machine": machine_info(),
        "rows": rows,
        "left_out": left_out,
    }


def _add_onnxruntime(
    target: Path, x: np.ndarray, threads: int, runners: list[Runner], left_out: list[str]
) -> None:
    from niwaki.errors import ToolMissingError
    from niwaki.targets import onnxruntime_runner

    path = target / "model.onnx" if target.is_dir() else target
    if path.suffix != ".onnx":
        left_out.append("onnxruntime: a .nwk file is the engine's own; give the folder")
        return
    try:
        runners.append(onnxruntime_runner(path, x, threads=threads))
    except ToolMissingError as error:
        left_out.append(str(error))


def _add_torch(
    target: Path, x: np.ndarray, threads: int, runners: list[Runner], left_out: list[str]
) -> None:
    import importlib.util

    if not target.is_dir():
        left_out.append("torch: a file doesn't say how to rebuild the network; give the folder")
        return
    if importlib.util.find_spec("torch") is None:
        left_out.append("torch: pip install 'niwaki[train]'")
        return
    from niwaki.errors import NiwakiError
    from niwaki.train._compress_measure import torch_runner
    from niwaki.train._compress_rebuild import rebuild

    try:
        runners.append(torch_runner(rebuild(target), x, threads=threads))
    except NiwakiError as error:
        left_out.append(f"torch: {error}")
