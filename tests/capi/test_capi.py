"""niwaki.h from C: the example and a harsher program give Python's results, bit for bit."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import niwaki
from niwaki import capi
from niwaki.errors import ToolMissingError
from niwaki.formats import FORMATS
from niwaki.runtime import Program, nwk

ROOT = Path(__file__).parents[2]
WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]


def run(*command, **environment):
    done = subprocess.run(
        list(map(str, command)),
        env={**os.environ, **environment},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def compiler():
    found = shutil.which("gcc") or shutil.which("cc")
    if found is None:
        if os.environ.get("NIWAKI_REQUIRE_TOOLS"):
            pytest.fail("a C compiler must be there, got none. Install gcc.")
        pytest.skip("no C compiler")
    return found


@pytest.fixture(scope="module")
def build(compiler, tmp_path_factory):
    """Compile one C file against the installed library, as a reader of the page would."""

    def compile_one(source):
        program = tmp_path_factory.mktemp("c") / source.stem
        flags = [*capi.cflags().split(), *capi.libs().split(), "-pthread"]
        run(
            compiler,
            "-std=c11",
            "-D_POSIX_C_SOURCE=200809L",
            *WARNINGS,
            source,
            *flags,
            "-o",
            program,
        )
        return program

    return compile_one


def small_program(rng):
    """A sparse convolution, its bits, and the integers of a pool: three kinds of outputs."""
    weight = rng.normal(size=(6, 3, 3, 3)).astype(np.float32)
    weight[rng.random(weight.shape) < 0.7] = 0
    tensors = {f"w.{k}": v for k, v in FORMATS.get("entries").encode(weight).items()}
    tensors |= {"sign": np.ones(6, np.int8), "level": np.zeros(6, np.float32)}
    conv = {"kernel": [3, 3], "pads": [1, 1, 1, 1], "weight": "sparse"}
    roles = {f"weight.{k}": f"w.{k}" for k in ("counts", "gaps", "values")}

    def value(name, dtype, layout="planes"):
        return {"name": name, "dtype": dtype, "layout": layout, "shape": [6, 9, 7]}

    header = {
        "form": "float",
        "name": "small",
        "inputs": [0],
        "outputs": [1, 2, 3],
        "values": [
            {"name": "x", "dtype": "f32", "layout": "planes", "shape": [3, 9, 7]},
            value("y", "f32"),
            value("bits", "u1", "words"),
            value("q", "s8"),
        ],
        "layers": [
            layer("conv", "conv", 0, 1, conv, roles),
            layer("threshold", "threshold", 1, 2, {}, {"sign": "sign", "level": "level"}),
            layer("quantize_input", "q", 1, 3, {"inverse_scale": 20.0}),
        ],
    }
    return Program(header, tensors)


def layer(op, name, x, output, attrs, tensors=None):
    return {
        "op": op, "name": name, "inputs": {"x": x}, "output": output, "attrs": attrs,
        "tensors": tensors or {},
    }  # fmt: skip


def test_every_kind_of_output_and_many_threads(build, tmp_path):
    rng = np.random.default_rng(7)
    nwk.write(tmp_path / "m.nwk", small_program(rng))
    x = rng.normal(size=(3, 3, 9, 7)).astype(np.float32)
    x.tofile(tmp_path / "x.f32")
    exercise = build(Path(__file__).parent / "exercise.c")
    text = run(exercise, tmp_path / "m.nwk", tmp_path / "x.f32", len(x), tmp_path / "out.bin")
    assert re.findall(r"type (\d), shape (.*)", text) == [
        ("0", "6 9 7"),
        ("4", "6 9 7"),
        ("2", "6 9 7"),
    ]
    floats, bits, integers = niwaki.Engine(tmp_path / "m.nwk")(x)
    packed = bits.astype(np.uint8).transpose(0, 2, 3, 1)  # pixel-major words, low bit first
    words = (packed.astype(np.uint64) << np.arange(6, dtype=np.uint64)).sum(-1, dtype=np.uint64)
    expected = floats.tobytes() + words.tobytes() + integers.tobytes()
    assert (tmp_path / "out.bin").read_bytes() == expected


def test_the_example_classifies_as_python_does(build, tmp_path):
    rng = np.random.default_rng(8)
    program = small_program(rng)
    program.header["outputs"] = [1]
    nwk.write(tmp_path / "m.nwk", program)
    x = rng.normal(size=(4, 3, 9, 7)).astype(np.float32)
    x.tofile(tmp_path / "x.f32")
    classify = build(ROOT / "examples/c/classify.c")
    for isa in ["auto", "portable"]:
        text = run(
            classify, tmp_path / "m.nwk", tmp_path / "x.f32",
            NIWAKI_ISA=isa, NIWAKI_DUMP=str(tmp_path / "scores.f32"),
        )  # fmt: skip
        scores = niwaki.Engine(tmp_path / "m.nwk", isa=isa)(x)
        assert (tmp_path / "scores.f32").read_bytes() == scores.tobytes()
        classes = [int(found) for found in re.findall(r"class (\d+)", text)]
        assert classes == scores.reshape(4, -1).argmax(1).tolist()


@pytest.mark.parametrize("size", [0, 100, 3 * 9 * 7 * 4 + 4])
def test_the_example_refuses_a_part_of_a_picture(build, tmp_path, size):
    program = small_program(np.random.default_rng(8))
    program.header["outputs"] = [1]
    nwk.write(tmp_path / "m.nwk", program)
    (tmp_path / "x.f32").write_bytes(bytes(size))
    classify = build(ROOT / "examples/c/classify.c")
    done = subprocess.run(
        [classify, tmp_path / "m.nwk", tmp_path / "x.f32"],
        text=True,
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert f"must hold whole pictures of 756 bytes each, got {size} bytes." in done.stderr


def test_the_library_shows_its_header_and_nothing_else(compiler, tmp_path):
    header = (capi.include_dir() / "niwaki.h").read_text("utf-8")
    assert header == (ROOT / "cpp/capi/niwaki.h").read_text("utf-8")
    assert f'#define NIWAKI_VERSION "{niwaki.__version__}"' in header
    shown = run("nm", "-D", "--defined-only", capi.library()).split("\n")
    names = {line.split()[-1] for line in shown if line}
    assert names == set(re.findall(r"\b(niwaki_\w+)\(", header))


def test_the_header_is_plain_c_and_good_cpp(compiler, tmp_path):
    for suffix, standard in ((".c", "-std=c99"), (".cc", "-std=c++11")):
        source = tmp_path / f"use{suffix}"
        source.write_text("#include <niwaki.h>\nint f(void);\nint f(void) { return NIWAKI_OK; }\n")
        run(compiler, standard, *WARNINGS, capi.cflags(), "-c", source, "-o", tmp_path / "use.o")


def test_the_command_prints_flags(capsys):
    assert capi.main(["--include", "--lib"]) == 0
    assert capsys.readouterr().out == f"{capi.include_dir()} {capi.library()}\n"
    assert capi.main([]) == 2
    shown = run(sys.executable, "-m", "niwaki.capi", "--cflags", "--libs")
    assert shown == f"{capi.cflags()} {capi.libs()}\n"


def test_an_install_without_it_says_so(monkeypatch):
    monkeypatch.setattr(capi, "__file__", "/nowhere/capi.py")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ToolMissingError, match=r"must hold lib/libniwaki\.so"):
        capi.library()
