"""The artifact: one folder that holds a finished network in every form, and how it was made.

``model.onnx`` (the Graph), ``model.nwk`` (the engine's file), ``model.safetensors`` (torch's
state), ``recipe.yaml``, ``artifact.json`` (what it is, and the SHA-256 of each file),
``report.html``, ``report.json``, ``golden/inputs.safetensors`` (``x``) and
``golden/torch.safetensors`` (torch's value of every surviving Graph value, for those inputs).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from niwaki import _files
from niwaki.errors import FormatError, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    import onnx_ir as ir

    from niwaki.recipe import Recipe
    from niwaki.report import Report
    from niwaki.runtime import Engine, Program
    from niwaki.verification import VerifyResult

FORMAT = "niwaki-artifact"
VERSION = 1
MANIFEST = "artifact.json"
FILES = (
    "model.onnx",
    "model.nwk",
    "model.safetensors",
    "recipe.yaml",
    "report.html",
    "report.json",
    "golden/inputs.safetensors",
    "golden/torch.safetensors",
)


@dataclass(frozen=True)
class Artifact:
    """Hold an artifact's folder and its manifest; the files are read when asked for."""

    folder: Path
    manifest: Mapping[str, Any] = field(repr=False)
    """``artifact.json``: format, version, form, preprocess, classes, model, data, method, seeds,
    versions, and files (name to SHA-256)."""

    @classmethod
    def open(cls, folder: str | Path) -> Artifact:
        """Open an artifact's folder.

        Raises:
            InputError: The folder is missing, or isn't an artifact's.
            FormatError: The manifest is damaged or of another version, or a file is missing.
        """
        folder = Path(folder)
        manifest = _read_manifest(folder)
        for name in manifest["files"]:
            if not (folder / name).is_file():
                raise FormatError(str(folder), f"the artifact must hold {name}", got="no such file")
        return cls(folder, manifest)

    @classmethod
    def write(
        cls,
        folder: str | Path,
        *,
        model: ir.Model,
        program: Program,
        state: Mapping[str, np.ndarray],
        recipe: Recipe | str,
        report: Report,
        golden_inputs: np.ndarray,
        golden_values: Mapping[str, np.ndarray],
        check: bool = True,
        force: bool = False,
    ) -> Artifact:
        """Write an artifact, all of it or nothing: a temporary folder is renamed at the end.

        Form, preprocessing and classes are the program's; model, data, method and seeds are the
        report's.

        Args:
            folder: Where to; a folder of another artifact is replaced if `force` is set.
            model: The Graph.
            program: What `runtime.compile_graph` made of it.
            state: The converted network's state_dict as arrays.
            recipe: The resolved recipe, or its YAML text.
            report: The report; gets the verification's result.
            golden_inputs: A few images. Shape (G, C, H, W), float32, preprocessed.
            golden_values: Graph value name to torch's value, for those images.
            check: Verify the written files first; where they disagree nothing is left behind.
            force: Replace an artifact that is there already.

        Raises:
            InputError: The path is in the way, or the disk is full.
            VerificationError: torch, Graph and engine don't agree.
        """
        from safetensors.numpy import save

        from niwaki import graph, report as reports, runtime
        from niwaki.targets import versions

        folder = Path(folder)
        _files.check_out_dir(folder, MANIFEST, force=force)
        with _files.new_dir(folder) as new:
            (new / "golden").mkdir()
            graph.save(model, new / "model.onnx")
            runtime.nwk.write(new / "model.nwk", program)
            # Not save_file: its errors for a full disk are no OSError.
            tensors = {
                "model.safetensors": state,
                "golden/inputs.safetensors": {"x": golden_inputs},
                "golden/torch.safetensors": golden_values,
            }
            for name, arrays in tensors.items():
                _files.write_bytes(new / name, save(_contiguous(arrays)))
            text = recipe if isinstance(recipe, str) else recipe.to_yaml()
            _files.write_text(new / "recipe.yaml", text)
            if check:
                from niwaki.verification import check_files

                result = check_files(new, form=program.header["form"])
                result.folder = folder.name  # not the temporary folder's
                result.raise_for_difference()
                report.verification = result.to_dict()
            reports.write(report, new)
            manifest = {
                "format": FORMAT,
                "version": VERSION,
                "form": program.header["form"],
                "preprocess": program.header.get("preprocess", {}),
                "classes": program.header.get("classes", []),
                "model": report.model,
                "data": report.data,
                "method": report.method,
                "seeds": report.seeds,
                "versions": report.versions or versions(),
                "files": {name: file_hash(new / name) for name in FILES},
            }
            text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
            _files.write_text(new / MANIFEST, text)
        return cls(folder, manifest)

    @property
    def form(self) -> str:
        """``float`` or ``integer``."""
        return self.manifest["form"]

    @property
    def classes(self) -> list[str]:
        """Class names by index."""
        return self.manifest["classes"]

    @property
    def preprocess(self) -> dict[str, Any]:
        """How an image becomes the network's input."""
        return self.manifest["preprocess"]

    @property
    def recipe(self) -> Recipe:
        """The resolved recipe."""
        from niwaki.recipe import Recipe

        return Recipe.load(self.folder / "recipe.yaml")

    @property
    def report(self) -> Report:
        """The report."""
        from niwaki.report import read

        return read(self.folder / "report.json")

    def engine(self, threads: int = 1, **options: Any) -> Engine:
        """Load ``model.nwk`` into the engine; `options` are the engine's own."""
        from niwaki.runtime import Engine

        return Engine(self.folder / "model.nwk", threads=threads, **options)

    def verify(self) -> VerifyResult:
        """Check the files' hashes, then hold torch's stored values, Graph and engine together.

        Raises:
            FormatError: A file is damaged so that it can't be read.
        """
        from niwaki.verification import check_files

        states = {
            name: "ok" if file_hash(self.folder / name) == known else "changed"
            for name, known in self.manifest["files"].items()
        }
        changed = {name for name, state in states.items() if state != "ok"}
        result = check_files(self.folder, form=self.form, changed=changed)
        result.files = {**states, **result.files}
        return result


