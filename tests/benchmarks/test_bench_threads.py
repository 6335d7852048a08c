"""The benchmark of a second thread: turns by the cores' distance, and the claims."""

import pytest


def test_turns_are_sorted_and_held_against_the_floor():
    from bench_threads import PLACES, report

    near, far = [(10.0, 5.0)] * 3, [(10.0, 8.0)] * 2
    found = {"near": near, "far": far, PLACES[-1]: near + far}
    rows, checks = report("a network", found, [30.0, 160.0])
    assert [check.value for check in checks] == pytest.approx([2.0, 1.25, 2.0])
    assert [check.passed for check in checks] == [True, False, True]
    assert "2 of 5 turns; 30 to 160 ns" in checks[1].claim
    assert [(row.threads, row.median, row.runs) for row in rows[:2]] == [(1, 10, 3), (2, 5, 3)]


def test_places():
    from bench_threads import place_of

    assert [place_of(distance) for distance in (15, 30, 160)] == ["one", "near", "far"]


def test_a_place_without_turns_is_not_measured():
    from bench_threads import PLACES, report

    found = {"near": [], "far": [(10.0, 8.0)] * 2, PLACES[-1]: [(10.0, 8.0)] * 2}
    rows, checks = report("a network", found, [160.0])
    assert checks[0].passed is None
    assert checks[0].why
    assert len(rows) == 4


def test_turns_of_a_small_network(tmp_path, monkeypatch):
    import onnx
    from onnx import TensorProto, helper

    import bench_threads

    node = helper.make_node("Relu", ["x"], ["y"])
    shape = ["N", 3, 224, 224]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy"]
    opset = [helper.make_opsetid("", 18)]
    model = helper.make_model(
        helper.make_graph([node], "one", ends[:1], ends[1:]), opset_imports=opset, ir_version=8
    )
    onnx.save(model, tmp_path / "one.onnx")
    monkeypatch.setattr(bench_threads, "RUNS", 5)
    found, distances = bench_threads.measure(tmp_path / "one.onnx", 0.2)
    turns = found[bench_threads.PLACES[-1]]
    assert turns
    assert all(time > 0 for both in turns for time in both)
    assert sum(len(found[place]) for place in bench_threads.PLACES[:-1]) <= len(turns)
    assert len(distances) % 2 == 0
