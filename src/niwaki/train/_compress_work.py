"""The work folder beside the output: the resolved recipe and the checkpoints of a run under way.

It is ``OUT.work``, made when a run starts and removed when it ends well or can't meet its budget;
so it is there exactly while there is something to go on with.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from niwaki import _files
from niwaki.artifact import MANIFEST
from niwaki.errors import InputError
from niwaki.recipe import Recipe

if TYPE_CHECKING:
    from typing import Self

_RECIPE = "recipe.yaml"


@dataclass(frozen=True)
class Work:
    """Hold the folders of one run."""

    out: Path
    folder: Path

    @classmethod
    def start(cls, out: Path, recipe: Recipe, *, resume: bool, force: bool) -> Self:
        """Make the work folder, or take up the one that is there.

        Args:
            out: Where the artifact will be.
            recipe: The resolved recipe.
            resume: Go on with what is there; its recipe must be the same.
            force: Start over, and replace an artifact that is there.

        Raises:
            InputError: Something else is in the way, an unfinished run wasn't asked for, or its
                recipe differs.
        """
        folder = work_folder(out)
        _files.check_out_dir(out, MANIFEST, force=force or resume)
        if folder.exists():
            kept = folder / _RECIPE
            if not folder.is_dir() or (any(folder.iterdir()) and not kept.is_file()):
                raise InputError(
                    "output", "the work folder must be free", got=f"{folder}, which isn't niwaki's"
                )
            if resume and kept.is_file():
                check_same(Recipe.load(kept), recipe)
                return cls(out, folder)
            if kept.is_file() and not force:
                raise InputError(
                    "output",
                    "no unfinished run may be there",
                    got=folder,
                    fix="Go on with it by --resume, or start over by --force",
                )
            shutil.rmtree(folder)
        with _files.disk_errors(folder):
            folder.mkdir(parents=True)
            try:
                _files.write_text(folder / _RECIPE, recipe.to_yaml())
            except BaseException:
                shutil.rmtree(folder)
                raise
        return cls(out, folder)

    def stage(self, name: str) -> Path:
        """Return the folder for one stage's checkpoints."""
        return self.folder / name

    def abandon(self) -> None:
        """Leave after an error: keep the folder only if it has a checkpoint to go on from."""
        if not any(self.folder.glob("*/step-*/state.json")):
            self.remove()

    def remove(self) -> None:
        """Remove the work folder: the run is over."""
        shutil.rmtree(self.folder)


def work_folder(out: Path) -> Path:
    """Return the folder beside an output: ``OUT.work``."""
    return out.absolute().with_name(out.absolute().name + ".work")


def check_same(kept: Recipe, wanted: Recipe) -> None:
    """Refuse to go on with a run of another recipe.

    Raises:
        InputError: A key differs; the message names the first.
    """
    for key, old, new in _differences(kept.model_dump(), wanted.model_dump()):
        raise InputError(
            "--resume",
            f"the recipe must be that of the stopped run ({key}: {old!r})",
            got=repr(new),
            fix="Give the same options, or start over by --force",
        )


def _differences(old: dict[str, Any], new: dict[str, Any], inside: str = "") -> list[Any]:
    found: list[Any] = []
    for key in old:
        if isinstance(old[key], dict) and isinstance(new[key], dict):
            found += _differences(old[key], new[key], f"{inside}{key}.")
        elif old[key] != new[key]:
            found.append((inside + key, old[key], new[key]))
    return found
