"""Verification passes on what belongs together, and names the first layer of what doesn't."""

from __future__ import annotations

import copy
import re
import shutil

import numpy as np
import onnx_ir as ir
import pytest
import torch
from safetensors.numpy import load_file, save_file
from torch import nn

import niwaki
from niwaki import graph
from niwaki.artifact import Artifact
from niwaki.capture import to_graph
from niwaki.errors import FormatError, VerificationError
from niwaki.runtime import compile_graph, nwk


@pytest.fixture(scope="session")
def written(parts, tmp_path_factory):
    """An artifact of each form, written once."""
    return Artifact.write(tmp_path_factory.mktemp("artifact") / "out", **parts.arguments())


@pytest.fixture
def folder(written, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(written.folder, tmp_path / "out")


def change_graph(folder, name, change):
    """Change one of model.onnx's initializers."""
    model = graph.load(folder / "model.onnx")
    value = model.graph.initializers[name]
    array = value.const_value.numpy().copy()
    change(array)
    value.const_value = ir.tensor(array, name=name)
    graph.save(model, folder / "model.onnx")
    return model


def change_program(folder, layer, role, change):
    """Change a tensor of model.nwk; its hash is right again afterwards."""
    program = nwk.read(folder / "model.nwk")
    entry = next(one for one in program.layers if one["name"] == layer)
    name = entry["tensors"][role]
    array = program.tensors[name].copy()
    change(array)
    program.tensors[name] = array
    nwk.write(folder / "model.nwk", program)


def largest(array):
    return np.unravel_index(np.abs(array.astype(np.float64)).argmax(), array.shape)


def halve(array):
    where = largest(array)
    array[where] = array[where] / 2 if array.dtype.kind == "f" else array[where] // 2


def negate(array):
    array[...] = -array


def test_what_belongs_together_passes(written, parts):
    result = written.verify()
    assert result.ok
    assert result.form == parts.program.header["form"]
    assert result.bits == 0
    assert set(result.files.values()) == {"ok"}
    assert {(end.part, end.ok) for end in result.end_to_end} == {("graph", True), ("engine", True)}
    engine = [check.layer for check in result.layers if check.part == "engine"]
    assert engine == [layer["name"] for layer in parts.program.layers]
    assert result.images == len(parts.x)
    assert "agree on" in result.summary()
    result.raise_for_difference()


def test_the_report_of_an_artifact_says_that_it_was_verified(written):
    assert written.report.verification["ok"] is True


def test_one_weight_of_the_graph(folder, parts):
    change_graph(folder, parts.weights["conv2"], halve)
    result = niwaki.verify(folder)
    first = result.first_difference
    assert (first.layer, first.part) == ("conv2", "graph")
    assert not any(c.part == "engine" and not c.ok for c in result.layers)
    assert result.files["model.onnx"] == "changed"
    with pytest.raises(VerificationError, match="layer conv2: the graph must equal torch"):
        result.raise_for_difference()


def test_one_weight_of_the_first_layer(folder, parts):
    change_graph(folder, parts.weights["conv1"], halve)
    assert niwaki.verify(folder).first_difference.layer == "conv1"


def test_one_weight_of_the_engine(folder, parts):
    role = next(r for r in ("weight.values", "weight") if r in parts.tensors("conv2"))
    change_program(folder, "conv2", role, halve)
    first = niwaki.verify(folder).first_difference
    assert (first.layer, first.part) == ("conv2", "engine")


def test_one_binary_weight_of_the_engine(folder):
    def flip(words):
        words.reshape(-1)[0] ^= np.uint64(1)

    change_program(folder, "conv2", "binary.weight", flip)
    first = niwaki.verify(folder).first_difference
    assert (first.layer, first.part) == ("conv2", "engine")


def test_a_program_compiled_from_a_changed_graph(folder, parts):
    before = (folder / "model.onnx").read_bytes()
    model = change_graph(folder, parts.weights["fc"], negate)
    nwk.write(folder / "model.nwk", compile_graph(model))
    (folder / "model.onnx").write_bytes(before)
    result = niwaki.verify(folder)
    first = result.first_difference
    assert (first.layer, first.part) == ("fc", "engine")
    ends = {end.part: end for end in result.end_to_end}
    assert ends["graph"].ok
    assert not ends["engine"].ok


def test_one_value_of_torch(folder, parts):
    path = folder / "golden/torch.safetensors"
    golden = load_file(path)
    name = parts.program.values[parts.program.layers[0]["output"]]["name"]
    golden[name].reshape(-1)[3] += 1
    save_file(golden, path)
    first = niwaki.verify(folder).first_difference
    assert (first.value, first.differing) == (name, 1)


def test_logits_that_torch_has_no_value_for_are_not_passed(folder, parts):
    path = folder / "golden/torch.safetensors"
    golden = load_file(path)
    output = parts.program.values[parts.program.header["outputs"][0]]["name"]
    del golden[output]
    save_file(golden, path)
    result = niwaki.verify(folder)
    assert not result.ok
    assert [end.ok for end in result.end_to_end] == [False, False]


def test_a_level_moved_far(folder, parts):
    bits = next(layer for layer in parts.program.layers if layer["op"] == "threshold")

    def move(level):
        level += np.asarray(1 if level.dtype.kind == "f" else 40, level.dtype)

    change_program(folder, bits["name"], "level", move)
    first = niwaki.verify(folder).first_difference
    assert (first.layer, first.part) == (bits["name"], "engine")
    assert first.differing > 0


def test_the_same_numbers_written_again(folder):
    manifest = (folder / "recipe.yaml").read_text()
    (folder / "recipe.yaml").write_text(manifest + "\n")
    result = niwaki.verify(folder)
    assert result.first_difference is None
    with pytest.raises(VerificationError, match=r"recipe\.yaml changed"):
        result.raise_for_difference()


@pytest.mark.parametrize(
    "name", ["model.nwk", "model.onnx", "golden/inputs.safetensors", "golden/torch.safetensors"]
)
def test_a_file_cut_short_is_refused(folder, name):
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) * 2 // 3])
    with pytest.raises(FormatError, match=re.escape(name.rpartition("/")[2])):
        niwaki.verify(folder)


