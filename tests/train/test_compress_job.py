"""What `compress` makes of its arguments, before any work."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

import niwaki
from niwaki.cli import run_verb
from niwaki.errors import InputError, RegistryError, ShapeError, ValueDomainError
from niwaki.recipe import Recipe
from niwaki.train._compress_defaults import resolve
from niwaki.train._compress_job import prepare_job


def job_of(tmp_path, *, model=None, data=None, recipe=None, budget=None, **settings):
    return prepare_job(model, data, recipe, budget, settings, tmp_path / "out", replace=False)


def test_arguments_win_over_the_recipe_and_the_recipe_over_the_defaults(tmp_path):
    recipe = {"train": {"epochs": 3, "lr": 0.01}, "sparsity": 0.5}
    budget = niwaki.Budget(size_kb=30)
    job = job_of(tmp_path, recipe=recipe, budget=budget, epochs=5, method="magnitude")
    found = job.recipe
    assert (found.train.epochs, found.train.lr, found.sparsity) == (5, 0.01, 0.5)
    assert (found.method.name, found.budget.size_kb) == ("magnitude", 30)
    assert (found.model.spec, found.train.batch_size) == ("digits-cnn", 64)


def test_the_users_network_is_not_changed(tmp_path):
    model = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 20))
    model.append(nn.Sequential(nn.ReLU(), nn.Linear(20, 10)))
    before = {key: value.clone() for key, value in model.state_dict().items()}
    result = niwaki.compress(
        model,
        out=tmp_path / "out",
        sparsity=0.5,
        epochs=1,
        compare=[],
        golden_images=1,
        progress=False,
        recipe={"bench": {"runs": 2, "warmup": 0}},
    )
    assert result.report.model == "Sequential"
    assert model.training
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


def test_given_weights_need_no_dense_training():
    with_weights = Recipe.of({"model": {"spec": "digits-cnn", "weights": "w.npz"}})
    assert resolve(with_weights).train.dense_epochs == 0
    assert resolve(Recipe()).train.dense_epochs


def test_a_budget_leaves_the_sparsity_to_be_chosen():
    assert resolve(Recipe()).sparsity == 0.98
    assert resolve(Recipe.of({"budget": {"size_kb": 3}})).sparsity is None
    assert resolve(Recipe.of({"budget": {"sparsity": 0.9}})).sparsity == 0.9
    assert resolve(Recipe.of({"sparsity": 0.5, "budget": {"sparsity": 0.9}})).sparsity == 0.9


def test_a_resolved_recipe_resolves_to_itself():
    once = resolve(Recipe.of({"data": "mnist"}))
    assert resolve(once) == once
    assert Recipe.of(once.model_dump()) == once


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"sparsty": 0.5}, ValueDomainError, "got sparsty"),
        ({"method": "nonesuch"}, RegistryError, "bap, magnitude"),
        ({"targets": ["nonesuch"]}, ValueDomainError, "nonesuch"),
        ({"sparsity": 1.0, "method": "magnitude"}, ValueDomainError, "second branch"),
        ({"weights": "none.npz"}, InputError, "none.npz"),
        ({"model": nn.Linear(3, 2)}, ShapeError, "must take the data's"),
        ({"model": nn.Flatten(1, 2)}, ShapeError, "must return logits"),
    ],
)
def test_what_cannot_be_used_is_refused_before_any_file_is_made(tmp_path, settings, error, message):
    with pytest.raises(error, match=message):
        job_of(tmp_path, **settings)
    assert list(tmp_path.iterdir()) == []


def test_at_sparsity_one_only_methods_with_a_second_branch_are_compared(tmp_path):
    job = job_of(tmp_path, sparsity=1.0)
    assert job.compared(1.0) == []
    assert job.compared(0.98) == ["magnitude"]


def test_a_method_that_prunes_nothing_takes_no_sparsity(tmp_path):
    job = job_of(tmp_path, method="si-bnn")
    assert job.recipe.sparsity == 0.0
    assert job.compared(0.0) == []  # what prunes would have no sparsity to be trained at
    for asked in ({"sparsity": 0.9}, {"budget": niwaki.Budget(sparsity=0.9)}):
        with pytest.raises(ValueDomainError, match=r"sparsity must be 0 or left out for si-bnn"):
            job_of(tmp_path, method="si-bnn", **asked)


NETWORK = """
from torch import nn


def make(num_classes=10):
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.{op},
        nn.Conv2d(8, 8, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, num_classes),
    )
"""


@pytest.mark.parametrize(
    ("op", "form", "named"),
    [
        ("Threshold(0.1, 20.0)", "float", r"Where \(node '1"),
        ("Threshold(0.1, 20.0)", "integer", r"Where \(node '1"),
        ("MaxPool2d(2, dilation=2)", "integer", r"node 'max_pool2d.*must have an integer form"),
        ("SiLU()", "integer", r"conv \(node '0'\) must have an integer form.* silu"),
    ],
)
def test_a_network_that_the_engine_cannot_run_is_refused_before_training(
    tmp_path, monkeypatch, capsys, op, form, named
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("niwaki.train._compress_stages.fit", None)  # training would be a bug: 70
    (tmp_path / "mine.py").write_text(NETWORK.replace("{op}", op))
    code = run_verb(["compress", "--model", "mine.py:make", "--form", form, "--out", "out"])
    told = capsys.readouterr()
    assert code == 2, told.err
    assert told.out == ""
    assert told.err.count("\n") == 1
    assert re.search(named, told.err)
    assert {path.name for path in tmp_path.iterdir()} - {"__pycache__"} == {"mine.py"}


def test_a_network_whose_published_normalisation_has_other_channels_than_the_pictures(tmp_path):
    weights = tmp_path / "w.npz"
    np.savez(weights, w=np.zeros(1, np.float32))
    with pytest.raises(
        ShapeError, match=r"resnet20\] the pictures must have 3 channels.* got 1 in data 'digits'"
    ):
        job_of(tmp_path, model="resnet20", data="digits", weights=str(weights))
