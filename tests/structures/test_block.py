"""Blocks of output channels: whole blocks live or die, by mean score, at an exact count."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from niwaki import structures
from niwaki.errors import ValueDomainError
from niwaki.structures.block import block_scores


@settings(max_examples=60, deadline=None)
@given(
    outputs=st.sampled_from([0, 1, 3, 4, 5, 63, 64, 65]),
    rest=st.sampled_from([(1,), (3, 3, 3), (2, 1, 1), (0,)]),
    rows=st.integers(1, 5),
    density=st.sampled_from([0.0, 0.1, 0.5, 0.98, 1.0]),
)
def test_whole_blocks_at_an_exact_count(outputs, rest, rows, density):
    score = np.random.default_rng(0).random((outputs, *rest))
    mask = structures.create("block", rows=rows).masks({"w": score}, density)["w"]
    assert mask.shape == score.shape
    firsts = mask[::rows]
    np.testing.assert_array_equal(np.repeat(firsts, rows, axis=0)[:outputs], mask)
    assert int(firsts.sum()) == structures.kept_count(firsts.size, density)


def test_mean_scores_decide():
    # Blocks by hand: means 2, 1.5 and, alone in the last block, 1.75.
    score = np.array([[4.0], [0.0], [3.0], [0.0], [1.75]])
    assert block_scores(score, 2).ravel().tolist() == [2.0, 1.5, 1.75]
    mask = structures.create("block", rows=2).masks({"w": score}, 2 / 3)["w"]
    assert mask.ravel().tolist() == [True, True, False, False, True]


def test_one_row_is_unstructured(rng):
    scores = {"a": rng.random((8, 3, 3)), "b": rng.random((5, 7))}
    for scope in ("layer", "global"):
        blocks = structures.create("block", rows=1, scope=scope).masks(scores, 0.3)
        plain = structures.create("unstructured", scope=scope).masks(scores, 0.3)
        for name in scores:
            np.testing.assert_array_equal(blocks[name], plain[name])


def test_global_scope_ranks_blocks_of_all_layers():
    scores = {"low": np.full((4, 2), 0.1), "high": np.full((4, 2), 0.9)}
    masks = structures.create("block", scope="global").masks(scores, 0.5)
    assert not masks["low"].any()
    assert masks["high"].all()


def test_refuses_what_cannot_be_ranked(rng):
    with pytest.raises(ValueDomainError, match="rows must be 1 or more, got 0"):
        structures.create("block", rows=0)
    with pytest.raises(ValueDomainError, match="scope must be"):
        structures.create("block", scope="channel")
    with pytest.raises(ValueDomainError, match="finite"):
        structures.create("block").masks({"w": np.array([[np.nan]])}, 0.5)
