"""The search for a sparsity: the smallest that fits, and never one that was not packed."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, strategies as st

from niwaki.errors import InfeasibleError
from niwaki.planner import bisect, ladder


@given(
    limit=st.integers(min_value=200, max_value=2_000),
    fixed=st.integers(min_value=0, max_value=100),
    step=st.sampled_from([1, 64]),
)
def test_the_result_fits_and_a_little_less_sparsity_does_not(limit, fixed, step):
    def size(sparsity: float) -> int:  # falls with the sparsity, in steps as padding makes them
        return fixed + -(-int(1_000 * (1 - sparsity)) // step) * step

    found = bisect(size, limit)
    assert found.size_bytes == size(found.sparsity) <= limit
    assert (found.sparsity, found.size_bytes) in found.trials
    assert found.sparsity == 0.0 or size(found.sparsity - 1e-3) > limit


def test_a_straight_line_takes_few_packings():
    found = bisect(lambda s: 5_000 + int(400_000 * (1 - s)), 60_000)
    assert abs(found.sparsity - 0.8625) < 1e-3
    assert len(found.trials) <= 6


def test_a_jump_where_the_format_changes_is_found():
    found = bisect(lambda s: int(1_000 * (1 - s)) if s > 0.7 else 10_000, 500)
    assert 0.7 < found.sparsity < 0.701
    assert len(found.trials) <= 40


def test_a_limit_that_the_dense_network_keeps_needs_no_zeros():
    found = bisect(lambda s: 100, 100)
    assert found.sparsity == 0.0
    assert len(found.trials) == 2


def test_no_sparsity_below_the_floor_is_tried():
    tried: list[float] = []

    def size(sparsity: float) -> int:
        tried.append(sparsity)
        return int(1_000 * (1 - sparsity))

    assert bisect(size, 900, low=0.5).sparsity == 0.5
    assert min(tried) == 0.5


def test_an_impossible_limit_tells_the_nearest_size():
    with pytest.raises(InfeasibleError, match=r"at most 0\.2, nearest reached 0\.501"):
        bisect(lambda s: 500 + int(1000 * (1 - s)), 200)


@given(start=st.floats(0, 1), floor=st.floats(0, 1))
def test_a_ladder_falls_and_stays_above_its_floor(start, floor):
    rungs = ladder(start, floor)
    assert rungs[0] == start
    assert all(a > b for a, b in itertools.pairwise(rungs))
    assert all(rung >= min(floor, start) for rung in rungs)
    assert rungs[-1] == min(floor, start)
    assert len(rungs) <= 11
