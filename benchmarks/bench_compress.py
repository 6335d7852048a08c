"""Accuracy of dense, sparse-only and BAP at 98 % zeros, over seeds; what `niwaki compress` reports.

    python benchmarks/bench_compress.py                                    # digits, 3 seeds
    NIWAKI_DATA=... python benchmarks/bench_compress.py --cases mnist fashion-mnist --seeds 1

Stopped at any moment, the same command goes on: a finished run is read from its artifact in
`--work`, an unfinished one resumes from its checkpoint.
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import niwaki
from _rows import RESULTS, Row, write_rows

if TYPE_CHECKING:
    from niwaki.report import Report


@dataclass(frozen=True)
class Case:
    """Hold what one case compresses, and what it must reach."""

    data: str
    model: str | None
    max_drop: float | None
    """Points that BAP may lose against dense, mean of the seeds; None: reported as it is."""
    min_dense: float | None = None
    """Test accuracy of the dense network, per cent."""


CASES = {
    "digits": Case("digits", None, 1.5),
    "mnist": Case("mnist", "lenet5-caffe", 0.7, 98.9),
    "fashion-mnist": Case("fashion-mnist", "lenet5-caffe", None),
}
SPARSITY = 0.98


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", nargs="+", choices=CASES, default=["digits"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--work", type=Path, default=Path("runs/bench_compress"))
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    met = True
    for name in arguments.cases:
        case = CASES[name]
        reports = [
            run(case, seed, arguments.work / f"{name}-{seed}") for seed in range(arguments.seeds)
        ]
        verdict, ok = judge(case, reports)
        met &= ok
        print(f"{name}: {verdict}")
        title = f"{name}: dense, sparse only and BAP at {100 * SPARSITY:g} % ({verdict})"
        print(
            write_rows(f"compress-{name}", rows(name, reports), title=title, folder=arguments.out)
        )
    return 0 if met else 1


def run(case: Case, seed: int, out: Path) -> Report:
    """Compress once, or read what an earlier run of this benchmark made."""
    result = niwaki.compress(
        case.model, case.data, method="bap", sparsity=SPARSITY, seed=seed, out=out, resume=True
    )
    return result.report


def judge(case: Case, reports: list[Report]) -> tuple[str, bool]:
    """Return one line about the accuracies, and whether they reach what the case asks for."""
    dense = mean([100 * (report.variants[0].accuracy or 0) for report in reports])
    ours = mean([100 * (report.variants[-1].accuracy or 0) for report in reports])
    drop = dense - ours
    ok = (case.max_drop is None or drop <= case.max_drop) and dense >= (case.min_dense or 0)
    asked = [f"drop at most {case.max_drop}"] if case.max_drop is not None else []
    asked += [f"dense at least {case.min_dense} %"] if case.min_dense is not None else []
    text = f"dense {dense:.2f} %, bap {drop:.2f} points below, {len(reports)} seeds"
    if asked:
        text += f"; asked: {', '.join(asked)}: {'met' if ok else 'not met'}"
    return text, ok


def rows(name: str, reports: list[Report]) -> list[Row]:
    """Return accuracy, size, work and latency of each network, over the seeds."""
    seconds = [report.seconds or 0.0 for report in reports]
    whole = Row(
        f"{name} {reports[0].model}",
        "niwaki compress",
        statistics.median(seconds),
        max(seconds) - min(seconds),
        len(seconds),
        unit="s",
        version=niwaki.__version__,
        note="the whole run, all three trainings; spread: slowest less fastest",
    )
    found = [whole]
    for index, variant in enumerate(reports[0].variants):
        same = [report.variants[index] for report in reports]
        measures = {
            "% top-1": [100 * (one.accuracy or 0) for one in same],
            "% zeros": [100 * one.weight_sparsity for one in same],
            "kB": [(one.size_bytes or 0) / 1000 for one in same],
            "M multiplications": [(one.multiplications or 0) / 1e6 for one in same],
            "M binary operations": [(one.binary_operations or 0) / 1e6 for one in same],
        }
        for unit, values in measures.items():
            deviation = statistics.stdev(values) if len(values) > 1 else 0.0
            found.append(
                Row(
                    f"{name} {reports[0].model}",
                    variant.name,
                    mean(values),
                    deviation,
                    len(values),
                    unit=unit,
                    version=niwaki.__version__,
                    note=f"{reports[0].form} form; mean and deviation over seeds",
                )
            )
        for runner, timing in variant.latency.items():
            medians = [r.variants[index].latency[runner].median_ms for r in reports]
            found.append(
                Row(
                    f"{name} {reports[0].model} {variant.name}, one image",
                    runner,
                    statistics.median(medians),
                    timing.spread_ms,
                    timing.runs,
                    version=timing.version,
                    threads=timing.threads,
                    note="median over seeds of each run's median; spread of the first seed",
                )
            )
    return found


def mean(values: list[float]) -> float:
    return statistics.fmean(values)


if __name__ == "__main__":
    raise SystemExit(main())
