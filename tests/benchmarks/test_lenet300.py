"""LeNet-300-100 at 10 %: a short training, the same answers from every linear kernel.

`benchmarks/bench_lenet300.py` trains longer and records the accuracy on all 10,000 pictures.
"""

import os

import pytest


@pytest.mark.data
def test_every_kernel_answers_alike():
    if "NIWAKI_DATA" not in os.environ:
        pytest.skip("NIWAKI_DATA is not set: no MNIST here")
    import bench_lenet300 as bench

    rows, differ = bench.run(epochs=1, retrain=1, images=8_000, tested=1_000)
    assert [row.runner for row in rows] == ["dense, masked", "BCSC", "BitsGemv", "BitsGEMM"]
    assert all("26620 of 266200 weights" in row.note for row in rows)
    assert all(row.median > 85 for row in rows)
    assert differ == 0
