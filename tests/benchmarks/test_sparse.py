"""The benchmarks of the activation-sparse and the tiled kernels run, and find crossovers."""

import numpy as np
import pytest


@pytest.mark.parametrize(
    ("mine", "found"),
    [([1, 2, 3], "above 0.3"), ([5, 6, 7], "below 0.1"), ([1, 3, 5], "0.25")],
)
def test_crossovers_lie_between_the_measured_densities(mine, found):
    import bench_activation_sparse
    import bench_sparse_linear

    for bench in (bench_activation_sparse, bench_sparse_linear):
        assert bench.crossover([0.1, 0.2, 0.3], mine, [4, 4, 4]) == found


def test_a_layer_is_measured():
    import bench_activation_sparse as bench

    rows = bench.layer_rows((4, 4, 6, (3, 3), 1), [0.1, 0.5], [0.2], 3)
    runners = {row.runner for row in rows if row.case == "convolution"}
    assert {"im2col", "cpo", "cps", "chosen", "sparse, weights 0.2"} <= runners
    assert sum(row.case == "plan by measurement" for row in rows) == 1


@pytest.mark.parametrize("images", [1, 16])
def test_every_linear_runner_runs(images):
    import bench_sparse_linear as bench

    rng = np.random.default_rng(0)
    weight = rng.standard_normal((70, 130)).astype(np.float32) * (rng.random((70, 130)) < 0.2)
    x = rng.standard_normal((130, images)).astype(np.float32)
    seconds = bench.measure(bench.runners(weight, x), 3)
    assert all(len(times) == 3 and min(times) > 0 for times in seconds.values())
