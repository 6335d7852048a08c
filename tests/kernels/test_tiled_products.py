"""The kernels of tiled weights, the references among them, against a dense product in NumPy."""

from __future__ import annotations

import numpy as np
import pytest

from niwaki import _core
from niwaki.formats.bcsc import Bcsc
from niwaki.formats.bits_gemm import BitsGemm

from .cases_tiled import tiled

OPS = {
    "BcscF32": (Bcsc(256, 128), (1, 3, 4)),
    "BcscI16": (Bcsc(64, 64), (1, 3, 4)),
    "BitsGemvF32": (BitsGemm(64, 64), (1, 3, 4)),
    "BitsGemmF32": (BitsGemm(64, 128, rows_first=True), (16, 64)),
    "BitsGemmI16": (BitsGemm(16, 64, rows_first=True), (16, 64)),
}


@pytest.mark.parametrize(
    ("op", "columns"), [(op, n) for op, (_, columns) in OPS.items() for n in columns]
)
@pytest.mark.parametrize("density", [0.0, 0.1, 1.0])
def test_products(op, columns, density):
    rng = np.random.default_rng(0)
    outputs, inputs = 130, 259
    weight = rng.normal(size=(outputs, inputs)) * (rng.random((outputs, inputs)) < density)
    x = rng.normal(size=(columns, inputs)) * (rng.random((columns, inputs)) < 0.5)
    if op.endswith("I16"):
        weight, x = (np.clip(np.rint(40 * a), -128, 127) for a in (weight, x))
        weight, x = weight.astype(np.int8), x.astype(np.int16)
        expected = x.astype(np.int64) @ weight.T.astype(np.int64)
    else:
        weight, x = weight.astype(np.float32), x.astype(np.float32)
        expected = x.astype(np.float64) @ weight.T.astype(np.float64)
    many = op.startswith("BitsGemm")
    given = {"x": np.ascontiguousarray(x.T) if many else x, **tiled(OPS[op][0], weight)}
    kernels = [kernel for kernel in _core.kernels() if kernel.op == op and kernel.available]
    assert len(kernels) >= 2
    for kernel in kernels:
        found = np.asarray(_core.run_kernel(kernel.name, **given))
        found = found.T if many else found
        if op.endswith("I16"):
            np.testing.assert_array_equal(found, expected)
        else:
            largest = max(1.0, float(np.abs(expected).max()))
            np.testing.assert_allclose(found, expected, atol=1e-5 * largest, rtol=0)
