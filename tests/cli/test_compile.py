"""`niwaki compile`: tunes by default, and the file remembers."""

from __future__ import annotations

import json

import numpy as np
import pytest

from niwaki import Engine, _core
from niwaki.errors import FormatError
from niwaki.runtime import nwk
from niwaki.runtime.costs import CostTable


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Point the cost table at a fresh folder; call it to forget everything again."""

    def fresh(name):
        monkeypatch.setenv("NIWAKI_CACHE_DIR", str(tmp_path / name))

    fresh("one")
    return fresh


def test_a_compiled_file_is_tuned_and_starts_so_without_a_table(
    niwaki, small_two_layers, tmp_path, cache
):
    out = tmp_path / "m.nwk"
    first = json.loads(niwaki("compile", small_two_layers, "--out", out, "--json").out)
    assert first["tuned"] == first["measured"] == 2
    assert len(CostTable.of_this_machine()) == 2
    again = json.loads(niwaki("compile", small_two_layers, "--out", out, "--json").out)
    assert (again["tuned"], again["measured"]) == (2, 0)
    cache("two")
    infos = Engine(out).explain()
    if _core.cpu_name():
        assert all(info.reason.startswith("measured") for info in infos if info.op == "conv")
    assert len(CostTable.of_this_machine()) == 0


def test_without_tuning_nothing_is_measured(niwaki, small_two_layers, tmp_path, cache):
    out = tmp_path / "m.nwk"
    shown = niwaki("compile", small_two_layers, "--out", out, "--no-tune")
    assert shown.code == 0, shown.err
    assert "choices" not in nwk.read(out).header["source"]
    assert len(CostTable.of_this_machine()) == 0


def test_another_processors_choices_are_left_aside(niwaki, small_two_layers, tmp_path, cache):
    out = tmp_path / "m.nwk"
    niwaki("compile", small_two_layers, "--out", out)
    program = nwk.read(out)
    if not program.header["source"]:
        pytest.skip("this system doesn't tell the processor's name")
    program.header["source"]["choices"]["cpu"] = "another"
    cache("two")
    convs = [info for info in Engine(program).explain() if info.op == "conv"]
    assert {info.reason for info in convs} == {"least by estimate"}


@pytest.mark.parametrize(
    "choices",
    [3, {}, {"cpu": 3, "problems": {}}, {"cpu": "x", "problems": {"a": 3}},
     {"cpu": "x", "problems": {"a": [{"algorithm": 3}]}}],
)  # fmt: skip
def test_damaged_choices_in_a_file_are_refused(niwaki, small_two_layers, tmp_path, cache, choices):
    out = tmp_path / "m.nwk"
    niwaki("compile", small_two_layers, "--out", out, "--no-tune")
    program = nwk.read(out)
    program.header["source"] = {"choices": choices}
    nwk.write(out, program)
    with pytest.raises(FormatError):
        Engine(out)


def test_tuned_and_untuned_files_give_the_same(niwaki, small_two_layers, tmp_path, cache):
    x = np.random.default_rng(0).standard_normal((2, 1, 6, 6)).astype(np.float32)
    for name, option in (("a.nwk", "--tune"), ("b.nwk", "--no-tune")):
        assert niwaki("compile", small_two_layers, "--out", tmp_path / name, option).code == 0
    a, b = Engine(tmp_path / "a.nwk")(x), Engine(tmp_path / "b.nwk")(x)
    np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
