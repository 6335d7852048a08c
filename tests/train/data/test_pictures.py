"""Folders of pictures: decoded when asked, by the same code as `niwaki run`."""

import numpy as np
import pytest
import torch
from PIL import Image

from niwaki.errors import FormatError, InputError
from niwaki.preprocess import apply_preprocess, open_image
from niwaki.train import data


def test_class_folders_with_a_test_part(picture_folder):
    loaded = data.load(picture_folder(("train", "test")))
    assert loaded.classes == ("ant", "bee")
    assert (len(loaded.train), len(loaded.test), loaded.shape) == (8, 8, (3, 8, 10))
    assert loaded.train_labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1]
    first = loaded.train_images[torch.tensor([5, 0])]
    assert first.dtype == torch.uint8
    assert first[:, :, 0, 0].tolist() == [[41, 100, 200], [0, 100, 200]]


@pytest.mark.parametrize("name", ["val", "validation"])
def test_a_validation_part_is_a_test_part(picture_folder, name):
    assert len(data.load(picture_folder(("train", name))).test) == 8


def test_class_folders_alone_are_split(picture_folder):
    folder = picture_folder(count=10)
    loaded = data.load(folder, seed=3)
    assert loaded.test_labels.bincount().tolist() == [2, 2]
    again = data.load(folder, seed=3)
    assert loaded.test_images.paths == again.test_images.paths
    assert loaded.test_images.paths != data.load(folder, seed=4).test_images.paths
    assert not set(loaded.test_images.paths) & set(loaded.train_images.paths)


def test_grey_pictures_have_one_channel(picture_folder):
    assert data.load(picture_folder(mode="L")).shape == (1, 8, 10)


def test_training_sees_what_run_sees(picture_folder):
    folder = picture_folder(("train", "test"), size=(40, 31))
    noise = np.random.default_rng(0).integers(0, 256, (23, 57, 3), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "test" / "ant" / "9.png")
    loaded = data.load(folder, image_size=16)
    x, _ = next(loaded.batches("test", 5))
    for i, path in enumerate(loaded.test_images.paths[:5]):
        np.testing.assert_array_equal(
            x[i : i + 1].numpy(), apply_preprocess(open_image(path), loaded.preprocess)
        )


@pytest.mark.parametrize(
    ("sizes", "expected"),
    [
        ([(10, 12)], (12, 10)),
        ([(300, 400)], (224, 224)),
        ([(40, 50), (60, 48), (46, 90)], (46, 46)),
    ],
)
def test_the_size_that_is_chosen(picture_folder, sizes, expected):
    folder = picture_folder(count=0)
    for name in ("ant", "bee"):
        for i, size in enumerate(sizes * 2):
            Image.new("RGB", size).save(folder / name / f"{i}.png")
    loaded = data.load(folder)
    assert loaded.shape == (3, *expected)
    assert loaded.train_images[torch.tensor([0])].shape == (1, 3, *expected)


def test_a_class_without_pictures(picture_folder):
    folder = picture_folder()
    (folder / "cat").mkdir()
    with pytest.raises(InputError, match=r"every class folder must hold pictures, got \['cat'\]"):
        data.load(folder)


def test_a_test_class_that_is_not_trained(picture_folder):
    folder = picture_folder(("train", "test"))
    (folder / "test" / "cat").mkdir()
    with pytest.raises(InputError, match=r"must be training classes, got \['cat'\]"):
        data.load(folder)


def test_a_file_that_is_no_picture_is_named(picture_folder):
    folder = picture_folder()
    (folder / "ant" / "1.png").write_bytes(b"text")
    with pytest.raises(FormatError, match=r"1\.png\] the file must be a picture"):
        data.load(folder)


def test_a_folder_of_nothing(tmp_path):
    with pytest.raises(InputError, match=r"the folder must hold idx files, .*, got none of them"):
        data.load(tmp_path)


def test_pictures_are_kept_once_decoded(picture_folder):
    loaded = data.load(picture_folder(("train", "test")))
    before = loaded.train_images[torch.arange(8)]
    for path in loaded.train_images.paths:
        path.unlink()
    assert torch.equal(loaded.train_images[torch.arange(8)], before)
