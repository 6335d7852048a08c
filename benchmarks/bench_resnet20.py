"""ResNet-20 with its published CIFAR-10 weights: torch and the engine on the 10,000 test images.

    NIWAKI_DATA=... python benchmarks/bench_resnet20.py [--images 10000] [--out results]

Counts correct answers of both, answers that differ, and times one image in torch, ONNX Runtime and
the engine. Published: 91.73 % (akamaster/pytorch_resnet_cifar10).
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from _rows import RESULTS, Row, write_rows
from niwaki import Engine, graph, models, targets
from niwaki.capture import to_graph
from niwaki.preprocess import normalize
from niwaki.runtime import compile_graph
from niwaki.train import data

PUBLISHED = 91.73
BATCH = 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    net = models.create("resnet20")
    weights = Path(os.environ["NIWAKI_DATA"], "weights/resnet20_cifar10.npz")
    models.load_weights(net, weights)
    net.eval()
    pictures, labels = test_images(net, arguments.images)
    example = torch.zeros(1, *pictures.shape[1:])
    model, _ = to_graph(net, example)
    engine = Engine(compile_graph(model), threads=1)

    answers, seconds = {}, {}
    for name, run in (("torch", torch_runner(net)), ("niwaki", engine)):
        start = time.perf_counter()
        answers[name] = np.concatenate(
            [run(pictures[i : i + BATCH]).argmax(1) for i in range(0, len(pictures), BATCH)]
        )
        seconds[name] = time.perf_counter() - start
    correct = {name: int((found == labels).sum()) for name, found in answers.items()}
    differ = int((answers["torch"] != answers["niwaki"]).sum())
    for name, count in correct.items():
        print(f"{name}: {count} of {len(labels)} correct, {seconds[name]:.1f} s")
    print(f"{differ} answers differ")

    rows = [
        Row(
            "ResNet-20, CIFAR-10 test, top-1",
            name,
            100 * count / len(labels),
            0.0,
            1,
            unit="%",
            version=torch.__version__ if name == "torch" else engine_version(),
            note=f"{count} of {len(labels)} correct, published {PUBLISHED} %, {differ} differ",
        )
        for name, count in correct.items()
    ]
    for name, timing in latency(model, net, engine, pictures[:1]).items():
        rows.append(Row.of("ResNet-20, dense fp32, one image", name, timing, shape="1x3x32x32"))
    print(write_rows("resnet20", rows, title="ResNet-20 on CIFAR-10", folder=arguments.out))


def test_images(net: torch.nn.Module, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the first test images as the network wants them, and their labels."""
    found = data.load("cifar10", **(models.normalization(net) or {}))
    pictures = found.test.images[torch.arange(count)].numpy()
    return normalize(pictures, found.preprocess), found.test.labels[:count].numpy()


def torch_runner(net: torch.nn.Module):
    def run(x: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            return net(torch.from_numpy(x)).numpy()

    return run


def latency(model, net: torch.nn.Module, engine: Engine, x: np.ndarray):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.onnx")
        graph.save(model, path)
        runners = [
            targets.callable_runner(
                "torch", torch_runner(net), x, threads=1, version=torch.__version__
            ),
            targets.onnxruntime_runner(path, x),
            targets.engine_runner(engine, x),
        ]
        return targets.interleave(runners, runs=100)


def engine_version() -> str:
    return targets.versions().get("niwaki", "")


if __name__ == "__main__":
    main()
