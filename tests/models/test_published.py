"""The trained CIFAR-10 ResNets score what their authors state, through our own data path."""

import pytest
import torch

from niwaki import models
from niwaki.train import data

pytestmark = [pytest.mark.data, pytest.mark.slow]


def count_correct(name, root, monkeypatch, images):
    monkeypatch.setenv("NIWAKI_DATA", str(root))
    model = models.create(name).eval()
    models.load_weights(model, root / "weights" / f"{name}_cifar10.npz")
    cifar = data.load("cifar10", **models.normalization(model))
    correct = seen = 0
    with torch.inference_mode():
        for x, y in cifar.batches("test", 250):
            correct += int((model(x).argmax(1) == y).sum())
            seen += len(y)
            if seen >= images:
                break
    assert seen == images
    return correct


# Counts of the first images were computed by this code; the whole test set is what is published.
@pytest.mark.parametrize(
    ("name", "images", "expected"),
    [("resnet20", 2000, 1849), ("resnet32", 1000, 928), ("resnet56", 1000, 942)],
)
def test_first_images(name, images, expected, data_root, monkeypatch):
    assert abs(count_correct(name, data_root, monkeypatch, images) - expected) <= 1


def test_resnet20_scores_91_73(data_root, monkeypatch):
    # One image may sit on a tie that another order of float additions tips over.
    assert abs(count_correct("resnet20", data_root, monkeypatch, 10_000) - 9173) <= 1
