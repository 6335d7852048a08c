"""Plugins that fail, and paths that no file can have: exit code 2, one clear line."""

from __future__ import annotations

import pytest

# Names that exist, so that only what a test breaks is broken.
QUICK = ("compress", "--quiet", "--dense-epochs", 0, "--epochs", 0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def broken(:\n", "SyntaxError"),
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("raise ValueError('two\\nlines')\n", "ValueError: two"),
        ("import nonesuch_package\n", "nonesuch_package"),
        ("raise SystemExit\n", "SystemExit"),
        ("import sys\nsys.exit(0)\n", "SystemExit: 0"),
    ],
)
def test_a_plugin_that_fails(refused, tmp_path, text, told):
    (tmp_path / "bad.py").write_text(text)
    for words in (("list", "methods"), ("doctor",)):
        line = refused(*words, "--plugin", "bad.py")
        assert line.startswith("[plugin bad.py] the file must import")
        assert told in line


def test_a_network_that_ends_the_process(refused, tmp_path, small_data):
    (tmp_path / "bad.py").write_text("def make():\n    raise SystemExit(0)\n")
    small_data(tmp_path / "d.npz")
    assert "SystemExit" in refused(*QUICK, "--data", "d.npz", "--model", "bad.py:make")


VERBS = {
    "compile": ("compile", "{}.onnx"),
    "inspect": ("inspect", "{}.nwk"),
    "run": ("run", "{}", "x.npy"),
    "run picture": ("run", "m.nwk", "{}.png"),
    "run array": ("run", "m.nwk", "{}.npy"),
    "bench": ("bench", "{}.nwk"),
    "verify": ("verify", "{}"),
    "report": ("report", "{}"),
    "export": ("export", "{}.onnx", "--out", "a.onnx"),
    "recipe": ("compress", "--recipe", "{}.yaml"),
    "weights": ("compress", "--weights", "{}.npz"),
    "data": ("compress", "--data", "{}.npz"),
    "model": ("compress", "--data", "digits", "--model", "{}.py:make"),
    "plugin": ("list", "methods", "--plugin", "{}.py"),
    "compile to": ("compile", "m.onnx", "--out", "{}.nwk"),
    "export to": ("export", "m.onnx", "--out", "{}.onnx"),
    "compress to": (*QUICK, "--out", "{}"),
}


@pytest.mark.parametrize("path", ["n" * 300, "loop/x", "loop", "file/x"])
@pytest.mark.parametrize("verb", VERBS)
def test_a_path_that_can_not_be(refused, tmp_path, small_onnx, small_nwk, verb, path):
    small_nwk(tmp_path / "m.nwk")
    small_onnx(tmp_path / "m.onnx")
    (tmp_path / "file").write_text("mine")
    loops = {str(word).format("loop") for word in VERBS[verb] if "{}" in str(word)}
    for name in {"loop", *(name.partition(":")[0] for name in loops)}:
        (tmp_path / name).symlink_to(name)
    refused(*(str(word).format(path) for word in VERBS[verb]))
