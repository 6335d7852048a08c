"""Bad input: exit code 2, exactly one clear line, nothing half-written."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from niwaki import _files
from niwaki.artifact import Artifact
from niwaki.capture import to_graph
from niwaki.errors import InputError
from niwaki.report import Report, VariantResult
from niwaki.runtime import compile_graph

# Names that exist, so that only what a test breaks is broken.
QUICK = ("compress", "--quiet", "--dense-epochs", 0, "--epochs", 0)


# Files.


@pytest.mark.parametrize(
    "words",
    [
        ("compile", "none.onnx"),
        ("inspect", "none.nwk"),
        ("run", "none", "x.png"),
        ("bench", "none.nwk"),
        ("verify", "none"),
        ("report", "none"),
        ("export", "none.onnx", "--out", "a.onnx"),
        ("compress", "--recipe", "none.yaml"),
        ("compress", "--weights", "none.npz"),
        ("compress", "--data", "none/none.npz"),
        ("compress", "--data", "digits", "--model", "none.py:make"),
        ("list", "methods", "--plugin", "none.py"),
    ],
)
def test_a_missing_file(refused, words):
    line = refused(*words)
    assert "none" in line
    assert "exist" in line or "must be a file that can be read" in line


def test_a_missing_picture(refused, tmp_path, small_nwk):
    small_nwk(tmp_path / "m.nwk")
    assert "none.npy" in refused("run", "m.nwk", "none.npy")


def test_not_an_onnx_file(refused, tmp_path):
    (tmp_path / "text.onnx").write_text("this is not a model")
    assert "text.onnx" in refused("compile", "text.onnx")
    assert "must be .nwk or .onnx" in refused("inspect", __file__)


def test_an_unsupported_op_is_named_with_its_node(refused, tmp_path, small_onnx):
    small_onnx(tmp_path / "m.onnx", op="Hardmax")
    line = refused("compile", "m.onnx")
    assert "Hardmax" in line
    assert "'after'" in line


def test_nan_in_the_weights_of_an_onnx_file(refused, tmp_path, small_onnx):
    small_onnx(tmp_path / "m.onnx", weight=float("nan"))
    assert "finite" in refused("compile", "m.onnx")


def test_nan_in_the_weights_of_a_network(refused, tmp_path, user_network, small_data):
    from safetensors.torch import save_file

    from niwaki.models import from_spec

    state = from_spec(f"{user_network}:make").state_dict()
    state["stem.weight"][0, 0, 0, 0] = float("nan")
    save_file(state, tmp_path / "w.safetensors")
    small_data(tmp_path / "d.npz")
    line = refused(
        *QUICK, "--data", "d.npz", "--model", "mine.py:make", "--weights", "w.safetensors"
    )
    assert "stem.weight" in line
    assert "finite" in line


@pytest.mark.parametrize("keep", [0, 7, 100, -64, -1])
def test_a_truncated_nwk(refused, tmp_path, keep, small_nwk):
    path = small_nwk(tmp_path / "m.nwk")
    path.write_bytes(path.read_bytes()[:keep])
    assert "m.nwk" in refused("inspect", "m.nwk")


def test_a_nwk_of_a_newer_version(refused, tmp_path, small_nwk):
    path = small_nwk(tmp_path / "m.nwk")
    path.write_bytes(path.read_bytes().replace(b'"version":"1"', b'"version":"2"', 1))
    line = refused("inspect", "m.nwk")
    assert "version" in line
    assert "2" in line


# What a network is fed.


@pytest.mark.parametrize(
    ("array", "told"),
    [
        (np.zeros((1, 1, 7, 6), np.float32), "(N, 1, 6, 6)"),
        (np.zeros((1, 6, 6), np.float32), "(N, 1, 6, 6)"),
        (np.zeros((1, 1, 6, 6), np.float64), "float32"),
        (np.zeros((1, 1, 6, 6), np.uint8), "float32"),
    ],
)
def test_a_wrong_shape_or_dtype(refused, tmp_path, array, told, small_nwk):
    small_nwk(tmp_path / "m.nwk")
    np.save(tmp_path / "x.npy", array)
    assert told in refused("run", "m.nwk", "x.npy")


@pytest.mark.parametrize("shape", ["1,28", "1,0,28", "a,b,c", "1,-1,1"])
def test_an_input_shape_that_is_none(refused, tmp_path, shape, small_onnx):
    small_onnx(tmp_path / "m.onnx")
    assert "C,H,W" in refused("compile", "m.onnx", f"--input-shape={shape}")


def test_pictures_for_a_file_without_preprocessing(refused, tmp_path, small_onnx):
    small_onnx(tmp_path / "m.onnx")
    assert "preprocessing" in refused("run", "m.onnx", "photo.png")


# Data.


def test_an_empty_data_set(refused, tmp_path):
    images = np.zeros((0, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "d.npz", images=images, labels=np.zeros(0, np.int64))
    line = refused(*QUICK, "--data", "d.npz", "--model", "resnet20")
    assert "d.npz" in line
    (tmp_path / "empty").mkdir()
    refused(*QUICK, "--data", "empty", "--model", "resnet20")


@pytest.mark.parametrize("label", [-1, 2**20, 2**40, 2**63 - 1])
def test_labels_out_of_range(refused, tmp_path, label):
    images = np.zeros((8, 8, 8, 3), np.uint8)
    np.savez(tmp_path / "d.npz", images=images, labels=np.array([0, 1, 0, 1, 0, 1, 0, label]))
    assert "labels" in refused(*QUICK, "--data", "d.npz", "--model", "resnet20")


def test_fewer_outputs_than_labels(refused, tmp_path, small_data):
    network = tmp_path / "two.py"
    network.write_text(
        "from torch import nn\n"
        "def make():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(432, 8), nn.ReLU(), nn.Linear(8, 2))\n"
    )
    small_data(tmp_path / "d.npz")
    assert "4 outputs" in refused(*QUICK, "--data", "d.npz", "--model", "two.py:make")


def test_a_network_that_does_not_take_the_pictures(refused, tmp_path, small_data):
    network = tmp_path / "one.py"
    network.write_text("from torch import nn\ndef make():\n    return nn.Linear(3, 4)\n")
    small_data(tmp_path / "d.npz")
    assert "(2, 3, 12, 12)" in refused(*QUICK, "--data", "d.npz", "--model", "one.py:make")


def test_data_of_ones_own_without_a_network(refused, tmp_path, small_data):
    small_data(tmp_path / "d.npz")
    assert "--model" in refused(*QUICK, "--data", "d.npz")


# Names and settings.


@pytest.mark.parametrize(
    ("option", "known"),
    [("--method", "bap, magnitude"), ("--model", "lenet5-caffe"), ("--data", "digits")],
)
def test_an_unknown_name_lists_the_known_ones(refused, option, known):
    line = refused(*QUICK, option, "nonesuch")
    assert known in line
    assert "nonesuch" in line


def test_an_unknown_name_to_compare_with(refused):
    assert "bap, magnitude" in refused(*QUICK, "--compare", "nonesuch")


def test_an_unknown_list(refused):
    assert "methods" in refused("list", "nonesuch")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sparsty: 0.9", "sparsty"),
        ("train: {epoch: 3}", "epoch"),
        ("sparsity: 1.5", "1.5"),
        ("train: {lr: -1}", "train.lr"),
        ("form: int4", "int4"),
        ("method: {name: bap, options: {windw: 1}}", "windw"),
        ("- a list", "keys and values"),
        ("a: [", "YAML"),
    ],
)
def test_a_recipe_with_an_unknown_key_or_a_bad_value(refused, tmp_path, text, told):
    (tmp_path / "r.yaml").write_text(text)
    assert told in refused("compress", "--recipe", "r.yaml")


@pytest.mark.parametrize("sparsity", ["-0.1", "1.1", "nan"])
@pytest.mark.parametrize("method", ["bap", "magnitude"])
def test_a_sparsity_outside_zero_to_one(refused, sparsity, method):
    line = refused(*QUICK, "--method", method, f"--sparsity={sparsity}")
    assert "sparsity" in line
    assert sparsity in line


def test_a_sparsity_of_one_without_a_second_branch(refused):
    line = refused(*QUICK, "--method", "magnitude", "--sparsity", "1")
    assert "second branch" in line


@pytest.mark.parametrize(
    "words", [("--size-kb", "0"), ("--size-kb=-1",), ("--max-accuracy-drop=-1",), ("--epochs=-1",)]
)
def test_a_budget_or_setting_outside_its_range(refused, words):
    assert "must be" in refused("compress", *words)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("nonesuch",),
        ("compress", "--nonesuch"),
        ("compress", "--sparsity", "much"),
        ("verify",),
    ],
)
def test_wrong_usage(niwaki, words):
    outcome = niwaki(*words)
    assert outcome.code == 2
    assert outcome.err.count("\n") <= 1
    if words:
        assert "--help" in outcome.err


# Where to.


@pytest.mark.parametrize("out", ["file", "file/under", "file/under/that"])
def test_an_output_path_at_or_under_a_regular_file(refused, tmp_path, out, small_onnx):
    (tmp_path / "file").write_text("mine")
    assert "folder" in refused(*QUICK, "--out", out)
    if out != "file":
        small_onnx(tmp_path / "m.onnx")
        assert "folder" in refused("compile", "m.onnx", "--out", f"{out}.nwk")
        assert "folder" in refused("export", "m.onnx", "--out", f"{out}.onnx")


def test_an_output_folder_that_holds_other_things(refused, tmp_path):
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "diary.txt").write_text("mine")
    for more in ((), ("--resume",), ("--force",)):
        assert "other things" in refused(*QUICK, "--out", "home", *more)


def test_an_unfinished_run_is_neither_lost_nor_taken_up_unasked(refused, tmp_path):
    (tmp_path / "out.work").mkdir()
    (tmp_path / "out.work" / "recipe.yaml").write_text("sparsity: 0.5\n")
    assert "--resume" in refused(*QUICK, "--out", "out")
    assert "that of the stopped run" in refused(*QUICK, "--out", "out", "--resume")


LIMIT = 30_000
"""Bytes a file may have: room for a recipe, none for a checkpoint."""


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))


def test_a_full_disk_while_training(tmp_path, listing):
    words = [*map(str, QUICK), "--out", "out", "--compare", "none"]
    done = subprocess.run(
        [sys.executable, "-c", "from niwaki.cli import main; main()", *words],
        cwd=tmp_path,
        preexec_fn=_limited,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert "writable" in done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert listing(tmp_path) == {}


# The cost table's folder is full too: that is a warning, and no reason to stop.
@pytest.mark.filterwarnings("ignore:.*measured times can't be kept")
def test_a_full_disk_while_packing(niwaki, tmp_path, small_onnx, listing):
    small_onnx(tmp_path / "m.onnx")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = listing(tmp_path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    try:
        outcome = niwaki("compile", tmp_path / "m.onnx")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert outcome.code == 2
    assert outcome.out == ""
    assert "m.nwk must be writable" in outcome.err
    assert outcome.err.count("\n") == 1, outcome.err
    assert listing(tmp_path) == before


def flip_a_bit(path, seed):
    data = bytearray(path.read_bytes())
    bit = int(np.random.default_rng(seed).integers(8 * len(data)))
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


DAMAGE = ("hash", "version", ".nwk file", "length", "bytes")


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("verb", ["inspect", "run"])
def test_one_flipped_bit_of_a_nwk(refused, tmp_path, small_nwk, verb, seed):
    path = small_nwk(tmp_path / "small.nwk")
    flip_a_bit(path, seed)
    np.save(tmp_path / "x.npy", np.zeros((1, 1, 6, 6), np.float32))
    line = refused(verb, path, *(["x.npy"] if verb == "run" else []))
    assert "small.nwk" in line
    assert any(word in line for word in DAMAGE)


@pytest.fixture(scope="module")
def small_artifact(tmp_path_factory):
    """A small network's artifact, written once."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(32, 3)).eval()
    x = torch.rand(2, 1, 6, 6)
    model, recorder = to_graph(network, x)
    return Artifact.write(
        tmp_path_factory.mktemp("artifact") / "out",
        model=model,
        program=compile_graph(model),
        state={name: t.numpy() for name, t in network.state_dict().items()},
        recipe="data: digits\n",
        report=Report("small", "small", "noise", "bap", variants=[VariantResult("bap")]),
        golden_inputs=x.numpy(),
        golden_values=recorder(x),
    ).folder


