"""Write files and folders whole or not at all: a temporary sibling, then one rename."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from niwaki.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Generator


def write_bytes(path: str | Path, data: bytes) -> None:
    """Write a file by way of a temporary sibling, so that a reader sees all of it or nothing.

    Raises:
        InputError: The folder is missing or can't be written, the path is no regular file (a
            pipe, a device), or the disk is full; nothing is left behind.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk_errors(path):
        check_parent(path)
        try:
            with temporary.open("wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text like ``write_bytes``."""
    write_bytes(path, text.encode())


def check_parent(path: Path) -> None:
    """Refuse a path whose parent is a file, and one that is a pipe, a device or a socket.

    A result gets its name by a rename, which would put a file where the device was.

    Raises:
        InputError: One of the path's parents is a file, or the path is neither file nor folder,
            or a link that leads nowhere.
    """
    if path.is_symlink() and not path.exists():
        raise InputError(
            "output",
            "the path must be new, a regular file or a folder",
            got=f"{path}, a link that leads nowhere",
            fix="Remove it, or choose another output path",
        )
    if path.exists() and not path.is_file() and not path.is_dir():
        raise InputError(
            "output",
            "the path must be new, a regular file or a folder",
            got=f"{path}, a pipe, a device or a socket",
            fix="Choose another output path",
        )
    for parent in path.absolute().parents:
        if parent.exists():
            if not parent.is_dir():
                raise InputError(
                    "output",
                    "every parent of the path must be a folder",
                    got=f"{path}, under a file",
                )
            return


def check_out_dir(path: Path, ours: str, *, force: bool = False) -> None:
    """Refuse an output folder that would overwrite something that isn't ours.

    Args:
        path: The folder to be written.
        ours: The name of a file that only our folders hold, e.g. ``artifact.json``.
        force: Replace a folder of ours.

    Raises:
        InputError: A file is in the way, or a folder that is neither empty nor (with force) ours.
    """
    check_parent(path)
    if not path.exists():
        return
    if not path.is_dir():
        raise InputError("output", "the output must be a folder", got=f"{path}, a file")
    if not any(path.iterdir()):
        return
    if not (path / ours).is_file():
        raise InputError(
            "output",
            "the folder must be new, empty, or one that niwaki wrote",
            got=f"{path}, which holds other things",
            fix="Choose another --out",
        )
    if not force:
        raise InputError(
            "output",
            "the folder must not hold a result already",
            got=path,
            fix="Choose another --out, or replace it with --force",
        )


@contextlib.contextmanager
def new_dir(path: str | Path) -> Generator[Path]:
    """Yield a temporary sibling folder that becomes ``path`` at the end; any error removes it.

    A folder that is there already is replaced: callers ask ``check_out_dir`` whether it may be.

    Raises:
        InputError: The folder can't be made or written, a pipe or a device is in the way, or the
            disk is full.
    """
    path = Path(path).absolute()
    with disk_errors(path):
        check_parent(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent))
        try:
            temporary.chmod(0o755)
            yield temporary
            if path.is_dir():
                old = Path(
                    tempfile.mkdtemp(prefix=f".{path.name}.", suffix=".old", dir=path.parent)
                )
                path.replace(old)  # onto an empty folder: one step
                temporary.replace(path)
                shutil.rmtree(old)
            else:
                temporary.replace(path)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def disk_errors(path: str | Path) -> Generator[None]:
    """Turn what the disk refuses (full, read-only, no permission) into one ``InputError``."""
    try:
        yield
    except Exception as error:
        # safetensors writes from Rust and raises its own class, here without importing it.
        if not isinstance(error, OSError) and type(error).__name__ != "SafetensorError":
            raise
        reason = getattr(error, "strerror", None) or error
        raise InputError(
            "output",
            f"{path} must be writable",
            got=reason,
            fix="Free some space, or choose another output path",
        ) from error
