"""One registry class for methods, models, formats and data sets: a new file registers itself.

A package's public modules are imported on first use; each registers what it holds by decorator. A
name registered twice is an error, and a module that fails to import fails the import: a missing
method is a broken build. Third parties add theirs by an entry point, or by ``--plugin file.py``.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pkgutil
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from niwaki.errors import InputError, RegistryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")


class Registry(Generic[T]):
    """Hold the named things of one kind.

    Args:
        kind: The noun used in messages, e.g. ``method``.
        package: The package whose public modules register themselves, e.g. ``niwaki.methods``.
        entry_points: The entry-point group of third parties, or "" for none.
    """

    def __init__(self, kind: str, package: str, entry_points: str = "") -> None:
        self.kind = kind
        self._package = package
        self._entry_points = entry_points
        self._items: dict[str, T] = {}
        self._discovered = False

    def register(self, name: str) -> Callable[[T], T]:
        """Return a decorator that registers its object under ``name`` (hyphens, lower case).

        Raises:
            RegistryError: The name is taken.
        """

        def add(item: T) -> T:
            key = canonical(name)
            if key in self._items and not _same(self._items[key], item):
                raise RegistryError(
                    f"register {self.kind}",
                    "a name may be registered once",
                    got=f"{key!r} twice",
                    fix="Rename one of the two",
                )
            self._items[key] = item
            return item

        return add

    def get(self, name: str) -> T:
        """Return what is registered under ``name``; hyphens and underscores are the same.

        Raises:
            RegistryError: The name is unknown; the message lists the known ones.
        """
        self._discover()
        try:
            return self._items[canonical(name)]
        except KeyError:
            raise RegistryError(
                self.kind, f"the name must be one of {', '.join(self.names())}", got=repr(name)
            ) from None

    def names(self) -> list[str]:
        """Return the registered names, sorted."""
        self._discover()
        return sorted(self._items)

    def items(self) -> Iterator[tuple[str, T]]:
        """Yield (name, item), sorted by name."""
        self._discover()
        yield from sorted(self._items.items())

    def __contains__(self, name: str) -> bool:
        self._discover()
        return canonical(name) in self._items

    def _discover(self) -> None:
        if self._discovered:
            return
        self._discovered = True  # before the imports: a module may ask for names while it loads
        package = importlib.import_module(self._package)
        for module in pkgutil.iter_modules(package.__path__):
            if not module.name.startswith("_"):
                importlib.import_module(f"{self._package}.{module.name}")
        if self._entry_points:
            for point in importlib.metadata.entry_points(group=self._entry_points):
                point.load()


def canonical(name: str) -> str:
    """Return the registered form of a name: lower case, hyphens.

    Example:
        >>> canonical("Si_BNN")
        'si-bnn'
    """
    return name.strip().lower().replace("_", "-")


def load_plugin(path: str | Path) -> None:
    """Import a Python file that registers methods, models or formats of its own.

    Raises:
        InputError: The file is missing, or fails while it is imported.
        RegistryError: It registers a name that is taken.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("plugin", "the plugin must be a Python file that exists", got=str(path))
    import_users_file(path, f"plugin {path}")


def import_users_file(path: Path, where: str) -> object:
    """Import a Python file of the user's own, whatever is in it.

    Args:
        path: The file.
        where: What the message begins with, e.g. ``plugin mine.py``.

    Raises:
        InputError: It isn't Python, raises, or ends the process.
        RegistryError: It registers a name that is taken.
    """
    try:
        return import_file(path)
    except (InputError, RegistryError):
        raise
    except (Exception, SystemExit) as error:  # a script's exit() isn't ours
        raise InputError(where, "the file must import", got=in_one_line(error)) from error


def in_one_line(error: BaseException) -> str:
    """Return an error's class and the first line of its text.

    Example:
        >>> in_one_line(ValueError("no"))
        'ValueError: no'
    """
    return ": ".join([type(error).__name__, *str(error).splitlines()[:1]])


def import_file(path: Path) -> object:
    """Import a Python file as a module named after its absolute path, once per process."""
    path = path.resolve()
    name = "niwaki_file_" + re.sub(r"\W", "_", str(path.with_suffix("")))
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError("import", "the file must be Python source (.py)", got=str(path))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _same(old: object, new: object) -> bool:
    """Tell whether a module was merely imported a second time under another name."""
    return getattr(old, "__qualname__", old) == getattr(new, "__qualname__", new) and getattr(
        old, "__module__", None
    ) == getattr(new, "__module__", None)
