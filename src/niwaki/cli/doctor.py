"""``niwaki doctor``: what this machine has, what is missing, and how to get it."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

from niwaki.cli._app import AsJson, Plugins, app, echo, emit_json, show

_OPTIONAL = {
    "torch": ("train", "training, compress"),
    "accelerate": ("train", "training, compress"),
    "sklearn": ("train", "the digits data set"),
    "tensorboard": ("train", "TensorBoard logs"),
    "jinja2": ("report", "report.html"),
    "matplotlib": ("report", "pictures in the report"),
    "onnxruntime": ("peers", "bench against ONNX Runtime"),
    "datasets": ("hub", "data sets of the Hugging Face hub"),
    "timm": ("", "models named timm:NAME"),
}


@app.command()
def doctor(as_json: AsJson = False, plugin: Plugins = None) -> None:
    """Show the CPU, kernels and versions, what is missing, and how to get it."""
    found = examine()
    if as_json:
        emit_json(found)
    else:
        _print(found)


def examine() -> dict[str, Any]:
    """Return what this machine has: machine, kernels, optional packages, data folder, advice."""
    from niwaki.runtime import kernels
    from niwaki.targets import machine_info

    machine = machine_info()
    listed = [
        {"name": k.name, "family": k.family, "isa": k.isa, "available": k.available}
        for k in kernels()
    ]
    packages = [
        {
            "name": name,
            "installed": importlib.util.find_spec(name) is not None,
            "for": purpose,
            "get": f"pip install 'niwaki[{extra}]'" if extra else f"pip install {name}",
        }
        for name, (extra, purpose) in _OPTIONAL.items()
    ]
    data = os.environ.get("NIWAKI_DATA", "")
    sets = sorted(p.name for p in Path(data).iterdir() if p.is_dir()) if _is_dir(data) else []
    advice = [f"{p['name']}: {p['get']} ({p['for']})" for p in packages if not p["installed"]]
    if not data:
        advice.append(
            "NIWAKI_DATA: set it to a folder of data sets (mnist, fashion-mnist, cifar10)"
        )
    elif not _is_dir(data):
        advice.append(f"NIWAKI_DATA: {data} is not a folder")
    return {
        "machine": machine,
        "kernels": listed,
        "packages": packages,
        "data": {"folder": data, "sets": sets},
        "missing": advice,
    }


def _is_dir(path: str) -> bool:
    return bool(path) and Path(path).is_dir()


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
    show(table)
    for line in found["missing"]:
        echo(f"missing  {line}")
