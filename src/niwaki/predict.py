"""Classify pictures with an artifact: preprocess, run the engine, name the best classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from niwaki.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from niwaki.artifact import Artifact

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm")


@dataclass(frozen=True)
class Prediction:
    """Hold the best classes of one picture."""

    path: Path
    best: list[tuple[str, float]]
    """Class name and probability in [0, 1], best first."""


def predict(
    artifact: Artifact, paths: Iterable[str | Path], *, top: int = 5, threads: int = 1
) -> list[Prediction]:
    """Classify pictures.

    Args:
        artifact: The network, its preprocessing and class names.
        paths: Picture files, or folders of them (sorted by name, without subfolders).
        top: How many classes to return of each.
        threads: Threads of the engine.

    Raises:
        InputError: A path is missing, isn't a picture, or a folder holds none.
    """
    from niwaki.preprocess import apply_preprocess, open_image

    pictures = list_pictures(paths)
    engine = artifact.engine(threads=threads)
    predictions: list[Prediction] = []
    for path in pictures:
        x = apply_preprocess(open_image(path), artifact.preprocess)
        output = engine(x)
        logits = output[0] if isinstance(output, tuple) else output
        last = engine.program.layers[-1]["op"]
        probabilities = logits[0] if last == "softmax" else softmax(logits[0])
        order = np.argsort(-probabilities, kind="stable")[:top]
        names = artifact.classes or [str(index) for index in range(len(probabilities))]
        best = [(names[index], float(probabilities[index])) for index in order]
        predictions.append(Prediction(path, best))
    return predictions


def list_pictures(paths: Iterable[str | Path]) -> list[Path]:
    """Return the picture files among `paths`, folders opened.

    Raises:
        InputError: A path is missing, or a folder holds no picture.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = sorted(p for p in path.iterdir() if p.suffix.lower() in SUFFIXES)
            if not inside:
                raise InputError(
                    "run", f"the folder must hold pictures ({', '.join(SUFFIXES)})", got=str(path)
                )
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise InputError("run", "the picture must be a file that exists", got=str(path))
    if not found:
        raise InputError("run", "there must be a picture to classify", got="none")
    return found


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the probabilities of logits. Shape (classes,), both.

    Example:
        >>> softmax(np.array([0.0, 0.0]))
        array([0.5, 0.5])
    """
    shifted = np.exp(logits.astype(np.float64) - logits.max())
    return shifted / shifted.sum()
