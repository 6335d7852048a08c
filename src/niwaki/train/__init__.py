"""Training: the user's own loop through `Session`, ours through `compress` and `fit`, and data.

The face is lazy: importing this package imports no torch.
"""

from __future__ import annotations

import importlib
from typing import Any

_FACE = {
    "CompressResult": "niwaki.train._compress",
    "History": "niwaki.train.loop",
    "Session": "niwaki.train.session",
    "TrainSettings": "niwaki.train.loop",
    "compress": "niwaki.train._compress",
    "evaluate": "niwaki.train.loop",
    "finish": "niwaki.train._compress_finish",
    "fit": "niwaki.train.loop",
    "total_steps": "niwaki.train.loop",
}
_MODULES = ("data",)

__all__ = [*sorted(_FACE), *_MODULES]  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    if name in _FACE:
        return getattr(importlib.import_module(_FACE[name]), name)
    if name in _MODULES:
        return importlib.import_module(f"niwaki.train.{name}")
    raise AttributeError(f"module 'niwaki.train' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
