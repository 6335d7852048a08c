"""The machine's roofs: measured for every instruction set, and in the order that physics asks."""

from __future__ import annotations

import pytest

from niwaki import _core
from niwaki.runtime import isas

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


def test_unknown_isa():
    with pytest.raises(ValueError, match="isa must be one that this CPU runs, got 'nope'"):
        _core.roofline("nope")
