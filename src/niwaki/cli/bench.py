"""``niwaki bench``: latency beside the peers, what zeros would bring, and layer by layer."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from niwaki.cli._app import AsJson, Plugins, Threads, app, echo, emit_json, note, show
from niwaki.cli._output import check_output, write_result
from niwaki.cli._target import InputShape, TargetPath, model_file, open_engine
from niwaki.errors import InputError

if TYPE_CHECKING:
    import numpy as np

    from niwaki.targets import Runner


Out = Annotated[
    Path | None,
    typer.Option(
        "--out", metavar="FILE", help="Write a picture (.svg), a page (.html) or data (.json)."
    ),
]


@app.command()
def bench(
    target: TargetPath,
    sparsity: Annotated[
        str | None,
        typer.Option(
            metavar="0,0.8,0.9,...",
            help="What would zeros bring? Prune copies of an .onnx file to these shares of zeros.",
        ),
    ] = None,
    structure: Annotated[
        str | None,
        typer.Option(
            help="How the zeros of --sparsity lie: unstructured (where left out), 4x1, ..."
        ),
    ] = None,
    profile: Annotated[
        bool, typer.Option("--profile", help="Show each layer's time, rate and share of the roof.")
    ] = False,
    runs: Annotated[int | None, typer.Option(min=1, help="Timed runs of each at most.")] = None,
    seconds: Annotated[
        float | None,
        typer.Option(min=0, help="Time for the timed runs of --sparsity, all together; 20."),
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Images in one run; 1. Not with --profile.")
    ] = None,
    threads: Threads = 1,
    input_shape: InputShape = None,
    out: Out = None,
    as_json: AsJson = False,
    plugin: Plugins = None,
) -> None:
    """Measure latency beside what else is installed; by sparsity; or layer by layer.

    `niwaki bench model.onnx --sparsity 0,0.8,0.9,0.95,0.98` answers what zeros would bring for
    this network on this machine, before any training.
    """
    if sparsity is not None and profile:
        raise InputError("bench", "--sparsity and --profile must not be given together")
    if sparsity is None:
        _refuse("is for --sparsity only", structure=structure, seconds=seconds)
    if profile:
        _refuse("must not be given with --profile, which runs one image", batch=batch)
    if sparsity is not None:
        from niwaki.cli._bench_zeros import bench_zeros

        bench_zeros(
            target, sparsity, structure=structure or "unstructured", runs=runs or 200,
            seconds=20.0 if seconds is None else seconds, batch=batch or 1, threads=threads,
            input_shape=input_shape, out=out, as_json=as_json,
        )  # fmt: skip
        return
    if profile:
        from niwaki.cli._bench_profile import bench_profile

        bench_profile(
            target, runs=runs or 30, threads=threads, input_shape=input_shape, out=out,
            as_json=as_json,
        )  # fmt: skip
        return
    if out is not None and out.suffix in (".svg", ".html"):
        raise InputError("--out", "the file must be .json without --sparsity or --profile", got=out)
    check_output(out, (".json",))
    found = bench_target(
        target, runs=runs or 50, batch=batch or 1, threads=threads, input_shape=input_shape
    )
    if out is not None:
        write_result(out, data=found)
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
    if found["warning"]:
        note(found["warning"])
    show(table)
    for text in found["left_out"]:
        echo(f"left out  {text}")


def _refuse(why: str, **options: object) -> None:
    """Refuse options that would be ignored."""
    for name, value in options.items():
        if value is not None:
            raise InputError(f"--{name}", f"the option {why}", got=value, fix="Leave it out")


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
        runs), ``left_out`` (who didn't run, and why), ``warning`` (what casts doubt on the times).

    Raises:
        InputError, FormatError, UnsupportedOpError: The target can't be loaded.
    """
    from niwaki.targets import engine_runner, interleave, load_warning, machine_info, noise
    from niwaki.targets._timing import check_one_input

    warning = load_warning(threads)
    engine = open_engine(target, threads=threads, input_shape=input_shape)
    check_one_input(len(engine.input_shapes))
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
        "warning": warning,
    }


def _add_onnxruntime(
    target: Path, x: np.ndarray, threads: int, runners: list[Runner], left_out: list[str]
) -> None:
    from niwaki.errors import NiwakiError
    from niwaki.targets import onnxruntime_runner

    path = target / "model.onnx" if target.is_dir() else target
    if path.suffix != ".onnx":
        left_out.append("onnxruntime: a .nwk file is the engine's own; give the .onnx file")
        return
    try:
        runners.append(onnxruntime_runner(path, x, threads=threads))
    except NiwakiError as error:  # not installed, or it doesn't take the file
        left_out.append(f"onnxruntime: {error}")


def _add_torch(
    target: Path, x: np.ndarray, threads: int, runners: list[Runner], left_out: list[str]
) -> None:
    import importlib.util

    if not target.is_dir():
        left_out.append(
            "torch: a file doesn't say how to rebuild the network; give a result's folder"
        )
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
