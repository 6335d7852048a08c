"""Pruned networks to time: random weights, magnitude-pruned per layer, as ONNX files in a cache.

    python benchmarks/networks.py FOLDER resnet50 --sparsity 0 0.9 0.98 [--structure 4x1]

`make` returns the file's path; torch is needed only where the dense file isn't there yet. Weights
are He's, batch norm statistics are measured on noise and folded, so activations have the size and
the share of zeros (about half behind ReLU) that a trained network's have. Pruning keeps the largest
magnitudes of each layer and scales what is left of an output channel to the norm it had: signals
would vanish in deep networks otherwise. The stem and depthwise convolutions stay dense; the
classifier is pruned too unless told otherwise.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path
from typing import Literal

import numpy as np
import onnx
from onnx import numpy_helper

Structure = Literal["unstructured", "4x1"]
BLOCK = 4
"""Output channels that live or die together in the structure ``4x1``."""
INPUT = (3, 224, 224)
_CALIBRATION = (8, 96)
"""Images and their height and width, that batch norm statistics are measured on."""


def make(
    name: str,
    sparsity: float,
    folder: str | Path,
    structure: Structure = "unstructured",
    seed: int = 0,
    classifier: bool = True,
) -> Path:
    """Return the path of a pruned network's file, made where it isn't there yet.

    Args:
        name: One of `niwaki.models.names`.
        sparsity: Share of zeros in each pruned layer, in [0, 1); 0 is the dense network.
        folder: The cache; files in it are trusted by their names.
        structure: ``unstructured``, or ``4x1``: four neighbouring output channels share zeros.
        seed: Of the weights.
        classifier: Whether the linear layers are pruned too.

    Raises:
        ValueError: `sparsity` or `structure` is none.
    """
    if not 0 <= sparsity < 1 or structure not in ("unstructured", "4x1"):
        raise ValueError(f"no such pruning: {structure} at {sparsity}")
    folder = Path(folder)
    dense = folder / f"{name}-seed{seed}-dense.onnx"
    if not dense.exists():
        _make_dense(name, seed, dense)
    if sparsity == 0:
        return dense
    linear = "" if classifier else "-classifier-dense"
    path = folder / f"{name}-seed{seed}-{structure}-{sparsity:.4f}{linear}.onnx"
    if not path.exists():
        model = onnx.load(dense)
        prune(model, sparsity, structure, classifier=classifier)
        _write(model, path)
    return path


def prune(
    model: onnx.ModelProto, sparsity: float, structure: Structure, *, classifier: bool = True
) -> None:
    """Prune a float network's file in place, layer by layer.

    Args:
        model: Convolutions with constant weights; batch norm folded.
        sparsity: Share of zeros in each pruned layer.
        structure: As for `make`.
        classifier: Whether Gemm and MatMul are pruned too.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    source = model.graph.input[0].name
    for node in model.graph.node:
        if len(node.input) < 2 or node.input[1] not in weights or node.input[0] == source:
            continue
        attributes = {item.name: item.i for item in node.attribute}
        if node.op_type == "Conv" and attributes.get("group", 1) == 1:
            output_axis = 0
        elif classifier and node.op_type in ("Gemm", "MatMul"):
            output_axis = 0 if attributes.get("transB", 0) else 1
        else:
            continue
        tensor = weights[node.input[1]]
        array = np.moveaxis(numpy_helper.to_array(tensor), output_axis, 0)
        pruned = prune_array(array.reshape(array.shape[0], -1), sparsity, structure)
        array = np.moveaxis(pruned.reshape(array.shape), 0, output_axis)
        tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(array), tensor.name))


