"""The engine's Python face: programs, the packed file, and running them (neither torch nor onnx).

`Engine` runs a program; `nwk` reads and writes the packed file; `compile_graph` makes a program
from a Graph and is the only name here that imports onnx, when it is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from niwaki.runtime import nwk as nwk
    from niwaki.runtime.compile import compile_graph as compile_graph
    from niwaki.runtime.engine import Engine as Engine, isas as isas, kernels as kernels
    from niwaki.runtime.info import KernelInfo as KernelInfo, LayerInfo as LayerInfo
    from niwaki.runtime.program import Program as Program

_FACE = {
    "Engine": "niwaki.runtime.engine",
    "KernelInfo": "niwaki.runtime.info",
    "LayerInfo": "niwaki.runtime.info",
    "Program": "niwaki.runtime.program",
    "compile_graph": "niwaki.runtime.compile",
    "isas": "niwaki.runtime.engine",
    "kernels": "niwaki.runtime.engine",
}
_MODULES = ("compile", "engine", "info", "nwk", "program")

__all__ = [
    "Engine",
    "KernelInfo",
    "LayerInfo",
    "Program",
    "compile_graph",
    "isas",
    "kernels",
    "nwk",
]


def __getattr__(name: str) -> Any:
    if name in _FACE:
        return getattr(importlib.import_module(_FACE[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"niwaki.runtime.{name}")
    raise AttributeError(f"module 'niwaki.runtime' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_FACE, *_MODULES])
