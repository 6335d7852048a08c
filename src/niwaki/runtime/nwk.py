"""`.nwk`: a program in one file, a safetensors file under one hash.

    8 bytes   length of the header, little-endian
    header    {"__metadata__":{"format":"nwk","version":"1","hash":"<16 hex digits>",
              "program":"<JSON>"},"<tensor>":{"dtype":"U8","shape":[bytes],
              "data_offsets":[begin,end]}, ...}, padded with spaces
    data      the tensors in the header's order without gaps, each padded with zeros to 64 bytes

The data starts at a multiple of 64. It begins with exactly these characters up to the hash, so
the hash is found and checked before any of the rest is parsed: XXH64 (seed 0) over the whole file
with the 16 digits set to '0'. Behind it, every number is checked as if hostile.
"""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from niwaki import _files
from niwaki._core import xxh64
from niwaki.errors import FormatError, InputError, ValueDomainError
from niwaki.runtime._check_header import check_header, unique_pairs
from niwaki.runtime.program import TENSOR_DTYPES, Program, tensor_dtype

if TYPE_CHECKING:
    from collections.abc import Mapping

VERSION = "1"
ALIGNMENT = 64
_LENGTH = struct.Struct("<Q")
_BEFORE_VERSION = b'{"__metadata__":{"format":"nwk","version":"'
_BEFORE_HASH = b'","hash":"'
_HASH_AT = _LENGTH.size + len(_BEFORE_VERSION) + len(VERSION) + len(_BEFORE_HASH)
_DIGITS = 16


def write(path: str | Path, program: Program) -> None:
    """Write a program to `path`: the whole file or nothing.

    Raises:
        FormatError: The program isn't well formed.
        ValueDomainError: A tensor's dtype is unknown to the engine.
        InputError: The file can't be written.
    """
    path = Path(path)
    _files.write_bytes(path, to_bytes(program, path.name))


def read(path: str | Path) -> Program:
    """Read a program from a file.

    Raises:
        InputError: The file can't be read.
        FormatError: The file is damaged, foreign, or of another version; names file and check.
    """
    path = Path(path)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(
            "nwk.read", f"{path} must be a file that can be read", got=error.strerror or str(error)
        ) from error
    return from_bytes(data, path.name)


def to_bytes(program: Program, name: str = "program") -> bytes:
    """Return the file's bytes; `name` is what errors call it."""
    # order="C" keeps a number's shape (), ascontiguousarray doesn't.
    arrays = {key: np.asarray(array, order="C") for key, array in program.tensors.items()}
    tensors: dict[str, Any] = {}
    entries: dict[str, Any] = {}
    chunks: list[bytes] = []
    offset = 0
    for key, array in arrays.items():
        dtype = tensor_dtype(array.dtype)
        if dtype is None:
            raise ValueDomainError(
                name, f"tensor {key!r} must be one of {', '.join(TENSOR_DTYPES)}", got=array.dtype
            )
        tensors[key] = {"dtype": dtype, "shape": list(array.shape)}
        raw = array.astype(TENSOR_DTYPES[dtype], copy=False).tobytes()
        raw += bytes(-len(raw) % ALIGNMENT)
        end = offset + len(raw)
        entries[key] = {"dtype": "U8", "shape": [len(raw)], "data_offsets": [offset, end]}
        chunks.append(raw)
        offset = end
    header = {**program.header, "tensors": tensors}
    check_header(name, header)
    metadata = {
        "format": "nwk",
        "version": VERSION,
        "hash": "0" * _DIGITS,
        "program": _dumps(header),
    }
    text = _dumps({"__metadata__": metadata, **entries}).encode()
    text += b" " * (-(_LENGTH.size + len(text)) % ALIGNMENT)
    data = b"".join([_LENGTH.pack(len(text)), text, *chunks])
    digits = f"{xxh64(data):016x}".encode()
    return data[:_HASH_AT] + digits + data[_HASH_AT + _DIGITS :]


