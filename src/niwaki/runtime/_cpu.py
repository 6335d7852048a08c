"""Which CPU this process runs on, and which build of the engine: what measured times belong to."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path

from niwaki import _core


@functools.cache
def cpu_name() -> str:
    """Return the processor's name as the system gives it."""
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def usable_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@functools.cache
def build_hash() -> str:
    """Return 16 hex digits that change with the engine's machine code, hence with its times."""
    return f"{_core.xxh64(Path(_core.__file__).read_bytes()):016x}"