def test_golden_values_of_another_shape_are_refused(folder):
    path = folder / "golden/torch.safetensors"
    golden = load_file(path)
    name = next(n for n, array in golden.items() if n != "x" and array.ndim == 4)
    golden[name] = golden[name][:, :1].copy()
    save_file(golden, path)
    with pytest.raises(FormatError, match=f"value '{name}' must be"):
        niwaki.verify(folder)


@pytest.fixture(scope="session")
def other(request, parts, float_parts, integer_parts, tmp_path_factory):
    """An artifact of the other form, and that form's name."""
    form = "float" if parts is integer_parts else "integer"
    folder = tmp_path_factory.mktemp("other") / "out"
    return Artifact.write(folder, **request.getfixturevalue(f"{form}_parts").arguments())


@pytest.mark.parametrize(("name", "whole"), [("model.nwk", "graph"), ("model.onnx", "engine")])
def test_a_part_of_the_other_form_is_a_difference(folder, written, other, name, whole):
    shutil.copy(other.folder / name, folder / name)
    result = niwaki.verify(folder)
    assert not result.ok
    assert result.files[name] == f"changed since it was written, of the {other.form} form"
    assert {check.part for check in result.layers} == {end.part for end in result.end_to_end}
    assert {(check.part, check.ok) for check in result.layers} == {(whole, True)}
    assert all(end.ok for end in result.end_to_end)
    with pytest.raises(VerificationError, match=f"{name} must be .* of the {written.form} form"):
        result.raise_for_difference()


def test_both_parts_of_the_other_form(folder, other):
    for name in ("model.nwk", "model.onnx"):
        shutil.copy(other.folder / name, folder / name)
    result = niwaki.verify(folder)
    assert result.layers == []
    assert result.end_to_end == []
    assert f"of the {other.form} form" in result.summary()


def test_parts_for_other_images(folder):
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(32, 5)).eval()
    model, _ = to_graph(network, torch.zeros(2, 1, 6, 6))
    nwk.write(folder / "model.nwk", compile_graph(model))
    graph.save(model, folder / "model.onnx")
    result = niwaki.verify(folder)
    for name in ("model.nwk", "model.onnx"):
        assert result.files[name].startswith("changed since it was written, ")
    assert result.layers == []
    assert not result.ok


def test_an_artifact_that_does_not_agree_is_not_written(parts, tmp_path):
    arguments = parts.arguments()
    arguments["program"] = copy.deepcopy(arguments["program"])
    name = parts.tensors("fc")["weight"]
    arguments["program"].tensors[name] = arguments["program"].tensors[name].copy()
    negate(arguments["program"].tensors[name])
    with pytest.raises(VerificationError, match="layer fc: the engine must equal torch"):
        Artifact.write(tmp_path / "out", **arguments)
    assert list(tmp_path.iterdir()) == []
