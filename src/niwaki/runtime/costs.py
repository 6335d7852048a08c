"""The cost table: how long each algorithm took for a layer, measured once on this machine.

One JSON file per machine, processor and build of the engine, in `$NIWAKI_CACHE_DIR` (the user's
cache folder where that isn't set). A layer's key is the engine's text of the problem and, behind
`@`, the step of its density: `conv 64x56x56>64 k3x3 ... x86_avx512 unstructured@23`. Steps are
geometric, four to each halving, so that layers of nearly one density share their measurements.

Several processes may read and write one file: writers take turns (a lock beside it), join what
is there with what they measured, and replace the file whole. A file that can't be read is worth
one warning and is measured anew, never an error. docs/choice.md says how choices are made of it.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import platform
import threading
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from niwaki import _core, _files
from niwaki.errors import InputError
from niwaki.runtime._cpu import build_hash, cpu_name, usable_cores

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

VERSION = 1
STEPS_PER_HALVING = 4
LAST_STEP = 80
"""The step of every density of 2^-20 and less, of no weight at all too."""
TOLERANCE = 2
"""How many steps of density a measured layer may be away from the one it decides for."""
_MEMBERS = {"algorithm", "tuning", "ms"}


class CostTableWarning(UserWarning):
    """Tell that the cost table can't be read or kept; everything works, measured anew."""


@dataclass(frozen=True)
class Measured:
    """Hold how long one algorithm took for one layer, at its best tuning."""

    algorithm: str
    ms: float
    """Milliseconds for one image; the least of several runs."""
    tuning: Mapping[str, int] = field(default_factory=dict[str, int])


class CostTable:
    """Look up and keep measured times.

    Args:
        path: The JSON file; it needn't exist.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._layers: dict[str, tuple[Measured, ...]] = {}
        self._stamp: tuple[int, int, int] | None = None
        self._lock = threading.Lock()

    @classmethod
    def of_this_machine(cls) -> CostTable:
        """Return the table of this processor and this build; the same object for one path."""
        path = cache_folder() / f"costs-{fingerprint()}.json"
        with _OPEN_LOCK:
            return _OPEN.setdefault(path, cls(path))

    def __len__(self) -> int:
        return len(self._current())

    def __iter__(self) -> Iterator[str]:
        """Go through the keys of all measured layers."""
        return iter(list(self._current()))

    def exact(self, key: str) -> tuple[Measured, ...]:
        """Return what was measured for a key, fastest first; () if nothing."""
        return self._current().get(key, ())

    def nearest(self, key: str, tolerance: int = TOLERANCE) -> tuple[Measured, ...]:
        """Return what was measured for the key or the nearest density, fastest first.

        Args:
            key: A layer's key.
            tolerance: How many steps of density may lie between; of two equally far, the denser.
        """
        layers = self._current()
        base, step = split_key(key)
        for away in range(tolerance + 1):
            for candidate in (step - away, step + away):
                found = layers.get(f"{base}@{candidate}")
                if found:
                    return found
        return ()

    def add(self, measured: Mapping[str, Sequence[Measured]]) -> None:
        """Keep what was measured; a key's later measurement replaces the earlier one.

        Where the folder can't be written, a `CostTableWarning` says so and the times are kept in
        memory only.
        """
        fresh = {key: _sorted(times) for key, times in measured.items() if times}
        if not fresh:
            return
        try:
            with _files.disk_errors(self.path):
                self.path.parent.mkdir(parents=True, exist_ok=True)
                with self._lock, _turn(self.path.with_suffix(".lock")):
                    known = _stamp(self.path) == self._stamp
                    layers = {**(self._layers if known else self._read()), **fresh}
                    _files.write_text(self.path, _to_json(layers))
                    self._layers, self._stamp = layers, _stamp(self.path)
        except InputError as error:
            warnings.warn(
                f"[cost table] measured times can't be kept: {error}", CostTableWarning, 2
            )
            self._layers = {**self._layers, **fresh}

    def _current(self) -> dict[str, tuple[Measured, ...]]:
        """Return what the file holds; it is read again only where it has changed."""
        with self._lock:
            stamp = _stamp(self.path)
            if stamp != self._stamp and stamp is not None:
                self._layers, self._stamp = self._read(), stamp
            return self._layers

    def _read(self) -> dict[str, tuple[Measured, ...]]:
        try:
            data = self.path.read_bytes()
        except FileNotFoundError:
            return {}
        except OSError as error:
            self._complain(error.strerror or str(error))
            return {}
        try:
            return _from_json(json.loads(data))
        except (ValueError, RecursionError) as error:  # of bad JSON and bad UTF-8 too
            self._complain(str(error))
            return {}

    def _complain(self, got: str) -> None:
        warnings.warn(
            f"[cost table] {self.path} must be a table that niwaki wrote, got: {got}. "
            "Layers are measured again; delete the file to be rid of this warning.",
            CostTableWarning,
            stacklevel=4,
        )


def density_step(density: float) -> int:
    """Return the step of a density: 0 for 1, four more for each halving, 80 for 0.

    Example:
        >>> density_step(1), density_step(0.5), density_step(0.02), density_step(0)
        (0, 4, 23, 80)
    """
    if density <= 0:
        return LAST_STEP
    return min(LAST_STEP, max(0, math.floor(-STEPS_PER_HALVING * math.log2(density) + 0.5)))


def step_density(step: int) -> float:
    """Return the density in the middle of a step.

    Example:
        >>> step_density(8)
        0.25
    """
    return 2.0 ** (-step / STEPS_PER_HALVING)


def split_key(key: str) -> tuple[str, int]:
    """Return a key's problem and its step of density (-1 where it has none).

    Example:
        >>> split_key("conv 3x8x8>4 k3x3@23")
        ('conv 3x8x8>4 k3x3', 23)
    """
    base, _, step = key.rpartition("@")
    return (base, int(step)) if base and step.isdecimal() else (key, -1)


def cache_folder() -> Path:
    """Return where tables lie: `$NIWAKI_CACHE_DIR`, or `niwaki` in the user's cache folder."""
    asked = os.environ.get("NIWAKI_CACHE_DIR", "")
    if asked:
        return Path(asked).expanduser()
    if platform.system() == "Darwin":
        return Path.home() / "Library" / "Caches" / "niwaki"
    root = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(root) if root else Path.home() / ".cache") / "niwaki"


