"""The packed file: round trips, and refusal of every damage, in Python's reader and in C++."""

from __future__ import annotations

import json
import random
import re
import resource
import signal
import struct

import numpy as np
import pytest
import safetensors.numpy

from niwaki import _core
from niwaki.errors import FormatError, InputError, NiwakiError, UnsupportedOpError, ValueDomainError
from niwaki.runtime import Engine, Program, nwk

from .programs import Builder, binary_tensors, rescale, weight_tensors
from .xxh64_plain import xxh64 as plain_xxh64

NAME = "model.nwk"


def small_program():
    """A BAP layer and its threshold: every kind of tensor, some kilobytes."""
    rng = np.random.default_rng(3)
    weight = (rng.normal(size=(9, 5, 3, 3)) * (rng.random((9, 5, 3, 3)) < 0.1)).astype(np.float32)
    builder = Builder((5, 6, 6))
    signs = {"sign": np.ones(5, np.int8), "level": np.zeros(5, np.float32)}
    bits = builder.layer("threshold", {"x": 0}, "u1", (5, 6, 6), {}, signs)
    builder.layer(
        "conv",
        {"x": 0, "bits": bits},
        "f32",
        (9, 6, 6),
        {"kernel": [3, 3], "pads": [1, 1, 1, 1], "weight": "sparse"},
        {
            **weight_tensors(weight, "sparse"),
            **binary_tensors(rng.choice([-1, 1], weight.shape).astype(np.int8)),
            "binary.scale": rng.normal(size=9).astype(np.float32),
            "bias": rng.normal(size=9).astype(np.float32),
        },
    )
    return builder.program(preprocess={"mean": [0.5]}, classes=["a", "b"])


def integer_program():
    builder = Builder((4, 4, 4), form="integer")
    x = builder.layer("quantize_input", {"x": 0}, "s8", (4, 4, 4), {"inverse_scale": 3.5})
    builder.layer("requantize", {"x": x}, "u8", (4, 4, 4), {"lo": 0, "hi": 255}, rescale(4))
    return builder.program()


def read_both(data):
    """Return the exception of each reader, Python's first; None where one reads the file."""
    errors = []
    for reader in (
        lambda: nwk.from_bytes(data, NAME),
        lambda: _core.Engine.from_bytes(data, NAME, 1, "auto", []),
    ):
        try:
            reader()
            errors.append(None)
        except NiwakiError as error:
            errors.append(error)
    return errors


def seal(program, tensors=(), data=b"", **metadata):
    """Return a file with a right hash around any program JSON, tensor entries and data."""
    text = program if isinstance(program, str) else json.dumps(program)
    header = {"__metadata__": {"format": "nwk", "version": "1", "hash": "0" * 16, "program": text}}
    header["__metadata__"].update(metadata)
    body = json.dumps({**header, **dict(tensors)}, separators=(",", ":")).encode()
    body += b" " * (-(8 + len(body)) % 64)
    return rehash(struct.pack("<Q", len(body)) + body + data)


def rehash(data):
    at = data.index(b'"hash":"') + 8
    zeroed = data[:at] + b"0" * 16 + data[at + 16 :]
    return zeroed[:at] + f"{_core.xxh64(zeroed):016x}".encode() + zeroed[at + 16 :]


def test_xxh64_follows_its_specification():
    vectors = {b"": 0xEF46DB3751D8E999, b"a": 0xD24EC4F1A98C6E5B, b"abc": 0x44BC2CF5AD770999}
    for data, digest in vectors.items():
        assert _core.xxh64(data) == digest
    assert _core.xxh64(b"", 1) == 0xD5AFBA1336A3BE4B
    noise = np.random.default_rng(0).bytes(200)
    for size in [*range(70), 127, 128, 129, 200]:
        assert _core.xxh64(noise[:size], 7) == plain_xxh64(noise[:size], 7)


