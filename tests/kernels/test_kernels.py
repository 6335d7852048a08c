"""Every listed kernel against its op's reference: a new line in a kernels.inc is tested at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from niwaki import _core

from . import (  # register their cases
    cases_cpo as cases_cpo,
    cases_dense as cases_dense,
    cases_pixels as cases_pixels,
    cases_planes as cases_planes,
    cases_slices as cases_slices,
    cases_sparse as cases_sparse,
    cases_store as cases_store,
    cases_tiled as cases_tiled,
    cases_units as cases_units,
)
from .cases import CASES

KERNELS = {kernel.name: kernel for kernel in _core.kernels()}
REFERENCES = {kernel.op: kernel for kernel in KERNELS.values() if kernel.isa == "reference"}
TOLERANCE = 4e-6
"""Of the sum of absolute terms: 100 additions of float32 in any order."""


def test_every_op_has_a_reference_and_cases() -> None:
    ops = {kernel.op for kernel in KERNELS.values()}
    assert ops == set(REFERENCES)
    assert ops == set(CASES)


def test_names_are_unique_and_end_with_their_isa() -> None:
    assert len(KERNELS) == len(_core.kernels())
    assert all(name.endswith(f"_{kernel.isa}") for name, kernel in KERNELS.items())


def test_every_op_has_a_portable_kernel() -> None:
    portable = {kernel.op for kernel in KERNELS.values() if kernel.isa == "portable"}
    assert portable == set(REFERENCES)


@pytest.mark.parametrize("name", [name for name, k in KERNELS.items() if k.isa != "reference"])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_kernel_equals_its_reference(name: str, data: st.DataObject) -> None:
    kernel = KERNELS[name]
    if not kernel.available:
        pytest.skip(f"this CPU has no {kernel.isa}")
    arguments, magnitude = data.draw(CASES[kernel.op])
    reference = REFERENCES[kernel.op].name
    got = _core.run_kernel(name, **arguments)
    expected = _core.run_kernel(reference, **arguments)
    if "pixels" in arguments:  # whole blocks of pixels may be written: what lies behind is free
        got, expected = got[:, : arguments["pixels"]], expected[:, : arguments["pixels"]]
    assert got.dtype == expected.dtype
    if magnitude is None:
        np.testing.assert_array_equal(got, expected)
        return
    size = _core.run_kernel(reference, **magnitude)[..., : expected.shape[-1]]
    np.testing.assert_array_equal(np.isnan(got), np.isnan(expected))
    finite = ~np.isnan(expected)
    assert np.all(abs(got - expected)[finite] <= TOLERANCE * size[finite])
