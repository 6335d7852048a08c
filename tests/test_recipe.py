"""The recipe: every bad key or value is one line that names it; YAML gives the same recipe back."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from niwaki.errors import InputError, ValueDomainError
from niwaki.recipe import Recipe


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sparsty": 0.9}, r"the keys must be among model, data, .*, got sparsty\."),
        ({"train": {"epoch": 3}}, r"the keys of train must be among dense_epochs, .*, got epoch\."),
        ({"model": {"spec": "a", "weight": "b"}}, r"the keys of model must be among .*got weight"),
        ({"sparsity": 1.5}, r"sparsity must be less than or equal to 1, got 1.5\."),
        ({"sparsity": -0.1}, r"sparsity must be greater than or equal to 0, got -0.1\."),
        ({"sparsity": float("nan")}, "sparsity must be a finite number, got nan"),
        ({"sparsity": "much"}, "sparsity must be a valid number.*got 'much'"),
        ({"form": "int"}, "form must be 'float' or 'integer', got 'int'"),
        ({"budget": {"size_kb": 0}}, "budget.size_kb must be greater than 0, got 0"),
        ({"train": {"epochs": -1}}, "train.epochs must be greater than or equal to 0, got -1"),
        ({"train": {"lr": 0}}, "train.lr must be greater than 0, got 0"),
        ({"train": {"optimizer": "adm"}}, "train.optimizer must be 'adam', .*, got 'adm'"),
        ({"compare": [1]}, "compare.0 must be a valid string, got 1"),
        ({"integer": {"quantile": 0.1}}, "integer.quantile must be greater than 0.5, got 0.1"),
        ({"train": 3}, "train must be .*, got 3"),
    ],
)
def test_a_bad_recipe_is_one_line_naming_key_bound_and_value(values, message):
    with pytest.raises(ValueDomainError, match=message) as caught:
        Recipe.of(values)
    assert "\n" not in str(caught.value)


def test_yaml_gives_the_same_recipe_back(tmp_path):
    recipe = Recipe.of({"model": "lenet5", "method": "magnitude", "train": {"seed": 7}})
    path = tmp_path / "recipe.yaml"
    path.write_text(recipe.to_yaml())
    assert Recipe.load(path) == recipe


def test_short_forms_stand_for_the_long_ones():
    short = Recipe.of({"model": "a", "method": "b", "ignore": "c", "train": {"augment": False}})
    assert (short.model.spec, short.method.name, short.ignore) == ("a", "b", ["c"])
    assert short.train.augment == "none"


def test_changes_keep_what_was_set_beside_them():
    recipe = Recipe.of({"train": {"epochs": 3, "seed": 1}, "model": "a"})
    changed = recipe.merged({"train": {"seed": 2}, "model": {"weights": "w.npz"}})
    assert (changed.train.epochs, changed.train.seed) == (3, 2)
    assert (changed.model.spec, changed.model.weights) == ("a", "w.npz")


def test_a_change_of_method_keeps_no_options_of_another():
    recipe = Recipe.of({"method": {"name": "bap", "options": {"tied": True}}})
    assert recipe.merged({"method": {"options": {"hold": 0.1}}}).method.options == {"hold": 0.1}


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [1", "must be YAML"), ("- 1\n- 2", "must hold keys and values, got list")],
)
def test_a_file_that_holds_no_recipe_is_refused(tmp_path, text, message):
    path = tmp_path / "recipe.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        Recipe.load(path)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="must be a YAML file that exists"):
        Recipe.load(tmp_path / "none.yaml")


def test_an_empty_file_is_the_default_recipe(tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text("")
    assert Recipe.load(path) == Recipe()


def test_the_recipe_in_the_docs_has_every_key():
    text = (Path(__file__).parents[1] / "docs" / "cli.md").read_text()
    (shown,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    values = yaml.safe_load(shown)
    Recipe.of(values)
    assert _keys(values) == _keys(Recipe().model_dump())


def _keys(values: dict) -> set[str]:
    inner = {f"{key}.{k}" for key, v in values.items() if isinstance(v, dict) for k in _keys(v)}
    return set(values) | inner
