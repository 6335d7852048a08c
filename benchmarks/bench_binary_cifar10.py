"""Accuracy of ResNet-20 on CIFAR-10 from its trained weights: bits, and bits beside 2 % of weights.

    NIWAKI_DATA=... python benchmarks/bench_binary_cifar10.py [--seeds 2] [--epochs 10] [--finished]

Trains what `examples/binary_cifar10.py` trains, one run after the other, and sets the results
beside the float network that all of them start from. Stopped at any moment, the same command goes
on: finished runs are read from `--work`, an unfinished one resumes from its checkpoint.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

from _check import Check, check_table
from _rows import RESULTS, Row, write_rows
from niwaki import models
from niwaki.train import data
from niwaki.train.loop import evaluate

EXAMPLE = Path(__file__).parents[1] / "examples" / "binary_cifar10.py"
SHAPE = "3x32x32"
PAIRS = (  # claim, run, the run that it is held against
    ("{0, 1} over {-1, +1}", "si-bnn", "si-bnn-signed"),
    ("BAP at 98 % over sparse-only", "bap", "sparse-only"),
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--finished", action="store_true", help="take finished runs, train none")
    parser.add_argument("--work", type=Path, default=Path("runs/bench_binary_cifar10"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    example = load_example()
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in example.RUNS}
    for seed in range(arguments.seeds):  # by seed: every comparison has something to show early
        for name, results in found.items():
            work = arguments.work / f"{name}-{seed}"
            if not arguments.finished or (work / "result.json").is_file():
                results.append(run(name, seed, arguments.epochs, work))
    rows = [float_row(example), *(row_of(name, runs) for name, runs in found.items() if runs)]
    held = [compare(claim, found[name], found[other]) for claim, name, other in PAIRS]
    title = f"ResNet-20 on CIFAR-10, {arguments.epochs} epochs from its trained weights"
    page = write_rows("binary-cifar10", rows, title=title, folder=arguments.out)
    more = ["", "## Claims", "", *check_table(held)]
    with page.open("a", encoding="utf-8") as file:
        file.write("\n".join(more) + "\n")
    print("\n".join([*more, "", str(page)]))
    return 1 if any(check.passed is False for check in held) else 0


def compare(claim: str, ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> Check:
    """Hold one run's mean against another's, over the seeds that both have."""
    scores = [{run["seed"]: 100 * run["test_accuracy"] for run in runs} for runs in (ours, theirs)]
    seeds = scores[0].keys() & scores[1].keys()
    if not seeds:
        return Check(claim, None, 0.0, "points", why="no seed that both have finished")
    difference = statistics.mean(scores[0][seed] - scores[1][seed] for seed in seeds)
    return Check(claim, difference, 0.0, "points")


def load_example() -> Any:
    spec = importlib.util.spec_from_file_location(EXAMPLE.stem, EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(name: str, seed: int, epochs: int, work: Path) -> dict[str, Any]:
    """Return a run's result: read if it is finished, else trained."""
    result = work / "result.json"
    if not result.is_file():
        command = [sys.executable, EXAMPLE, "--run", name, "--seed", str(seed)]
        subprocess.run([*command, "--epochs", str(epochs), "--out", work], check=True)
    found = json.loads(result.read_text())
    asked = {"run": name, "seed": seed, "epochs": epochs}
    got = {key: found[key] for key in asked}
    if got != asked:
        raise SystemExit(f"{result}: a run must be {asked}, got {got}. Choose another --work")
    return found


def float_row(example: Any) -> Row:
    """Return the row of the network that every run starts from."""
    model = example.trained_resnet20(binary=False)
    pictures = data.load("cifar10", **(models.normalization(model) or {}))
    accuracy = 100 * evaluate(model, pictures)[0]
    note = "all runs start from it"
    return Row("float", "torch", accuracy, 0.0, 1, unit="%", shape=SHAPE, note=note)


def row_of(name: str, results: list[dict[str, Any]]) -> Row:
    scores = [100 * result["test_accuracy"] for result in results]
    note = (
        f"mean; trained at {', '.join(sorted({result['commit'] for result in results}))}; by epoch"
    )
    for result in results:
        epochs = (f"{100 * epoch['test_accuracy']:.1f}" for epoch in result["history"])
        note += f"; seed {result['seed']}: {' '.join(epochs)}"
    spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
    mean, count = statistics.mean(scores), len(scores)
    return Row(name, "niwaki", mean, spread, count, unit="%", shape=SHAPE, note=note)


if __name__ == "__main__":
    sys.exit(main())
