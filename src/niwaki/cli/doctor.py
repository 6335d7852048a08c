"""``niwaki doctor``: what this machine has, what is missing, and how to get it."""

from __future__ import annotations

from typing import Any

from niwaki.cli._app import AsJson, Plugins, app, echo, emit_json, show


@app.command()
def doctor(as_json: AsJson = False, plugin: Plugins = None) -> None:
    """Show the CPU, kernels and versions, what is missing, and how to get it."""
    from niwaki.targets import examine

    found = examine()
    if as_json:
        emit_json(found)
    else:
        _print(found)


def _print(found: dict[str, Any]) -> None:
    from rich.table import Table

    machine = found["machine"]
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_row("CPU", f"{machine['cpu']}, {machine['cores']} usable cores")
    table.add_row("memory", f"{machine['memory_gb']} GB")
    table.add_row("instruction sets", ", ".join(machine["isas"]))
    usable = sum(kernel["available"] for kernel in found["kernels"])
    table.add_row("kernels", f"{usable} of {len(found['kernels'])} run here (niwaki list kernels)")
    table.add_row("Python", machine["python"])
    for name, version in machine["versions"].items():
        table.add_row(name, version)
    sets = ", ".join(found["data"]["sets"]) or "none"
    table.add_row("NIWAKI_DATA", f"{found['data']['folder'] or 'not set'} ({sets})")
    table.add_row("C API", f"{found['capi']['header']}, {found['capi']['library']}")
    show(table)
    for line in found["missing"]:
        echo(f"missing  {line}")
