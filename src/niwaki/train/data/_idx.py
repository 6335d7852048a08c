"""MNIST's idx files, plain or gzipped.

Source: https://web.archive.org/web/20220331130319/https://yann.lecun.com/exdb/mnist/ ("THE IDX FILE
FORMAT"): two zero bytes, 8 for unsigned bytes, the number of axes, their lengths as big-endian
32-bit integers, then the values.
"""

from __future__ import annotations

import gzip
import struct
import zlib
from typing import TYPE_CHECKING

import numpy as np

from niwaki.errors import FormatError, InputError
from niwaki.train.data._raw import Part, Raw, check_part

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_UNSIGNED_BYTES = 8


def find_idx(folder: Path) -> Raw | None:
    """Return the data set of a folder that holds idx files; None where it holds none.

    Raises:
        InputError: A file of the four is missing.   FormatError: One is damaged.
    """
    train = _find_part(folder, ("train",))
    if train is None:
        return None
    return Raw(folder.name, train, _find_part(folder, ("t10k", "test")))


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Return the array of an idx file.

    Raises:
        FormatError: The file isn't idx, or is too short or too long for its header.
    """
    where = f"idx {path}"
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FormatError(where, "the file must be whole gzip", got=f"an error: {error}") from error
    if len(raw) < 4 or raw[:2] != b"\0\0" or raw[2] != _UNSIGNED_BYTES:
        raise FormatError(
            where,
            "the file must begin with 00 00 08, idx of bytes",
            got=raw[:4].hex(" ") or "0 bytes",
        )
    axes = raw[3]
    start = 4 + 4 * axes
    if len(raw) < start:
        raise FormatError(where, f"the header must be {start} bytes", got=len(raw))
    shape = struct.unpack(f">{axes}I", raw[4:start])
    size = 1
    for length in shape:
        size *= length
    if len(raw) - start != size:
        raise FormatError(where, f"shape {shape} needs {size} bytes", got=len(raw) - start)
    return np.frombuffer(raw, np.uint8, offset=start).reshape(shape)


def _find_part(folder: Path, prefixes: tuple[str, ...]) -> Part | None:
    for prefix in prefixes:
        images = _find(folder, f"*{prefix}-images*idx3-ubyte*")
        labels = _find(folder, f"*{prefix}-labels*idx1-ubyte*")
        if images is None and labels is None:
            continue
        if images is None or labels is None:
            raise InputError(
                f"data {folder}",
                f"{prefix} images and labels must be there both",
                got=f"only {(images or labels or folder).name}",
            )
        return check_part(f"data {images}", read_idx(images), read_idx(labels))
    return None


def _find(folder: Path, pattern: str) -> Path | None:
    found = sorted(path for path in folder.glob(pattern) if path.is_file())
    return found[0] if found else None
