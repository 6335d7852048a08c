"""idx, .npz and CIFAR-10 files: read exactly, or refused with the file and the reason."""

import pickle

import numpy as np
import pytest

from niwaki.errors import FormatError, InputError, ShapeError, ValueDomainError
from niwaki.train import data


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_idx(idx_folder, tiny, suffix):
    loaded = data.load(idx_folder(suffix))
    images, labels = tiny(12)
    np.testing.assert_array_equal(loaded.train_images.numpy(), images)
    np.testing.assert_array_equal(loaded.train_labels.numpy(), labels)
    assert (len(loaded.test), loaded.shape, loaded.name) == (6, (1, 6, 6), "letters")


def damaged_idx(idx_folder, change, name="train-images-idx3-ubyte"):
    folder = idx_folder()
    path = folder / name
    path.write_bytes(change(path.read_bytes()))
    return str(folder)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda raw: raw[:-1], r"shape \(12, 6, 6\) needs 432 bytes, got 431"),
        (lambda raw: raw + b"\0", r"needs 432 bytes, got 433"),
        (lambda raw: raw[:10], "the header must be 16 bytes, got 10"),
        (lambda raw: b"", "must begin with 00 00 08, idx of bytes, got 0 bytes"),
        (lambda raw: b"\0\0\x0d" + raw[3:], "must begin with 00 00 08, idx of bytes, got 00 00 0d"),
        (lambda raw: raw[:4] + b"\xff" * 4 + raw[8:], r"shape \(4294967295, 6, 6\) needs"),
    ],
)
def test_damaged_idx(idx_folder, change, match):
    with pytest.raises(FormatError, match=rf"train-images-idx3-ubyte\] .*{match}"):
        data.load(damaged_idx(idx_folder, change))


def test_damaged_gzip(idx_folder):
    folder = idx_folder(".gz")
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(FormatError, match="the file must be whole gzip"):
        data.load(folder)


def test_idx_counts_that_differ(idx_folder, write_idx):
    folder = idx_folder()
    write_idx(folder / "train-labels-idx1-ubyte", np.zeros(11))
    with pytest.raises(ShapeError, match="as many labels as pictures, got 11 and 12"):
        data.load(folder)


def test_idx_with_a_file_missing(idx_folder):
    folder = idx_folder()
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(InputError, match="t10k images and labels must be there both"):
        data.load(folder)


@pytest.mark.parametrize(
    "names",
    [
        ("x", "y", None, None),
        ("images", "labels", None, None),
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("x_train", "y_train", "x_test", "y_test"),
        ("x", "y", "test_x", "test_y"),
    ],
)
@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
def test_npz(tmp_path, tiny, names, layout):
    arrays = {}
    for seed, pair in ((0, names[:2]), (1, names[2:])):
        if pair[0]:
            images, arrays[pair[1]] = tiny(20, (3, 6, 5), seed=seed)
            arrays[pair[0]] = images if layout == "nchw" else images.transpose(0, 2, 3, 1)
    np.savez(tmp_path / "set.npz", **arrays)
    loaded = data.load(str(tmp_path / "set.npz"))
    images, labels = tiny(20, (3, 6, 5))
    assert loaded.shape == (3, 6, 5)
    if names[2]:
        np.testing.assert_array_equal(loaded.train_images.numpy(), images)
        np.testing.assert_array_equal(loaded.test_images.numpy(), tiny(20, (3, 6, 5), seed=1)[0])
    else:
        assert (len(loaded.train), len(loaded.test)) == (16, 4)
        found = np.concatenate([loaded.train_images.numpy(), loaded.test_images.numpy()])
        assert sorted(map(bytes, found)) == sorted(map(bytes, images))
    of = {bytes(image): label for image, label in zip(images, labels, strict=True)}
    kept = zip(loaded.train_images.numpy(), loaded.train_labels.tolist(), strict=True)
    assert all(of[bytes(image)] == label for image, label in kept)


def test_npz_without_a_channel_axis_with_classes_and_column_labels(tmp_path, tiny):
    images, labels = tiny()
    np.savez(tmp_path / "a.npz", x=images[:, 0], y=labels[:, None], classes=["a", "b", "c"])
    loaded = data.load(tmp_path / "a.npz")
    assert loaded.shape == (1, 6, 6)
    assert loaded.classes == ("a", "b", "c")


def test_a_folder_of_train_and_test_npz(tmp_path, tiny):
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, seed in (("train", 0), ("test", 1)):
        images, labels = tiny(seed=seed)
        np.savez(folder / f"{name}.npz", x=images, y=labels)
    loaded = data.load(folder)
    assert loaded.name == "mine"
    np.testing.assert_array_equal(loaded.test_images.numpy(), tiny(seed=1)[0])


