"""The crossovers compare all that there is."""

from __future__ import annotations

from niwaki import _core


def test_every_algorithm_takes_part():
    from bench_crossover import ACTIVATION_SPARSE, DENSE, WEIGHT_SPARSE

    of_other_layers = {"depthwise", "reference"}
    named = {*DENSE, *WEIGHT_SPARSE, *ACTIVATION_SPARSE}
    assert named | of_other_layers == set(_core.algorithms())
