"""``niwaki run``: classify pictures (or arrays) with a compressed network."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from niwaki.artifact import Artifact
from niwaki.cli._app import AsJson, Plugins, Threads, app, echo, emit_json
from niwaki.cli._target import TargetPath, model_file
from niwaki.errors import InputError

if TYPE_CHECKING:
    from niwaki.predict import Prediction
    from niwaki.runtime import Engine


@app.command()
def run(
    target: TargetPath,
    pictures: Annotated[
        list[Path],
        typer.Argument(help="Pictures, folders of them, or an .npy array (N, C, H, W), float32."),
    ],
    top: Annotated[int, typer.Option(min=1, help="How many classes to print.")] = 5,
    threads: Threads = 1,
    as_json: AsJson = False,
    plugin: Plugins = None,
) -> None:
    """Classify pictures and print the best classes of each."""
    found = classify(target, pictures, top=top, threads=threads)
    if as_json:
        emit_json(
            [
                {
                    "path": one.path,
                    "top": [{"class": name, "probability": share} for name, share in one.best],
                }
                for one in found
            ]
        )
        return
    for one in found:
        echo(str(one.path))
        for name, share in one.best:
            echo(f"  {100 * share:5.1f} %  {name}")


def classify(
    target: Path, pictures: list[Path], *, top: int = 5, threads: int = 1
) -> list[Prediction]:
    """Classify pictures, or the images of ``.npy`` arrays that are preprocessed already.

    Args:
        target: A result's folder, or a model file that holds its preprocessing.
        pictures: Picture files, folders of them, or ``.npy`` files; float32 (N, C, H, W).
        top: How many classes to return of each.
        threads: Threads of the engine.

    Raises:
        InputError: Something is missing, or a model file holds no preprocessing.
        ShapeError, ValueDomainError: An array isn't what the network takes.
    """
    from niwaki.predict import predict

    artifact = Artifact.open(target) if target.is_dir() else ModelFile.of(target)
    arrays = [path for path in pictures if path.suffix == ".npy"]
    photos = [path for path in pictures if path.suffix != ".npy"]
    found = [one for path in arrays for one in _classify_array(artifact, path, top, threads)]
    if photos:
        if not artifact.preprocess:
            raise InputError(
                "run",
                "the model file must hold its preprocessing to take pictures",
                got=target,
                fix="Give the folder that niwaki compress wrote, or an .npy array",
            )
        found += predict(artifact, photos, top=top, threads=threads)
    return found


def _classify_array(artifact: Artifact, path: Path, top: int, threads: int) -> list[Prediction]:
    import numpy as np

    from niwaki.predict import Prediction, softmax

    engine = artifact.engine(threads=threads)
    if not path.is_file():
        raise InputError("run", "the array must be a file that exists", got=path)
    try:
        x = np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise InputError(
            "run", "the array must be .npy of numbers", got=f"{path}: {error}"
        ) from None
    output = engine(x)
    scores = output[0] if isinstance(output, tuple) else output
    is_shared = engine.program.layers[-1]["op"] == "softmax"
    names = artifact.classes or [str(index) for index in range(scores.shape[1])]
    found: list[Prediction] = []
    for index, row in enumerate(scores):
        shares = row if is_shared else softmax(row)
        order = np.argsort(-shares, kind="stable")[:top]
        best = [(names[i], float(shares[i])) for i in order]
        found.append(Prediction(Path(f"{path}[{index}]"), best))
    return found


@dataclass(frozen=True)
class ModelFile(Artifact):
    """Stand for an artifact where there is only its ``.nwk`` or ``.onnx`` file."""

    @classmethod
    def of(cls, path: Path) -> ModelFile:
        """Read what the file says about its preprocessing and classes.

        Raises:
            InputError: The file is missing.   FormatError: It is damaged or foreign.
        """
        from niwaki.runtime import nwk

        header: dict[str, Any] = {}
        if model_file(path).suffix == ".nwk":
            header = nwk.read(path).header
        manifest = {
            "form": header.get("form", ""),
            "preprocess": header.get("preprocess", {}),
            "classes": header.get("classes", []),
        }
        return cls(path, manifest)

    def engine(self, threads: int = 1, **options: Any) -> Engine:
        """Load the file into the engine."""
        from niwaki.runtime import Engine

        return Engine(self.folder, threads=threads, **options)
