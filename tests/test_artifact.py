"""The artifact: written whole or not at all, opened with one clear line for whatever is wrong."""

from __future__ import annotations

import json
import re
import resource
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from niwaki import graph
from niwaki.artifact import FILES, MANIFEST, Artifact, load
from niwaki.errors import FormatError, InputError
from niwaki.report import Report, VariantResult
from niwaki.runtime import Program

TINY = """
<ir_version: 8, opset_import: ["" : 18]>
tiny (float[N, 3] x) => (float[N, 2] y)
<float[3, 2] w = {1, 0, 0, 1, 1, 1}> { y = MatMul(x, w) }
"""


@pytest.fixture
def arguments() -> dict[str, Any]:
    import onnx.parser

    weight = np.array([[1, 0, 1], [0, 1, 1]], np.float32)
    header = {
        "form": "float", "name": "tiny", "inputs": [0], "outputs": [1],
        "values": [{"name": "x", "dtype": "f32", "layout": "planes", "shape": [3]},
                   {"name": "y", "dtype": "f32", "layout": "planes", "shape": [2]}],
        "layers": [{"op": "linear", "name": "fc", "inputs": {"x": 0}, "output": 1,
                    "attrs": {"weight": "dense", "activation": {"kind": "none"}},
                    "tensors": {"weight": "w", "bias": "b"}}],
        "preprocess": {"channels": 1}, "classes": ["no", "yes"], "source": {},
    }  # fmt: skip
    model = graph.from_proto(onnx.parser.parse_model(TINY))
    return {
        "model": model,
        "program": Program(header, {"w": weight, "b": np.zeros(2, np.float32)}),
        "state": {"fc.weight": weight.T.copy().T},
        "recipe": "data: digits\nmethod:\n  name: bap\n",
        "report": Report(
            "tiny", "tiny", "noise", "bap", variants=[VariantResult("bap")], seeds=[7]
        ),
        "golden_inputs": np.ones((2, 3), np.float32),
        "golden_values": {"y": np.full((2, 2), 2, np.float32)},
    }


def test_what_is_written_is_read_again(tmp_path, arguments):
    Artifact.write(tmp_path / "out", check=False, **arguments)
    artifact = load(tmp_path / "out")
    assert artifact.form == "float"
    assert artifact.classes == ["no", "yes"]
    assert artifact.preprocess == {"channels": 1}
    assert artifact.recipe.method.name == "bap"
    assert artifact.report == arguments["report"]
    assert artifact.manifest["seeds"] == [7]
    assert {name for name in FILES if (artifact.folder / name).is_file()} == set(FILES)
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_an_error_leaves_nothing_behind(tmp_path, arguments):
    arguments["program"].header["form"] = "rotten"
    with pytest.raises(FormatError, match="form must be float or integer"):
        Artifact.write(tmp_path / "out", check=False, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_the_old_artifact_as_it_was(tmp_path, arguments):
    Artifact.write(tmp_path / "out", check=False, **arguments)
    before = (tmp_path / "out" / MANIFEST).read_bytes()
    arguments["program"].header["form"] = "rotten"
    with pytest.raises(FormatError):
        Artifact.write(tmp_path / "out", check=False, force=True, **arguments)
    assert (tmp_path / "out" / MANIFEST).read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1


def test_only_force_replaces_an_artifact(tmp_path, arguments):
    Artifact.write(tmp_path / "out", check=False, **arguments)
    with pytest.raises(InputError, match="must not hold a result already"):
        Artifact.write(tmp_path / "out", check=False, **arguments)
    arguments["report"].seeds = [8]
    Artifact.write(tmp_path / "out", check=False, force=True, **arguments)
    assert load(tmp_path / "out").manifest["seeds"] == [8]


def test_a_strangers_folder_is_not_replaced(tmp_path, arguments):
    (tmp_path / "thesis.txt").write_text("ten years")
    with pytest.raises(InputError, match="which holds other things"):
        Artifact.write(tmp_path, check=False, force=True, **arguments)
    assert (tmp_path / "thesis.txt").read_text() == "ten years"


def test_a_path_under_a_file_is_refused(tmp_path, arguments):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="under a file"):
        Artifact.write(tmp_path / "file" / "out", check=False, **arguments)


def test_a_full_disk_is_one_line_and_leaves_nothing_behind(tmp_path, arguments):
    # A file-size limit stands for the full disk.
    arguments["state"] = {"fc.weight": np.zeros(300_000, np.float32)}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, hard))
    try:
        with pytest.raises(InputError, match="must be writable"):
            Artifact.write(tmp_path / "out", check=False, **arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def edit(artifact, **changes):
    path = artifact.folder / MANIFEST
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"version": 2}, "version must be 1, got 2. Update niwaki"),
        ({"format": "zip"}, "must say format 'niwaki-artifact'"),
        ({"form": "wave"}, "form must be float or integer, got 'wave'"),
        ({"classes": {}}, "classes must be a list, got dict"),
        ({"files": {}}, "files must name model.onnx"),
        ({"files": dict.fromkeys(FILES, 3)}, "each file's hash must be text"),
    ],
)
def test_a_wrong_manifest_is_refused(tmp_path, arguments, changes, match):
    edit(Artifact.write(tmp_path / "out", check=False, **arguments), **changes)
    with pytest.raises(FormatError, match=re.escape(match)):
        load(tmp_path / "out")


@pytest.mark.parametrize("text", ["{", "[]", "\xff"])
def test_a_damaged_manifest_is_refused(tmp_path, arguments, text):
    artifact = Artifact.write(tmp_path / "out", check=False, **arguments)
    (artifact.folder / MANIFEST).write_bytes(text.encode("latin-1"))
    with pytest.raises(FormatError, match="the manifest must"):
        load(tmp_path / "out")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(tmp_path, arguments, name):
    artifact = Artifact.write(tmp_path / "out", check=False, **arguments)
    (artifact.folder / name).unlink()
    with pytest.raises(FormatError, match=re.escape(f"must hold {name}")):
        load(tmp_path / "out")


def test_what_is_no_artifact_is_refused(tmp_path):
    with pytest.raises(InputError, match="must be a folder that exists"):
        load(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"must hold artifact\.json"):
        load(tmp_path)


def test_opening_loads_neither_torch_nor_onnx(tmp_path, arguments):
    Artifact.write(tmp_path / "out", check=False, **arguments)
    script = (
        "import sys, niwaki; niwaki.load(sys.argv[1]).classes; "
        "print([m for m in ('torch', 'onnx', 'onnx_ir') if m in sys.modules])"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "out")]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_number_stays_a_number(tmp_path, arguments):
    from safetensors.numpy import load_file

    arguments["state"] = {"bn.num_batches_tracked": np.array(3)}
    artifact = Artifact.write(tmp_path / "out", check=False, **arguments)
    state = load_file(artifact.folder / "model.safetensors")
    assert state["bn.num_batches_tracked"].shape == ()
