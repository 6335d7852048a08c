"""Where the C API lies: the folder of `niwaki.h`, the library, and the flags of a compiler.

    cc classify.c $(python -m niwaki.capi --cflags --libs) -o classify

See docs/c-api.md. Nothing here imports NumPy or the engine.
"""

from __future__ import annotations

import argparse
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from niwaki.errors import ToolMissingError

if TYPE_CHECKING:
    from collections.abc import Sequence


def include_dir() -> Path:
    """Return the folder that holds `niwaki.h`.

    Raises:
        ToolMissingError: This install has no C API.

    Example:
        >>> (include_dir() / "niwaki.h").name
        'niwaki.h'
    """
    return _found("include/niwaki.h").parent


def library() -> Path:
    """Return the path of `libniwaki.so`.

    Raises:
        ToolMissingError: This install has no C API.
    """
    return _found("lib/libniwaki.so")


def cflags() -> str:
    """Return what a C compiler needs to find the header."""
    return f"-I{include_dir()}"


def libs() -> str:
    """Return what a linker needs; the program will find the library where it lies now."""
    folder = library().parent
    return f"-L{folder} -Wl,-rpath,{folder} -lniwaki"


def _found(name: str) -> Path:
    # The compiled part may lie elsewhere than this file: an editable install keeps them apart.
    core = importlib.util.find_spec("niwaki._core")
    places = [Path(__file__).parent]
    if core is not None and core.origin is not None:
        places.insert(0, Path(core.origin).parent)
    for place in places:
        if (place / name).is_file():
            return place / name
    raise ToolMissingError(
        "niwaki.capi",
        f"this install of niwaki must hold {name}",
        got=f"none in {', '.join(map(str, places))}",
        fix="Install niwaki again, from a wheel or from source",
    )


def main(words: Sequence[str] | None = None) -> int:
    """Print what the options ask for, on one line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m niwaki.capi", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--include", action="store_true", help="the folder of niwaki.h")
    parser.add_argument("--lib", action="store_true", help="the path of libniwaki.so")
    parser.add_argument("--cflags", action="store_true", help="a compiler's flags")
    parser.add_argument("--libs", action="store_true", help="a linker's flags")
    asked = parser.parse_args(words)
    parts = {
        "include": lambda: str(include_dir()),
        "lib": lambda: str(library()),
        "cflags": cflags,
        "libs": libs,
    }
    chosen = [make() for name, make in parts.items() if getattr(asked, name)]
    if not chosen:
        parser.print_usage(sys.stderr)
        return 2
    sys.stdout.write(" ".join(chosen) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
