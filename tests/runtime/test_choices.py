"""Choices of convolution algorithms: given, measured, measured nearby, by estimate."""

from __future__ import annotations

import json

import numpy as np
import pytest

from niwaki import _core
from niwaki.errors import FormatError, RegistryError, UnsupportedOpError, ValueDomainError
from niwaki.runtime import Engine, Program, _tune, costs, isas


def problem(density=1.0, channels=8, **more):
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((16, channels, 3, 3)).astype(np.float32)
    weight *= rng.permutation(weight.size).reshape(weight.shape) < density * weight.size
    return {
        "input": rng.standard_normal((1, channels, 12, 12)).astype(np.float32), "weight": weight,
        "kernel": (3, 3), "strides": (1, 1), "pads": (1, 1, 1, 1), "isa": isas()[0], **more,
    }  # fmt: skip


def key(**more):
    return _core.tune_convolution(0.0, **problem(**more))[0]


def choose(choices, **more):
    return _core.convolution_choice(json.dumps(choices), **problem(**more))


def row(algorithm, ms, **tuning):
    return {"algorithm": algorithm, "ms": ms, "tuning": tuning}


def test_the_key_holds_what_times_depend_on():
    assert key() == (
        f"conv 8x12x12>16 k3x3 s1x1 p1,1,1,1 d1x1 g1 row13>13 in-place r0 t1 {isas()[0]} "
        "unstructured@0"
    )
    assert key(threads=2).split()[10] == "t2"
    assert key(geometry="compact").split()[8] == "copied"
    residual = np.zeros((1, 16, 12, 12), np.float32)
    assert key(residual=residual).split()[9] == "r1"
    assert key(isa="portable").split()[11] == "portable"


def test_steps_of_density_are_pythons():
    for density in (1, 0.5, 0.3, 0.1, 0.02):
        weight = problem(density)["weight"]
        share = np.count_nonzero(weight) / weight.size
        assert costs.split_key(key(density=density))[1] == costs.density_step(share)
    assert key(density=0).endswith("@80")


def test_zeros_in_blocks_of_four_are_seen():
    given = problem(0.1)
    mask = np.repeat(given["weight"][::4] != 0, 4, axis=0)
    given["weight"] = np.where(mask, np.float32(1), np.float32(0))
    found = _core.tune_convolution(0.0, **given)[0]
    assert found.split(" ")[-1].startswith("4x1@")


def test_every_algorithm_that_may_win_is_timed():
    _, times = _core.tune_convolution(5.0, **problem(0.1))
    names = [time["algorithm"] for time in times]
    applying = set(_core.convolution_choices(**problem(0.1)))
    assert names
    assert len(set(names)) == len(names)
    assert set(names) <= applying
    assert ("reference" in names) == (applying == {"reference"})
    milliseconds = [time["ms"] for time in times]
    assert milliseconds == sorted(milliseconds)
    assert milliseconds[0] > 0


def test_the_fastest_measured_wins_with_its_tuning():
    rows = [row("reference", 0.5, tile=3), row("direct", 2.0), row("unknown", 0.1)]
    name, tuning, reason = choose({"problems": {key(): rows}})
    assert (name, tuning) == ("reference", {"tile": 3})
    assert reason == "measured: reference 0.5 ms, direct 2 ms, unknown 0.1 ms"


def test_a_like_density_decides_where_nothing_nearer_is_known():
    base, step = costs.split_key(key(density=0.1))
    two_away = {"problems": {f"{base}@{step - 2}": [row("reference", 1)]}}
    name, _, reason = choose(two_away, density=0.1)
    assert (name, reason) == ("reference", "measured at a like density: reference 1 ms")
    three_away = {"problems": {f"{base}@{step - 3}": [row("reference", 1)]}}
    assert choose(three_away, density=0.1)[0] != "reference"


def test_a_choice_by_name_beats_what_was_measured():
    given = {"layers": {"layer": {"algorithm": "reference"}},
             "problems": {key(): [row("direct", 1)]}}  # fmt: skip
    assert choose(given)[::2] == ("reference", "given")


def test_choices_that_cant_be_are_refused():
    with pytest.raises(RegistryError, match="must be one of this build's, got magic"):
        choose({"layers": {"layer": {"algorithm": "magic"}}})
    grouped = next(
        (name for name in _core.algorithms() if name not in _core.convolution_choices(**problem())),
        None,
    )
    if grouped is not None:
        with pytest.raises(UnsupportedOpError, match="must apply to the layer"):
            choose({"layers": {"layer": {"algorithm": grouped}}})


@pytest.mark.parametrize(
    "choices",
    [
        {"layers": []}, {"problems": 3}, {"layers": {"a": {}}}, {"problems": {"a": {}}},
        {"layers": {"a": {"algorithm": "x", "tuning": {"t": 1.5}}}},
        {"layers": {"a": {"algorithm": "x", "tuning": {"t": 10**9}}}},
        {"problems": {"a": [{"algorithm": "x", "ms": -1}]}},
    ],
)  # fmt: skip
def test_damaged_choices_are_refused(choices):
    with pytest.raises(FormatError, match=r"\[choices\]"):
        choose(choices)


