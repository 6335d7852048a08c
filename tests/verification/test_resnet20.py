"""ResNet-20 with its published weights: the engine answers as torch does, image by image.

A fifth of the test images here; all 10,000 in `benchmarks/bench_resnet20.py`.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from niwaki import Engine, models
from niwaki.capture import to_graph
from niwaki.preprocess import normalize
from niwaki.runtime import compile_graph
from niwaki.train import data

IMAGES = 2_000


@pytest.mark.data
@pytest.mark.slow
def test_the_engine_answers_as_torch_does():
    if "NIWAKI_DATA" not in os.environ:
        pytest.skip("NIWAKI_DATA is not set: no CIFAR-10 here")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    net = models.create("resnet20").eval()
    models.load_weights(net, Path(os.environ["NIWAKI_DATA"], "weights/resnet20_cifar10.npz"))
    found = data.load("cifar10", **models.normalization(net))
    x = normalize(found.test.images[torch.arange(IMAGES)].numpy(), found.preprocess)
    labels = found.test.labels[:IMAGES].numpy()
    model, _ = to_graph(net, torch.zeros(1, 3, 32, 32))
    engine = Engine(compile_graph(model), threads=1)
    with torch.no_grad():
        want = np.concatenate([net(torch.from_numpy(part)).numpy() for part in np.split(x, 20)])
    torch.set_num_threads(threads)
    got = np.concatenate([engine(part) for part in np.split(x, 20)])
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
    # Float ties aside, both answer alike: two images of 10,000 may differ.
    assert (got.argmax(1) != want.argmax(1)).sum() <= 1
    right = [int((logits.argmax(1) == labels).sum()) for logits in (got, want)]
    assert abs(right[0] - right[1]) <= 1
    assert right[1] > 0.9 * IMAGES