def from_bytes(data: bytes, name: str = "program") -> Program:
    """Return the program held by a file's bytes; `name` is what errors call it.

    Raises:
        FormatError: The bytes are damaged, foreign, or of another version; names file and check.
    """
    text = _checked_text(data, name)
    try:
        header = json.loads(text, object_pairs_hook=unique_pairs, parse_constant=_refuse_constant)
        program = json.loads(
            header["__metadata__"]["program"],
            object_pairs_hook=unique_pairs,
            parse_constant=_refuse_constant,
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FormatError(name, "the header must be JSON that holds a program", got=error) from None
    start = _LENGTH.size + len(text)
    del header["__metadata__"]
    check_header(name, program)
    if list(header) != list(program["tensors"]):
        raise FormatError(
            name,
            "the header's tensors must be those of the program, in the same order",
            got=f"{len(header)} against {len(program['tensors'])}",
        )
    tensors: dict[str, np.ndarray[Any, Any]] = {}
    offset = 0
    for key, description in program["tensors"].items():
        size = math.prod(description["shape"]) * TENSOR_DTYPES[description["dtype"]].itemsize
        end = offset + size + (-size % ALIGNMENT)
        wanted = {"dtype": "U8", "shape": [end - offset], "data_offsets": [offset, end]}
        if header[key] != wanted or start + end > len(data):
            raise FormatError(
                name,
                f"tensor {key!r} must lie inside the file as {wanted}",
                got=f"{header[key]} in {len(data) - start} bytes",
            )
        array = np.frombuffer(
            data,
            TENSOR_DTYPES[description["dtype"]],
            math.prod(description["shape"]),
            start + offset,
        )
        tensors[key] = array.reshape(description["shape"])
        if any(data[start + offset + size : start + end]):
            raise FormatError(name, f"tensor {key!r} must be padded with zeros", got="another byte")
        offset = end
    if start + offset != len(data):
        raise FormatError(
            name, f"the file must end with its last tensor ({start + offset} bytes)", got=len(data)
        )
    return Program(program, tensors)


def _checked_text(data: bytes, name: str) -> bytes:
    """Return the header's text, behind the checks that need no JSON."""
    begin = _LENGTH.size
    if data[begin : begin + len(_BEFORE_VERSION)] != _BEFORE_VERSION:
        raise FormatError(
            name,
            "the file must begin as a .nwk file",
            got=data[begin : begin + len(_BEFORE_VERSION)][:16] if data else "an empty file",
            fix="Give a file written by niwaki compile",
        )
    begin += len(_BEFORE_VERSION)
    version = data[begin : begin + 8].split(b'"')[0].decode(errors="replace")
    if version != VERSION:
        raise FormatError(
            name,
            f"the version must be {VERSION}",
            got=repr(version),
            fix="Update niwaki if the file is from a newer one, else write it again",
        )
    digits = data[_HASH_AT : _HASH_AT + _DIGITS]
    zeroed = data[:_HASH_AT] + b"0" * len(digits) + data[_HASH_AT + _DIGITS :]
    wanted = f"{xxh64(zeroed):016x}"
    if digits != wanted.encode():
        raise FormatError(
            name,
            f"the hash must match the content ({wanted})",
            got=digits.decode(errors="replace"),
            fix="The file is damaged: copy it or write it again",
        )
    (length,) = _LENGTH.unpack_from(data)
    start = _LENGTH.size + length
    if start > len(data) or start % ALIGNMENT or start < _HASH_AT:
        raise FormatError(
            name, f"the header must end inside the file, at a multiple of {ALIGNMENT}", got=start
        )
    return data[_LENGTH.size : start]


def _dumps(value: Mapping[str, Any]) -> str:
    return json.dumps(value, separators=(",", ":"), allow_nan=False, default=_plain)


def _plain(value: Any) -> Any:
    """Turn NumPy scalars and arrays in attributes into plain numbers and lists."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"a program's header holds JSON values only, got {type(value).__name__}")


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")
