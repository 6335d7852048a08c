"""LeNet-300-100 on MNIST, its weights pruned to 10 %: same answers from every linear kernel?

    NIWAKI_DATA=... python benchmarks/bench_lenet300.py [--epochs 3] [--retrain 2] [--images 60000]

Trains in torch, prunes all three layers by magnitude in rounds (50, 80, 90 %) with retraining under
masks, folds batch norms, and answers the 10,000 test pictures by dense masked weights, BCSC,
BitsGemv and BitsGEMM. Needs the extra `train`. Accuracy, not speed: the machine may be busy.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import nn

from _rows import RESULTS, Row, write_rows
from niwaki import _core, models
from niwaki.formats.bcsc import Bcsc
from niwaki.formats.bits_gemm import BitsGemm
from niwaki.train import data

ROUNDS = (0.5, 0.8, 0.9)
BATCH = 128
Layer = tuple[np.ndarray, np.ndarray]
"""Weight (outputs, inputs) and bias (outputs,), float32."""
Product = Callable[[np.ndarray], np.ndarray]
"""x (images, inputs) -> (images, outputs)."""


def load(images: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return pictures in [0, 1] and labels, of training and test."""
    found = data.load("mnist")
    train, test = found.train, found.test
    return (
        train.images[torch.arange(images)].float() / 255,
        train.labels[:images].long(),
        test.images[torch.arange(len(test.labels))].float() / 255,
        test.labels.long(),
    )


def train(net: nn.Module, x: torch.Tensor, y: torch.Tensor, epochs: int, masks: dict) -> None:
    """Train with Adam; masked weights stay zero."""
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    steps = epochs * (len(x) // BATCH)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, max(1, steps))
    net.train()
    for _ in range(epochs):
        order = torch.randperm(len(x))[: len(x) // BATCH * BATCH].view(-1, BATCH)
        for batch in order:
            loss = nn.functional.cross_entropy(net(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            with torch.no_grad():
                for layer, mask in masks.items():
                    layer.weight.mul_(mask)
    net.eval()


def prune(net: nn.Module, sparsity: float) -> dict[nn.Linear, torch.Tensor]:
    """Zero the smallest weights of every linear layer, and return the masks."""
    masks = {}
    for layer in net.modules():
        if isinstance(layer, nn.Linear):
            weight = layer.weight.detach()
            count = round(sparsity * weight.numel())
            mask = torch.ones(weight.numel())
            mask[weight.abs().flatten().argsort()[:count]] = 0
            masks[layer] = mask.view_as(weight)
            with torch.no_grad():
                layer.weight.mul_(masks[layer])
    return masks


def folded(net: nn.Module) -> list[Layer]:
    """Return the layers with their batch norms folded in."""
    layers = []
    for index in (1, 2, 3):
        weight = getattr(net, f"fc{index}").weight.detach().double().numpy()
        if index == 3:
            layers.append((weight, net.fc3.bias.detach().double().numpy()))
            continue
        norm = getattr(net, f"bn{index}")
        scale = norm.weight.detach().double() / (norm.running_var.double() + norm.eps).sqrt()
        bias = norm.bias.detach().double() - norm.running_mean.double() * scale
        layers.append((weight * scale.numpy()[:, None], bias.numpy()))
    return [(w.astype(np.float32), b.astype(np.float32)) for w, b in layers]


def products(weight: np.ndarray) -> dict[str, Product]:
    """Return every way to multiply by a weight."""
    sizes = {"outputs": weight.shape[0], "inputs": weight.shape[1]}

    def kernel(op: str, fmt: Bcsc | BitsGemm, step: int) -> Product:
        name = next(k.name for k in _core.kernels() if k.op == op and k.available)
        tiles = {"tile_rows": fmt.rows, "tile_columns": fmt.columns, **sizes, **fmt.encode(weight)}

        def run(x: np.ndarray) -> np.ndarray:
            if step == 0:  # (inputs, images), in whole 16s
                wide = np.zeros((x.shape[1], -(-len(x) // 16) * 16), np.float32)
                wide[:, : len(x)] = x.T
                return _core.run_kernel(name, x=wide, **tiles)[:, : len(x)].T
            parts = [np.ascontiguousarray(x[k : k + step]) for k in range(0, len(x), step)]
            return np.concatenate([_core.run_kernel(name, x=part, **tiles) for part in parts])

        return run

    return {
        "dense, masked": lambda x: x @ weight.T,
        "BCSC": kernel("BcscF32", Bcsc(256, 128), 4),
        "BitsGemv": kernel("BitsGemvF32", BitsGemm(), 4),
        "BitsGEMM": kernel("BitsGemmF32", BitsGemm(rows_first=True), 0),
    }


def answers(layers: list[Layer], x: np.ndarray) -> dict[str, np.ndarray]:
    """Return the classes that each way answers."""
    ways = [products(weight) for weight, _ in layers]
    found = {}
    for name in ways[0]:
        value = x.reshape(len(x), -1)
        for index, (_, bias) in enumerate(layers):
            value = ways[index][name](value) + bias
            if index < 2:
                value = np.maximum(value, 0)
        found[name] = value.argmax(1)
    return found


def run(epochs: int, retrain: int, images: int, tested: int = 10_000) -> tuple[list[Row], int]:
    """Train, prune and answer; return the rows, and how many answers differ from the dense ones."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    x, y, test_x, test_y = load(images)
    net = models.create("lenet-300-100")
    train(net, x, y, epochs, {})
    for sparsity in ROUNDS:
        train(net, x, y, retrain, prune(net, sparsity))
    layers = folded(net)
    weights = sum(weight.size for weight, _ in layers)
    kept = sum(np.count_nonzero(weight) for weight, _ in layers)
    found = answers(layers, test_x[:tested].numpy())
    labels = test_y[:tested].numpy()
    dense = found["dense, masked"]
    rows = []
    for name, classes in found.items():
        differ = int((classes != dense).sum())
        note = f"{kept} of {weights} weights, {differ} answers differ from the dense ones"
        percent = 100 * float((classes == labels).mean())
        rows.append(
            Row("LeNet-300-100, MNIST test, top-1", name, percent, 0.0, 1, unit="%", note=note)
        )
    return rows, sum(int((classes != dense).sum()) for classes in found.values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--retrain", type=int, default=2, help="epochs after each pruning")
    parser.add_argument("--images", type=int, default=60_000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    rows, differ = run(arguments.epochs, arguments.retrain, arguments.images)
    for row in rows:
        print(f"{row.runner:16} {row.median:.2f} %  {row.note}")
    print(write_rows("lenet300", rows, title="LeNet-300-100 at 10 %", folder=arguments.out))
    return int(differ > 0)


if __name__ == "__main__":
    raise SystemExit(main())
