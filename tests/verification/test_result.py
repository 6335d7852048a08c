"""The result: what it says, and when it raises."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from niwaki.errors import VerificationError
from niwaki.verification import EndCheck, LayerCheck, VerifyResult

GOOD = LayerCheck("conv1", "relu", "engine", True, 1e-7, 0, 2)
BAD = LayerCheck("conv2", "add", "engine", False, 0.5, 3)
END = EndCheck("logits", "engine", True, 1e-6, 0, 0)


def result(layers=(GOOD,), ends=(END,), files=None):
    return VerifyResult("out", "float", 8, list(layers), list(ends), files or {"model.nwk": "ok"})


def test_a_result_without_a_difference_passes():
    found = result()
    found.raise_for_difference()
    assert found.ok
    assert found.summary().endswith("8 images, 1 layers (float form, 2 bits at their threshold)")
    assert found.to_dict()["bits_at_threshold"] == 2


def test_the_first_differing_layer_is_named():
    found = result([GOOD, BAD, LayerCheck("fc", "y", "engine", False, 9.0, 4)])
    assert found.to_dict()["first_differing_layer"] == "conv2"
    with pytest.raises(VerificationError, match="layer conv2: the engine must equal torch") as e:
        found.raise_for_difference()
    assert e.value.exit_code == 1


@pytest.mark.parametrize(
    ("found", "match"),
    [
        (result(ends=[EndCheck("y", "graph", False, 0.3, 2, 1)]), "output 'y': .*got 1 images off"),
        (result(files={"model.nwk": "changed"}), "model.nwk changed"),
        (result(layers=[]), "there must be layers and outputs to compare, got none"),
        (result(ends=[]), "there must be layers and outputs to compare, got none"),
    ],
)
def test_every_other_failure_is_told_too(found, match):
    with pytest.raises(VerificationError, match=match):
        found.raise_for_difference()


def test_json_and_table_hold_the_layers():
    found = result([GOOD, BAD], files={"model.nwk": "changed"})
    assert json.loads(json.dumps(found.to_dict()))["layers"][1]["differing"] == 3
    console = Console(file=io.StringIO(), width=160)
    console.print(found.table())
    text = console.file.getvalue()
    assert "DIFFERS" in text
    assert "changed" in text


def test_a_row_holds_a_layers_values_and_names_the_first_that_differs():
    early = LayerCheck("conv2", "mul", "engine", True, 0.1, 0, 4)
    console = Console(file=io.StringIO(), width=160)
    console.print(
        result([early, BAD, LayerCheck("conv2", "late", "engine", False, 0.2, 5)]).table()
    )
    (row,) = [line for line in console.file.getvalue().splitlines() if "conv2" in line]
    assert [cell.strip() for cell in row.split("│")[1:-1]] == [
        "conv2", "add", "engine", "0.5", "8", "4", "DIFFERS",
    ]  # fmt: skip
