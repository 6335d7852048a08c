"""The machine's roofs: measured for every instruction set, and in the order that physics asks."""

from __future__ import annotations

import pytest

from niwaki import _core
from niwaki.runtime import isas
from niwaki.targets import core_distance

RATES = ["fma_gmacs", "load_gmacs", "load_aligned_gmacs", "l2_gb", "l3_gb", "memory_gb"]
RATES += ["bits_gmacs"]


@pytest.mark.parametrize("isa", ["auto", *isas()])
def test_rates(isa):
    roofs = _core.roofline(isa)
    assert list(roofs) == RATES
    assert all(0.01 < rate < 1e5 for rate in roofs.values())
    # Loose, since another process may have had the core for one of the two.
    assert roofs["load_gmacs"] < 1.5 * roofs["fma_gmacs"]
    assert roofs["memory_gb"] < 1.5 * roofs["l2_gb"]


def test_the_distance_of_two_cpus():
    cpus = _core.allowed_cpus()
    distance = core_distance()
    if len(cpus) < 2:
        assert distance is None
    else:
        # None: on a busy machine both may not have run at once.
        assert distance is None or 1 < distance < 1e5


def test_a_cpu_that_does_not_exist_is_no_crash():
    assert _core.core_distance_ns(-1, 10**6) >= -1


def test_unknown_isa():
    with pytest.raises(ValueError, match="isa must be one that this CPU runs, got 'nope'"):
        _core.roofline("nope")
