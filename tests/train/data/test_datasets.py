"""Datasets from Python, dicts of arrays, and the hub."""

import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import Dataset, TensorDataset

from niwaki.errors import InputError, ShapeError, ToolMissingError, ValueDomainError
from niwaki.train import data
from niwaki.train.data import _dataset


class Items(Dataset):
    def __init__(self, items, classes=None):
        self.items = items
        if classes:
            self.classes = classes

    def __len__(self):
        return len(self.items)

    def __getitem__(self, place):
        return self.items[place]


def items(tiny, form, count=10, shape=(3, 6, 5)):
    images, labels = tiny(count, shape, 2)
    return [(form(image), int(label)) for image, label in zip(images, labels, strict=True)]


FORMS = {
    "uint8 tensor": torch.from_numpy,
    "array (H, W, C)": lambda image: image.transpose(1, 2, 0),
    "pillow": lambda image: Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_pair_of_datasets(tiny, form):
    pair = Items(items(tiny, form), ["cat", "dog"]), Items(items(tiny, form)[:4])
    loaded = data.load(pair)
    np.testing.assert_array_equal(loaded.train_images.numpy(), tiny(10, (3, 6, 5), 2)[0])
    assert (loaded.classes, len(loaded.test)) == (("cat", "dog"), 4)
    assert loaded.preprocess["photos"]


def test_one_dataset_is_split(tiny):
    loaded = data.load(Items(items(tiny, torch.from_numpy)))
    assert (len(loaded.train), len(loaded.test)) == (8, 2)


def test_floats_of_0_to_1_are_pictures(tiny):
    images, labels = tiny(10, classes=2)
    tensors = TensorDataset(torch.from_numpy(images) / 255, torch.from_numpy(labels))
    loaded, same = data.load((tensors, tensors)), data.load({"x": images, "y": labels})
    assert loaded.preprocess["scale"] == 1 / 255
    x, _ = next(loaded.batches("test", 10))
    expected = (torch.from_numpy(images) / 255 - loaded.preprocess["mean"][0]) / loaded.preprocess[
        "std"
    ][0]
    torch.testing.assert_close(x, expected, rtol=1e-5, atol=1e-5)
    assert same.shape == loaded.shape


def test_floats_that_came_normalised_stay_as_they_are(tiny):
    images, labels = tiny(10, classes=2)
    x = torch.from_numpy(images) / 100 - 1
    tensors = TensorDataset(x, torch.from_numpy(labels))
    loaded = data.load((tensors, tensors))
    assert not loaded.preprocess["photos"]
    assert torch.equal(next(loaded.batches("test", 10))[0], x)


def test_pillow_images_of_several_sizes(tiny):
    pictures = [(Image.new("RGB", (8 + i, 20), (i, 0, 0)), i % 2) for i in range(6)]
    assert data.load(Items(pictures), image_size=(6, 9)).shape == (3, 6, 9)
    assert data.load(Items(pictures)).shape == (3, 10, 10)


def test_what_does_not_fit_into_memory_is_asked_for_again(tiny, monkeypatch):
    monkeypatch.setattr(_dataset, "_KEPT_BYTES", 100)
    dataset = Items(items(tiny, torch.from_numpy))
    loaded = data.load(dataset, seed=1)
    assert not isinstance(loaded.train_images, torch.Tensor)
    assert loaded.train_images.shape == (8, 3, 6, 5)
    monkeypatch.undo()
    kept = data.load(dataset, seed=1)
    assert loaded.preprocess == kept.preprocess
    for (x, y), (x2, y2) in zip(loaded.batches("train", 4), kept.batches("train", 4), strict=True):
        assert torch.equal(x, x2)
        assert torch.equal(y, y2)


Z = torch.zeros(1, 4, 4, dtype=torch.uint8)


@pytest.mark.parametrize(
    ("dataset", "error", "match"),
    [
        (Items([]), InputError, "the data set must hold pictures, got none"),
        (Items([Z, Z]), InputError, "items must be pairs of picture and label, got Tensor"),
        (Items([(Z, "a")]), ValueDomainError, "labels must be integers, got str"),
        (Items([(Z, 0.5)]), ValueDomainError, "labels must be integers, got float"),
        (Items([(Z, True)]), ValueDomainError, "labels must be integers, got bool"),
        (
            Items([(Z, 0), (Z[:, :3], 1)]),
            ShapeError,
            r"one shape, \(1, 4, 4\), got \(1, 3, 4\) at 1",
        ),
        (Items([(Z * np.nan, 0), (Z, 1)]), ValueDomainError, "images must be finite"),
        (7, InputError, r"must be a name, a path, arrays, or a Dataset .*, got int"),
        (iter([]), InputError, "must be a name, a path, arrays, or a Dataset"),
        (Items([(Z, 0), (Z, 1)]), InputError, "a class must have two pictures"),
    ],
)
def test_datasets_that_are_refused(dataset, error, match):
    with pytest.raises(error, match=match):
        data.load(dataset)


class HubSplit(list):
    """Look like a split of the `datasets` package."""

    def __init__(self, items):
        super().__init__(items)
        self.features = {"img": None, "label": SimpleNamespace(names=["cat", "dog"])}


def fake_hub(monkeypatch, splits):
    asked = []

    def load_dataset(name):
        asked.append(name)
        if splits is None:
            raise FileNotFoundError("no such set")
        return splits

    monkeypatch.setitem(sys.modules, "datasets", SimpleNamespace(load_dataset=load_dataset))
    return asked


def hub_split(count, size=(28, 28), mode="L"):
    return HubSplit({"img": Image.new(mode, size, i), "label": i % 2} for i in range(count))


def test_a_set_of_the_hub(monkeypatch, no_data_root):
    asked = fake_hub(monkeypatch, {"train": hub_split(10), "test": hub_split(4)})
    loaded = data.load("someone/pets")
    assert asked == ["someone/pets"]
    assert (loaded.name, loaded.classes, len(loaded.test)) == ("someone/pets", ("cat", "dog"), 4)
    assert loaded.shape == (1, 28, 28)
    data.load("hub:pets")
    assert asked[-1] == "pets"


def test_a_named_set_that_is_not_here_comes_from_the_hub(monkeypatch, no_data_root):
    split = hub_split(10)
    split.features = {"image": None, "label": SimpleNamespace(names=list("0123456789"))}
    for item in split:
        item["image"] = item.pop("img")
    asked = fake_hub(monkeypatch, {"train": split, "test": split})
    loaded = data.load("mnist")
    assert asked == ["ylecun/mnist"]
    assert (loaded.name, loaded.preprocess["mean"]) == ("mnist", [0.1307])


def test_what_the_hub_refuses(monkeypatch, no_data_root):
    fake_hub(monkeypatch, None)
    with pytest.raises(InputError, match=r"the hub must give the data set, got an error: no such"):
        data.load("someone/pets")
    fake_hub(monkeypatch, {"test": hub_split(2)})
    with pytest.raises(InputError, match="must have a train split, got test"):
        data.load("someone/pets")
    split = hub_split(2)
    split.features = {"text": None}
    fake_hub(monkeypatch, {"train": split})
    with pytest.raises(InputError, match="must have columns image and label, got text"):
        data.load("someone/pets")


@pytest.mark.parametrize(
    ("name", "otherwise"),
    [("mnist", "set NIWAKI_DATA to the folder that holds mnist/"), ("a/pets", "mend the path")],
)
def test_the_hub_is_an_optional_extra(monkeypatch, no_data_root, name, otherwise):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ToolMissingError, match=rf"pip install niwaki\[hub\], or {otherwise}"):
        data.load(name)
