"""Predictions from the cost table: between what was measured, of the same layer only."""

from __future__ import annotations

import numpy as np
import pytest

from niwaki import _core
from niwaki.runtime import isas
from niwaki.runtime.costs import CostTable, Measured, split_key
from niwaki.targets.costs import ConvShape, predict_ms

SHAPE = ConvShape(8, 12, 12, 16, (3, 3), pads=(1, 1, 1, 1))


def base(**more):
    given = {
        "input": np.zeros((1, 8, 12, 12), np.float32),
        "weight": np.ones((16, 8, 3, 3), np.float32),
        "kernel": (3, 3), "strides": (1, 1), "pads": (1, 1, 1, 1), "isa": isas()[0], **more,
    }  # fmt: skip
    return split_key(_core.tune_convolution(0.0, **given)[0])[0]


@pytest.fixture
def table(tmp_path):
    """1 ms dense (0.9 when compact), 0.5 ms at 1/4, 0.1 ms at 1/16."""
    found = CostTable(tmp_path / "costs.json")
    times = {0: 1.0, 8: 0.5, 16: 0.1}
    found.add({f"{base()}@{step}": [Measured("sparse", ms)] for step, ms in times.items()})
    return found


def test_measured_and_interpolated_densities(table):
    assert predict_ms(SHAPE, 1, table=table) == 1.0
    assert predict_ms(SHAPE, 0.25, table=table) == 0.5
    assert predict_ms(SHAPE, 0.625, table=table) == pytest.approx(0.75)
    assert predict_ms(SHAPE, 0.01, table=table) == pytest.approx(0.1)


def test_other_layers_threads_and_sets_are_unknown(table):
    assert predict_ms(ConvShape(8, 12, 12, 32, (3, 3)), 1, table=table) is None
    assert predict_ms(SHAPE, 1, threads=2, table=table) is None
    assert predict_ms(SHAPE, 1, isa="none", table=table) is None


def test_structures_share_the_dense_time_only(table):
    assert predict_ms(SHAPE, 0.25, structure="4x1", table=table) == 1.0
    table.add({f"{base().replace('unstructured', '4x1')}@8": [Measured("sparse4", 0.2)]})
    assert predict_ms(SHAPE, 0.25, structure="4x1", table=table) == pytest.approx(0.2)
    assert predict_ms(SHAPE, 0.25, table=table) == 0.5


def test_surroundings_are_averaged_and_a_dense_layer_bounds_a_sparse_one(table):
    compact = base(geometry="compact")
    table.add({f"{compact}@0": [Measured("direct", 0.4)], f"{compact}@8": [Measured("x", 0.7)]})
    assert predict_ms(SHAPE, 1, table=table) == pytest.approx(0.7)
    assert predict_ms(SHAPE, 0.25, table=table) == pytest.approx(0.45)
