"""Photographs through trained ImageNet networks: answers and times beside ONNX Runtime.

    NIWAKI_DATA=... python benchmarks/bench_imagenet_sample.py [--photographs 1000] [--out results]

For each network that `niwaki.models.load_trained` knows: how often both engines give the same
top-1 answer, how many are right, the largest difference of logits, and the time of one photograph.
The pictures are mostly ImageNet's training images: their accuracies are none of ImageNet, they only
show that the weights and the preprocessing are as the weights' givers meant them. What must hold
(the same answers but for one, the same logits, the sparse SqueezeNet faster) is a table of its own.
"""

from __future__ import annotations

import argparse
import io
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import onnxruntime
import torch
from PIL import Image

from _check import Check, check_table
from _rows import RESULTS, Row, write_rows
from niwaki import Engine, graph, models, targets
from niwaki.capture import to_graph
from niwaki.preprocess import apply_preprocess
from niwaki.targets import Timing

STATED = {
    "mobilenet-v1-0.25-keras": 57.7,
    "mobilenet-v1-0.5-uint8": 66.1,
    "mobilenet-v2-uint8": 87.8,
    "squeezenet-deep-compression": 61.7,
}
"""Top-1 on these photographs, per cent, as the page beside the weights states."""
MAY_DIFFER = 1
"""Photographs whose top-1 answers may differ: 999 of 1,000 must be the same."""
SAME_LOGITS = 1e-4
"""[ours] Largest difference of logits, over the photograph's largest one."""
SPARSE = "squeezenet-deep-compression"
"""Really sparse (33 % of its weights are left), and so to be faster than ONNX Runtime."""
FASTER = 1.001
"""Least ratio of medians that is "faster"."""


@dataclass
class Comparison:
    """Hold what running photographs through both engines gave."""

    photographs: int = 0
    same: int = 0
    """Photographs with the same top-1 answer."""
    correct: int = 0
    """Photographs that the engine answers rightly."""
    correct_peer: int = 0
    largest: float = 0.0
    """Largest |difference| of logits, over the photograph's largest |logit|."""


def photographs(root: Path) -> Iterator[tuple[Image.Image, int]]:
    """Yield each photograph, RGB, with its class 0..999."""
    with np.load(root / "imagenet-sample" / "imagenet_sample_1000.npz") as archive:
        jpeg, offsets, labels = archive["jpeg"], archive["offsets"], archive["label"]
    for first, last, label in zip(offsets, offsets[1:], labels, strict=False):
        yield Image.open(io.BytesIO(jpeg[first:last].tobytes())).convert("RGB"), int(label)


def write_network(name: str, folder: Path) -> tuple[Path, models.Trained]:
    """Write a trained network as ONNX; return the file and the network."""
    trained = models.load_trained(name)
    height, width = trained.preprocess["size"]
    found, _ = to_graph(trained.model, torch.zeros(1, 3, height, width))
    path = folder / f"{name}.onnx"
    graph.save(found, path)
    return path, trained


def compare(
    engine: Engine,
    path: Path,
    trained: models.Trained,
    pictures: Iterator[tuple[Image.Image, int]],
) -> Comparison:
    """Run pictures through the engine and ONNX Runtime and hold the answers together."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options)
    source = session.get_inputs()[0].name
    found = Comparison()
    for picture, label in pictures:
        x = apply_preprocess(picture, trained.preprocess)
        ours = np.asarray(engine(x))[0]
        theirs = session.run(None, {source: x})[0][0]
        found.photographs += 1
        found.same += int(ours.argmax() == theirs.argmax())
        found.correct += int(ours.argmax() - trained.first_class == label)
        found.correct_peer += int(theirs.argmax() - trained.first_class == label)
        gap = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
        found.largest = max(found.largest, gap)
    return found


def checks(measured: Mapping[str, tuple[Comparison, Mapping[str, Timing]]]) -> list[Check]:
    """Return what must hold of every network; one that wasn't run stays in the list."""
    results: list[Check] = []
    for name in STATED:
        found, timings = measured.get(name, (Comparison(), {}))
        run = found.photographs > 0
        same, largest = (found.same, found.largest) if run else (None, None)
        floor = found.photographs - MAY_DIFFER if run else None
        of = f"same top-1 of {found.photographs}" if run else "same top-1"
        why = "" if run else "the network wasn't run"
        results.append(Check(f"{name}, {of}", same, floor, unit="photographs", why=why))
        claim = f"{name}, logits from ONNX Runtime"
        results.append(Check(claim, largest, SAME_LOGITS, unit="", at_most=True, why=why))
        if name == SPARSE:
            ours, theirs = (timings.get(one) for one in ("niwaki", "onnxruntime"))
            ratio = theirs.median_ms / ours.median_ms if ours and theirs else None
            results.append(Check(f"{name}, onnxruntime / niwaki", ratio, FASTER, why=why))
    return results


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photographs", type=int, default=1000)
    parser.add_argument("--networks", nargs="+", default=models.trained_names())
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    root = Path(os.environ["NIWAKI_DATA"])
    rows: list[Row] = []
    measured: dict[str, tuple[Comparison, Mapping[str, Timing]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in arguments.networks:
            measured[name] = found = measure(
                name, Path(folder), root, arguments.photographs, arguments.runs
            )
            rows += rows_of(name, *found)
    title = "Photographs through trained ImageNet networks"
    page = write_rows("imagenet-sample", rows, title=title, folder=arguments.out)
    table = check_table(checks(measured))
    with page.open("a", encoding="utf-8") as file:
        file.write("\n".join(["", "## Claims", "", *table]) + "\n")
    print("\n".join([*table, str(page)]))


def measure(
    name: str, folder: Path, root: Path, count: int, runs: int
) -> tuple[Comparison, dict[str, Timing]]:
    """Return a network's answers and its times, by engine."""
    path, trained = write_network(name, folder)
    engine = Engine(path, threads=1, tune=True)
    found = compare(engine, path, trained, islice(photographs(root), count))
    print(f"{name}: {found.correct} right, ONNX Runtime {found.correct_peer}", flush=True)
    runners = [targets.engine_runner(engine), targets.onnxruntime_runner(path)]
    timings = targets.interleave(runners, runs=runs)
    for runner, timing in timings.items():
        print(f"  {runner}: {timing}", flush=True)
    return found, timings


def rows_of(name: str, found: Comparison, timings: Mapping[str, Timing]) -> list[Row]:
    """Return the rows of one network."""
    total = found.photographs
    note = (
        f"same top-1 on {found.same} of {total}; largest difference {found.largest:.1e} of the "
        f"largest logit; stated {STATED[name]} %"
    )
    rows = [
        Row(
            f"{name}, top-1",
            runner,
            100 * right / total,
            0.0,
            total,
            unit="%",
            version=timings[runner].version,
            note=note,
        )
        for runner, right in (("niwaki", found.correct), ("onnxruntime", found.correct_peer))
    ]
    shape = "x".join(map(str, (1, 3, *models.load_trained(name).preprocess["size"])))
    rows += [
        Row.of(f"{name}, one photograph", runner, timing, shape=shape)
        for runner, timing in timings.items()
    ]
    return rows


if __name__ == "__main__":
    main()
