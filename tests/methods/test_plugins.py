"""A method of a third party: one file, found by its entry point or by ``--plugin``."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
CONTRACTS = (TESTS / "test_contracts.py").read_text().count("\ndef test_")

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

USE = """
import sys
import torch
from niwaki import Session, methods

assert "toy-random" in methods.names(), methods.names()
assert methods.METHODS.get("toy_random").source == "niwaki tests"
net = torch.nn.Sequential(torch.nn.Linear(10, 10), torch.nn.Linear(10, 2))
x = torch.ones(2, 10)
session = Session(net, "toy-random", 0.75, total_steps=10, example_inputs=x)
session.prepare()
for _ in range(10):
    session.step()
session.convert()
assert int((net[0].weight == 0).sum()) == 75
print("toy works")
"""


def run_python(arguments, **environment):
    """Run a fresh process that sees this checkout as this one does."""
    paths = [str(Path(path).resolve()) for path in sys.path if path]
    paths = [environment.pop("PYTHONPATH", ""), *paths]
    env = {**os.environ, **environment, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    done = subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=env, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def package(tmp_path):
    """A package on disk as pip would leave it: a module and a dist-info with an entry point."""
    (tmp_path / "toy_methods.py").write_text(TOY)
    info = tmp_path / "toy_methods-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: toy-methods\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[niwaki.methods]\ntoy-random = toy_methods\n")
    return tmp_path


def test_entry_point_is_listed_and_used(package):
    assert "toy works" in run_python(["-c", USE], PYTHONPATH=str(package))


def test_entry_point_gets_the_contract_tests(package):
    arguments = ["-m", "pytest", "-q", "-k", "toy-random", str(TESTS / "test_contracts.py")]
    arguments += ["-p", "no:cacheprovider"]
    out = run_python(arguments, PYTHONPATH=str(package))
    assert f"{CONTRACTS} passed" in out


def test_plugin_file_is_listed_and_used(tmp_path):
    plugin = tmp_path / "my_method.py"
    plugin.write_text(TOY)
    load = f"from niwaki.registry import load_plugin; load_plugin({str(plugin)!r})"
    assert "toy works" in run_python(["-c", load + USE])


def test_plugin_file_gets_the_contract_tests(tmp_path):
    plugin = tmp_path / "my_method.py"
    plugin.write_text(TOY)
    arguments = ["-m", "pytest", "-q", "-k", "toy-random", str(TESTS / "test_contracts.py")]
    arguments += ["-p", "no:cacheprovider"]
    out = run_python(arguments, NIWAKI_TEST_PLUGIN=str(plugin))
    assert f"{CONTRACTS} passed" in out


def test_a_name_taken_twice_is_an_error(tmp_path):
    plugin = tmp_path / "clash.py"
    plugin.write_text(TOY.replace("toy-random", "magnitude"))
    check = f"""
from niwaki import methods
from niwaki.errors import RegistryError
from niwaki.registry import load_plugin
methods.names()
try:
    load_plugin({str(plugin)!r})
except RegistryError as error:
    print(error)
"""
    assert "a name may be registered once, got 'magnitude' twice" in run_python(["-c", check])
