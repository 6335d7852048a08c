"""niwaki: shape a convolutional network to a hardware budget, and get what runs it.

The face is lazy (PEP 562): ``import niwaki`` imports neither torch nor onnx; each name loads
what it needs.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_FACE = {
    "Artifact": "niwaki.artifact",
    "Budget": "niwaki.planner",
    "Engine": "niwaki.runtime",
    "Recipe": "niwaki.recipe",
    "Session": "niwaki.train",
    "compress": "niwaki.train",
    "export": "niwaki.capture",
    "finish": "niwaki.train",
    "load": "niwaki.artifact",
    "verify": "niwaki.artifact",
}
_PACKAGES = (
    "errors",
    "formats",
    "graph",
    "methods",
    "models",
    "planner",
    "report",
    "runtime",
    "structures",
    "targets",
    "train",
)

__all__ = [  # pyright: ignore[reportUnsupportedDunderAll]
    "__version__",
    *sorted(_FACE),
    *_PACKAGES,
]


def __getattr__(name: str) -> Any:
    try:
        if name in _FACE:
            return getattr(importlib.import_module(_FACE[name]), name)
        if name in _PACKAGES:
            return importlib.import_module(f"niwaki.{name}")
    except ModuleNotFoundError as error:
        from niwaki._extras import tool_missing

        missing = tool_missing(error)
        if missing is None:
            raise
        raise missing from error
    raise AttributeError(f"module 'niwaki' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
