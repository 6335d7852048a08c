"""Fixtures of the data tests: tiny data sets in every form."""

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def data_root() -> Path:
    root = os.environ.get("NIWAKI_DATA")
    if not root:
        pytest.skip("NIWAKI_DATA names no folder of real data sets")
    return Path(root)


@pytest.fixture
def no_data_root(monkeypatch):
    monkeypatch.delenv("NIWAKI_DATA", raising=False)


@pytest.fixture
def tiny():
    """Return a maker of random pictures, and labels that take turns."""

    def make(count=12, shape=(1, 6, 6), classes=3, seed=0):
        rng = np.random.default_rng(seed)
        images = rng.integers(0, 256, (count, *shape), dtype=np.uint8)
        return images, (np.arange(count) % classes).astype(np.int64)

    return make


@pytest.fixture
def write_idx():
    """Return a writer of one idx file; the suffix .gz packs it."""

    def write(path: Path, array):
        header = struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape)
        raw = header + array.astype(np.uint8).tobytes()
        path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)

    return write


@pytest.fixture
def idx_folder(tmp_path, tiny, write_idx):
    """Return a maker of a folder of four idx files."""

    def make(suffix="", name="letters"):
        folder = tmp_path / name
        folder.mkdir()
        for prefix, count, seed in (("train", 12, 0), ("t10k", 6, 1)):
            images, labels = tiny(count, seed=seed)
            write_idx(folder / f"{prefix}-images-idx3-ubyte{suffix}", images[:, 0])
            write_idx(folder / f"{prefix}-labels-idx1-ubyte{suffix}", labels)
        return folder

    return make


@pytest.fixture
def picture_folder(tmp_path):
    """Return a maker of class folders of plain pictures: class i is the grey or colour 40 * i."""

    def make(parts=("",), classes=("ant", "bee"), count=4, size=(10, 8), mode="RGB"):
        for part in parts:
            for label, name in enumerate(classes):
                folder = tmp_path / "pictures" / part / name
                folder.mkdir(parents=True)
                for i in range(count):
                    value = 40 * label + i
                    colour = value if mode == "L" else (value, 100, 200)
                    Image.new(mode, size, colour).save(folder / f"{i}.png")
        return tmp_path / "pictures"

    return make