@pytest.mark.parametrize("make", [small_program, integer_program])
def test_a_program_comes_back(make, tmp_path):
    program = make()
    path = tmp_path / NAME
    nwk.write(path, program)
    for back in (nwk.read(path), Engine(path).program):
        assert {**back.header, "tensors": None} == {**program.header, "tensors": None}
        assert list(back.tensors) == list(program.tensors)
        for key, array in program.tensors.items():
            assert back.tensors[key].dtype == array.dtype
            np.testing.assert_array_equal(back.tensors[key], array)
    assert path.read_bytes() == nwk.to_bytes(back)


def test_the_file_is_safetensors_with_aligned_data(tmp_path):
    path = tmp_path / NAME
    nwk.write(path, small_program())
    stored = safetensors.numpy.load_file(path)
    assert all(array.dtype == np.uint8 and array.size % 64 == 0 for array in stored.values())
    data = path.read_bytes()
    assert (8 + struct.unpack_from("<Q", data)[0]) % 64 == 0
    assert len(data) % 64 == 0


def flipped(data, bit):
    changed = bytearray(data)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def test_any_flipped_bit_is_noticed_and_named():
    """All header bits and 10,000 others, in both readers."""
    data = nwk.to_bytes(small_program(), NAME)
    (length,) = struct.unpack_from("<Q", data)
    header_bits = (8 + length) * 8
    others = random.Random(0).sample(range(header_bits, len(data) * 8), 10_000)
    for bit in [*range(header_bits), *others]:
        for error in read_both(flipped(data, bit)):
            assert isinstance(error, FormatError), bit
            assert str(error).startswith("[model.nwk] the "), bit
            assert re.search("must (match|be|begin)", str(error)), bit


def test_both_readers_say_the_same():
    data = nwk.to_bytes(small_program(), NAME)
    for bit in (8 * 9, 8 * 52, 8 * 70, 8 * 200, len(data) * 8 - 3):
        python, cpp = read_both(flipped(data, bit))
        assert type(python) is type(cpp) is FormatError
        if "begin" not in str(python):
            assert str(python) == str(cpp)


@pytest.mark.parametrize("keep", [0, 1, 7, 8, 40, 60, 63, 64, 500, -64, -1])
def test_a_truncated_file_is_refused(keep):
    data = nwk.to_bytes(small_program(), NAME)
    for error in read_both(data[:keep]):
        assert isinstance(error, FormatError)
        assert str(error).startswith("[model.nwk] the ")


def test_a_longer_file_is_refused():
    data = nwk.to_bytes(small_program(), NAME)
    for error in read_both(data + bytes(64)):
        assert "the hash must match" in str(error)
    for error in read_both(rehash(data + bytes(64))):
        assert "the file must end with its last tensor" in str(error)


def test_a_newer_version_is_named():
    data = rehash(nwk.to_bytes(small_program(), NAME).replace(b'"version":"1"', b'"version":"2"'))
    for error in read_both(data):
        assert isinstance(error, FormatError)
        assert str(error) == (
            "[model.nwk] the version must be 1, got '2'. "
            "Update niwaki if the file is from a newer one, else write it again."
        )


@pytest.mark.parametrize("data", [b"", b"\x7fELF" * 40, b'{"a": 1}' * 20, bytes(4096)])
def test_a_foreign_file_is_refused(data):
    for error in read_both(data):
        assert isinstance(error, FormatError)
        assert "the file must begin as a .nwk file" in str(error)


def test_unreadable_paths(tmp_path):
    for load in (nwk.read, Engine):
        for path in (tmp_path / "none.nwk", tmp_path):
            with pytest.raises(InputError, match="must be a file that can be read"):
                load(path)


def change(path, value):
    """Return an editor of a header: `path` like "layers.0.op", value to put there."""

    def edit(header):
        *parents, last = path.split(".")
        at = header
        for key in parents:
            at = at[int(key) if key.isdigit() else key]
        if isinstance(at, list):
            last = int(last)
        if value is None:
            del at[last]
        else:
            at[last] = value

    return edit


