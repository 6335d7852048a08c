"""Whole networks: niwaki beside ONNX Runtime, OpenVINO (fp32, int8), DeepSparse and torch.

    python benchmarks/peers.py setup DIR                       # once
    python benchmarks/bench_models.py --peers DIR --cache DIR2 [--cases resnet50:0.98 ...]

A case is NETWORK:SPARSITY[:THREADS[:BATCH[:STRUCTURE]]], e.g. resnet50:0.9:1:1:4x1. Each engine
runs in a process of its own; in a case all are loaded, give their logits (held against ONNX
Runtime's), then take turns (A B A B) for a few runs each. A turn's first run isn't counted: the
engine before it has emptied the caches. Weights are random (networks.py says how): times are as
with trained ones, accuracies mean nothing. Every case is written down as soon as it is measured, so
`--resume` goes on where a run was cut; `results/models.{json,md,svg}`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

import networks
from _client import Worker, WorkerError
from _models_report import write_report
from _rows import RESULTS
from _turns import WAKE, take_turns
from niwaki import targets
from peers import BACKENDS, FLOAT_PEERS, PEERS, PeerMissingError, interpreter

REFERENCE = "onnxruntime"
SPARSITIES = (0.0, 0.8, 0.9, 0.95, 0.98)
NETWORKS = ("resnet50", "vgg16", "resnet18", "mobilenet-v2")
MEMORY_RUNS = 10
"""Runs of each engine before its memory is read."""
SETTLE = 0.3
"""Seconds before each turn where an engine has several threads: those of the one before spin on for
a while, on the cores that are needed now."""
ALONE = "niwaki, one thread"
"""Takes turns too where there are several threads: what they gain is a ratio of one run."""


@dataclass(frozen=True)
class Case:
    """Name one thing to measure."""

    network: str
    sparsity: float
    threads: int = 1
    batch: int = 1
    structure: str = "unstructured"

    @classmethod
    def parse(cls, text: str) -> Case:
        """Read ``resnet50:0.98:1:1:4x1``; what is left out has its default."""
        parts = text.split(":")
        kinds = (str, float, int, int, str)
        if not 2 <= len(parts) <= len(kinds):
            raise argparse.ArgumentTypeError(f"no case: {text!r}")
        try:
            return cls(*(kind(part) for kind, part in zip(kinds, parts, strict=False)))
        except ValueError as error:
            raise argparse.ArgumentTypeError(f"no case: {text!r}") from error

    def __str__(self) -> str:
        tail = "" if self.structure == "unstructured" else f":{self.structure}"
        return f"{self.network}:{self.sparsity:g}:{self.threads}:{self.batch}{tail}"


def default_cases() -> list[Case]:
    """Return the cases that the project's claims are about."""
    cases = [Case(name, sparsity) for name in NETWORKS for sparsity in SPARSITIES]
    for sparsity in (0.9, 0.98):
        cases += [Case("resnet50", sparsity, threads=2), Case("resnet50", sparsity, batch=16)]
    return [*cases, Case("resnet50", 0.9, structure="4x1"), Case("alexnet", 0.9)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--peers", type=Path, help="folder of the environments (peers.py setup)")
    parser.add_argument("--cache", type=Path, help="folder for networks; a temporary one if none")
    parser.add_argument("--cases", type=Case.parse, nargs="+", default=default_cases())
    parser.add_argument("--only", nargs="+", choices=FLOAT_PEERS, default=FLOAT_PEERS)
    parser.add_argument("--seconds", type=float, default=20.0, help="of turns, per case")
    parser.add_argument("--rounds", type=int, default=40, help="turns of each engine at most")
    parser.add_argument("--resume", action="store_true", help="keep cases measured already")
    parser.add_argument("--report-only", action="store_true", help="write table and plot anew")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    store = arguments.out / "models.json"
    found = _start(store, keep=arguments.resume or arguments.report_only)
    done = {case["case"] for case in found["cases"]}
    with contextlib.ExitStack() as stack:
        folder = arguments.cache
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for case in [] if arguments.report_only else arguments.cases:
            if str(case) in done:
                continue
            print(case, flush=True)
            found["cases"].append(measure(case, arguments, folder))
            store.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(write_report(found, arguments.out))


def _start(store: Path, *, keep: bool) -> dict[str, Any]:
    """Return the results to add to: those on disk, or an empty page about this machine."""
    if keep and store.exists():
        return json.loads(store.read_text(encoding="utf-8"))
    return {"benchmark": "models", "machine": targets.machine_info(), "cases": []}


def measure(case: Case, arguments: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Measure one case with every engine; an engine that fails has its reason as its row."""
    dense = networks.make(case.network, 0.0, folder)
    pruned = networks.make(case.network, case.sparsity, folder, case.structure)
    weights, kept = networks.count(pruned)
    record: dict[str, Any] = {
        "case": str(case),
        **asdict(case),
        "weights": weights,
        "nonzeros": kept,
        "commit": targets.machine_info()["commit"],
        "when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "roofline": targets.rooflines(),
        "load_average": os.getloadavg()[0],  # of a busy machine, a table isn't worth much
        "peers": {},
    }
    rows: dict[str, dict[str, Any]] = record["peers"]
    with contextlib.ExitStack() as stack, tempfile.TemporaryDirectory() as scratch:
        x = Path(scratch, "x.npy")
        np.save(x, targets.noise(networks.INPUT, case.batch))
        workers: dict[str, Worker] = {}
        for name in arguments.only:
            model = dense if PEERS[name].dense_only else pruned
            if name == "torch" and case.sparsity != 0:
                continue  # it runs zeros as any other number: one dense row is enough
            rows[name] = row = {}
            try:
                workers[name] = stack.enter_context(
                    _load(name, model, case, arguments.peers, x, folder, row)
                )
                logits = Path(scratch, f"{name}.npy")
                workers[name].ask("output", path=str(logits))
            except (WorkerError, PeerMissingError) as error:
                row["error"] = str(error)
                workers.pop(name, None)
                print(f"  {name}: {error}", flush=True)
        if case.threads > 1 and "niwaki" in workers:
            record["one_thread"] = {}
            alone = (pruned, replace(case, threads=1), arguments.peers, x, folder)
            workers[ALONE] = stack.enter_context(_load("niwaki", *alone, record["one_thread"]))
        # Eight bits of the dense network can't give the pruned one's logits.
        same = [name for name in rows if not (PEERS[name].dense_only and case.sparsity)]
        _compare({name: rows[name] for name in same}, Path(scratch))
        for name, times in take_turns(
            workers,
            rounds=arguments.rounds,
            seconds=arguments.seconds,
            settle=SETTLE if case.threads > 1 else 0.0,
            wake=WAKE if case.threads > 1 else 0.0,  # a rest lets cores sleep
        ).items():
            (record["one_thread"] if name == ALONE else rows[name]).update(times)
    for name, row in [*rows.items(), (ALONE, record.get("one_thread", {}))]:
        if "median_ms" in row:
            print(f"  {name}: {row['median_ms']:.3f} ms", flush=True)
    return record


def _load(
    name: str,
    model: Path,
    case: Case,
    environments: Path | None,
    x: Path,
    folder: Path,
    row: dict[str, Any],
) -> Worker:
    """Return a worker with the model loaded, run often enough to know its memory."""
    python, backend = interpreter(name, environments), BACKENDS / f"{PEERS[name].backend}.py"
    # Made in another process: what it takes is no part of what running takes.
    with Worker(python, backend, timeout=1800) as maker:
        row |= maker.ask("prepare", path=str(model), folder=str(folder), threads=case.threads)
    worker = Worker(python, backend)
    try:
        row |= worker.ask(
            "load", path=row.pop("path"), threads=case.threads, batch=case.batch, x=str(x)
        )
        worker.ask("run", count=MEMORY_RUNS)
        row |= worker.ask("memory")
    except WorkerError:
        worker.close()
        raise
    return worker


def _compare(rows: dict[str, dict[str, Any]], folder: Path) -> None:
    """Note how far each engine's logits are from the reference's, over its largest |logit|."""
    if not (folder / f"{REFERENCE}.npy").exists():
        return
    wanted = np.load(folder / f"{REFERENCE}.npy")
    for name, row in rows.items():
        path = folder / f"{name}.npy"
        if not path.exists():
            continue
        logits = np.load(path)
        if logits.shape != wanted.shape:
            row["error"] = f"logits of shape {logits.shape}, not {wanted.shape}"
            continue
        row["max_difference"] = float(np.abs(logits - wanted).max() / np.abs(wanted).max())


if __name__ == "__main__":
    main()
