"""Float linear layers whose weights are stored sparse: every form gives the same answers."""

from __future__ import annotations

import numpy as np
import pytest

from niwaki import Engine, _core
from niwaki.formats import FORMATS
from niwaki.runtime import isas, kernels

from .programs import Builder

FORMS = {"entries": "LinearSparseF32", "bcsc": "BcscF32", "bits": "BitsGemvF32"}


def program(weight, bias):
    builder = Builder((weight.shape[1],))
    entries = FORMATS.get("entries").encode(weight)
    tensors = {f"weight.{role}": array for role, array in entries.items()}
    attrs = {"weight": "sparse", "activation": {"kind": "relu"}}
    tensors["bias"] = bias
    builder.layer("linear", {"x": 0}, "f32", (weight.shape[0],), attrs, tensors)
    return builder.program()


def sample(outputs, inputs, density, seed=0):
    rng = np.random.default_rng(seed)
    weight = rng.standard_normal((outputs, inputs)) * (rng.random((outputs, inputs)) < density)
    x = rng.standard_normal((3, inputs)) * (rng.random((3, inputs)) < 0.6)
    bias = rng.standard_normal(outputs)
    return (array.astype(np.float32) for array in (weight, bias, x))


def check(weight, bias, x, **options):
    engine = Engine(program(weight, bias), **options)
    expected = np.maximum(x.astype(float) @ weight.T.astype(float) + bias, 0)
    got = engine(x)
    largest = max(1.0, float(expected.max(initial=0)))
    np.testing.assert_allclose(got, expected, atol=1e-5 * largest, rtol=0)
    return engine.explain()[0].kernel, got


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("shape", [(1, 1), (10, 100), (65, 64), (257, 129), (600, 300)])
@pytest.mark.parametrize("density", [0.0, 0.1, 0.4])
def test_every_form_and_thread_count(form, shape, density):
    forced = [k.name for k in kernels() if k.op == FORMS[form] and k.available]
    arrays = list(sample(*shape, density))
    for name in forced:
        kernel, one = check(*arrays, kernels=[name])
        assert kernel == name
        np.testing.assert_array_equal(check(*arrays, kernels=[name], threads=3)[1], one)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("images", [1, 3, 8, 64])
def test_batches(form, images):
    weight, bias, _ = sample(257, 129, 0.1)
    x = np.random.default_rng(3).standard_normal((images, 129)).astype(np.float32)
    for name in [k.name for k in kernels() if k.op == FORMS[form] and k.available]:
        for threads in (1, 2):
            check(weight, bias, x, kernels=[name], threads=threads)


def test_rows_of_unequal_density_are_shared_out():
    weight, bias, x = sample(1024, 64, 0.4)
    weight[512:] *= np.random.default_rng(1).random((512, 64)) < 0.05
    check(weight, bias, x, threads=2)


@pytest.mark.skipif("x86_avx2" not in isas(), reason="costs were measured on x86 only")
@pytest.mark.parametrize(
    ("shape", "density", "op"),
    [
        ((500, 800), 0.02, "linear_sparse"),
        ((1024, 1024), 0.08, "bcsc"),
        ((512, 512), 0.45, "linear_dense"),
    ],
)
def test_density_decides_the_form(shape, density, op):
    kernel, _ = check(*sample(*shape, density))
    assert kernel.startswith(op)


@pytest.mark.parametrize("threads", [2, 3, 5])
def test_threads_get_as_many_entries(threads):
    """First half of the rows at 0.4, second half at 0.02: at most 5 % apart (item 6 of BCSC)."""
    rng = np.random.default_rng(2)
    rows = rng.binomial(4096, np.where(np.arange(4096) < 2048, 0.4, 0.02))
    starts = np.concatenate([[0], np.cumsum(rows)])
    cuts = _core.cut_rows(starts.tolist(), threads)
    parts = np.diff(starts[cuts])
    assert cuts[0] == 0
    assert cuts[-1] == 4096
    assert parts.max() - parts.min() <= 0.05 * parts.mean()


@pytest.mark.parametrize("rows", [[], [0], [0, 0, 0], [9], [1, 1], [100, 0, 0, 1], [0, 0, 0, 50]])
def test_every_row_is_some_threads(rows):
    for threads in (1, 2, 7):
        cuts = _core.cut_rows([0, *np.cumsum(rows).tolist()], threads)
        assert (cuts[0], cuts[-1], len(cuts)) == (0, len(rows), threads + 1)
        assert (np.diff(cuts) >= 0).all()
