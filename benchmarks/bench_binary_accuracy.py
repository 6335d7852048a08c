"""Accuracy of binary networks on Fashion-MNIST: Si-BNN beside its twins, BAP beside its parts.

    NIWAKI_DATA=... OMP_NUM_THREADS=1 python benchmarks/bench_binary_accuracy.py [--only si-bnn]

Two comparisons, each with one recipe for all of its runs:

    si-bnn   5 epochs on 60,000 pictures: activations {0, 1}, {-1, +1}, and the real-valued twin
    bap      8 epochs on 30,000 pictures: dense, 98 % zeros alone, 98 % with the binary branch, and
             the binary branch alone: from the first step on (binary-only), or with the sparse one
             beside it until its ramp has reached 100 % (binary-ramped)

Stopped at any moment, the same command goes on: finished runs are read from `--work`, an unfinished
one resumes from its checkpoint. Three seeds each. The claims (`_accuracy_claims.py`) come
last; exit code 1 if one is missed. With `--only`, results are printed and the page stays as it is.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import json
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import niwaki
from _accuracy_claims import bits_table, checks
from _check import check_table
from _rows import RESULTS, Row, write_rows
from niwaki import models
from niwaki.methods.si_bnn import BinaryUnit
from niwaki.targets import machine_info
from niwaki.train import data
from niwaki.train.augment import Augment
from niwaki.train.loop import TrainSettings, evaluate, fit, total_steps

BAP_PICTURES = 30_000
RAMP = {"hold": 0.25, "ramp": 0.375}  # epochs 2 to 5 of 8


@dataclass(frozen=True)
class Case:
    """Hold one run of a comparison."""

    group: str
    method: str | None
    options: dict[str, Any] = field(default_factory=dict)


CASES = {
    "si-bnn": Case("si-bnn", "si-bnn"),
    "signed": Case("si-bnn", "si-bnn", {"activations": "signed"}),
    "real": Case("si-bnn", None),
    "dense": Case("bap", None),
    "sparse-only": Case("bap", "magnitude", {"sparsity": 0.98, **RAMP}),
    "bap": Case("bap", "bap", {"sparsity": 0.98, **RAMP}),
    "binary-only": Case("bap", "bap", {"sparsity": 1.0, "hold": 0.0, "ramp": 0.0}),
    "binary-ramped": Case("bap", "bap", {"sparsity": 1.0, **RAMP}),
}


class PostActivation(nn.Module):
    """The network of the BAP comparison: stem, then conv, batch norm [+ x], ReLU four times.

    Shapes: x float32 (N, 1, 28, 28) -> logits (N, 10).
    """

    def __init__(self) -> None:
        super().__init__()
        widths = (1, 16, 32, 32, 64, 64)
        self.convs = nn.ModuleList(
            nn.Conv2d(before, after, 3, padding=1, bias=False)
            for before, after in itertools.pairwise(widths)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in widths[1:])
        self.pool = nn.MaxPool2d(2)
        self.average = nn.AdaptiveAvgPool2d(1)
        self.fc = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        for index, (conv, norm) in enumerate(zip(self.convs, self.norms, strict=True)):
            y = norm(conv(x))
            x = torch.relu(y + x if y.shape == x.shape else y)
            x = self.pool(x) if index < 2 else x
        return self.fc(self.average(x).flatten(1))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", choices=("si-bnn", "bap"))
    parser.add_argument("--work", type=Path, default=Path("runs/bench_binary_accuracy"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    names = [name for name in CASES if arguments.only in (None, CASES[name].group)]
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for seed in range(arguments.seeds):  # by seed: every comparison has something to show early
        for name in names:
            found[name].append(run(name, seed, arguments.work / f"{name}-{seed}"))
            print(f"{name}, seed {seed}: {100 * found[name][-1]['accuracy']:.2f} %", flush=True)
    rows = [row_of(name, results) for name, results in found.items()]
    bits = [result["bits"] for result in found.get("si-bnn", [])]
    scores = {name: [100 * each["accuracy"] for each in runs] for name, runs in found.items()}
    held = checks(scores, bits)
    more = ["", "## Claims", "", *check_table(held), "", "## Bits of Si-BNN", "", *bits_table(bits)]
    print("\n".join(more))
    if arguments.only is None:
        title = "Binary networks on Fashion-MNIST"
        page = write_rows("binary-accuracy", rows, title=title, folder=arguments.out)
        with page.open("a", encoding="utf-8") as file:
            file.write("\n".join(more) + "\n")
        print(page)
    return 1 if any(check.passed is False for check in held) else 0


def run(name: str, seed: int, work: Path) -> dict[str, Any]:
    """Return a run's result: read if it is finished, else trained."""
    result, case = work / "result.json", CASES[name]
    if result.is_file():
        found = json.loads(result.read_text())
        if found["case"] != dataclasses.asdict(case):
            raise SystemExit(
                f"{result}: a run must be of the case {dataclasses.asdict(case)}, "
                f"got {found['case']}. Choose another --work, or delete the folder"
            )
        return found
    pictures = data.load("fashion-mnist")
    if case.group == "si-bnn":
        pictures = dataclasses.replace(pictures, augment=Augment(flip=True))
        model, epochs = models.create("sibnn-small", seed=seed), 5
    else:
        half = data.Split(
            pictures.train.images[torch.arange(BAP_PICTURES)], pictures.train.labels[:BAP_PICTURES]
        )
        pictures = dataclasses.replace(pictures, train=half, augment=Augment())
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model, epochs = PostActivation(), 8
    settings = TrainSettings(epochs=epochs, lr=2e-3, seed=seed)
    session = None
    if case.method is not None:
        session = niwaki.Session(
            model,
            case.method,
            total_steps=total_steps(pictures, settings),
            example_inputs=next(iter(pictures.batches("test", 2)))[0],
            **case.options,
        )
    work.mkdir(parents=True, exist_ok=True)
    history = fit(
        model,
        pictures,
        settings,
        session=session,
        checkpoint_dir=work / "checkpoints",
        label=f"{name}-{seed}",
    )
    bits = bits_of(model, pictures) if name == "si-bnn" else []
    if session is not None:
        session.convert()
    found = {
        "case": dataclasses.asdict(case),
        "commit": machine_info()["commit"],
        "accuracy": evaluate(model, pictures)[0],
        "seconds": history.seconds,
        "bits": bits,
        "history": history.to_list(),
    }
    result.write_text(json.dumps(found, indent=1) + "\n")
    return found


