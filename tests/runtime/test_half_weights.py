"""Float weights held in 16 bits: exact when widened, half the size, refused where too large."""

import numpy as np
import pytest
import torch
from torch import nn

from niwaki import capture, methods, models
from niwaki.errors import FormatError, ValueDomainError
from niwaki.runtime import Engine, compile_graph, nwk
from niwaki.targets import packed_bytes

from .programs import Builder


def linear_program(weight):
    builder = Builder((weight.shape[1],))
    tensors = {"weight": weight, "bias": np.zeros(weight.shape[0], np.float32)}
    builder.layer("linear", {"x": 0}, "f32", (weight.shape[0],), {"weight": "dense"}, tensors)
    return builder.program()


def test_every_half_becomes_its_float():
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)].reshape(-1, 64)  # both zeros and all subnormals among them
    engine = Engine(linear_program(halves))
    got = engine(np.eye(64, dtype=np.float32))
    np.testing.assert_array_equal(got, halves.T.astype(np.float32))


def test_a_nan_and_a_value_of_halves_are_refused():
    weight = np.ones((3, 4), np.float16)
    weight[1, 2] = np.nan
    with pytest.raises(ValueDomainError, match=r"must hold numbers only, got NaN"):
        Engine(linear_program(weight))
    program = linear_program(np.ones((3, 4), np.float16))
    program.values[0]["dtype"] = "f16"
    with pytest.raises(FormatError, match="dtype must be one of f32"):
        nwk.to_bytes(program)


@torch.no_grad()
def test_compiled_weights_are_rounded_and_nothing_else_is(tmp_path):
    torch.manual_seed(3)
    net = nn.Sequential(nn.Conv2d(2, 9, 3), nn.ReLU(), nn.Flatten(), nn.Linear(81, 7)).eval()
    net[3].weight[torch.rand(7, 81) < 0.9] = 0  # stored as entries
    x = torch.randn(3, 2, 5, 5)
    graph, _ = capture.to_graph(net, x)
    program = compile_graph(graph, half_weights=True)
    kinds = {name: array.dtype for name, array in program.tensors.items()}
    assert {name for name, dtype in kinds.items() if dtype == np.float16} == {
        "0.weight",
        "3.weight.values",
    }
    for layer in (net[0], net[3]):
        layer.weight.copy_(layer.weight.half().float())
    nwk.write(tmp_path / "half.nwk", program)
    got = Engine(tmp_path / "half.nwk")(x.numpy())
    np.testing.assert_allclose(got, net(x).numpy(), rtol=1e-5, atol=1e-5)
    net[0].weight[0, 0, 0, 0] = 1e5
    graph, _ = capture.to_graph(net, x)
    with pytest.raises(ValueDomainError, match="must be at most 65504"):
        compile_graph(graph, half_weights=True)


@torch.no_grad()
def test_the_packed_sizes_of_binary_resnet18():
    model, method = models.create("sibnn-resnet18", seed=0), methods.create("si-bnn")
    x = torch.zeros(2, 3, 32, 32)
    method.prepare(model, x)
    method.convert(model.eval())
    graph, _ = capture.to_graph(model, x)
    assert packed_bytes(compile_graph(graph)) <= 4_300_000
    assert packed_bytes(compile_graph(graph, half_weights=True)) <= 2_900_000