DAMAGES = {
    "form": (change("form", "double"), "form must be float or integer"),
    "no layers": (change("layers", None), "'layers'"),
    "value dtype": (change("values.0.dtype", "f128"), "dtype must be"),
    "value wide dtype": (change("values.0.dtype", "u64"), "dtype must be one of"),
    "layout": (change("values.0.layout", "rows"), "layout must be"),
    "bits in planes": (change("values.1.layout", "planes"), "u1 must go with words"),
    "seven axes": (change("values.0.shape", [1] * 7), "shape must be at most 6"),
    "words of two axes": (change("values.1.shape", [5, 36]), "words must"),
    "zero size": (change("values.0.shape", [0, 4, 4]), "value 0"),
    "negative size": (change("values.0.shape", [-5, 6, 6]), "value 0"),
    "huge size": (change("values.0.shape", [2**31, 1, 1]), "value 0"),
    "huge product": (change("values.0.shape", [2**20, 2**20, 2**30]), "value 0"),
    "size beyond 64 bits": (change("values.0.shape", [2**70, 1, 1]), "must"),
    "fractional size": (change("values.0.shape", [5.0, 6, 6]), "value 0"),
    "input id": (change("inputs", [99]), "inputs must be value ids below 3"),
    "input twice": (change("inputs", [0, 0]), "inputs must be values of their own"),
    "negative id": (change("inputs", [-1]), "inputs must be value ids below 3"),
    "output id": (change("outputs", [3]), "outputs must be value ids below 3"),
    "no output": (change("outputs", []), "an output"),
    "layer input": (change("layers.0.inputs.x", 2), "an input must be produced earlier"),
    "own output": (change("layers.0.inputs.x", 1), "an input must be produced earlier"),
    "produced twice": (change("layers.1.output", 1), "a value must be produced once"),
    "writes the input": (change("layers.1.output", 0), "a value must be produced once"),
    "tensor name": (change("layers.0.tensors.sign", "none"), "must name a tensor"),
    "tensor dtype": (change("tensors.threshold0__sign.dtype", "f128"), "dtype must be"),
    "tensor shape": (change("tensors.threshold0__sign.shape", [4000]), "tensor"),
    "tensor product": (change("tensors.threshold0__sign.shape", [2**40, 2**40]), "tensor"),
    "tensor gone": (change("tensors.threshold0__sign", None), "must"),
    "attrs": (change("layers.0.attrs", [1]), "must be"),
    "layers object": (change("layers", {}), "layers must be a list"),
    "name twice": (change("values.1.name", "x"), "values must have names of their own"),
    "string id": (change("layers.0.output", "1"), "value ids"),
}


def edited(edit):
    """Return a file whose program is changed after the checks of writing, with a right hash."""
    program = small_program()
    data = nwk.to_bytes(program, NAME)
    (length,) = struct.unpack_from("<Q", data)
    header = json.loads(data[8 : 8 + length])
    metadata = header.pop("__metadata__")
    described = json.loads(metadata["program"])
    # Names with a dot can't be reached by a dotted path.
    text = json.dumps(described).replace("threshold0.", "threshold0__")
    described = json.loads(text)
    entries = json.loads(json.dumps(header).replace("threshold0.", "threshold0__"))
    edit(described)
    return seal(described, entries, data[8 + length :])


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_hostile_number_is_refused_by_both_readers(damage):
    edit, message = DAMAGES[damage]
    assert read_both(edited(lambda header: None)) == [None, None]
    for error in read_both(edited(edit)):
        assert isinstance(error, FormatError), error
        assert str(error).startswith("[model.nwk] ")
        assert message in str(error)


def test_an_unknown_op_is_named_by_both_readers():
    for error in read_both(edited(change("layers.1.op", "conv3d"))):
        assert isinstance(error, UnsupportedOpError)
        assert "layer 1 (conv1): the op must be one of activation, add," in str(error)
        assert "got 'conv3d'" in str(error)


