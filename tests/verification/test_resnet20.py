"""ResNet-20 with its published weights: the engine answers as torch does on all of CIFAR-10's test.

`benchmarks/bench_resnet20.py` writes the same counts down, with latencies.
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

PUBLISHED = 0.9173
"""akamaster/pytorch_resnet_cifar10; the share of 10,000 images."""


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
    labels = found.test.labels.numpy()
    model, _ = to_graph(net, torch.zeros(1, 3, 32, 32))
    engine = Engine(compile_graph(model), threads=1)
    right = {"torch": 0, "engine": 0}
    differing = 0
    for batch in torch.arange(len(labels)).split(200):  # 10,000 images as float32 are 123 MB
        x = normalize(found.test.images[batch].numpy(), found.preprocess)
        with torch.no_grad():
            want = net(torch.from_numpy(x)).numpy()
        got = engine(x)
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-4)
        answers = {"torch": want.argmax(1), "engine": got.argmax(1)}
        differing += int((answers["torch"] != answers["engine"]).sum())
        for name, answer in answers.items():
            right[name] += int((answer == labels[batch.numpy()]).sum())
    torch.set_num_threads(threads)
    assert len(labels) == 10_000
    # Ties of floats aside, the counts are the same.
    assert abs(right["torch"] - right["engine"]) <= 2
    assert differing <= 2
    assert abs(right["engine"] / len(labels) - PUBLISHED) <= 0.001
