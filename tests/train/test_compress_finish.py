"""A loop of the user's own, with `niwaki.Session`, to a verified artifact."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import niwaki
from niwaki.errors import InputError, ShapeError
from niwaki.predict import predict
from niwaki.train import finish
from niwaki.train.data import load


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.conv = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, 2)

    def forward(self, x):
        x = torch.relu(self.bn(self.stem(x)))
        x = torch.relu(self.bn2(self.conv(x)) + x)
        return self.fc(x.mean((2, 3)))


@pytest.fixture
def arrays():
    rng = np.random.default_rng(0)
    labels = np.arange(60) % 2
    images = rng.integers(0, 60, (60, 8, 8, 1), dtype=np.uint8) + (120 * labels)[
        :, None, None, None
    ].astype(np.uint8)
    return {"images": images, "labels": labels}


@pytest.mark.parametrize("form", ["float", "integer"])
def test_a_loop_of_ones_own_ends_in_a_verified_artifact(tmp_path, arrays, form):
    torch.manual_seed(0)
    data = load(arrays)
    model = Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    steps = 6 * 3
    session = niwaki.Session(
        model,
        method="bap",
        sparsity=0.9,
        total_steps=steps,
        example_inputs=torch.zeros(2, *data.shape),
    )
    session.prepare(optimizer)
    for epoch in range(6):
        for x, y in data.batches("train", 16, epoch=epoch):
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(x), y).backward()
            optimizer.step()
            session.step()
    result = finish(session, data, tmp_path / "out", form=form, golden_images=2)
    assert result.artifact.form == form
    assert result.artifact.verify().ok
    (variant,) = result.report.variants
    assert variant.name == "bap"
    assert variant.weight_sparsity == pytest.approx(0.9, abs=0.01)
    assert [mosaic.name for mosaic in variant.mosaics] == ["conv"]
    Image.fromarray(arrays["images"][0, :, :, 0]).save(tmp_path / "photo.png")
    (answer,) = predict(result.artifact, [tmp_path / "photo.png"])
    assert answer.best[0][0] in ("0", "1")


def test_a_network_without_a_session_is_taken_as_it_is(tmp_path, arrays):
    result = finish(Net(), arrays, tmp_path / "out", golden_images=2, name="mine")
    assert result.report.model == "mine"
    assert result.artifact.verify().ok


def test_what_does_not_fit_is_refused_before_anything_is_written(tmp_path, arrays):
    with pytest.raises(ShapeError, match="must take the data's"):
        finish(nn.Conv2d(3, 2, 3), arrays, tmp_path / "out")
    (tmp_path / "file").write_text("mine")
    with pytest.raises(InputError, match="must be a folder"):
        finish(Net(), arrays, tmp_path / "file")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
