"""Timing: turns are taken, warm-up isn't counted, the sums are those of the samples."""

from __future__ import annotations

import pytest

from niwaki.errors import ValueDomainError
from niwaki.targets import Runner, Timing, interleave


class Clock:
    """Stands still until told to go on."""

    def __init__(self):
        self.now = 0

    def __call__(self):
        return self.now

    def runner(self, name, nanoseconds, calls):
        def call():
            calls.append(name)
            self.now += nanoseconds

        return Runner(name, call, threads=3, version="1")


def test_runners_take_turns_behind_the_warm_up():
    clock, calls = Clock(), []
    runners = [clock.runner("a", 2_000_000, calls), clock.runner("b", 500_000, calls)]
    timings = interleave(runners, runs=4, warm_up=2, clock=clock)
    assert calls == ["a", "b"] * 6
    assert timings["a"] == Timing(2.0, 0.0, 4, 3, "1")
    assert timings["b"].median_ms == 0.5


def test_time_runs_out_but_five_rounds_are_kept():
    clock, calls = Clock(), []
    slow = clock.runner("slow", 1_000_000_000, calls)
    assert interleave([slow], runs=50, warm_up=0, seconds=2, clock=clock)["slow"].runs == 5
    assert interleave([slow], runs=50, warm_up=0, seconds=8, clock=clock)["slow"].runs == 9
    assert interleave([slow], runs=3, warm_up=0, seconds=2, clock=clock)["slow"].runs == 3
    assert interleave([slow], runs=50, warm_up=0, seconds=0, clock=clock)["slow"].runs == 5


def test_two_runners_of_one_name_are_refused():
    clock = Clock()
    runners = [clock.runner("a", 1, []), clock.runner("a", 2, [])]
    with pytest.raises(ValueDomainError, match="different names, got a, a"):
        interleave(runners, clock=clock)


def test_spread_is_the_middle_half():
    timing = Timing.of([n * 1_000_000 for n in (1, 2, 3, 4, 100)])
    assert (timing.median_ms, timing.spread_ms, timing.runs) == (3.0, 2.0, 5)
    assert Timing.of([7_000_000]).spread_ms == 0
    assert str(timing) == "3 ± 2 ms"


@pytest.mark.parametrize(("runs", "warm_up"), [(0, 1), (1, -1)])
def test_senseless_counts_are_refused(runs, warm_up):
    with pytest.raises(ValueDomainError, match="runs must be at least 1"):
        interleave([], runs=runs, warm_up=warm_up)
