"""Find the verbs, run one, and turn whatever it raises into one line and an exit code."""

from __future__ import annotations

import errno
import importlib
import os
import pkgutil
import sys
from typing import TYPE_CHECKING, NoReturn

from niwaki._extras import tool_missing
from niwaki.errors import NiwakiError

if TYPE_CHECKING:
    from collections.abc import Sequence

BUG = 70
"""``EX_SOFTWARE``: an exception nobody meant; not 1, which says that a check failed."""
INTERRUPTED = 130

_DISK = {errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
_PATH = {errno.ENAMETOOLONG, errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.EEXIST}


def main() -> NoReturn:
    """Run the command line of this process."""
    sys.exit(run_verb(sys.argv[1:]))


def run_verb(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; every error of ours is one line on stderr."""
    import typer

    from niwaki.cli._app import app, note

    load_verbs()
    try:
        code = app(list(arguments), prog_name="niwaki", standalone_mode=False)
    except NiwakiError as error:
        note(_one_line(str(error)))
        return error.exit_code
    except ModuleNotFoundError as error:
        missing = tool_missing(error)
        if missing is None:
            return _bug()
        note(_one_line(str(missing)))
        return missing.exit_code
    except (KeyboardInterrupt, typer.Abort):
        note("interrupted")
        return INTERRUPTED
    except BrokenPipeError:  # `niwaki list models | head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno in _PATH and error.filename is not None:
            note(_one_line(f"[path] {error.filename} must be a usable path ({error.strerror})."))
            return 2
        if error.errno not in _DISK:
            return _bug()
        path = error.filename if error.filename is not None else "the output"
        note(f"[output] {path} must be writable ({error.strerror}). Free some space, or move it.")
        return 2
    except Exception as error:
        # ClickException: click's own, or the copy that newer typers carry.
        if isinstance(error, typer.BadParameter.__mro__[2]):
            return _usage(error)
        return _bug()
    return code if isinstance(code, int) else 0


def load_verbs() -> None:
    """Import every file of this package: each adds its verb to the app."""
    package = importlib.import_module("niwaki.cli")
    for module in pkgutil.iter_modules(package.__path__):
        if not module.name.startswith("_"):
            importlib.import_module(f"{package.__name__}.{module.name}")


def _usage(error: Exception) -> int:
    """Say in one line what was wrong with the words given, and where the help is."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "niwaki"
    message = getattr(error, "format_message", error.__str__)()
    if message:  # none where no verb was given: the help has been printed
        message = _one_line(message.replace("Value error, ", "")).rstrip(".?")
        sys.stderr.write(f"[{path}] {message}. See {path} --help.\n")
    return 2


def _bug() -> int:
    import traceback

    traceback.print_exc()
    sys.stderr.write("This is a bug of niwaki: please report it with the lines above.\n")
    return BUG


def _one_line(text: str) -> str:
    return " ".join(text.split())
