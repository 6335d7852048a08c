"""A small report with every part filled in, as a fixture."""

from __future__ import annotations

import numpy as np
import pytest

from niwaki.report import History, LayerResult, Mosaic, Report, VariantResult
from niwaki.targets import Timing


def example_report() -> Report:
    rng = np.random.default_rng(0)
    mask = (rng.random((50, 20, 5, 5)) < 0.02).astype(np.float32)
    variants = []
    for index, name in enumerate(("dense", "sparse only", "bap")):
        epochs = list(range(1, 9))
        rise = [0.98 * min(1.0, max(0.0, (e - 2) / 4)) if index else 0.0 for e in epochs]
        history = History(
            epoch=epochs,
            loss=[0.9 / e + 0.05 * index for e in epochs],
            accuracy=[1 - 0.3 / e - 0.03 * (index == 1) for e in epochs],
            sparsity=rise,
        )
        latency = {
            "torch": Timing(0.41 + 0.02 * index, 0.02, 50, 1, "2.13.0"),
            "onnxruntime": Timing(0.112 + 0.05 * index, 0.004, 50, 1, "1.23.0"),
            "niwaki": Timing((0.15, 0.042, 0.058)[index], 0.003, 50, 1, "0.1.0"),
        }
        variants.append(
            VariantResult(
                name,
                accuracy=(0.9912, 0.961, 0.9871)[index],
                weight_sparsity=(0.0, 0.98, 0.98)[index],
                size_bytes=(1_726_000, 62_100, 118_400)[index],
                multiplications=(2_293_000, 330_000, 330_000)[index],
                binary_operations=(0, 0, 2_000_000)[index],
                latency=latency,
                history=history,
            )
        )
    kept = int(np.count_nonzero(mask))
    conv1, conv2 = [20, 1, 5, 5], list(mask.shape)
    variants[-1].layers = [
        LayerResult("conv1", "conv", conv1, 500, 500, 0, "dense f32", "conv_f32", 2080, 288000),
        LayerResult(
            "conv2", "conv", conv2, mask.size, kept, mask.size, "sparse f32 + binary",
            "conv_sparse_binary", 8000, 64 * kept, 64 * mask.size, 0.031,
        ),
        LayerResult("pool2", "max_pool", kernel="max_pool_f32", ms=0.002),
        LayerResult("fc2", "linear", [10, 500], 5000, 5000, 0, "dense f32", "linear_f32", 20040),
    ]  # fmt: skip
    variants[-1].mosaics = [Mosaic.of("conv2", mask)]
    return Report(
        title="lenet5-caffe on mnist, 98 % zeros by bap",
        model="lenet5-caffe",
        data="mnist",
        method="bap",
        variants=variants,
        classes=[str(i) for i in range(4)],
        confusion=[[97, 1, 0, 2], [0, 99, 1, 0], [1, 2, 96, 1], [0, 0, 0, 100]],
        recipe="method:\n  name: bap\nsparsity: 0.98\n",
        seeds=[0],
        versions={"torch": "2.13.0", "niwaki": "0.1.0"},
        machine={"cpu": "A <fast> CPU", "isas": ["avx512", "portable"], "cores": 2},
        verification={"ok": True, "summary": "torch, graph and engine agree on 8 images"},
        budget={"size_kb": {"asked": 120, "reached": 118.4}},
        created="2026-01-01T00:00:00+00:00",
        seconds=95.0,
    )


@pytest.fixture
def report() -> Report:
    return example_report()