def prune_array(weight: np.ndarray, sparsity: float, structure: Structure) -> np.ndarray:
    """Return a pruned weight matrix.

    Args:
        weight: Shape (outputs, inputs), float32.
        sparsity: Share of zeros; the count of what is kept is rounded, at least one.
        structure: As for `make`; outputs that fill no block of four are pruned one by one.
    """
    blocks = len(weight) // BLOCK if structure == "4x1" else 0
    kept = np.zeros(weight.shape, bool)
    head = weight[: blocks * BLOCK].reshape(blocks, BLOCK, weight.shape[1])
    if blocks:
        kept[: blocks * BLOCK] = np.repeat(_largest((head**2).sum(1), sparsity), BLOCK, axis=0)
    if blocks * BLOCK < len(weight):
        kept[blocks * BLOCK :] = _largest(np.abs(weight[blocks * BLOCK :]), sparsity)
    pruned = np.where(kept, weight, 0)
    norms = np.linalg.norm(pruned, axis=1, keepdims=True)
    gain = np.linalg.norm(weight, axis=1, keepdims=True) / np.where(norms > 0, norms, 1)
    return (pruned * gain).astype(np.float32)


def count(path: str | Path) -> tuple[int, int]:
    """Return how many weights the layers of a file have, and how many of them aren't 0."""
    model = onnx.load(path)
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    found = [
        numpy_helper.to_array(weights[node.input[1]])
        for node in model.graph.node
        if node.op_type in ("Conv", "Gemm", "MatMul") and node.input[1] in weights
    ]
    return sum(item.size for item in found), sum(int(np.count_nonzero(item)) for item in found)


def _largest(scores: np.ndarray, sparsity: float) -> np.ndarray:
    """Tell which scores are among the largest; of ties, the first ones."""
    flat = scores.reshape(-1)
    keep = max(round((1 - sparsity) * flat.size), 1)
    threshold = np.partition(flat, flat.size - keep)[flat.size - keep]
    chosen = flat > threshold
    ties = np.flatnonzero(flat == threshold)
    chosen[ties[: keep - int(chosen.sum())]] = True
    return chosen.reshape(scores.shape)


def parse_dense(path: str | Path) -> tuple[str, int]:
    """Return the network and the seed that a dense file's name tells."""
    name, _, rest = Path(path).name.rpartition("-seed")
    seed, _, kind = rest.partition("-")
    if not name or kind != "dense.onnx":
        raise ValueError(f"no name of a dense network's file: {Path(path).name}")
    return name, int(seed)


def torch_model(name: str, seed: int = 0):
    """Return the torch module, in eval mode, that the dense file is made of."""
    from niwaki import models

    model = models.create(name, seed=seed)
    _measure_norms(model, models.defaults(name).in_channels, seed)
    return model.eval()


def _make_dense(name: str, seed: int, path: Path) -> None:
    import torch

    from niwaki import graph, models
    from niwaki.capture import to_graph

    family = models.defaults(name)
    example = torch.zeros(1, family.in_channels, family.input_size, family.input_size)
    found, _ = to_graph(torch_model(name, seed), example)
    _write(graph.to_proto(found, inline=True), path)


def _measure_norms(model, channels: int, seed: int) -> None:
    """Set batch norm's statistics to those of noise, so that signals keep their size."""
    import torch

    norms = [m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    if not norms:
        return
    for norm in norms:
        norm.momentum = None  # the mean over all batches seen, here one
    images, side = _CALIBRATION
    noise = torch.randn(images, channels, side, side, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        model.train()(noise)


def _write(model: onnx.ModelProto, path: Path) -> None:
    """Write a file whole or not at all: another process may look for it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, suffix=".part")
    os.close(handle)
    try:
        onnx.save(model, temporary)
        Path(temporary).replace(path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="+")
    parser.add_argument("--sparsity", type=float, nargs="+", default=[0.0])
    parser.add_argument("--structure", choices=["unstructured", "4x1"], default="unstructured")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for name in arguments.names:
        for sparsity in arguments.sparsity:
            path = make(name, sparsity, arguments.folder, arguments.structure, arguments.seed)
            weights, kept = count(path)
            print(f"{path}: {kept:,} of {weights:,} weights ({1 - kept / weights:.2%} zeros)")


if __name__ == "__main__":
    main()
