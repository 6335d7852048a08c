"""A small network with a sparse and binary layer, as an artifact's files, in float form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from niwaki.capture import binary_bits, bipolar, to_graph
from niwaki.graph import integer
from niwaki.report import Report, VariantResult
from niwaki.runtime import compile_graph
from niwaki.train.integer import IntegerNetwork

if TYPE_CHECKING:
    from collections.abc import Callable

    import onnx_ir as ir

    from niwaki.runtime import Program


class Augmented(nn.Module):
    """Relu(Conv(x, sparse W) + scale * Conv(bits, signs) + shortcut): BAP's deployable layer."""

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, channels, 3, 3) * 0.3)
        self.weight.data[torch.rand(self.weight.shape) < 0.9] = 0
        self.bias = nn.Parameter(torch.randn(outputs) * 0.1)
        self.latent = nn.Parameter(torch.randn(outputs, channels, 3, 3))
        self.scale = nn.Parameter(torch.rand(outputs, 1, 1) * 0.1)
        self.sign = nn.Parameter(torch.ones(channels, 1, 1))
        self.sign.data[0] = -1
        self.level = nn.Parameter(torch.rand(channels, 1, 1) * 0.5 - 0.2)

    def forward(self, x, shortcut=None):
        bits = binary_bits((x * self.sign >= self.level).to(x.dtype))
        y = functional.conv2d(x, self.weight, self.bias, padding=1)
        y = y + functional.conv2d(bits, bipolar(self.latent), padding=1) * self.scale
        return functional.relu(y if shortcut is None else y + shortcut)


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3, padding=1)
        self.conv2 = Augmented(6, 8)
        self.conv3 = Augmented(8, 8)
        self.fc = nn.Linear(8 * 4 * 4, 5)

    def forward(self, x):
        x = functional.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = self.conv2(x)
        return self.fc(self.conv3(x, shortcut=x).flatten(1))


@dataclass
class Parts:
    """What `Artifact.write` takes."""

    module: nn.Module
    model: ir.Model
    program: Program
    x: np.ndarray
    golden: dict[str, np.ndarray]

    weights: dict[str, str]
    """Layer to the name of its weight in the Graph."""

    def tensors(self, layer: str) -> dict[str, str]:
        return next(one for one in self.program.layers if one["name"] == layer)["tensors"]

    def arguments(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "program": self.program,
            "state": {name: t.numpy() for name, t in self.module.state_dict().items()},
            "recipe": "data: digits\nmethod:\n  name: bap\n",
            "report": Report("small", "small", "noise", "bap", variants=[VariantResult("bap")]),
            "golden_inputs": self.x,
            "golden_values": self.golden,
        }


@pytest.fixture(scope="session")
def float_parts() -> Parts:
    return make_parts(Small)


@pytest.fixture(scope="session")
def integer_parts(float_parts: Parts) -> Parts:
    """The same network in the integer form, with torch's imitation of it as the reference."""
    ranges = integer.calibrate(float_parts.model, [float_parts.x])
    network = IntegerNetwork(float_parts.model, ranges)
    model = network.to_graph()
    return replace(
        float_parts,
        model=model,
        program=compile_graph(model, classes=list("abcde")),
        golden=network.values(float_parts.x),
    )


@pytest.fixture(scope="session", params=["float", "integer"])
def parts(request: pytest.FixtureRequest) -> Parts:
    return request.getfixturevalue(f"{request.param}_parts")


def make_parts(make: Callable[[], nn.Module]) -> Parts:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.manual_seed(3)
    module = make().eval()
    x = torch.randn(4, 1, 8, 8)
    model, recorder = to_graph(module, x)
    program = compile_graph(model, classes=list("abcde"))
    golden = recorder(x)
    torch.set_num_threads(threads)
    weights = {name: f"{name}.weight" for name in ("conv1", "conv2", "fc")}
    return Parts(module, model, program, x.numpy(), golden, weights)
