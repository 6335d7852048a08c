"""The command line in this process, small models and data, and a watch over what is written."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from niwaki.cli import run_verb


@dataclass(frozen=True)
class Outcome:
    code: int
    out: str
    err: str


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def niwaki() -> Callable[..., Outcome]:
    """Run a command as the ``niwaki`` script would, streams apart."""

    def call(*words: object) -> Outcome:
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run_verb([str(word) for word in words])
        return Outcome(code, out.getvalue(), err.getvalue())

    return call


@pytest.fixture
def refused(niwaki, tmp_path, monkeypatch) -> Callable[..., str]:
    """Run a command that must fail with 2, in one line, and write nothing; return the line."""
    monkeypatch.chdir(tmp_path)

    def call(*words: object) -> str:
        before = _listing(tmp_path)
        outcome = niwaki(*words)
        assert outcome.code == 2, outcome
        assert outcome.out == ""
        assert outcome.err.count("\n") == 1, outcome.err
        assert outcome.err.startswith("["), outcome.err
        assert _listing(tmp_path) == before
        return outcome.err

    return call


def _listing(folder: Path) -> dict[str, bytes | None]:
    """Return every path below a folder, with the contents of its files."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
        if "__pycache__" not in path.parts  # Python's, of a network of the user's own
    }


def _small_onnx(path: Path, *, op: str = "Relu", weight: float = 0.5) -> Path:
    """Write a convolution and one more node, for (N, 1, 6, 6)."""
    values = np.full((2, 1, 3, 3), 0.5, np.float32)
    values[0, 0, 0, 0] = weight
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["c"], name="conv", pads=[1, 1, 1, 1]),
            helper.make_node(op, ["c"], ["y"], name="after"),
        ],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2, 6, 6])],
        [numpy_helper.from_array(values, "w")],
    )
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18)])
    onnx.save(model, path)
    return path


def _small_nwk(path: Path) -> Path:
    """Write the packed form of a small ONNX file."""
    from niwaki import graph
    from niwaki.runtime import compile_graph, nwk

    source = _small_onnx(path.with_suffix(".onnx"))
    nwk.write(path, compile_graph(graph.load(source)))
    source.unlink()
    return path


def _small_data(path: Path, count: int = 64, *, classes: int = 4, seed: int = 0) -> Path:
    """Write pictures of bright quarters, uint8 (N, 12, 12, 3), and which quarter it is."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    images = rng.integers(0, 80, (count, 12, 12, 3), dtype=np.uint8)
    for image, label in zip(images, labels, strict=True):
        row, column = divmod(int(label), 2)
        image[6 * row : 6 * row + 6, 6 * column : 6 * column + 6] += 150
    np.savez(path, images=images, labels=labels)
    return path


USER_NETWORK = '''
"""A residual network of the user's own."""

import torch
from torch import nn


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x):
        y = torch.relu(self.bn1(self.conv1(x)))
        return torch.relu(self.bn2(self.conv2(y)) + x)


class Net(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(16)
        self.pool = nn.MaxPool2d(2)
        self.block = Block(16)
        self.fc = nn.Linear(16, num_classes)

    def forward(self, x):
        x = self.pool(torch.relu(self.bn(self.stem(x))))
        return self.fc(self.block(x).mean((2, 3)))


def make(num_classes=4):
    return Net(num_classes)
'''


@pytest.fixture
def user_network(tmp_path) -> Path:
    path = tmp_path / "mine.py"
    path.write_text(USER_NETWORK)
    return path


@pytest.fixture
def listing() -> Callable[[Path], dict[str, bytes | None]]:
    return _listing


@pytest.fixture
def small_onnx() -> Callable[..., Path]:
    return _small_onnx


@pytest.fixture
def small_two_layers(tmp_path_factory) -> Path:
    """A stem and a convolution behind it, for (N, 1, 6, 6): something that can be pruned."""
    rng = np.random.default_rng(0)
    weights = [
        numpy_helper.from_array(rng.standard_normal(shape).astype(np.float32), name)
        for name, shape in (("w1", (2, 1, 3, 3)), ("w2", (2, 2, 3, 3)))
    ]
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w1"], ["a"], name="conv1", pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["a"], ["b"], name="relu1"),
            helper.make_node("Conv", ["b", "w2"], ["y"], name="conv2", pads=[1, 1, 1, 1]),
        ],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 1, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 2, 6, 6])],
        weights,
    )
    path = tmp_path_factory.mktemp("model") / "small.onnx"
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 18)])
    onnx.save(model, path)
    return path


@pytest.fixture
def small_nwk() -> Callable[[Path], Path]:
    return _small_nwk


@pytest.fixture
def small_data() -> Callable[..., Path]:
    return _small_data