def machine() -> dict[str, Any]:
    """Return what measured times hold for: processor, instruction sets, cores, engine build."""
    return {
        "cpu": cpu_name(),
        "isas": list(_core.isas()),
        "cores": usable_cores(),
        "build": build_hash(),
    }


def fingerprint() -> str:
    """Return 16 hex digits of `machine`."""
    return f"{_core.xxh64(json.dumps(machine(), sort_keys=True).encode()):016x}"


_OPEN: dict[Path, CostTable] = {}
_OPEN_LOCK = threading.Lock()


def _sorted(times: Sequence[Measured]) -> tuple[Measured, ...]:
    """Return the best time of each algorithm, fastest first."""
    best: dict[str, Measured] = {}
    for each in sorted(times, key=lambda time: time.ms):
        best.setdefault(each.algorithm, each)
    return tuple(best.values())


def _to_json(layers: Mapping[str, tuple[Measured, ...]]) -> str:
    rows = {
        key: [
            {"algorithm": t.algorithm, "tuning": dict(t.tuning), "ms": round(t.ms, 6)}
            for t in times
        ]
        for key, times in sorted(layers.items())
    }
    table = {"format": "niwaki-costs", "version": VERSION, "machine": machine(), "layers": rows}
    return json.dumps(table, indent=0, allow_nan=False) + "\n"


def _from_json(table: Any) -> dict[str, tuple[Measured, ...]]:
    """Return a parsed file's layers; ValueError where it isn't one."""
    if not isinstance(table, dict) or table.get("format") != "niwaki-costs":
        raise ValueError("another file")
    if table.get("version") != VERSION or not isinstance(table.get("layers"), dict):
        raise ValueError(f"version {table.get('version')}")
    layers: dict[str, tuple[Measured, ...]] = {}
    for key, rows in table["layers"].items():
        if not isinstance(rows, list):
            raise ValueError(f"the layer {key!r} with {rows}")
        layers[key] = _sorted([_row(row) for row in rows])
    return layers


def _row(row: Any) -> Measured:
    if not isinstance(row, dict) or set(row) != _MEMBERS:
        raise ValueError(f"the row {row}")
    name, tuning, ms = row["algorithm"], row["tuning"], row["ms"]
    whole = isinstance(tuning, dict) and all(type(each) is int for each in tuning.values())
    is_time = isinstance(ms, (int, float)) and not isinstance(ms, bool) and 0 <= ms < math.inf
    if not isinstance(name, str) or not whole or not is_time:
        raise ValueError(f"the row {row}")
    return Measured(name, float(ms), tuning)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Return what changes with a file's contents; None without a file."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_mtime_ns, state.st_size, state.st_ino


@contextlib.contextmanager
def _turn(path: Path) -> Generator[None]:
    """Wait until no other process (or thread) writes; the lock ends with its holder."""
    import fcntl

    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
