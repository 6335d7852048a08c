"""What zeros bring: what is pruned, where the curves cross, what the study says."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from niwaki import graph, runtime, targets
from niwaki.errors import InputError, RegistryError, ValueDomainError
from niwaki.report import zeros
from niwaki.targets import Level, Peer, Timing, break_even, prune
from niwaki.targets._prune import dense_weight


@pytest.fixture
def path(tmp_path):
    """A stem, a depthwise convolution, a 3x3, a linear layer, for (N, 3, 8, 8)."""
    rng = np.random.default_rng(0)

    def weight(name, *shape):
        return numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)

    nodes = [
        helper.make_node("Conv", ["x", "w0"], ["a"], name="stem", pads=[1, 1, 1, 1]),
        helper.make_node("Conv", ["a", "w1"], ["b"], name="dw", pads=[1, 1, 1, 1], group=8),
        helper.make_node("Conv", ["b", "w2"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["d"], name="relu"),
        helper.make_node("GlobalAveragePool", ["d"], ["e"], name="gap"),
        helper.make_node("Flatten", ["e"], ["f"], name="flat"),
        helper.make_node("Gemm", ["f", "w3"], ["y"], name="fc", transB=1),
    ]
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "small",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, 8, 8])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 10])],
            [
                weight("w0", 8, 3, 3, 3), weight("w1", 8, 1, 3, 3), weight("w2", 16, 8, 3, 3),
                weight("w3", 10, 16),
            ],
        ),
        ir_version=8,
        opset_imports=[helper.make_opsetid("", 18)],
    )  # fmt: skip
    onnx.save(model, tmp_path / "small.onnx")
    return tmp_path / "small.onnx"


def counts(program):
    return {w.name: (w.nonzeros, w.weights) for w in targets.work(program) if w.weights}


def test_stem_and_depthwise_stay_and_the_others_lose_their_smallest(path):
    program = runtime.compile_graph(graph.load(path))
    pruned = prune(program, 0.9)
    assert counts(pruned) == {
        "stem": (216, 216), "dw": (72, 72), "conv": (115, 1152), "fc": (16, 160),
    }  # fmt: skip
    assert counts(program)["conv"] == (1152, 1152)
    before = dense_weight(program, program.layers[2])
    after = dense_weight(pruned, pruned.layers[2])
    kept = after != 0
    assert np.array_equal(after[kept], before[kept])
    assert np.abs(before[kept]).min() >= np.abs(before[~kept]).max()


def test_the_pruned_program_runs_as_its_dense_twin(path):
    program = prune(runtime.compile_graph(graph.load(path)), 0.95)
    assert program.layers[2]["attrs"]["weight"] == "sparse"
    x = targets.noise((3, 8, 8), 2)
    model = onnx.load(path)
    for layer, initializer in zip((2, -1), (2, 3), strict=True):
        weight = dense_weight(program, program.layers[layer])
        old = model.graph.initializer[initializer]
        old.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(weight), old.name))
    onnx.save(model, path)
    want = targets.onnxruntime_runner(path, x).call()
    np.testing.assert_allclose(runtime.Engine(program)(x), want[0], atol=1e-4)


def test_pruning_twice_and_not_at_all(path):
    program = runtime.compile_graph(graph.load(path))
    assert counts(prune(prune(program, 0.9), 0.95))["conv"] == (58, 1152)
    assert counts(prune(program, 0)) == counts(program)
    with pytest.raises(RegistryError, match="got 'stripes'"):
        prune(program, 0.5, structure="stripes")


def test_blocks_of_output_channels_live_and_die_together(path):
    pruned = prune(runtime.compile_graph(graph.load(path)), 0.75, structure="4x1")
    weight = dense_weight(pruned, pruned.layers[2])
    blocks = (weight != 0).reshape(4, 4, 8, 3, 3)
    assert (blocks.all(axis=1) == blocks.any(axis=1)).all()
    assert np.count_nonzero(weight) == 1152 // 4


def level(sparsity, ms):
    return Level(sparsity, sparsity, 1, 1, Timing(ms, 0, 5))


def test_break_even_lies_where_the_lines_cross():
    levels = [level(0, 100), level(0.8, 20), level(0.9, 10)]
    assert break_even(levels, 60) == pytest.approx(0.4)
    assert break_even(levels, 15) == pytest.approx(0.85)
    assert break_even(levels, 20) == pytest.approx(0.8)
    assert break_even(levels, 9) is None
    assert break_even(levels, 10) is None
    assert break_even(levels, 101) == 0


def test_break_even_is_behind_the_last_level_that_loses():
    assert break_even([level(0, 10), level(0.5, 30), level(0.9, 5)], 20) == pytest.approx(0.66)


def test_a_study_of_a_small_network(path):
    shares = []
    found = targets.study_zeros(
        path, [0.9, 0, 0.9], runs=3, progress=lambda _, share: shares.append(share)
    )
    assert [each.sparsity for each in found.levels] == [0, 0.9]
    assert found.levels[1].multiplications == 64 * (216 + 72 + 115) + 16
    assert found.levels[1].weight_sparsity == pytest.approx(1 - (216 + 72 + 115 + 16) / 1600)
    assert found.levels[0].size_bytes > found.levels[1].size_bytes > 0
    assert found.peers[0].name == "onnxruntime"
    assert set(found.break_even) == {peer.name for peer in found.peers}
    assert shares == sorted(shares)
    assert shares[-1] == 1
    data = json.loads(json.dumps(found.to_dict()))
    assert data["schema_version"] == 1
    assert data["levels"][1]["timing"]["runs"] == 3
    words = zeros.sentences(found)
    assert words[0].startswith("onnxruntime: ")
    assert "accuracy isn't considered" in words[-1]
    assert zeros.picture(found).count("<circle") >= 2
    assert "<svg" in zeros.html(found)


def test_a_tie_and_zeros_of_the_file_itself_are_told(path):
    found = targets.study_zeros(path, [0, 0.9], runs=1, peers=False)
    dense = replace(level(0, 10.0), weight_sparsity=0.9)
    rival = Peer("rival", Timing(11.0, 4.0, 5))
    found = replace(
        found, levels=(dense, level(0.95, 5)), peers=(rival,), break_even={"rival": 0.0}
    )
    tie, already, _ = zeros.sentences(found)
    assert "(from 0 % on, there by less than the times spread)" in tie
    assert already.startswith("The file's own weights are 90 % zeros")
    clear = replace(found, peers=(Peer("rival", Timing(11.0, 1.0, 5)),))
    assert "(from 0 % on)." in zeros.sentences(clear)[0]


def test_without_peers_the_study_stands_alone(path):
    found = targets.study_zeros(path, [0.5, 0.9], runs=1, peers=False)
    assert found.peers == ()
    assert found.break_even == {}
    assert zeros.sentences(found)[0].startswith("No other engine took part.")
    assert "<svg" in zeros.picture(found)


@pytest.mark.parametrize("levels", [[], [1.0], [-0.1], [0.5, float("nan")]])
def test_senseless_levels_are_refused(path, levels):
    with pytest.raises(ValueDomainError, match=r"must be shares of zeros in \[0, 1\)"):
        targets.study_zeros(path, levels)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"must be an \.onnx file"):
        targets.study_zeros(tmp_path / "m.nwk")


def test_the_load_is_told(monkeypatch):
    monkeypatch.setattr("os.getloadavg", lambda: (0.0, 0.0, 0.0))
    assert targets.load_warning() == ""
    assert "4096 threads are asked for" in targets.load_warning(4096)
    monkeypatch.setattr("os.getloadavg", lambda: (999.0, 0.0, 0.0))
    assert "load average 999.0" in targets.load_warning()
