"""Verification: torch's stored values, the Graph in NumPy and the engine, held against each other.

The integer form must be equal bit for bit, in every layer and from end to end. In the float form
each layer is fed torch's values: floats may differ by 1e-4 of max(1, |reference|), a bit may differ
where ``sign * x`` is within 1e-4 of its threshold, and such bits are counted; end to end, every
image whose outputs differ by more must have such a bit. docs/verify.md shows it on an example.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from niwaki.errors import FormatError
from niwaki.verification._chain import check_chain
from niwaki.verification._parts import open_parts
from niwaki.verification._result import (
    EndCheck as EndCheck,
    LayerCheck as LayerCheck,
    VerifyResult as VerifyResult,
)

if TYPE_CHECKING:
    from collections.abc import Set as AbstractSet

    import numpy as np


def check_files(
    folder: Path, *, form: str, changed: AbstractSet[str] = frozenset()
) -> VerifyResult:
    """Hold ``model.onnx``, ``model.nwk`` and the golden values in a folder against each other.

    Args:
        folder: Holds the four files.
        form: ``float`` or ``integer``.
        changed: Names of the files whose hash isn't the manifest's.

    Returns:
        The checks; a part of another form or network has none, and `files` says why.

    Raises:
        FormatError: A file is damaged.
    """
    images = _read(folder / "golden/inputs.safetensors")
    if "x" not in images or len(images["x"]) == 0:
        raise FormatError(str(folder), "golden/inputs.safetensors must hold x, a batch of images")
    golden = _read(folder / "golden/torch.safetensors")
    parts = open_parts(folder, images["x"], golden, form=form, changed=changed)
    layers, ends = check_chain(parts, images["x"], golden, exact=form == "integer")
    return VerifyResult(str(folder), form, len(images["x"]), layers, ends, parts.misfits)


def _read(path: Path) -> dict[str, np.ndarray]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise FormatError(
            str(path), "the file must be safetensors, whole", got=str(error)
        ) from None
