"""Name what to install where an optional dependency is missing."""

from __future__ import annotations

from niwaki.errors import ToolMissingError

_EXTRAS = {
    "torch": "train",
    "accelerate": "train",
    "sklearn": "train",
    "tensorboard": "train",
    "matplotlib": "report",
    "jinja2": "report",
    "onnxruntime": "peers",
    "datasets": "hub",
}
"""Module -> the extra of pyproject.toml that brings it."""


def tool_missing(error: ModuleNotFoundError) -> ToolMissingError | None:
    """Return the error to raise for a module that wasn't found, or None where it isn't optional.

    Example:
        >>> print(tool_missing(ModuleNotFoundError(name="torch")))
        [niwaki] torch must be installed. pip install 'niwaki[train]'.
    """
    module = (error.name or "").partition(".")[0]
    if module not in _EXTRAS:
        return None
    return ToolMissingError(
        "niwaki", f"{module} must be installed", fix=f"pip install 'niwaki[{_EXTRAS[module]}]'"
    )
