"""The runners run what they say, on the input they were given."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import onnx
import onnx.parser
import pytest

from niwaki import Engine, graph, runtime, targets
from niwaki.errors import InputError, RegistryError
from niwaki.targets import TARGETS, Runner, interleave

TINY = """
<ir_version: 8, opset_import: ["" : 18]>
tiny (float[N, 3] x) => (float[N, 2] y)
<float[3, 2] w = {1, 0, 0, 1, 1, 1}> { y = MatMul(x, w) }
"""
X = np.array([[1, 2, 4]], np.float32)


@pytest.fixture
def model():
    return graph.from_proto(onnx.parser.parse_model(TINY))


@pytest.fixture
def path(model, tmp_path):
    graph.save(model, tmp_path / "tiny.onnx")
    return tmp_path / "tiny.onnx"


def test_every_runner_gives_the_same(model, path):
    runners = [
        targets.onnxruntime_runner(path, X),
        targets.engine_runner(runtime.compile_graph(model), X),
        targets.engine_runner(path, X),
        targets.engine_runner(Engine(path), X),
        targets.callable_runner("torch", lambda x: [x @ np.eye(3)], X, threads=2, version="9"),
    ]
    for runner in runners[:-1]:
        np.testing.assert_allclose(np.asarray(runner.call()).reshape(-1), [5, 6])
        assert runner.version
    assert np.asarray(runners[-1].call()).tolist() == [[[1, 2, 4]]]
    assert (runners[-1].name, runners[-1].threads, runners[-1].version) == ("torch", 2, "9")


def test_without_an_input_noise_of_the_right_shape_is_run(model, path):
    assert np.asarray(targets.onnxruntime_runner(path).call()).shape == (1, 1, 2)
    assert np.asarray(targets.engine_runner(path).call()).shape == (1, 2)
    assert targets.noise((3, 4), batch=2).shape == (2, 3, 4)
    assert (targets.noise((3,)) == targets.noise((3,))).all()


def test_a_missing_model_is_refused(tmp_path):
    with pytest.raises(InputError, match="must be a file that exists"):
        targets.onnxruntime_runner(tmp_path / "no.onnx")


def test_the_cpu_target_measures(model):
    price = TARGETS.get("cpu").price(runtime.compile_graph(model))
    assert 0 < price["latency_ms"] < 1000


def test_every_target_prices_its_bounds(model):
    program = runtime.compile_graph(model)
    for name, target in TARGETS.items():
        assert target.name == name
        assert set(target.price(program)) == set(target.bounds)


def test_an_unknown_target_lists_the_known_ones():
    with pytest.raises(RegistryError, match="must be one of cpu, size, got 'tpu'"):
        TARGETS.get("tpu")


def test_timings_carry_the_runners_threads_and_version(path):
    runner = targets.onnxruntime_runner(path, X, threads=2)
    timing = interleave([runner, Runner("b", lambda: None)], runs=3)["onnxruntime"]
    assert (timing.threads, timing.runs, timing.version) == (2, 3, runner.version)


def test_the_machine_is_described():
    machine = targets.machine_info()
    assert machine["cpu"]
    assert machine["cores"] >= 1
    assert machine["isas"][-1] == "portable"
    assert machine["versions"]["numpy"] == np.__version__


def test_targets_load_neither_torch_nor_onnx():
    script = (
        "import sys, niwaki.targets as t; t.machine_info(); "
        "print([m for m in ('torch', 'onnx', 'onnx_ir', 'onnxruntime') if m in sys.modules])"
    )
    command = [sys.executable, "-c", script]
    found = subprocess.run(command, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_a_fixed_batch_is_opened_for_onnxruntime(path):
    model = onnx.load(path)
    for value in (model.graph.input[0], model.graph.output[0]):
        value.type.tensor_type.shape.dim[0].dim_value = 4
    onnx.save(model, path)
    for images in (1, 4, 5):
        (y,) = targets.onnxruntime_runner(path, np.repeat(X, images, 0)).call()
        assert y.tolist() == [[5, 6]] * images


def test_what_onnxruntime_cannot_run_is_an_input_error(path):
    with pytest.raises(InputError, match="ONNX Runtime must be able to run the file"):
        targets.onnxruntime_runner(path, np.zeros((1, 4), np.float32))
    path.write_bytes(b"no model")
    with pytest.raises(InputError, match="ONNX Runtime must be able to run the file"):
        targets.onnxruntime_runner(path, X)