@pytest.mark.parametrize("seed", range(20))
def test_one_flipped_bit_of_an_artifacts_nwk(refused, tmp_path, small_artifact, seed):
    folder = shutil.copytree(small_artifact, tmp_path / "out")
    flip_a_bit(folder / "model.nwk", seed)
    line = refused("verify", folder)
    assert "model.nwk" in line
    assert any(word in line for word in DAMAGE)


# Pipes and devices: a rename would put a file where they are.


@pytest.mark.parametrize(
    "words", [("compile", "m.onnx"), ("export", "m.onnx"), ("report", "a"), QUICK]
)
def test_an_output_that_is_a_pipe(refused, tmp_path, small_onnx, small_artifact, words):
    small_onnx(tmp_path / "m.onnx")
    shutil.copytree(small_artifact, tmp_path / "a")
    os.mkfifo(tmp_path / "pipe")
    assert "a pipe" in refused(*words, "--out", "pipe")
    assert (tmp_path / "pipe").is_fifo()


@pytest.mark.parametrize("write", [_files.write_bytes, lambda path, _: enter(path)])
def test_a_pipe_is_never_replaced(tmp_path, write):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="a pipe, a device or a socket"):
        write(tmp_path / "pipe", b"data")
    assert (tmp_path / "pipe").is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]


def enter(path):
    with _files.new_dir(path):
        pytest.fail("the folder must not be made")
