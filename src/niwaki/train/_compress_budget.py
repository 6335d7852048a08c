"""Keep the budget: choose the sparsity before training, confirm after it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from niwaki import methods
from niwaki.planner import bisect, broken, check_result, ladder
from niwaki.targets import packed_bytes
from niwaki.train._compress_defaults import SPARSITY
from niwaki.train._compress_stages import method_variant, untrained_program

if TYPE_CHECKING:
    from niwaki.train._compress_job import Job
    from niwaki.train._compress_measure import Variant
    from niwaki.train._compress_work import Work

_HIGHEST = 0.999
"""Of a method that must leave each layer some weights; one with a second branch takes 1."""
_MARGIN = 0.995
"""Trained masks leave other gaps than the dense network's: fillers differ by less than 0.5 %."""
_RETRIES = 2


def keep_budget(
    job: Job, work: Work, dense: Variant, progress: bool
) -> tuple[Variant, dict[str, Any]]:
    """Train the method's network at the least sparsity that keeps the budget.

    A size bound fixes the sparsity by bisection, before training. An accuracy bound alone starts at
    98 % and goes down, twice the weights each time and at last all of them, until it is kept: at
    most seven trainings. Whether a step keeps it is measured on the test part, so the accuracy of
    the one chosen is slightly in its own favour; its note in the report says so.

    Returns:
        The network; bound to what was ``asked`` and ``reached``.

    Raises:
        InfeasibleError: A bound can't be kept.
    """
    budget = job.recipe.budget.budget()
    wanted, limit_kb = job.recipe.sparsity, budget.size_kb
    if limit_kb is not None:
        ours = _fit_size(job, work, dense, limit_kb, wanted or 0.0, progress)
    elif wanted is None and budget.max_accuracy_drop is not None:
        ours = _fit_accuracy(job, work, dense, budget.max_accuracy_drop, progress)
    else:
        sparsity = SPARSITY if wanted is None else wanted
        ours = method_variant(job, work, dense, job.recipe.method.name, sparsity, progress)
    measured = {
        "sparsity": ours.weight_sparsity,
        "size_kb": packed_bytes(ours.forms.program) / 1000,
        "accuracy_drop": accuracy_drop(dense, ours),
    }
    rows = check_result(budget, measured)
    return ours, {row["bound"]: {"asked": row["limit"], "reached": row["reached"]} for row in rows}


def accuracy_drop(dense: Variant, ours: Variant) -> float:
    """Return the points of test accuracy lost, to 1e-6: 99.1 - 98.1 is 1, not 1.0000000000009."""
    return round(100 * (dense.accuracy - ours.accuracy), 6)


def _fit_size(
    job: Job, work: Work, dense: Variant, limit_kb: float, at_least: float, progress: bool
) -> Variant:
    """Bisect with untrained masks, train, and look again at what was packed."""
    sizes: dict[float, int] = {}

    def predicted(sparsity: float) -> int:
        if sparsity not in sizes:
            sizes[sparsity] = packed_bytes(untrained_program(job, dense, sparsity))
        return sizes[sparsity]

    limit = limit_kb * 1000
    augments = methods.METHODS.get(job.recipe.method.name).augments
    highest = 1.0 if augments else max(_HIGHEST, at_least)
    aim, reached, tried = limit * _MARGIN, 0, 0.0
    for _ in range(1 + _RETRIES):
        if predicted(highest) > limit:
            aim = limit  # the search says so, in the user's own number
        found = bisect(predicted, aim, low=at_least, high=highest)
        ours = method_variant(job, work, dense, job.recipe.method.name, found.sparsity, progress)
        reached, tried = packed_bytes(ours.forms.program), found.sparsity
        if reached <= limit:
            return ours
        aim *= min(found.size_bytes / reached, 1.0) * _MARGIN
    raise broken("size_kb", limit_kb, reached / 1000, f" at sparsity {tried:g}")


def _fit_accuracy(job: Job, work: Work, dense: Variant, limit: float, progress: bool) -> Variant:
    drops: list[float] = []
    rungs = ladder(SPARSITY)
    for sparsity in rungs:
        ours = method_variant(job, work, dense, job.recipe.method.name, sparsity, progress)
        drops.append(accuracy_drop(dense, ours))
        if drops[-1] <= limit:
            ours.note = f"sparsity chosen on the test part, {len(drops)} tried"
            return ours
    nearest = min(drops)
    at = f" points at sparsity {rungs[drops.index(nearest)]:g}"
    tried = f", of {rungs[0]:g} down to {rungs[-1]:g} tried on the test part"
    raise broken("max_accuracy_drop", limit, nearest, at + tried)
