"""What a measurement was taken on: CPU, instruction sets, cores, library versions, commit."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import subprocess
from pathlib import Path
from typing import Any

_LIBRARIES = (
    "niwaki",
    "numpy",
    "onnx",
    "onnx-ir",
    "onnxscript",
    "onnxruntime",
    "torch",
    "safetensors",
)


def machine_info() -> dict[str, Any]:
    """Describe this machine.

    Returns:
        ``cpu`` (name), ``architecture``, ``isas`` (the engine's, best first), ``cores`` (that this
        process may use), ``memory_gb`` (1 GB = 1e9 bytes), ``system``, ``python``, ``commit`` (of
        niwaki's source, "" where it was installed from a package), ``versions``.
    """
    from niwaki import runtime
    from niwaki.runtime._cpu import cpu_name, usable_cores

    return {
        "cpu": cpu_name(),
        "architecture": platform.machine(),
        "isas": list(runtime.isas()),
        "cores": usable_cores(),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "commit": commit(),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Return library name to version, for what is installed; nothing is imported for it."""
    found: dict[str, str] = {}
    for name in _LIBRARIES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit() -> str:
    """Return the commit this package runs from, ``+`` behind it where files are changed.

    A package installed into some other project's repository isn't tracked there: that gives "".
    """
    git = shutil.which("git")
    here = Path(__file__)
    if git is None:
        return ""

    def ask(*words: str) -> str | None:
        answer = subprocess.run(
            [git, "-C", str(here.parent), *words], capture_output=True, text=True, check=False
        )
        return answer.stdout.strip() if answer.returncode == 0 else None

    if ask("ls-files", "--error-unmatch", here.name) is None:
        return ""
    head = ask("rev-parse", "--short=12", "HEAD") or ""
    changed = ask("status", "--porcelain", "--untracked-files=no")
    return f"{head}+" if head and changed else head