def bits_of(model: nn.Module, pictures: data.DataSet) -> list[dict[str, float]]:
    """Return, for each unit, the share of ones on 1,000 test pictures, mean b, and least s."""
    units = [module for module in model.modules() if isinstance(module, BinaryUnit)]
    ones: list[float] = []
    hooks = [
        unit.binarize.register_forward_hook(lambda _m, _x, out: ones.append(float(out.mean())))
        for unit in units
    ]
    with torch.no_grad():
        model.eval()(next(iter(pictures.batches("test", 1000)))[0])
    for hook in hooks:
        hook.remove()
    return [
        {
            "ones": share,
            "threshold": float(unit.binarize.bias.detach().mean()),
            "least_scale": float(unit.binarize.scale.detach().min()),
        }
        for unit, share in zip(units, ones, strict=True)
    ]


def row_of(name: str, results: list[dict[str, Any]]) -> Row:
    scores = [100 * result["accuracy"] for result in results]
    # Some runs shared their core with other work: the quickest says what a run takes.
    minutes = min(result["seconds"] for result in results) / 60
    note = f"seeds: {', '.join(f'{score:.2f}' for score in scores)}; quickest run {minutes:.1f} min"
    note += f"; trained at {', '.join(sorted({result['commit'] for result in results}))}"
    spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
    group = CASES[name].group
    return Row(
        name,
        "niwaki",
        statistics.mean(scores),
        spread,
        len(scores),
        unit="%",
        version=torch.__version__,
        shape="1x28x28",
        note=f"{group} comparison, mean and standard deviation; {note}",
    )


if __name__ == "__main__":
    raise SystemExit(main())
