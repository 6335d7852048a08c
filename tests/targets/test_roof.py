"""Roofs: the slower of multiply-adds and bytes bounds a layer."""

from __future__ import annotations

import pytest

from niwaki.runtime import LayerInfo
from niwaki.targets._roof import bound

ROOFS = {
    "fma_gmacs": 50.0,
    "load_gmacs": 25.0,
    "load_aligned_gmacs": 40.0,
    "l2_gb": 100.0,
    "l3_gb": 50.0,
    "memory_gb": 10.0,
}


def layer(**more):
    given = {
        "index": 0, "op": "conv", "name": "c", "input_shapes": ((1, 1, 1),),
        "output_shape": (1, 1, 1), "output_dtype": "f32", "density": 1.0, "weight_bits": 0,
        "macs": 50_000_000, "binary_macs": 0, "kernel": "", "reason": "", "ms": 1.0,
        "algorithm": "direct", **more,
    }  # fmt: skip
    return LayerInfo(**given)


def test_each_kind_of_kernel_has_its_rate():
    assert bound(layer(), 1000, ROOFS, 1) == ("fma", pytest.approx(1.0))
    assert bound(layer(algorithm="sparse"), 1000, ROOFS, 1) == ("load", pytest.approx(2.0))
    assert bound(layer(algorithm="sparse4"), 1000, ROOFS, 2) == ("fma", pytest.approx(0.5))
    assert bound(layer(algorithm="winograd"), 1000, ROOFS, 1) == ("fma", pytest.approx(0.25))
    assert bound(layer(algorithm="winograd2"), 1000, ROOFS, 1) == ("fma", pytest.approx(4 / 9))
    stem = layer(
        algorithm="winograd_phases", input_shapes=((3, 224, 224),), output_shape=(64, 112, 112),
        macs=147 * 64 * 112 * 112,
    )  # fmt: skip
    multiplied = 12 * 49 / 16 * 64 * 112 * 112  # of 147 an output: 7x7 in 4 phases of 4x4
    assert bound(stem, 1000, ROOFS, 1) == ("fma", pytest.approx(multiplied / 50e6))
    one_tap = bound(layer(algorithm="sparse"), 1000, ROOFS, 1, one_tap=True)
    assert one_tap == ("load_aligned", pytest.approx(1.25))


def test_bytes_bound_where_they_take_longer():
    assert bound(layer(macs=10), 1_000_000, ROOFS, 1) == ("l2", pytest.approx(0.01))
    assert bound(layer(macs=10), 2_000_000, ROOFS, 1) == ("l3", pytest.approx(0.04))
    assert bound(layer(macs=10), 20_000_000, ROOFS, 1) == ("memory", pytest.approx(2.0))


@pytest.mark.parametrize(
    ("more", "roofs"),
    [({"binary_macs": 5}, ROOFS), ({"output_dtype": "u8"}, ROOFS), ({}, {}), ({}, {"l2_gb": 1.0})],
)
def test_no_roof_where_none_applies(more, roofs):
    assert bound(layer(**more), 1000, roofs, 1) == ("", 0.0)
