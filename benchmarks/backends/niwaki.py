"""The engine of this repository, from a packed file, with its layers measured on this machine."""

import os
import shutil
import time
from pathlib import Path

from niwaki import __version__
from niwaki.runtime import Engine


def prepare(path, folder, threads):
    """Compile with an empty table of costs, then again with the full one; keep the second."""
    shutil.rmtree(_tables(folder), ignore_errors=True)
    os.environ["NIWAKI_CACHE_DIR"] = str(_tables(folder))
    target = Path(folder, f"{Path(path).stem}-{threads}.nwk")
    cold = _compile(path, target, threads)
    return str(target), {"compile_s": cold, "compile_cached_s": _compile(path, target, threads)}


def load(path, threads, batch):
    os.environ["NIWAKI_CACHE_DIR"] = str(_tables(Path(path).parent))
    return Engine(path, threads=threads), __version__


def _compile(path, target, threads):
    from niwaki.runtime import nwk

    started = time.perf_counter()
    engine = Engine(path, threads=threads, tune=True)
    engine.remember_choices()  # as `niwaki compile` does: the file's size holds them
    nwk.write(target, engine.program)
    return time.perf_counter() - started


def _tables(folder):
    return Path(folder, "tables")