ENTRIES = {
    "dtype": {"dtype": "F32", "shape": [64], "data_offsets": [0, 64]},
    "overlap": {"dtype": "U8", "shape": [64], "data_offsets": [64, 128]},
    "behind the end": {"dtype": "U8", "shape": [1 << 40], "data_offsets": [0, 1 << 40]},
    "backwards": {"dtype": "U8", "shape": [64], "data_offsets": [64, 0]},
    "negative": {"dtype": "U8", "shape": [-64], "data_offsets": [0, -64]},
    "unaligned": {"dtype": "U8", "shape": [63], "data_offsets": [0, 63]},
    "wrapping": {"dtype": "U8", "shape": [64], "data_offsets": [0, 2**63 - 1]},
    "no offsets": {"dtype": "U8", "shape": [64]},
    "more keys": {"dtype": "U8", "shape": [64], "data_offsets": [0, 64], "x": 1},
}


def relu_header(tensors):
    builder = Builder((2, 2, 2))
    builder.layer("activation", {"x": 0}, "f32", (2, 2, 2), {"activation": {"kind": "relu"}})
    return {**builder.program().header, "tensors": tensors}


@pytest.mark.parametrize("kind", ENTRIES)
def test_a_hostile_tensor_entry_is_refused_by_both_readers(kind):
    header = relu_header({"t": {"dtype": "f32", "shape": [16]}})
    good = {"dtype": "U8", "shape": [64], "data_offsets": [0, 64]}
    assert read_both(seal(header, {"t": good}, bytes(64))) == [None, None]
    for error in read_both(seal(header, {"t": ENTRIES[kind]}, bytes(64))):
        assert isinstance(error, FormatError)
        assert "tensor 't' must" in str(error)


def test_padding_must_be_zero():
    header = relu_header({"t": {"dtype": "u8", "shape": [3]}})
    entry = {"dtype": "U8", "shape": [64], "data_offsets": [0, 64]}
    for error in read_both(seal(header, {"t": entry}, bytes(63) + b"\1")):
        assert "tensor 't' must be padded with zeros" in str(error)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "nope",
        '{"form": "float"',
        '{"form": NaN}',
        '{"form": 1e999}',
        '{"a": 1, "a": 2}',
        "[" * 100_000,
        '{"a": "\\ud800"}',
        '{"a": 01}',
        '{"a": 99999999999999999999}',
        "{} {}",
    ],
)
def test_broken_json_is_refused_by_both_readers(text):
    for error in read_both(seal(text)):
        assert isinstance(error, FormatError)


def test_nan_in_a_weight_names_the_tensor():
    program = small_program()
    program.tensors["conv1.bias"][3] = np.nan
    with pytest.raises(
        ValueDomainError, match=r"tensor 'conv1.bias' must hold numbers only, got NaN"
    ):
        Engine(program)


def test_writing_refuses_what_the_engine_cannot_hold():
    program = small_program()
    program.tensors["conv1.bias"] = program.tensors["conv1.bias"].astype(np.complex64)
    with pytest.raises(ValueDomainError, match=r"'conv1\.bias' must be one of f16, f32"):
        nwk.to_bytes(program, NAME)
    with pytest.raises(FormatError, match="must have a 'layers'"):
        nwk.to_bytes(
            Program({"form": "float", "name": "", "inputs": [], "outputs": [], "values": []})
        )


def test_writing_leaves_nothing_behind_where_it_fails(tmp_path):
    program = small_program()
    file = tmp_path / "file"
    file.write_text("x")
    with pytest.raises(InputError, match="every parent of the path must be a folder"):
        nwk.write(file / NAME, program)
    with pytest.raises(InputError, match="must be writable, got No such file"):
        nwk.write(tmp_path / "none" / NAME, program)
    path = tmp_path / NAME
    nwk.write(path, program)
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
        with pytest.raises(InputError, match="must be writable, got File too large"):
            nwk.write(path, program)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == before
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["file", NAME]