X, Y = np.zeros((4, 6, 6), np.uint8), np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("arrays", "error", "match"),
    [
        ({}, InputError, "the keys must be x and y, .*, got no array"),
        ({"x": X}, InputError, "the keys must be x and y, .*, got x"),
        ({"x": X[:0], "y": Y[:0]}, InputError, r"must hold pictures, got shape \(0, 1, 6, 6\)"),
        ({"x": X, "y": Y[:3]}, ShapeError, "as many labels as pictures, got 3 and 4"),
        ({"x": X, "y": np.eye(4)}, ShapeError, r"one integer a picture, got shape \(4, 4\)"),
        ({"x": X[0], "y": Y}, ShapeError, r"must be \(N, H, W\), .*, got \(6, 6\)"),
        ({"x": np.zeros((4, 3, 6, 3), np.uint8), "y": Y}, ShapeError, "not on both"),
        ({"x": np.zeros((4, 6, 6, 6), np.uint8), "y": Y}, ShapeError, "must have 1 or 3 channels"),
        ({"x": X.astype(np.int64), "y": Y}, ValueDomainError, "images must be uint8, got int64"),
        ({"x": X.astype(str), "y": Y}, ValueDomainError, "images must be uint8, got <U3"),
        ({"x": X * np.nan, "y": Y}, ValueDomainError, "images must be finite, got 144 NaN"),
        ({"x": X, "y": Y * 1.0}, ValueDomainError, "labels must be integers, got float64"),
        ({"x": X, "y": Y == 1}, ValueDomainError, "labels must be integers, got bool"),
        ({"x": X, "y": Y - 1}, ValueDomainError, "labels must be at least 0, got -1"),
        ({"x": X, "y": Y + 2**40}, ValueDomainError, r"labels must be below 2\^31"),
        ({"x": X, "y": Y + 1}, ValueDomainError, "must be 0 to 1 .*, got up to 2, with no 0"),
        ({"x": X, "y": Y * 9}, ValueDomainError, "must be 0 to 1 .*, got up to 9, with no 1"),
        ({"x": X, "y": Y * 0}, ValueDomainError, "at least 2 classes, got 1"),
        ({"x": X, "y": Y, "classes": ["a"]}, ValueDomainError, "at least 2 classes"),
        ({"x": X, "y": Y * 5, "classes": ["a", "b"]}, ValueDomainError, "0 to 1, got up to 5"),
        ({"x": X, "y": Y, "classes": [1, 2]}, ValueDomainError, "a list of names, got int64"),
        (
            {"x": X, "y": Y, "test_x": X, "test_y": Y * 2},
            ValueDomainError,
            "labels must be 0 to 1, got up to 2",
        ),
        (
            {"x": X, "y": Y, "test_x": X[:, 1:], "test_y": Y},
            ShapeError,
            r"must have one shape, got \(1, 6, 6\) and \(1, 5, 6\)",
        ),
    ],
)
def test_arrays_that_are_refused(tmp_path, arrays, error, match):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(error, match=match):
        data.load(tmp_path / "a.npz")


def test_npz_files_that_are_refused(tmp_path, tiny):
    path = tmp_path / "a.npz"
    path.write_bytes(pickle.dumps([1]))
    with pytest.raises(FormatError, match=r"must be \.npz of plain arrays"):
        data.load(path)
    np.savez(path, x=np.array([{}], dtype=object), y=Y[:1])
    with pytest.raises(FormatError, match=r"must be \.npz of plain arrays"):
        data.load(path)
    images, labels = tiny(200)
    np.savez(path, x=images, y=labels)
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(FormatError, match=r"must be \.npz of plain arrays"):
        data.load(path)
    (tmp_path / "a.csv").write_text("1,2")
    with pytest.raises(FormatError, match=r"a data file must be \.npz, got '\.csv'"):
        data.load(tmp_path / "a.csv")


def encode_differences(x):
    """Store CIFAR-10 as the small form does, by its definition."""
    x = x.copy()
    x[:, 0] -= x[:, 1]
    x[:, 2] -= x[:, 1]
    for axis in (2, 3):
        x = np.diff(x, axis=axis, prepend=np.zeros_like(x.take([0], axis)))
    return x


def test_cifar_in_the_small_form(tmp_path, tiny):
    parts = {"train_a": 0, "train_b": 1, "test": 2}
    for name, seed in parts.items():
        images, labels = tiny(10, (3, 32, 32), 10, seed)
        np.savez(tmp_path / f"cifar10_{name}.npz", x=encode_differences(images), y=labels)
    loaded = data.load(tmp_path)
    expected = np.concatenate([tiny(10, (3, 32, 32), 10, seed)[0] for seed in (0, 1)])
    np.testing.assert_array_equal(loaded.train_images.numpy(), expected)
    np.testing.assert_array_equal(loaded.test_images.numpy(), tiny(10, (3, 32, 32), 10, 2)[0])
    assert loaded.name == "cifar10"
    assert loaded.classes[9] == "truck"
    assert str(loaded.augment) == "shift4+flip"
    (tmp_path / "cifar10_train_b.npz").unlink()
    with pytest.raises(InputError, match=r"cifar10_train_b\.npz\] the file must be there"):
        data.load(tmp_path)


@pytest.mark.parametrize("inner", ["", "cifar-10-batches-bin"])
def test_cifar_in_the_official_binary_form(tmp_path, tiny, inner):
    folder = tmp_path / inner
    folder.mkdir(exist_ok=True)
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    for seed, name in enumerate(names):
        images, labels = tiny(10, (3, 32, 32), 10, seed)
        records = np.concatenate([labels[:, None].astype(np.uint8), images.reshape(10, -1)], 1)
        records.tofile(folder / f"{name}.bin")
    loaded = data.load(tmp_path)
    expected = np.concatenate([tiny(10, (3, 32, 32), 10, seed)[0] for seed in range(5)])
    np.testing.assert_array_equal(loaded.train_images.numpy(), expected)
    np.testing.assert_array_equal(loaded.test_images.numpy(), tiny(10, (3, 32, 32), 10, 5)[0])
    path = folder / "data_batch_3.bin"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(FormatError, match=r"data_batch_3\.bin\] .* 3073 bytes, got 30729"):
        data.load(tmp_path)


@pytest.mark.parametrize("inner", ["", "cifar-10-batches-py"])
def test_cifars_pickles_are_refused(tmp_path, inner):
    folder = tmp_path / inner
    folder.mkdir(exist_ok=True)
    (folder / "data_batch_1").write_bytes(pickle.dumps({}))
    with pytest.raises(FormatError, match=r"must be the binary version.* cifar-10-binary\.tar\.gz"):
        data.load(tmp_path)
