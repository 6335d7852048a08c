"""Budgets: their ranges, and what is said when one breaks."""

from __future__ import annotations

import math

import pytest

from niwaki.errors import InfeasibleError, ValueDomainError
from niwaki.planner import Budget, check_result


@pytest.mark.parametrize(
    ("bounds", "message"),
    [
        ({"sparsity": -0.1}, r"\[budget\] sparsity must be in \[0, 1\], got -0.1"),
        ({"sparsity": 1.1}, "sparsity must be in"),
        ({"sparsity": math.nan}, "sparsity must be in"),
        ({"size_kb": 0}, "size_kb must be above 0, got 0"),
        ({"size_kb": math.inf}, "size_kb must be above 0"),
        ({"max_accuracy_drop": 101}, r"max_accuracy_drop must be in \[0, 100\]"),
    ],
)
def test_a_bound_outside_its_range_is_refused(bounds, message):
    with pytest.raises(ValueDomainError, match=message):
        Budget(**bounds)


def test_bounds_that_are_kept_come_back_with_what_was_reached():
    budget = Budget(size_kb=10, max_accuracy_drop=1.0)
    rows = check_result(budget, {"sparsity": 0.5, "size_kb": 9.5, "accuracy_drop": 1.0})
    assert rows == [
        {"bound": "size_kb", "limit": 10, "reached": 9.5},
        {"bound": "max_accuracy_drop", "limit": 1.0, "reached": 1.0},
    ]


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (Budget(size_kb=9), "size_kb must be at most 9, nearest reached 9.5"),
        (Budget(max_accuracy_drop=0.5), "max_accuracy_drop must be at most 0.5, nearest reached 1"),
        (Budget(sparsity=0.9), "sparsity must be at least 0.9, nearest reached 0.5"),
    ],
)
def test_a_bound_that_breaks_names_itself_and_the_value_reached(budget, message):
    with pytest.raises(InfeasibleError, match=message) as caught:
        check_result(budget, {"sparsity": 0.5, "size_kb": 9.5, "accuracy_drop": 1.0})
    assert caught.value.exit_code == 3


def test_a_sparsity_is_met_by_the_nearest_whole_number_of_zeros():
    assert check_result(Budget(sparsity=0.98), {"sparsity": 981 / 1001})
