"""OpenVINO as a peer: how it is called, by a stand-in; what it answers, where it is installed."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import sys
from types import ModuleType

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest

from niwaki.cli import run_verb
from niwaki.errors import InputError, ToolMissingError
from niwaki.targets._openvino import CALIBRATION_IMAGES, openvino_runner

NET = """
<ir_version: 8, opset_import: ["" : 18]>
net (float[N, 1, 4, 4] x) => (float[N, 2, 4, 4] y)
<float[2, 1, 1, 1] v = {1, -2}, float[2, 2, 1, 1] w = {1, 2, 3, 4}>
{ a = Conv(x, v) [second] y = Conv(a, w) }
"""


@pytest.fixture
def path(tmp_path):
    onnx.save(onnx.parser.parse_model(NET), tmp_path / "net.onnx")
    return tmp_path / "net.onnx"


class StandIn:
    """Note how OpenVINO and NNCF are called; stands for Core, model and request in one."""

    def __init__(self):
        self.calls = []
        self.fails = ""

    def read_model(self, path):
        self.calls.append(("read_model", path))
        return self

    def reshape(self, shape):
        self.calls.append(("reshape", shape))

    def compile_model(self, model, device, settings):
        assert model is self
        if self.fails:
            raise RuntimeError(self.fails)
        self.calls.append(("compile_model", device, settings))
        return self

    def create_infer_request(self):
        return self

    def infer(self, inputs, share_inputs, share_outputs):
        assert share_inputs
        assert share_outputs
        self.calls.append(("infer", {key: x.shape for key, x in inputs.items()}))
        return {"y": "answer"}

    def quantize(self, model, dataset, subset_size):
        assert model is self
        sys.stdout.write("a bar")
        self.calls.append(("quantize", dataset, subset_size))
        return self

    def __getitem__(self, name):
        return [call for call in self.calls if call[0] == name]


@pytest.fixture
def openvino(monkeypatch):
    """Put a stand-in where openvino and nncf would be; versions are its own."""
    found = StandIn()
    module, quantiser = ModuleType("openvino"), ModuleType("nncf")
    module.Core = lambda: found
    quantiser.quantize, quantiser.Dataset = found.quantize, list
    monkeypatch.setitem(sys.modules, "openvino", module)
    monkeypatch.setitem(sys.modules, "nncf", quantiser)
    version = importlib.metadata.version
    monkeypatch.setattr(
        importlib.metadata, "version", lambda name: "9.9" if name == "openvino" else version(name)
    )
    return found


def test_floats_get_threads_one_stream_and_the_batch(openvino, path):
    x = np.zeros((3, 1, 4, 4), np.float32)
    runner = openvino_runner(path, x, threads=2)
    assert (runner.name, runner.threads, runner.version) == ("openvino", 2, "9.9")
    assert openvino["read_model"] == [("read_model", str(path))]
    assert openvino["reshape"] == [("reshape", [3, 1, 4, 4])]
    settings = {
        "INFERENCE_NUM_THREADS": 2, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }  # fmt: skip
    assert openvino["compile_model"] == [("compile_model", "CPU", settings)]
    assert openvino["quantize"] == []
    before = len(openvino["infer"])
    assert runner.call() == {"y": "answer"}
    assert openvino["infer"][before:] == [("infer", {0: (3, 1, 4, 4)})]


def test_eight_bits_are_quantised_on_the_input_and_keep_the_plugins_precision(
    openvino, path, capsys
):
    x = np.ones((1, 1, 4, 4), np.float32)
    runner = openvino_runner(path, x, form="int8")
    assert runner.name == "openvino int8"
    ((_, dataset, size),) = openvino["quantize"]
    assert size == len(dataset) == CALIBRATION_IMAGES
    assert all(image is x for image in dataset)
    ((_, _, settings),) = openvino["compile_model"]
    assert "INFERENCE_PRECISION_HINT" not in settings
    assert capsys.readouterr().out == ""  # it would go into a result on stdout


def test_what_is_missing_or_refused_is_said(openvino, path, monkeypatch):
    x = np.zeros((1, 1, 4, 4), np.float32)
    with pytest.raises(InputError, match="must be a file that exists"):
        openvino_runner(path.with_name("no.onnx"), x)
    openvino.fails = "an op\nof no kind"
    with pytest.raises(InputError, match=r"OpenVINO must be able to run .* an op of no kind"):
        openvino_runner(path, x)
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(ToolMissingError, match=r"nncf must be installed\. pip install nncf"):
        openvino_runner(path, x, form="int8")
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(ToolMissingError, match=r"openvino must be installed"):
        openvino_runner(path, x)


def test_the_bench_shows_both_forms_or_why_not(openvino, path, capsys):
    words = ["bench", str(path), "--sparsity", "0.5", "--runs", "1", "--batch", "2"]
    assert run_verb([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [peer["name"] for peer in found["peers"]] == ["onnxruntime", "openvino", "openvino int8"]
    assert found["peers"][1]["timing"]["version"] == "9.9"
    assert set(found["break_even"]) == {"onnxruntime", "openvino", "openvino int8"}
    assert {call[1][0] for call in openvino["infer"]} == {(2, 1, 4, 4)}
    openvino.fails = "no such plugin"
    assert run_verb(words) == 0
    shown = capsys.readouterr().out
    assert "openvino: [bench] OpenVINO must be able to run the file, got no such plugin" in shown
    assert "openvino int8: [bench]" in shown


@pytest.mark.parametrize("form", ["f32", "int8"])
def test_the_real_one_answers_as_onnx_runtime(path, form):
    for tool in ("openvino", "nncf")[: 2 if form == "int8" else 1]:
        if importlib.util.find_spec(tool) is None and not os.environ.get("NIWAKI_REQUIRE_TOOLS"):
            pytest.skip(f"{tool} isn't installed")
    x = np.random.default_rng(0).normal(size=(2, 1, 4, 4)).astype(np.float32)
    (answer,) = openvino_runner(path, x, form=form).call().values()
    (wanted,) = onnxruntime.InferenceSession(path).run(None, {"x": x})
    tolerance = 1e-5 if form == "f32" else 0.05
    np.testing.assert_allclose(answer, wanted, atol=tolerance * np.abs(wanted).max())
