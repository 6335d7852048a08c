"""A method of a third party through the command line, in fresh processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TOY = '''
"""Random pruning: the weights that go are drawn, not ranked. A toy.

Source: niwaki's own tests.
"""
import numpy as np

from niwaki.methods import MaskedMethod, register_method


@register_method("toy-random", source="niwaki tests")
class ToyRandom(MaskedMethod):
    """Zero weights by lot."""

    def score(self, weight):
        return np.random.default_rng(0).random(weight.shape)
'''


@pytest.fixture
def run(tmp_path):
    """Run ``niwaki`` in a process of its own, which finds packages in `tmp_path`."""
    paths = [str(tmp_path), *(str(Path(path).resolve()) for path in sys.path if path)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}

    def call(*words):
        start = [sys.executable, "-c", "from niwaki.cli import main; main()"]
        command = [*start, *map(str, words)]
        return subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )

    return call


def compress(run, *more):
    words = ["--recipe", "recipe.yaml", "--method", "toy-random", "--json", "--quiet", *more]
    return run("compress", "--out", "out", *words)


def check_compressed(done):
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["method"] == "toy-random"
    assert report["variants"][-1]["weight_sparsity"] == pytest.approx(0.5, abs=1e-3)
    assert report["verification"]["ok"]


@pytest.fixture
def recipe(tmp_path):
    (tmp_path / "recipe.yaml").write_text(
        "sparsity: 0.5\ntrain: {dense_epochs: 1, epochs: 1}\ncompare: []\n"
        "bench: {runs: 2, warmup: 1}\ngolden_images: 2\n"
    )


@pytest.mark.slow
def test_an_entry_point_is_picked_up(run, tmp_path, recipe):
    (tmp_path / "toy_methods.py").write_text(TOY)
    info = tmp_path / "toy_methods-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-methods\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[niwaki.methods]\ntoy-random = toy_methods\n")
    listed = run("list", "methods", "--json")
    assert listed.returncode == 0, listed.stderr
    assert "toy-random" in listed.stdout
    check_compressed(compress(run))


@pytest.mark.slow
def test_a_plugin_file_is_picked_up(run, tmp_path, recipe):
    plugin = tmp_path / "my_method.py"
    plugin.write_text(TOY)
    assert "toy-random" not in run("list", "methods", "--json").stdout
    assert "toy-random" in run("list", "methods", "--json", "--plugin", plugin).stdout
    check_compressed(compress(run, "--plugin", plugin))
