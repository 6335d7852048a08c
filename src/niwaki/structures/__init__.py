"""Structures: how a weight tensor is cut into groups that live or die together (NumPy, no torch).

``unstructured`` is the first: every weight is a group of its own.

Example:
    >>> import numpy as np
    >>> masks = create("unstructured").masks({"fc": np.array([[0.1, 0.9, 0.5, 0.2]])}, density=0.5)
    >>> masks["fc"].tolist()
    [[False, True, True, False]]
"""

from __future__ import annotations

from typing import Any

from niwaki.structures._base import (
    STRUCTURES as STRUCTURES,
    Structure as Structure,
    density_of as density_of,
    kept_count as kept_count,
    magnitude as magnitude,
    relative_magnitude as relative_magnitude,
)


def create(name: str, **options: Any) -> Structure:
    """Return the structure called ``name``, made with ``options``.

    Raises:
        RegistryError: No structure has this name.
    """
    return STRUCTURES.get(name)(**options)


def names() -> list[str]:
    """Return the names of all structures, sorted."""
    return STRUCTURES.names()
