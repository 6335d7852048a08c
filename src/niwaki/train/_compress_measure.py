"""Measure finished networks: accuracy on the test images, work, size, latency in turn."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from niwaki.errors import ToolMissingError
from niwaki.report import History, LayerResult, Mosaic, VariantResult
from niwaki.targets import (
    Runner,
    callable_runner,
    engine_runner,
    interleave,
    onnxruntime_runner,
    packed_bytes,
    total,
    work,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from torch import nn

    from niwaki.recipe import BenchPart
    from niwaki.runtime import Engine
    from niwaki.targets import LayerWork, Timing
    from niwaki.train._compress_forms import Forms
    from niwaki.train.data import DataSet

_MOST_MOSAICS = 8


@dataclass
class Variant:
    """Hold one finished network of the comparison in all its forms."""

    name: str
    """What the report calls it: ``dense``, ``sparse only (magnitude)``, ``bap`` ..."""
    forms: Forms
    accuracy: float
    """Top-1 on the test images, in [0, 1]."""
    sparsity: float = 0.0
    """What was asked of the method, in [0, 1]."""
    compressed: frozenset[str] = frozenset()
    """Qualified names of the compressed layers; for the dense network those of the method's."""
    masks: dict[str, np.ndarray] = field(default_factory=dict[str, Any])
    """Layer to mask (bool; True is kept)."""
    history: History = field(default_factory=History)
    note: str = ""

    @property
    def form(self) -> str:
        """``float`` or ``integer``."""
        return self.forms.program.header["form"]

    @property
    def weight_sparsity(self) -> float:
        """Share of zeros in the packed weights of the compressed layers, in [0, 1]."""
        return sparsity_of(work(self.forms.program), self.compressed)


def sparsity_of(layers: Iterable[LayerWork], names: frozenset[str]) -> float:
    """Return the share of zeros among the weights of the layers named; 0 where there are none."""
    counts = total([layer for layer in layers if layer.name in names])
    return 1.0 - counts["nonzeros"] / counts["weights"] if counts["weights"] else 0.0


def engine_confusion(engine: Engine, data: DataSet, batch_size: int = 250) -> np.ndarray:
    """Count test images by true class (rows) and the engine's answer (columns).

    Returns:
        int64 (classes, outputs).
    """
    counts: np.ndarray | None = None
    for x, y in data.batches("test", batch_size):
        output = engine(x.numpy())
        scores = output[0] if isinstance(output, tuple) else output
        if counts is None:
            counts = np.zeros((data.num_classes, scores.shape[1]), np.int64)
        np.add.at(counts, (y.numpy(), scores.argmax(axis=1)), 1)
    assert counts is not None, "load() refuses an empty test part"
    return counts


def latencies(
    variants: Sequence[Variant], folder: Path, x: np.ndarray, bench: BenchPart, threads: int
) -> dict[str, dict[str, Timing]]:
    """Time every network in torch, ONNX Runtime and the engine, all of them in turn.

    Args:
        variants: The networks.
        folder: An empty folder for their ONNX files.
        x: The input. Shape (N, C, H, W), float32.
        bench: Number of runs.
        threads: Threads of each.

    Returns:
        Network to runner to timing; ONNX Runtime is left out where it isn't installed.
    """
    from niwaki import graph

    runners: list[Runner] = []
    for number, variant in enumerate(variants):
        path = folder / f"{number}.onnx"
        graph.save(variant.forms.graph, path)
        found = [torch_runner(variant.forms.network, x, threads=threads)]
        with contextlib.suppress(ToolMissingError):  # a peer that isn't installed has no column
            found.append(onnxruntime_runner(path, x, threads=threads))
        found.append(engine_runner(variant.forms.program, x, threads=threads))
        runners += [
            Runner(f"{variant.name}\n{r.name}", r.call, r.threads, r.version) for r in found
        ]
    with torch_threads(threads):
        timings = interleave(runners, runs=bench.runs, warm_up=bench.warmup)
    table: dict[str, dict[str, Timing]] = {variant.name: {} for variant in variants}
    for name, timing in timings.items():
        network, runner = name.split("\n")
        table[network][runner] = timing
    return table


def torch_runner(module: nn.Module, x: np.ndarray, *, threads: int = 1) -> Runner:
    """Return a runner of a torch network as a user would call it: eager, no gradients."""
    module.eval()
    batch = torch.from_numpy(x)

    def call(_: np.ndarray) -> object:
        with torch.inference_mode():
            return module(batch)

    return callable_runner("torch", call, x, threads=threads, version=torch.__version__)


class torch_threads:  # noqa: N801  (reads as a statement)
    """Set torch's threads inside a ``with``; None leaves them."""

    def __init__(self, threads: int | None) -> None:
        self._threads = threads

    def __enter__(self) -> None:
        self._before = torch.get_num_threads()
        if self._threads is not None:
            torch.set_num_threads(self._threads)

    def __exit__(self, *error: object) -> None:
        torch.set_num_threads(self._before)


def result_of(variant: Variant, latency: dict[str, Timing], x: np.ndarray) -> VariantResult:
    """Return what the report says about one network.

    Args:
        variant: The network.
        latency: Its timings by runner.
        x: One image, for the times of its layers.
    """
    from niwaki.runtime import Engine

    counted = work(variant.forms.program)
    sums = total(counted)
    infos = Engine(variant.forms.program).explain(x)
    layers: list[LayerResult] = []
    for layer, info in zip(counted, infos, strict=True):
        layers.append(
            LayerResult(
                name=layer.name,
                op=layer.op,
                shape=list(layer.shape),
                weights=layer.weights,
                nonzeros=layer.nonzeros,
                binary_weights=layer.binary_weights,
                format=layer.format,
                kernel=info.kernel,
                bytes=layer.bytes,
                multiplications=layer.multiplications,
                binary_operations=layer.binary_operations,
                ms=info.ms,
            )
        )
    return VariantResult(
        name=variant.name,
        accuracy=variant.accuracy,
        weight_sparsity=variant.weight_sparsity,
        size_bytes=packed_bytes(variant.forms.program),
        multiplications=sums["multiplications"],
        binary_operations=sums["binary_operations"],
        latency=latency,
        layers=layers,
        history=variant.history,
        mosaics=[Mosaic.of(name, m) for name, m in list(variant.masks.items())[:_MOST_MOSAICS]],
        note=variant.note,
    )