def load(folder: str | Path) -> Artifact:
    """Open an artifact's folder: `Artifact.open`."""
    return Artifact.open(folder)


def verify(folder: str | Path) -> VerifyResult:
    """Verify the artifact in `folder`; the result says whether it passed (docs/verify.md).

    Raises:
        InputError, FormatError: The folder isn't an artifact, or a file is damaged.
    """
    return Artifact.open(folder).verify()


def file_hash(path: Path) -> str:
    """Return a file's SHA-256 in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _contiguous(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Copy what isn't C-contiguous: safetensors writes the buffer as it lies."""
    import numpy as np

    # Not `ascontiguousarray`, which makes a number (0 axes) a list of one.
    return {name: np.asarray(array, order="C") for name, array in arrays.items()}


def _read_manifest(folder: Path) -> dict[str, Any]:
    path = folder / MANIFEST
    if not folder.is_dir():
        raise InputError(
            "artifact",
            "the artifact must be a folder that exists",
            got=str(folder),
            fix="Give the folder that niwaki compress wrote with --out",
        )
    if not path.is_file():
        raise InputError(
            "artifact",
            f"the folder must hold {MANIFEST}",
            got=str(folder),
            fix="Give a folder written by niwaki compress",
        )
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise FormatError(str(path), "the manifest must be JSON", got=str(error)) from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise FormatError(str(path), f"the manifest must say format {FORMAT!r}")
    version = manifest.get("version")
    if version != VERSION:
        raise FormatError(
            str(path),
            f"the artifact's version must be {VERSION}",
            got=repr(version),
            fix="Update niwaki if the artifact is from a newer one",
        )
    _check_fields(path, manifest)
    return manifest


def _check_fields(path: Path, manifest: dict[str, Any]) -> None:
    kinds = {"form": str, "preprocess": dict, "classes": list, "files": dict}
    for key, kind in kinds.items():
        if not isinstance(manifest.get(key), kind):
            got = type(manifest.get(key)).__name__
            raise FormatError(str(path), f"{key} must be a {kind.__name__}", got=got)
    if manifest["form"] not in ("float", "integer"):
        raise FormatError(str(path), "form must be float or integer", got=repr(manifest["form"]))
    if set(manifest["files"]) != set(FILES):
        raise FormatError(
            str(path), f"files must name {', '.join(FILES)}", got=", ".join(manifest["files"])
        )
    if not all(isinstance(known, str) for known in manifest["files"].values()):
        raise FormatError(str(path), "each file's hash must be text")
