"""What a second thread gains: ResNet-50 with one and two threads in turns, near and far cores.

    python benchmarks/bench_threads.py [--cache DIR] [--seconds 170]

Two cores that have no cache in common share data slowly, and a virtual machine's change places
while it runs; at times its two are one core with two threads, which a second thread of ours gains
nothing from. So the cores' distance is measured before and behind every turn
(`targets.core_distance`): a turn counts as one core's, near or far where both say so, and for
"wherever they were" in any case. Both engines run in one process, each tuned for its threads.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import tempfile
import time
from pathlib import Path

import networks
from _check import Check, check_table
from _rows import RESULTS, Row, write_rows
from _turns import WARM_UP
from niwaki import targets
from niwaki.runtime import Engine

SPARSITIES = (0.98, 0.9)
RUNS = 12
"""Runs of one turn, of which the first few aren't counted."""
ONE, NEAR = 22.0, 80.0
"""Nanoseconds from core to core up to which they count as one, and as near. [ours] Measured on one
machine: 14 to 16, 26 to 41, or 148 to 170."""
FLOOR = 1.7
PLACES = ("one", "near", "far", "wherever they were")


def place_of(distance: float) -> str:
    return "one" if distance <= ONE else "near" if distance <= NEAR else "far"


def turn(engine: Engine, x: object) -> float:
    """Return the median milliseconds of a turn."""
    times = []
    for _ in range(RUNS):
        started = time.perf_counter()
        engine(x)
        times.append((time.perf_counter() - started) * 1e3)
    return statistics.median(times[WARM_UP:])


def measure(path: Path, seconds: float) -> tuple[dict[str, list[tuple[float, float]]], list[float]]:
    """Return the turns' times with one and two threads by place, and all distances."""
    engines = [Engine(path, threads=threads, tune=True) for threads in (1, 2)]
    x = targets.noise(networks.INPUT, 1)
    for engine in engines:
        turn(engine, x)
    found: dict[str, list[tuple[float, float]]] = {place: [] for place in PLACES}
    distances: list[float] = []
    started = time.monotonic()
    while time.monotonic() - started < seconds:
        before = targets.core_distance()
        times = (turn(engines[0], x), turn(engines[1], x))
        after = targets.core_distance()
        found[PLACES[-1]].append(times)
        if before is None or after is None:
            continue
        distances += [before, after]
        if place_of(before) == place_of(after):
            found[place_of(before)].append(times)
    return found, distances


def report(
    case: str, found: dict[str, list[tuple[float, float]]], distances: list[float]
) -> tuple[list[Row], list[Check]]:
    """Return each place's times, and its gain held against the floor."""
    rows: list[Row] = []
    checks: list[Check] = []
    low, high = (f"{edge(distances):.0f}" if distances else "?" for edge in (min, max))
    for place, turns in found.items():
        gain = None
        if len(turns) >= 2:
            one, two = (statistics.quantiles(each, n=4) for each in zip(*turns, strict=True))
            gain = one[1] / two[1]
            for threads, (lower, median, upper) in enumerate((one, two), 1):
                note = f"cores {place}" + (f"; {gain:.2f} times as fast" if threads > 1 else "")
                spread = upper - lower
                rows.append(
                    Row(case, "niwaki", median, spread, len(turns), threads=threads, note=note)
                )
        share = f"{len(turns)} of {len(found[PLACES[-1]])} turns"
        claim = f"{case}, two threads, cores {place} ({share}; {low} to {high} ns)"
        why = "" if gain else "too few such turns"
        checks.append(Check(claim, gain, FLOOR, why=why))
        print(f"{claim}: {gain}", flush=True)
    return rows, checks


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cache", type=Path, help="folder for networks; a temporary one if none")
    parser.add_argument("--seconds", type=float, default=170.0, help="of turns, per network")
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    rows: list[Row] = []
    checks: list[Check] = []
    with contextlib.ExitStack() as stack:
        folder = arguments.cache
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        for sparsity in SPARSITIES:
            path = networks.make("resnet50", sparsity, folder)
            found, distances = measure(path, arguments.seconds)
            more = report(f"resnet50:{sparsity:g}", found, distances)
            rows += more[0]
            checks += more[1]
    page = write_rows("threads", rows, title="What a second thread gains", folder=arguments.out)
    text = page.read_text(encoding="utf-8")
    page.write_text("\n".join([text, *check_table(checks)]) + "\n", encoding="utf-8")
    print(page)


if __name__ == "__main__":
    main()
