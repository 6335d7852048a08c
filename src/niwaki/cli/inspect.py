"""``niwaki inspect``: what a network holds, layer by layer, and which kernel runs each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from niwaki.cli._app import AsJson, Plugins, Threads, app, echo, emit_json, show
from niwaki.cli._target import InputShape, TargetPath, model_file, open_engine


@app.command()
def inspect(
    target: TargetPath,
    threads: Threads = 1,
    input_shape: InputShape = None,
    as_json: AsJson = False,
    plugin: Plugins = None,
) -> None:
    """Show the layers: shapes, density, storage, kernels."""
    found = inspect_target(target, threads=threads, input_shape=input_shape)
    if as_json:
        emit_json(found)
    else:
        _print(found)


def inspect_target(
    target: Path, *, threads: int = 1, input_shape: str | None = None
) -> dict[str, Any]:
    """Return what a network holds: totals, and one row per layer of the engine's program.

    Raises:
        InputError, FormatError, UnsupportedOpError: The target can't be loaded.
    """
    from niwaki.targets import packed_bytes, total, work

    engine = open_engine(target, threads=threads, input_shape=input_shape)
    program = engine.program
    layers: list[dict[str, Any]] = []
    counted = work(program)
    for layer, info in zip(counted, engine.explain(), strict=True):
        layers.append(
            {
                "name": layer.name,
                "op": layer.op,
                "shape": list(layer.shape),
                "density": layer.nonzeros / layer.weights if layer.weights else None,
                "format": layer.format,
                "bytes": layer.bytes,
                "multiplications": layer.multiplications,
                "binary_operations": layer.binary_operations,
                "kernel": info.kernel,
                "reason": info.reason,
            }
        )
    return {
        "file": model_file(target),
        "name": program.header["name"],
        "form": program.header["form"],
        "input_shape": list(engine.input_shape),
        "packed_bytes": packed_bytes(program),
        "memory_bytes": engine.memory_bytes,
        "classes": len(program.header.get("classes", [])),
        "total": total(counted),
        "layers": layers,
    }


def _print(found: dict[str, Any]) -> None:
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in ("layer", "op", "weight shape", "density", "stored as", "bytes", "kernel"):
        table.add_column(column, justify="right" if column in ("density", "bytes") else "left")
    for row in found["layers"]:
        table.add_row(
            row["name"],
            row["op"],
            " x ".join(str(size) for size in row["shape"]),
            "" if row["density"] is None else f"{100 * row['density']:.1f} %",
            row["format"],
            f"{row['bytes']:,}" if row["bytes"] else "",
            row["kernel"],
        )
    shape = " x ".join(str(size) for size in found["input_shape"])
    echo(f"{found['file']}: {found['name']}, {found['form']}, input {shape}")
    show(table)
    sums = found["total"]
    echo(
        f"{found['packed_bytes']:,} bytes packed; {sums['nonzeros']:,} of {sums['weights']:,} "
        f"weights kept, {sums['binary_weights']:,} binary; {sums['multiplications']:,} "
        f"multiplications and {sums['binary_operations']:,} binary operations an image"
    )
