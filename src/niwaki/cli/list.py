"""``niwaki list``: what is known by name."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from niwaki.cli._app import AsJson, Plugins, app, emit_json, show


class Kind(StrEnum):
    """Name the lists."""

    METHODS = "methods"
    MODELS = "models"
    DATA = "data"
    KERNELS = "kernels"
    FORMATS = "formats"
    PASSES = "passes"


@app.command(name="list")
def list_command(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    as_json: AsJson = False,
    plugin: Plugins = None,
) -> None:
    """List the methods, models, data sets, kernels, formats or passes."""
    rows = list_rows(kind)
    if as_json:
        emit_json(rows)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False)
    for column in rows[0] if rows else ["name"]:
        table.add_column(column)
    for row in rows:
        table.add_row(*[_cell(value) for value in row.values()])
    show(table)


def list_rows(kind: Kind | str) -> list[dict[str, Any]]:
    """Return one row per known thing, sorted by name; the first key is its name."""
    return _LISTS[Kind(kind)]()


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _methods() -> list[dict[str, Any]]:
    from niwaki.methods import METHODS

    return [
        {"name": name, "what": _first_line(item), "source": item.source}
        for name, item in METHODS.items()
    ]


def _models() -> list[dict[str, Any]]:
    from niwaki import models

    rows: list[dict[str, Any]] = []
    for name in models.names():
        family = models.defaults(name)
        shape = f"{family.in_channels} x {family.input_size} x {family.input_size}"
        rows.append({"name": name, "input": shape, "what": _first_line(family.build)})
    return rows


def _data() -> list[dict[str, Any]]:
    from niwaki.train import data

    root = os.environ.get("NIWAKI_DATA", "")
    rows: list[dict[str, Any]] = []
    for name in data.names():
        folder = Path(root) / name
        where = str(folder) if root and folder.is_dir() else "embedded" if name == "digits" else ""
        rows.append({"name": name, "where": where or "not under NIWAKI_DATA: the hub is asked"})
    return rows


def _kernels() -> list[dict[str, Any]]:
    from niwaki.runtime import kernels

    return [
        {"name": k.name, "family": k.family, "isa": k.isa, "available": k.available}
        for k in kernels()
    ]


def _formats() -> list[dict[str, Any]]:
    from niwaki.formats import FORMATS

    return [{"name": name, "what": _first_line(item)} for name, item in FORMATS.items()]


def _passes() -> list[dict[str, Any]]:
    from niwaki.graph.passes import PASSES

    return [{"name": name, "what": _first_line(item)} for name, item in PASSES.items()]


_LISTS = {
    Kind.METHODS: _methods,
    Kind.MODELS: _models,
    Kind.DATA: _data,
    Kind.KERNELS: _kernels,
    Kind.FORMATS: _formats,
    Kind.PASSES: _passes,
}


def _first_line(item: object) -> str:
    """Return the first line of a docstring; "" without one of its own."""
    return (item.__doc__ or "").strip().split("\n")[0]
