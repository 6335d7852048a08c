from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from torch import nn

from niwaki import capture, graph
from niwaki.errors import InputError, UnsupportedOpError
from niwaki.graph.functions import QONNX


@pytest.fixture(autouse=True)
def _seeded():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(7)
    yield
    torch.set_num_threads(threads)


class Unit(nn.Module):
    """A BAP unit as it is deployed: thresholds, signs, a scale and a sparse convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)
        with torch.no_grad():
            self.conv.weight *= torch.rand_like(self.conv.weight) < 0.05
        self.register_buffer("sign", torch.randn(channels, 1, 1).sign())
        self.register_buffer("level", torch.randn(channels, 1, 1) / 4)
        self.register_buffer("latent", torch.randn(channels, channels, 3, 3))
        self.register_buffer("scale", torch.rand(channels, 1, 1) / 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bits = capture.binary_bits((x * self.sign >= self.level).to(x.dtype))
        binary = nn.functional.conv2d(bits, capture.bipolar(self.latent), None, 1, 1)
        return self.conv(x) + binary * self.scale


class Net(nn.Module):
    """A stem, a residual binary unit, a pool, a head; some layers by module, some by function."""

    def __init__(self, binary: bool = True) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(2, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU())
        self.unit = Unit(6) if binary else nn.Conv2d(6, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)
        self.pool = nn.MaxPool2d(2)
        self.drop = nn.Dropout()
        self.head = nn.Linear(6 * 4 * 3, 5)
        for part in self.modules():
            if isinstance(part, nn.BatchNorm2d):
                nn.init.uniform_(part.running_mean, -0.3, 0.3)
                nn.init.uniform_(part.running_var, 0.5, 1.5)
                nn.init.uniform_(part.weight, 0.5, 1.5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = torch.relu(self.norm(self.unit(x)) + x)
        return self.head(self.drop(self.pool(x).flatten(1)))


@pytest.fixture(scope="module")
def x():
    return torch.randn(3, 2, 10, 9, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="module", params=[True, False], ids=["binary", "plain"])
def captured(request, x):
    """Return a net, its Graph and its recorder, traced with a batch of one."""
    torch.manual_seed(11)
    net = Net(request.param).eval()
    return net, *capture.to_graph(net, x[:1])


@pytest.fixture(scope="module")
def binary_graph(x):
    return capture.to_graph(Net(), x)[0]


def onnxruntime_run(path, x):
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(path, options)
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def test_graph_torch_and_onnxruntime_agree(captured, x, tmp_path):
    net, model, recorder = captured
    graph.save(model, tmp_path / "model.onnx")
    want = net(x).detach().numpy()
    (name,) = [value.name for value in model.graph.outputs]
    np.testing.assert_allclose(graph.evaluate(model, {"x": x.numpy()})[name], want, atol=1e-5)
    np.testing.assert_array_equal(recorder(x)[name], want)
    got = onnxruntime_run(tmp_path / "model.onnx", x.numpy())
    np.testing.assert_allclose(got, want, atol=1e-4)


def test_the_recorder_finds_every_value_of_the_graph(captured, x):
    _, model, recorder = captured
    ours = graph.evaluate(model, {"x": x.numpy()}, "all")
    torchs = recorder(x.numpy())
    assert set(torchs) == set(ours)
    for name, value in ours.items():
        assert torchs[name].dtype == value.dtype
        np.testing.assert_allclose(torchs[name], value, atol=1e-5, err_msg=name)


def test_nodes_carry_torchs_layer_names(binary_graph):
    model = binary_graph
    names = {node.name: node.op_type for node in model.graph}
    assert names["stem.0"] == "Conv"  # with the batch norm inside
    assert names["stem.2"] == "Relu"
    assert names["unit.conv"] == "Conv"
    assert names["pool"] == "MaxPool"
    assert names["head"] == "Gemm"
    assert len(names) == len(list(model.graph))
    assert all(name.startswith("unit") for name in names if names[name] == "BipolarQuant")


def test_binary_parts_become_qonnx_nodes(binary_graph):
    model = binary_graph
    marks = {node.op_type: node for node in model.graph if node.domain == QONNX}
    assert set(marks) == {"Quant", "BipolarQuant"}
    signs = marks["BipolarQuant"].inputs[0].const_value.numpy()
    np.testing.assert_array_equal(np.abs(signs), 1)
    assert marks["Quant"].inputs[0].producer().op_type == "Cast"
    assert marks["Quant"].attributes["signed"].as_int() == 0


def test_nothing_of_torch_stays_in_the_graph(binary_graph, tmp_path):
    graph.save(binary_graph, tmp_path / "model.onnx")
    proto = onnx.load(tmp_path / "model.onnx")
    assert proto.ir_version == 8
    assert not any(node.metadata_props for node in proto.graph.node)
    assert all(info.type.tensor_type.shape.dim[0].dim_param == "N" for info in proto.graph.output)


def test_the_module_is_left_as_it_was_and_nothing_is_printed(x, capfd):
    net = Net().train()
    net.stem.eval()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    capture.to_graph(net, x)
    capture.consumers(net, x)
    assert net.training
    assert net.norm.training
    assert not net.stem[1].training
    for name, tensor in net.state_dict().items():
        assert torch.equal(tensor, before[name])
    assert capfd.readouterr() == ("", "")


def test_several_inputs_are_captured():
    class Two(nn.Module):
        def forward(self, a, b):
            return torch.relu(a) + b

    a, b = torch.randn(2, 3, 4, 4), torch.randn(2, 3, 4, 4)
    model, recorder = capture.to_graph(Two(), (a, b))
    assert [value.name for value in model.graph.inputs] == ["a", "b"]
    (out,) = [value.name for value in model.graph.outputs]
    np.testing.assert_allclose(recorder(a, b)[out], (torch.relu(a) + b).numpy())


class Readers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.alone = nn.Conv2d(2, 2, 1)
        self.norm = nn.BatchNorm2d(2)
        self.twice_read = nn.Conv2d(2, 2, 1)
        self.other_norm = nn.BatchNorm2d(2)
        self.shared = nn.Conv2d(2, 2, 1)
        self.bare = nn.Conv2d(2, 2, 1)
        self.unused = nn.Conv2d(2, 2, 1)
        self.norms = nn.ModuleList([nn.BatchNorm2d(2)])
        self.before_shared = nn.Conv2d(2, 2, 1)
        self.shared_norm = nn.BatchNorm2d(2)
        self.fc = nn.Linear(2, 3)
        self.fc_norm = nn.BatchNorm1d(3)

    def forward(self, x):
        x = self.norm(self.alone(x))
        y = self.twice_read(x)
        x = self.other_norm(y) + y
        x = self.norms[0](self.shared(self.shared(x)))
        x = self.shared_norm(self.shared_norm(self.before_shared(torch.relu(self.bare(x)))))
        return self.fc_norm(self.fc(x.mean((2, 3))))


def test_consumers_finds_the_batch_norm_that_alone_reads_a_layer():
    found = capture.consumers(Readers(), torch.randn(2, 2, 4, 4))
    assert found.batch_norms == {
        "alone": "norm",
        "twice_read": None,
        "shared": None,
        "bare": None,
        "before_shared": None,
        "fc": "fc_norm",
    }
    assert found.shared == {"shared"}


def test_consumers_sees_through_parametrisations():
    class Masked(nn.Module):
        def forward(self, weight):
            return weight * (weight.abs() > 0.1)

    net = Net(binary=False)
    nn.utils.parametrize.register_parametrization(net.stem[0], "weight", Masked())
    found = capture.consumers(net, torch.randn(2, 2, 10, 9))
    assert found.batch_norms == {"stem.0": "stem.1", "unit": "norm", "head": None}
    assert not found.shared


def test_inputs_that_do_not_fit_are_refused():
    with pytest.raises(
        InputError, match=r"\[example_inputs\] the module must run.*\(2, 5, 10, 9\)"
    ):
        capture.to_graph(Net(), torch.randn(2, 5, 10, 9))
    with pytest.raises(InputError, match=r"batch of at least 1, got \(0, 2, 10, 9\)"):
        capture.to_graph(Net(), torch.randn(0, 2, 10, 9))
    with pytest.raises(InputError, match="batch of at least 1, got ndarray"):
        capture.consumers(Net(), [np.zeros((1, 2, 10, 9))])


def test_a_forward_that_cannot_be_traced_is_refused():
    class Branch(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(InputError, match=r"torch\.export must be able to trace.*got Branch\. Use"):
        capture.to_graph(Branch(), torch.randn(2, 3))


def test_an_operation_without_an_onnx_form_is_named():
    class Odd(nn.Module):
        def forward(self, x):
            return torch.special.i1e(x)

    with pytest.raises(
        UnsupportedOpError, match=r"got torch\.ops\.prims\.bessel_i1e\.default \(node bessel_i1e\)"
    ):
        capture.to_graph(Odd(), torch.randn(2, 3))


def test_export_goes_by_suffix_and_format(x, tmp_path):
    net = Net()
    capture.export(net, tmp_path / "a.onnx", x)
    capture.export(graph.load(tmp_path / "a.onnx"), tmp_path / "b.onnx", format="qonnx")
    assert len(onnx.load(tmp_path / "a.onnx").functions) == 2
    assert not onnx.load(tmp_path / "b.onnx").functions
    with pytest.raises(InputError, match="one of onnx, qonnx, nwk, got 'tflite'"):
        capture.export(net, tmp_path / "c.tflite", x)
    with pytest.raises(InputError, match="a module needs example_inputs"):
        capture.export(net, tmp_path / "c.onnx")
    with pytest.raises(InputError, match="an artifact or a result, got str"):
        capture.export("model", tmp_path / "c.onnx")


def test_export_writes_the_engines_file(binary_graph, tmp_path):
    from niwaki.runtime import nwk

    capture.export(binary_graph, tmp_path / "a.nwk")
    assert nwk.read(tmp_path / "a.nwk").header["form"] == "float"


def test_export_takes_an_artifacts_files(binary_graph, tmp_path):
    folder = tmp_path / "artifact"
    folder.mkdir()
    graph.save(binary_graph, folder / "model.onnx")
    (folder / "model.nwk").write_bytes(b"packed, with preprocessing and classes")
    artifact = SimpleNamespace(folder=folder)
    capture.export(SimpleNamespace(artifact=artifact), tmp_path / "a.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == (folder / "model.onnx").read_bytes()
    capture.export(artifact, tmp_path / "a.nwk")
    assert (tmp_path / "a.nwk").read_bytes() == (folder / "model.nwk").read_bytes()
