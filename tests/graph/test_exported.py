"""Exported networks in other projects' hands: one file, the same numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from niwaki import capture, graph
from niwaki.graph import integer
from niwaki.graph.functions import QONNX
from niwaki.methods.bap import BAP, BAPConfig
from niwaki.methods.magnitude import Magnitude, MagnitudeConfig


class Net(nn.Module):
    """A stem, a residual layer, a pool, two dense layers: what LeNets and ResNets are made of."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.norm0 = nn.BatchNorm2d(8)
        self.conv = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(8)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(8 * 16, 16)
        self.norm2 = nn.BatchNorm1d(16)
        self.fc2 = nn.Linear(16, 4)

    def forward(self, x):
        x = torch.relu(self.norm0(self.stem(x)))
        x = self.pool(torch.relu(self.norm1(self.conv(x)) + x))
        return self.fc2(torch.relu(self.norm2(self.fc1(x.flatten(1)))))


@pytest.fixture(scope="module")
def images():
    return torch.randn(16, 1, 8, 8, generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module", params=["magnitude", "bap"])
def exported(request, images):
    """Return name, float Graph, recorder and integer Graph of a compressed network."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(3)
    net = Net()
    kind, config = {"magnitude": (Magnitude, MagnitudeConfig), "bap": (BAP, BAPConfig)}[
        request.param
    ]
    method = kind(config(sparsity=0.9))
    method.prepare(net, images)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    for step in range(6):
        method.step(step / 5)
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(images), torch.arange(16) % 4).backward()
        optimizer.step()
    method.step(1.0)
    net.eval()
    method.convert(net)
    model, recorder = capture.to_graph(net, images)
    ranges = integer.calibrate(model, [images.numpy()], record=recorder)
    yield request.param, model, recorder, integer.quantize(model, ranges)
    torch.set_num_threads(threads)


def output(model, results):
    (name,) = [value.name for value in model.graph.outputs]
    return results[name]


def test_the_float_network_is_the_same_everywhere(exported, images, onnxruntime_run, run_qonnx):
    name, model, recorder, _ = exported
    marks = {node.op_type for node in model.graph if node.domain == QONNX}
    assert marks == ({"Quant", "BipolarQuant"} if name == "bap" else set())
    feeds = {"x": images.numpy()}
    torchs, ours = recorder(images), graph.evaluate(model, feeds, "all")
    flipped = {key: np.any(torchs[key] != ours[key]) for key in ours if ours[key].dtype == np.bool_}
    assert not any(flipped.values())  # no pre-activation of these images is at a threshold
    for key in set(torchs) & set(ours):
        np.testing.assert_allclose(torchs[key], ours[key], atol=1e-4, err_msg=key)
    want = output(model, torchs)
    got = output(model, onnxruntime_run(graph.to_proto(model), feeds))
    np.testing.assert_allclose(got, want, atol=1e-4)
    np.testing.assert_allclose(output(model, run_qonnx(model, feeds)), want, atol=1e-4)


def test_the_integer_network_is_bit_for_bit_the_same_everywhere(
    exported, images, onnxruntime_run, run_qonnx
):
    _, _, _, model = exported
    feeds = {"x": images.numpy()}
    want = output(model, graph.evaluate(model, feeds))
    assert len(np.unique(want)) > 8
    np.testing.assert_array_equal(
        output(model, onnxruntime_run(graph.to_proto(model), feeds)), want
    )
    np.testing.assert_array_equal(output(model, run_qonnx(model, feeds)), want)


def test_a_saved_network_reads_as_it_was(exported, images, tmp_path):
    for number, model in enumerate((exported[1], exported[3])):
        path = tmp_path / f"{number}.onnx"
        graph.save(model, path)
        again = graph.load(path)
        feeds = {"x": images.numpy()}
        before, after = (graph.evaluate(item, feeds, "all") for item in (model, again))
        assert before.keys() == after.keys()
        for key in before:
            np.testing.assert_array_equal(before[key], after[key])
        assert [node.name for node in again.graph] == [node.name for node in model.graph]
