"""Let engines run in turns, in processes of their own or in this one, and sum up their times.

A turn is a few runs of one engine; its first isn't counted, as the engine before it has emptied the
caches, nor are those of its first moments where a caller says so: a core that slept takes
milliseconds to get up to speed, which is many runs of a fast engine and a part of one of a slow
one. Times are taken where the engine runs: what asking takes isn't in them.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

WARM_UP = 3
"""Runs of each engine before the turns begin."""
TURN = 4
"""Runs of one turn, the first not counted."""
WAKE = 0.02
"""Seconds after which a core that slept runs at its speed. [ours] Measured on a Zen 4: a network of
3.4 ms took 4.3, 3.9, 3.8 ... in the first runs behind another process's."""


class Asked(Protocol):
    """Answer requests as `_client.Worker` does."""

    def ask(self, do: str, **request: Any) -> dict[str, Any]: ...


class Local:
    """Time a call of this process, asked as a `Worker` is."""

    def __init__(self, call: Callable[[], object]) -> None:
        self.call = call

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Run `count` times; return each run's nanoseconds."""
        if do != "run":
            raise ValueError(f"no such request here: {do}")
        call, clock = self.call, time.perf_counter_ns
        times: list[int] = []
        for _ in range(request["count"]):
            started = clock()
            call()
            times.append(clock() - started)
        return {"ns": times}


def take_turns(
    workers: Mapping[str, Asked],
    *,
    rounds: int,
    seconds: float,
    settle: float = 0.0,
    wake: float = 0.0,
) -> dict[str, dict[str, float]]:
    """Run engines A B A B ...; return each one's times.

    Args:
        workers: Engines, loaded.
        rounds: Turns of each at most.
        seconds: Stop early once the turns took this long; three are always taken.
        settle: Seconds of rest before each turn.
        wake: Seconds of a turn whose runs aren't counted; one run at least never is.

    Returns:
        For each name median_ms, low_ms and high_ms (quartiles), min_ms, and runs.
    """
    samples: dict[str, list[int]] = {name: [] for name in workers}
    skipped: dict[str, int] = {}
    for name, worker in workers.items():
        fastest = min(worker.ask("run", count=WARM_UP)["ns"])
        skipped[name] = max(1, math.ceil(wake * 1e9 / fastest))
    started = time.monotonic()
    for round_ in range(rounds):
        for name, worker in workers.items():
            time.sleep(settle)
            count = skipped[name] + TURN - 1
            samples[name] += worker.ask("run", count=count)["ns"][skipped[name] :]
        if round_ >= 2 and time.monotonic() - started > seconds:
            break
    return {name: _summed(times) for name, times in samples.items()}


def _summed(times: list[int]) -> dict[str, float]:
    low, median, high = statistics.quantiles(times, n=4, method="inclusive")
    return {
        "median_ms": median / 1e6,
        "low_ms": low / 1e6,
        "high_ms": high / 1e6,
        "min_ms": min(times) / 1e6,
        "runs": len(times),
    }
