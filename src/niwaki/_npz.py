"""Read .npz files of plain arrays: no pickles, one message for every way to be damaged."""

from __future__ import annotations

import zipfile
import zlib
from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


def load_arrays(path: Path, where: str) -> dict[str, NDArray[Any]]:
    """Return all arrays of an .npz file.

    Args:
        path: The file; it must exist.
        where: For messages.

    Raises:
        FormatError: The file is no .npz, is damaged, or needs pickle.
    """
    try:
        # np.load would take a file without zip's directory for a pickle, and leave it open.
        with path.open("rb") as file, zipfile.ZipFile(file):
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
    except (ValueError, OSError, EOFError, KeyError, NotImplementedError, RuntimeError) as error:
        raise _not_npz(where, error) from error
    except (zipfile.BadZipFile, zlib.error) as error:
        raise _not_npz(where, error) from error


def _not_npz(where: str, error: Exception) -> FormatError:
    return FormatError(where, "the file must be .npz of plain arrays", got=f"an error: {error}")
