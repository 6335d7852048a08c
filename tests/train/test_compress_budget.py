"""How a budget is kept: which sparsities are trained, and what is said when none will do."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from niwaki.errors import InfeasibleError
from niwaki.recipe import Recipe
from niwaki.train import _compress_budget as budgets


@dataclass
class Trained:
    accuracy: float
    sparsity: float
    size: int
    note: str = ""

    @property
    def weight_sparsity(self) -> float:
        return self.sparsity

    @property
    def forms(self) -> SimpleNamespace:
        return SimpleNamespace(program=self.size)


@pytest.fixture
def world(monkeypatch):
    """A network whose accuracy falls with the sparsity, packed to 1000 bytes and 100 a per cent."""
    trained: list[float] = []

    def size(sparsity: float) -> int:
        return 1_000 + round(10_000 * (1 - sparsity))

    def train(_job, _work, _dense, _name, sparsity, _progress) -> Trained:
        trained.append(sparsity)
        return Trained(
            0.99 - world.loss - 0.05 * sparsity**8, sparsity, size(sparsity) + world.excess
        )

    world = SimpleNamespace(trained=trained, excess=0, loss=0.0, size=size)
    monkeypatch.setattr(budgets, "method_variant", train)
    monkeypatch.setattr(budgets, "untrained_program", lambda _job, _dense, s: size(s))
    monkeypatch.setattr(budgets, "packed_bytes", lambda program: program)
    return world


def keep(**values):
    job = SimpleNamespace(recipe=Recipe.of({"method": "magnitude", **values}))
    return budgets.keep_budget(job, None, Trained(0.99, 0.0, 9_999), progress=False)  # type: ignore[arg-type]


def test_without_a_budget_the_recipe_says_the_sparsity(world):
    ours, kept = keep(sparsity=0.7)
    assert (world.trained, kept) == ([0.7], {})
    assert ours.sparsity == 0.7


def test_a_size_takes_the_least_sparsity_that_fits_and_trains_once(world):
    ours, kept = keep(budget={"size_kb": 4})
    assert len(world.trained) == 1
    assert 3_900 < ours.size <= 4_000
    assert kept["size_kb"] == {"asked": 4, "reached": ours.size / 1000}


def test_a_sparsity_beside_a_size_is_a_lower_bound(world):
    ours, _ = keep(sparsity=0.9, budget={"size_kb": 4})
    assert ours.sparsity == 0.9


def test_a_size_missed_after_training_is_aimed_at_again(world):
    world.excess = 60
    ours, _ = keep(budget={"size_kb": 4})
    assert len(world.trained) == 2
    assert ours.size <= 4_000


def test_a_size_below_the_smallest_file_is_refused_before_training(world):
    with pytest.raises(
        InfeasibleError, match=r"at most 1, nearest reached 1\.01 at sparsity 0\.999"
    ):
        keep(budget={"size_kb": 1})
    assert world.trained == []


def test_a_method_with_a_second_branch_goes_down_to_no_weights_at_all(world):
    with pytest.raises(InfeasibleError, match=r"at most 0\.9, nearest reached 1 at sparsity 1,"):
        keep(method="bap", budget={"size_kb": 0.9})
    ours, _ = keep(method="bap", budget={"size_kb": 1.006})
    assert 0.999 < ours.sparsity <= 1.0


def test_a_lower_bound_above_the_highest_sparsity_is_tried_itself(world):
    ours, _ = keep(sparsity=0.9995, budget={"size_kb": 4})
    assert ours.sparsity == 0.9995


def test_an_accuracy_alone_goes_down_until_it_is_kept(world):
    ours, kept = keep(budget={"max_accuracy_drop": 3})
    assert world.trained == [0.98, 0.96, 0.92]
    assert ours.sparsity == 0.92
    assert kept["max_accuracy_drop"]["reached"] <= 3
    assert ours.note == "sparsity chosen on the test part, 3 tried"


def test_an_accuracy_that_no_sparsity_keeps_tells_the_nearest(world):
    world.loss = 0.01
    with pytest.raises(
        InfeasibleError,
        match=r"at most 0\.5, nearest reached 1 points at sparsity 0, of 0\.98 down to 0 tried",
    ):
        keep(budget={"max_accuracy_drop": 0.5})
    assert world.trained == [0.98, 0.96, 0.92, 0.84, 0.68, 0.36, 0.0]


def test_an_accuracy_beside_a_sparsity_is_checked_only(world):
    with pytest.raises(InfeasibleError, match="max_accuracy_drop must be at most 1, nearest"):
        keep(sparsity=0.98, budget={"max_accuracy_drop": 1})
    assert world.trained == [0.98]


def test_the_prediction_is_the_size_of_a_really_packed_network(tmp_path):
    from niwaki.targets import packed_bytes
    from niwaki.train._compress_job import prepare_job
    from niwaki.train._compress_stages import dense_variant, untrained_program
    from niwaki.train._compress_work import Work

    settings = {"dense_epochs": 0, "method": "magnitude"}
    job = prepare_job(None, None, None, None, settings, tmp_path / "out", replace=False)
    work = Work.start(tmp_path / "out", job.recipe, resume=False, force=False)
    dense = dense_variant(job, work, progress=False)
    sizes = [packed_bytes(untrained_program(job, dense, s)) for s in (0.0, 0.9, 0.98)]
    assert sizes[0] == packed_bytes(dense.forms.program)
    assert sizes[0] > sizes[1] > sizes[2] > 0
