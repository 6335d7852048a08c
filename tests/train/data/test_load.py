"""`load`: names, options, the split it draws, and the real sets."""

import numpy as np
import pytest
import torch

from niwaki.errors import InputError, RegistryError, ValueDomainError
from niwaki.preprocess import apply_preprocess, check_preprocess
from niwaki.train import data
from niwaki.train.augment import Augment
from niwaki.train.data._finish import measure


def test_digits():
    digits = data.load("digits")
    assert (len(digits.train), len(digits.test), digits.num_classes) == (1438, 359, 10)
    assert digits.shape == (1, 8, 8)
    assert digits.train_images.dtype == torch.uint8
    assert digits.train_images.max() == 255
    assert (str(digits.augment), digits.name) == ("shift1", "digits")
    total = digits.train_labels.bincount() + digits.test_labels.bincount()
    assert total.tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    share = digits.test_labels.bincount() / total
    assert ((share - 0.2).abs() < 0.01).all()
    mean, std = measure(digits.train_images.numpy(), 1 / 255)
    assert mean == pytest.approx(digits.preprocess["mean"], abs=0.002)
    assert std == pytest.approx(digits.preprocess["std"], abs=0.002)


def test_the_split_is_drawn_by_the_seed():
    first, again, other = (data.load("digits", seed=seed) for seed in (0, 0, 1))
    assert torch.equal(first.test_images, again.test_images)
    assert not torch.equal(first.test_images, other.test_images)


def test_no_sample_is_lost_or_doubled_in_the_split():
    digits = data.load("digits", test_share=0.5)
    both = torch.cat([digits.train_images, digits.test_images]).flatten(1)
    from sklearn.datasets import load_digits

    pixels = np.sort((both.numpy() * (16 / 255)).round().sum(1))
    np.testing.assert_array_equal(pixels, np.sort(load_digits().data.sum(1)))


def test_rare_classes_stay_in_training():
    labels = np.array([0] * 10 + [1] * 2 + [2])
    loaded = data.load({"x": np.zeros((13, 4, 4), np.uint8), "y": labels})
    assert loaded.train_labels.bincount().tolist() == [8, 1, 1]
    assert loaded.test_labels.bincount().tolist() == [2, 1]


def test_names():
    assert data.names() == ["cifar10", "digits", "fashion-mnist", "mnist"]


@pytest.mark.parametrize("name", ["mnits", "imagenet"])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(RegistryError, match=rf"cifar10, digits, fashion-mnist, mnist, .*'{name}'"):
        data.load(name)


@pytest.mark.parametrize("path", ["./none", "a/b/c", "none.npz", "../none"])
def test_a_missing_path(path):
    with pytest.raises(InputError, match="the path must exist, got nothing there"):
        data.load(path)


def test_options(tiny):
    images, labels = tiny(20, (3, 6, 6), 2)
    arrays = {"x": images, "y": labels}
    loaded = data.load(
        arrays, image_size=9, num_classes=5, mean=(0.1, 0.2, 0.3), std=(1, 2, 3), augment="flip"
    )
    assert (loaded.shape, loaded.num_classes) == ((3, 9, 9), 5)
    assert loaded.preprocess["mean"] == [0.1, 0.2, 0.3]
    assert loaded.preprocess["std"] == [1.0, 2.0, 3.0]
    assert loaded.augment == Augment(flip=True)
    check_preprocess(loaded.preprocess)
    assert data.load(loaded) is loaded
    assert data.load(loaded, augment="none").augment == Augment()
    assert data.load(arrays).augment == Augment()


def test_resized_arrays_are_what_run_makes_of_the_picture(tiny):
    images, labels = tiny(20, (3, 6, 8), 2)
    arrays = {"x": images, "y": labels, "test_x": images, "test_y": labels}
    loaded = data.load(arrays, image_size=5)
    x, _ = next(loaded.batches("test", 20))
    for i, image in enumerate(images):
        expected = apply_preprocess(image.transpose(1, 2, 0), loaded.preprocess)
        np.testing.assert_array_equal(x[i : i + 1].numpy(), expected)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"image_size": 0}, "image_size must be one or two sides of 1 to 16384 pixels, got 0"),
        ({"image_size": (4, 5, 6)}, "image_size must be one or two sides"),
        ({"test_share": 1.0}, "test_share must be between 0 and 1, got 1.0"),
        ({"mean": [0.5, 0.5]}, "mean must hold 1 numbers"),
        ({"std": [0.0]}, "std must be above 0"),
        ({"augment": "twirl"}, "a policy must be none"),
        ({"num_classes": 5}, "num_classes must be 10, the number of names, got 5"),
    ],
)
def test_options_out_of_range(options, match):
    with pytest.raises(ValueDomainError, match=match):
        data.load("digits", **options)


def test_measured_constants_by_hand():
    images = np.array([[[[0, 255]], [[7, 7]]]], np.uint8)  # one picture, two channels, 1x2
    mean, std = measure(images, 1 / 255)
    assert mean == [0.5, 0.0275]
    assert std == [0.5, 1.0]  # a channel that never changes is not blown up
    assert measure(images.astype(np.float32), 1 / 255) == (mean, std)


def test_a_folder_called_mnist_is_mnist(idx_folder):
    named = data.load(idx_folder(name="mnist"))
    assert (named.name, named.preprocess["mean"]) == ("mnist", [0.1307])
    assert named.classes == tuple("0123456789")


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "train", "shape"),
    [
        ("mnist", 60_000, (1, 28, 28)),
        ("fashion-mnist", 60_000, (1, 28, 28)),
        ("cifar10", 50_000, (3, 32, 32)),
    ],
)
def test_real_sets_are_as_published(name, train, shape, data_root, monkeypatch):
    monkeypatch.setenv("NIWAKI_DATA", str(data_root))
    loaded = data.load(name)
    assert (len(loaded.train), len(loaded.test), loaded.shape) == (train, 10_000, shape)
    assert loaded.test_labels.bincount().float().mean() == 1000
    mean, std = measure(loaded.train_images.numpy(), 1 / 255)
    assert mean == pytest.approx(loaded.preprocess["mean"], abs=1e-4)
    assert std == pytest.approx(loaded.preprocess["std"], abs=1e-4)


@pytest.mark.data
def test_a_path_to_a_real_set_is_the_set(data_root):
    loaded = data.load(f"{data_root}/mnist/")
    assert (loaded.name, str(loaded.augment)) == ("mnist", "shift2")
