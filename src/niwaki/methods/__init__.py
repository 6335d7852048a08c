"""Methods: published ways to compress a layer while it trains, one file per paper.

``prepare`` makes a network trainable, ``step`` follows the schedule, ``convert`` makes it
deployable, all in place. Third parties add theirs by the entry-point group ``niwaki.methods`` or by
``--plugin file.py``.

Example:
    >>> names()[:2]
    ['bap', 'magnitude']
"""

from __future__ import annotations

from typing import Any

from niwaki.methods._base import (
    METHODS as METHODS,
    Method as Method,
    MethodConfig as MethodConfig,
    PruningConfig as PruningConfig,
    register_method as register_method,
)
from niwaki.methods._layers import LayerChoice as LayerChoice
from niwaki.methods._masked import MaskedMethod as MaskedMethod


def create(name: str, **options: Any) -> Method:
    """Return the method called ``name`` with a config made of ``options``.

    Args:
        name: One of `names`; hyphens and underscores are the same.
        options: Fields of the method's config dataclass, e.g. ``sparsity=0.98``.

    Raises:
        RegistryError: No method has this name; the message lists the known ones.
        ValueDomainError: An option is unknown or out of its range.
    """
    return METHODS.get(name).create(**options)


def names() -> list[str]:
    """Return the names of all methods, third parties' included, sorted."""
    return METHODS.names()
