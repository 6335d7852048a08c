"""``niwaki compress``: from a network and a budget to a verified, measured artifact."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from niwaki.cli._app import AsJson, Plugins, app, echo, emit_json, note, show

if TYPE_CHECKING:
    from niwaki.train._compress import CompressResult


@app.command()
def compress(
    data: Annotated[
        str | None,
        typer.Option(help="A known name, an .npz file, or a folder of idx files or images."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="A known name, or file.py:function for your own.")
    ] = None,
    weights: Annotated[
        str | None, typer.Option(help="Trained weights: .safetensors or .npz.")
    ] = None,
    method: Annotated[str | None, typer.Option(help="A name of `niwaki list methods`.")] = None,
    sparsity: Annotated[
        float | None, typer.Option(help="Share of zeros in each compressed layer, 0 to 1.")
    ] = None,
    size_kb: Annotated[
        float | None, typer.Option(help="Budget: the packed file, at most (kB of 1000 bytes).")
    ] = None,
    max_accuracy_drop: Annotated[
        float | None, typer.Option(help="Budget: test accuracy lost, at most (points).")
    ] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="Recipe (YAML); the options above and below win over it.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder of the result.")] = Path("out"),
    epochs: Annotated[int | None, typer.Option(help="Epochs of the compressed network.")] = None,
    dense_epochs: Annotated[
        int | None, typer.Option(help="Epochs of the dense network, if it must be trained.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of everything random.")] = None,
    form: Annotated[str | None, typer.Option(help="float or integer.")] = None,
    distill: Annotated[
        float | None, typer.Option(help="Weight of the dense network's outputs in the loss.")
    ] = None,
    compare: Annotated[
        list[str] | None,
        typer.Option(help="Another method trained alike and shown beside; `none` for none."),
    ] = None,
    threads: Annotated[int | None, typer.Option(help="Threads of the engine.")] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a stopped run of the same recipe was.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Replace a result that --out holds already.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on stderr.")] = False,
    as_json: AsJson = False,
    plugin: Plugins = None,
) -> None:
    """Train, compress, export, pack, verify, measure and report a network.

    With no options: scikit-learn's digits, a small CNN, BAP with 98 % zeros, in about a minute.
    """
    from niwaki.recipe import Recipe, read_yaml

    changes = _nested(
        {
            "data": data,
            "model.spec": model,
            "model.weights": weights,
            "method.name": method,
            "sparsity": sparsity,
            "budget.size_kb": size_kb,
            "budget.max_accuracy_drop": max_accuracy_drop,
            "train.epochs": epochs,
            "train.dense_epochs": dense_epochs,
            "train.seed": seed,
            "train.distill": distill,
            "form": form,
            "compare": None if compare is None else [name for name in compare if name != "none"],
            "threads": threads,
        }
    )
    base = Recipe.of({} if recipe is None else read_yaml(recipe), where=f"recipe {recipe}")
    wanted = base.merged(changes)

    from niwaki.train import compress as run

    result = run(recipe=wanted, out=out, resume=resume, force=force, progress=not quiet)
    if as_json:
        emit_json({"out": out, **result.report.to_dict()})
    else:
        _print(result, out)


def _nested(flat: dict[str, Any]) -> dict[str, Any]:
    """Return ``{"a.b": 1}`` as ``{"a": {"b": 1}}``, without what is None."""
    nested: dict[str, Any] = {}
    for path, value in flat.items():
        if value is not None:
            *parents, key = path.split(".")
            inside = nested
            for parent in parents:
                inside = inside.setdefault(parent, {})
            inside[key] = value
    return nested


def _print(result: CompressResult, out: Path) -> None:
    from niwaki.report import summary_table

    show(summary_table(result.report))
    echo(f"{out}: model.nwk, model.onnx, report.html; try `niwaki verify {out}`")
    note("")
