"""CIFAR-10's files: the official binary version, and a smaller lossless one in .npz.

In the small form green is taken off red and blue and each pixel is predicted from left + up -
up-left, all modulo 256: two cumulative sums and two additions undo it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki._npz import load_arrays
from niwaki.errors import FormatError, InputError
from niwaki.train.data._raw import Part, Raw, check_part

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_PIXELS = 3 * 32 * 32


def find_cifar(folder: Path) -> Raw | None:
    """Return CIFAR-10 from a folder in either form; None where the folder holds neither.

    Raises:
        InputError: A file is missing.   FormatError: One is damaged, or a pickle.
    """
    if (folder / "cifar10_test.npz").is_file():
        train = [_read_differences(folder / f"cifar10_train_{part}.npz") for part in "ab"]
        return _join(folder, train, _read_differences(folder / "cifar10_test.npz"))
    for place in (folder, folder / "cifar-10-batches-bin"):
        if (place / "test_batch.bin").is_file():
            train = [_read_binary(place / f"data_batch_{part}.bin") for part in range(1, 6)]
            return _join(folder, train, _read_binary(place / "test_batch.bin"))
    for place in (folder, folder / "cifar-10-batches-py"):
        if (place / "data_batch_1").is_file():
            raise FormatError(
                f"data {folder}",
                "CIFAR-10 must be the binary version: opening the Python version's pickles can "
                "run any code",
                got="data_batch_1",
                fix="Unpack cifar-10-binary.tar.gz there instead",
            )
    return None


def _join(folder: Path, train: list[Part], test: Part) -> Raw:
    images = np.concatenate([np.asarray(part.images) for part in train])
    labels = np.concatenate([part.labels for part in train])
    return Raw("cifar10", Part(images, labels), test)


def _read_differences(path: Path) -> Part:
    where = f"data {path}"
    if not path.is_file():
        raise InputError(where, "the file must be there", got="nothing")
    arrays = load_arrays(path, where)
    x: NDArray[Any] | None = arrays.get("x")
    if x is None or "y" not in arrays or x.dtype != np.uint8 or x.shape[1:] != (3, 32, 32):
        raise FormatError(where, "the file must hold x, uint8 (N, 3, 32, 32), and y")
    x = x.cumsum(2, dtype=np.uint8).cumsum(3, dtype=np.uint8)
    x[:, 0] += x[:, 1]
    x[:, 2] += x[:, 1]
    return check_part(where, x, arrays["y"])


def _read_binary(path: Path) -> Part:
    """Read records of one label byte and 3,072 pixels."""
    where = f"data {path}"
    if not path.is_file():
        raise InputError(where, "the file must be there", got="nothing")
    raw = np.fromfile(path, np.uint8)
    if not len(raw) or len(raw) % (1 + _PIXELS):
        raise FormatError(
            where, f"the size must be a multiple of {1 + _PIXELS} bytes", got=f"{len(raw)} bytes"
        )
    records = raw.reshape(-1, 1 + _PIXELS)
    return check_part(where, records[:, 1:].reshape(-1, 3, 32, 32), records[:, 0])
