"""``niwaki compress`` end to end, in small, and what the other verbs do with its results."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from niwaki.artifact import Artifact, file_hash

DIGITS = ("compress", "--quiet", "--json", "--dense-epochs", 1, "--epochs", 1)


@pytest.fixture
def mine(tmp_path, monkeypatch, user_network, small_data):
    """A folder with the user's network, data and a recipe that trains it in no time."""
    monkeypatch.chdir(tmp_path)
    small_data(tmp_path / "data.npz")
    (tmp_path / "recipe.yaml").write_text(
        "model: mine.py:make\n"
        "data: data.npz\n"
        "sparsity: 0.8\n"
        "train: {dense_epochs: 4, epochs: 4, batch_size: 16, lr: 0.01, threads: 1}\n"
        "compare: []\n"
        "bench: {runs: 3, warmup: 1}\n"
        "golden_images: 2\n"
    )
    return tmp_path


QUICK = ("compress", "--quiet", "--json", "--recipe", "recipe.yaml")


def test_the_default_compares_dense_sparse_only_and_bap(niwaki, tmp_path):
    out = tmp_path / "out"
    outcome = niwaki(*DIGITS, "--out", out)
    assert outcome.code == 0, outcome.err
    report = json.loads(outcome.out)
    assert [variant["name"] for variant in report["variants"]] == ["dense", "sparse only", "bap"]
    dense, sparse, bap = report["variants"]
    for variant in (sparse, bap):
        assert variant["weight_sparsity"] == pytest.approx(0.98, abs=5e-4)
        assert variant["multiplications"] < dense["multiplications"] / 20
        assert variant["size_bytes"] < dense["size_bytes"] / 5
    for variant in report["variants"]:
        assert {"torch", "niwaki"} <= set(variant["latency"])
    assert bap["binary_operations"] > 0
    assert report["verification"]["ok"]
    assert not out.with_name("out.work").exists()
    assert niwaki("verify", out).code == 0


def test_a_network_and_data_of_ones_own(niwaki, mine):
    outcome = niwaki(*QUICK, "--out", "out")
    assert outcome.code == 0, outcome.err
    artifact = Artifact.open(mine / "out")
    assert artifact.classes == ["0", "1", "2", "3"]
    assert artifact.recipe.model.spec == "mine.py:make"
    assert artifact.recipe.train.lr == 0.01
    checked = niwaki("verify", "out", "--json")
    assert checked.code == 0
    assert json.loads(checked.out)["ok"]

    with np.load("data.npz") as data:
        Image.fromarray(data["images"][0]).save("photo.png")
    ran = niwaki("run", "out", "photo.png", "--json")
    (answer,) = json.loads(ran.out)
    assert len(answer["top"]) == 4
    assert sum(row["probability"] for row in answer["top"]) == pytest.approx(1.0, abs=1e-5)
    same = niwaki("run", "out/model.nwk", "photo.png", "--json")
    assert json.loads(same.out)[0]["top"] == answer["top"]
    printed = niwaki("run", "out", "photo.png", "--top", 2).out.splitlines()
    assert printed[0] == "photo.png"
    assert len(printed) == 3

    timed = json.loads(niwaki("bench", "out", "--runs", 3, "--json").out)
    assert {"niwaki", "torch"} <= {row["engine"] for row in timed["rows"]}, timed["left_out"]
    shown = json.loads(niwaki("inspect", "out", "--json").out)
    densities = {row["name"]: row["density"] for row in shown["layers"]}
    assert densities["block.conv1"] == pytest.approx(0.2, abs=1e-3)
    assert "bap" in niwaki("report", "out").out
    assert niwaki("report", "out", "--out", "page").code == 0
    assert (mine / "page" / "report.html").is_file()
    assert niwaki("export", "out", "--inline", "--out", "inline.onnx").code == 0
    assert niwaki("compile", "out/model.onnx", "--out", "again.nwk").code == 0
    assert niwaki("inspect", "again.nwk").code == 0

    again = niwaki(*QUICK, "--out", "out")
    assert again.code == 2
    assert "--force" in again.err


def test_the_integer_form_is_exact(niwaki, mine):
    words = ("--form", "integer", "--method", "bap", "--epochs", 1)
    outcome = niwaki(*QUICK, *words, "--out", "out")
    assert outcome.code == 0, outcome.err
    assert Artifact.open(mine / "out").form == "integer"
    checked = json.loads(niwaki("verify", "out", "--json").out)
    assert checked["ok"]
    assert max(check["difference"] for check in checked["layers"]) == 0
    assert max(check["difference"] for check in checked["end_to_end"]) == 0


def test_a_size_budget_is_met_by_the_sparsity(niwaki, mine):
    (mine / "r.yaml").write_text(
        (mine / "recipe.yaml").read_text().replace("sparsity: 0.8\n", "method: magnitude\n")
    )
    words = ("compress", "--quiet", "--json", "--recipe", "r.yaml", "--epochs", 1)
    outcome = niwaki(*words, "--size-kb", 11, "--out", "out")
    assert outcome.code == 0, outcome.err
    size = (mine / "out" / "model.nwk").stat().st_size
    assert 10_000 < size <= 11_000
    assert json.loads(outcome.out)["budget"]["size_kb"] == {"asked": 11, "reached": size / 1000}
    chosen = Artifact.open(mine / "out").recipe.sparsity
    assert chosen is not None
    assert 0 < chosen < 1


def test_a_budget_that_cannot_be_met_ends_with_3_and_leaves_nothing(niwaki, mine, listing):
    before = listing(mine)
    small = niwaki(*QUICK, "--size-kb", 1, "--out", "out")
    assert small.code == 3
    assert "size_kb must be at most 1, nearest reached" in small.err
    assert small.err.count("\n") == 1
    words = ("--epochs", 0, "--dense-epochs", 20, "--sparsity", 0.99, "--method", "magnitude")
    worse = niwaki(*QUICK, *words, "--max-accuracy-drop", 0, "--out", "out")
    assert worse.code == 3
    assert "max_accuracy_drop must be at most 0, nearest reached" in worse.err
    assert listing(mine) == before


def test_a_killed_run_is_resumed_to_the_same_weights(niwaki, mine):
    recipe = mine / "recipe.yaml"
    # Torch's threads are left to the recipe's default: this process has one, the killed one two.
    recipe.write_text(recipe.read_text().replace("threads: 1", "checkpoint_seconds: 0.01"))
    words = [sys.executable, "-c", "from niwaki.cli import main; main()", *QUICK, "--out", "out"]
    process = subprocess.Popen(
        words, cwd=mine, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    deadline = time.monotonic() + 120
    while not list((mine / "out.work").glob("bap-0.8/step-*")):
        assert process.poll() is None, process.stderr.read() if process.stderr else ""
        assert time.monotonic() < deadline, "no checkpoint was written"
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (mine / "out").exists()

    resumed = niwaki(*QUICK, "--resume", "--out", "out")
    assert resumed.code == 0, resumed.err
    whole = niwaki(*QUICK, "--out", "whole")
    assert whole.code == 0, whole.err
    assert file_hash(mine / "out" / "model.safetensors") == file_hash(
        mine / "whole" / "model.safetensors"
    )
    assert niwaki(*QUICK, "--resume", "--out", "out").code == 0  # done already: nothing is trained
