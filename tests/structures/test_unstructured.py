"""Unstructured masks: exact counts, ties by index, the global threshold, ResNet-18's numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from niwaki import structures
from niwaki.errors import RegistryError, ValueDomainError


def resnet18_block_shapes() -> dict[str, tuple[int, int, int, int]]:
    """The 16 3x3 convolutions of ResNet-18's blocks, by shape alone."""
    shapes, c_in = {}, 64
    for stage, c_out in enumerate((64, 128, 256, 512), start=1):
        for block in range(2):
            for conv in (1, 2):
                shapes[f"layer{stage}.{block}.conv{conv}"] = (c_out, c_in, 3, 3)
                c_in = c_out
    return shapes


def test_resnet18_keeps_219707_weights_per_layer():
    # bap.md, "works" item 1.
    sizes = [int(np.prod(shape)) for shape in resnet18_block_shapes().values()]
    assert len(sizes) == 16
    assert sum(sizes) == 10_985_472
    assert sum(structures.kept_count(n, structures.density_of(0.98)) for n in sizes) == 219_707
    assert structures.kept_count(sum(sizes), structures.density_of(0.98)) == 219_709


def test_resnet18_operations():
    # bap.md, "works" item 1: 33.5 M sparse and 1,676 M binary operations; the stem has 118.0 M.
    sparse = binary = 0
    for name, shape in resnet18_block_shapes().items():
        side = {"layer1": 56, "layer2": 28, "layer3": 14, "layer4": 7}[name.split(".")[0]]
        n = int(np.prod(shape))
        binary += n * side * side
        sparse += structures.kept_count(n, 0.02) * side * side
    assert round(sparse / 1e6, 1) == 33.5
    assert round(binary / 1e6) == 1676
    assert round(64 * 3 * 7 * 7 * 112 * 112 / 1e6, 1) == 118.0


def test_masks_of_resnet18_by_count(rng):
    scores = {
        name: rng.random(shape, np.float32) for name, shape in resnet18_block_shapes().items()
    }
    per_layer = structures.create("unstructured").masks(scores, 0.02)
    one_threshold = structures.create("unstructured", scope="global").masks(scores, 0.02)
    assert sum(int(mask.sum()) for mask in per_layer.values()) == 219_707
    assert sum(int(mask.sum()) for mask in one_threshold.values()) == 219_709


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.integers(0, 4), max_size=65),
    density=st.sampled_from([0.0, 0.02, 0.3, 0.5, 0.98, 1.0]),
)
def test_exact_count_and_ties_by_index(values, density):
    scores = np.array(values, np.float64)
    mask = structures.create("unstructured").masks({"a": scores}, density)["a"]
    order = np.argsort(-scores, kind="stable")[: round(density * len(values))]
    want = np.zeros(len(values), bool)
    want[order] = True
    np.testing.assert_array_equal(mask, want)


def test_global_threshold_is_relative_to_each_layers_spread():
    small = np.array([[-0.01, 0.01, -0.01, 0.05]])
    weights = {"small": small, "large": small * 1000}
    scores = {name: structures.relative_magnitude(w) for name, w in weights.items()}
    masks = structures.create("unstructured", scope="global").masks(scores, 0.25)
    assert masks["small"].tolist() == masks["large"].tolist() == [[False, False, False, True]]


def test_magnitude_scores():
    np.testing.assert_array_equal(structures.magnitude(np.array([-2.0, 0.0, 1.0])), [2.0, 0.0, 1.0])
    np.testing.assert_array_equal(structures.relative_magnitude(np.array([-2.0, -2.0])), [2.0, 2.0])


def test_bad_values_are_refused():
    structure = structures.create("unstructured")
    with pytest.raises(ValueDomainError, match="density must be in"):
        structure.masks({"a": np.ones(3)}, 1.5)
    with pytest.raises(
        ValueDomainError, match=r"\[mask a\] weights must be finite .* 1 that are NaN"
    ):
        structure.masks({"a": np.array([1.0, np.nan])}, 0.5)
    with pytest.raises(ValueDomainError, match="sparsity must be in"):
        structures.density_of(-0.1)
    with pytest.raises(ValueDomainError, match="scope must be"):
        structures.create("unstructured", scope="row")
    with pytest.raises(RegistryError, match="unstructured"):
        structures.create("no-such")


def test_density_has_no_floating_point_dust():
    assert structures.density_of(0.98) == 0.02
    assert structures.density_of(1.0) == 0.0
    assert structures.names() == ["block", "unstructured"]
