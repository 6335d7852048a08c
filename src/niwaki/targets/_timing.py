"""Fair timing of several runners: interleaved A B A B, median and spread, one clock.

Runners that take turns see the same neighbours, the same clock frequency and the same heat; a
runner that is timed in one block of its own does not.
"""

from __future__ import annotations

import math
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from niwaki.errors import InputError, ValueDomainError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


@dataclass(frozen=True)
class Timing:
    """Hold what timing one runner gave."""

    median_ms: float
    """Median of the runs, milliseconds."""
    spread_ms: float
    """Interquartile range (75th minus 25th percentile) of the runs, milliseconds."""
    runs: int
    """How many runs were timed, warm-up left out."""
    threads: int = 1
    """How many threads the runner was told to use."""
    version: str = ""
    """Version of what ran, e.g. of ONNX Runtime."""

    @classmethod
    def of(cls, samples_ns: Sequence[int], *, threads: int = 1, version: str = "") -> Timing:
        """Sum up samples in nanoseconds.

        Example:
            >>> Timing.of([1_000_000, 2_000_000, 3_000_000]).median_ms
            2.0
        """
        if len(samples_ns) < 2:
            low = high = float(samples_ns[0])
        else:
            low, _, high = statistics.quantiles(samples_ns, n=4, method="inclusive")
        median = statistics.median(samples_ns)
        return cls(median / 1e6, (high - low) / 1e6, len(samples_ns), threads, version)

    def __str__(self) -> str:
        return f"{self.median_ms:.4g} ± {self.spread_ms:.2g} ms"


@dataclass(frozen=True)
class Runner:
    """Hold something that can be timed: a call without arguments, bound to its input."""

    name: str
    """Short name, e.g. ``niwaki``, ``onnxruntime``, ``torch``."""
    call: Callable[[], object]
    """Runs one image once."""
    threads: int = 1
    version: str = ""


def interleave(
    runners: Sequence[Runner],
    *,
    runs: int = 50,
    warm_up: int = 5,
    seconds: float | None = None,
    clock: Callable[[], int] = time.perf_counter_ns,
    progress: Callable[[float], None] = lambda share: None,
) -> Mapping[str, Timing]:
    """Time runners in turn (A B C A B C ...) and sum each up.

    Args:
        runners: What to time; names are unique.
        runs: Timed rounds; each runs every runner once.
        warm_up: Rounds run first and not counted.
        seconds: Stop early once the timed rounds took this long; at least 5 rounds (or `runs`, if
            fewer) are kept.
        clock: Returns nanoseconds.
        progress: Called between rounds with the share that is done, in [0, 1].

    Returns:
        Runner name to timing, in the order given.

    Raises:
        ValueDomainError: `runs` is below 1, `warm_up` is below 0, or two runners have one name.
    """
    if runs < 1 or warm_up < 0:
        raise ValueDomainError(
            "bench", "runs must be at least 1 and warm-up at least 0", got=f"{runs} and {warm_up}"
        )
    names = [runner.name for runner in runners]
    if len(set(names)) < len(names):
        raise ValueDomainError("bench", "runners must have different names", got=", ".join(names))
    for _ in range(warm_up):
        for runner in runners:
            runner.call()
    samples: dict[str, list[int]] = {runner.name: [] for runner in runners}
    start = clock()
    for round_ in range(runs):
        for runner in runners:
            before = clock()
            runner.call()
            samples[runner.name].append(clock() - before)
        spent = 0.0
        if seconds is not None:
            spent = (clock() - start) / (seconds * 1e9) if seconds > 0 else math.inf
        if spent > 1 and round_ + 1 >= min(5, runs):
            break
        progress(min(1.0, max(spent, (round_ + 1) / runs)))
    return {
        runner.name: Timing.of(samples[runner.name], threads=runner.threads, version=runner.version)
        for runner in runners
    }


def check_one_input(count: int) -> None:
    """Refuse a network with several inputs, for which no input can be made up here.

    Raises:
        InputError: It has another number of inputs than one.
    """
    if count != 1:
        raise InputError(
            "bench",
            "the network must have one input",
            got=count,
            fix="Time niwaki.Engine on inputs of your own with niwaki.targets.interleave",
        )
