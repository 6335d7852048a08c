"""What this machine has, what is missing, and how to get it."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path
from typing import Any

from niwaki.targets._machine import machine_info

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


def examine() -> dict[str, Any]:
    """Look at this machine as ``niwaki doctor`` does.

    Returns:
        ``machine`` (as `machine_info`), ``kernels`` (name, family, isa, available), ``packages``
        (the optional ones: name, installed, for, get), ``data`` (folder, sets), ``capi`` (header,
        library) and ``missing`` (one line of advice each).
    """
    from niwaki import capi
    from niwaki.runtime import kernels

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
        "capi": {"header": str(capi.include_dir() / "niwaki.h"), "library": str(capi.library())},
        "missing": advice,
    }


def _is_dir(path: str) -> bool:
    return bool(path) and Path(path).is_dir()