def test_the_engine_is_told_what_fits_its_threads_and_instructions(tmp_path, monkeypatch):
    monkeypatch.setenv("NIWAKI_CACHE_DIR", str(tmp_path))
    assert _tune.choices_text(None, 1, "auto") == ""
    keys = [key(), key(threads=2), key(isa="portable")]
    _tune.keep({each: [row("direct", 1.0, tile=2)] for each in keys})
    found = json.loads(_tune.choices_text({"conv1": "direct"}, 1, "auto"))
    assert found["problems"] == {keys[0]: [row("direct", 1.0, tile=2)]}
    assert found["layers"] == {"conv1": {"algorithm": "direct"}}
    assert json.loads(_tune.choices_text(None, 1, "portable"))["problems"].keys() == {keys[2]}


@pytest.fixture
def program(tmp_path, monkeypatch):
    """A program of two convolutions of one shape and one density, and a cache of its own."""
    monkeypatch.setenv("NIWAKI_CACHE_DIR", str(tmp_path))
    rng = np.random.default_rng(0)
    conv = {
        "kernel": [3, 3], "strides": [1, 1], "pads": [1, 1, 1, 1], "dilations": [1, 1],
        "groups": 1, "weight": "dense", "activation": {"kind": "none"},
    }  # fmt: skip
    planes = {"dtype": "f32", "layout": "planes", "shape": [8, 6, 6]}
    names = ("conv1", "conv2")
    header = {
        "form": "float", "name": "two", "inputs": [0], "outputs": [2],
        "values": [{"name": name, **planes} for name in ("x", "h", "y")],
        "layers": [
            {"op": "conv", "name": name, "inputs": {"x": i}, "output": i + 1, "attrs": conv,
             "tensors": {"weight": f"{name}.weight"}}
            for i, name in enumerate(names)
        ],
        "preprocess": {}, "classes": [], "source": {},
    }  # fmt: skip
    weights = {f"{n}.weight": rng.standard_normal((8, 8, 3, 3)).astype(np.float32) for n in names}
    return Program(header, weights)


def test_an_engine_tunes_each_key_once_and_remembers(program):
    asked = []
    tuned = Engine(program, tune=True, on_tune=asked.append)
    assert asked == ["conv1"]  # conv2 has the same key
    assert len(costs.CostTable.of_this_machine()) == 1
    assert Engine(program, tune=True, on_tune=asked.append) is not None
    assert asked == ["conv1"]
    later = Engine(program)
    infos = [engine.explain() for engine in (tuned, later)]
    for info in (info for each in infos for info in each):
        assert info.reason.startswith("measured: ")
        assert f"{info.algorithm} " in info.reason
    assert [info.algorithm for info in infos[0]] == [info.algorithm for info in infos[1]]


def test_an_untuned_engine_goes_by_estimate_and_measures_nothing(program):
    assert {info.reason for info in Engine(program).explain()} == {"least by estimate"}
    assert len(costs.CostTable.of_this_machine()) == 0


def test_a_given_choice_runs_and_gives_the_same(program):
    x = np.random.default_rng(1).standard_normal((2, 8, 6, 6)).astype(np.float32)
    engine = Engine(program, choices={"conv2": "reference", "conv1": {"algorithm": "reference"}})
    assert [info.algorithm for info in engine.explain()] == ["reference", "reference"]
    assert engine.explain()[0].reason == "given"
    np.testing.assert_allclose(engine(x), Engine(program, tune=True)(x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("choice", [3, {"algorithm": "direct", "speed": 3}, None])
def test_a_senseless_choice_is_refused(program, choice):
    with pytest.raises(ValueDomainError, match="the choice of 'conv1' must be"):
        Engine(program, choices={"conv1": choice})


def test_tuning_can_be_stopped(program):
    def stop(layer):
        raise KeyboardInterrupt(layer)

    with pytest.raises(KeyboardInterrupt, match="conv1"):
        Engine(program, tune=True, on_tune=stop)
    assert len(costs.CostTable.of_this_machine()) == 0


def test_activation_densities_are_counted_and_part_of_the_key(program):
    x = np.random.default_rng(1).standard_normal((2, 8, 6, 6)).astype(np.float32)
    x[:, :6] = 0
    densities = Engine(program).activation_densities(x)
    assert densities == {"conv1": pytest.approx(0.25), "conv2": pytest.approx(1)}
    asked = []
    Engine(program, tune=True, activations={"conv1": 0.25}, on_tune=asked.append)
    assert asked == ["conv1", "conv2"]
    marks = sorted(key.split(" t1 ")[1].split()[0] for key in costs.CostTable.of_this_machine())
    assert marks == ["a2", isas()[0]]


def test_an_impossible_activation_density_is_refused(program):
    with pytest.raises(FormatError, match=r"an activation density must be in \[0, 1\]"):
        Engine(program, activations={"conv1": 1.5})
