"""What a verification found: per layer, end to end, and per file."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from niwaki.errors import VerificationError

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True)
class LayerCheck:
    """Hold one layer of one part against the reference, both fed the reference's input."""

    layer: str
    """Torch's qualified name."""
    value: str
    """The value that was compared."""
    part: str
    """``graph`` (model.onnx in NumPy) or ``engine`` (model.nwk); the reference is torch."""
    ok: bool
    difference: float
    """Largest difference; of floats relative to max(1, |reference|)."""
    differing: int
    """How many elements differ by more than is allowed."""
    bits: int = 0
    """Threshold bits that differ, all within 1e-4 of the threshold: allowed, and counted."""


@dataclass(frozen=True)
class EndCheck:
    """Hold one output of one part against torch's, each fed only the images."""

    output: str
    part: str
    ok: bool
    difference: float
    """Largest absolute difference."""
    images: int
    """How many images differ by more than is allowed."""
    excused: int
    """Those of them that have a bit at its threshold that fell the other way."""


@dataclass
class VerifyResult:
    """Hold what `niwaki verify` found."""

    folder: str
    form: str
    images: int
    layers: list[LayerCheck] = field(default_factory=list[LayerCheck])
    end_to_end: list[EndCheck] = field(default_factory=list[EndCheck])
    files: dict[str, str] = field(default_factory=dict[str, str])
    """File name to ``ok``, ``changed`` (its SHA-256 isn't the one in artifact.json), or why the
    part can't be compared, e.g. ``changed since it was written, of the integer form``."""

    @property
    def ok(self) -> bool:
        """Tell whether every check passed."""
        checks = [*self.layers, *self.end_to_end]
        whole = all(state == "ok" for state in self.files.values())
        return bool(self.layers and self.end_to_end) and whole and all(c.ok for c in checks)

    @property
    def bits(self) -> int:
        """Count the threshold bits that differ and may."""
        return sum(check.bits for check in self.layers)

    @property
    def first_difference(self) -> LayerCheck | None:
        """The first layer, in the network's order, that differs by more than is allowed."""
        return next((check for check in self.layers if not check.ok), None)

    def summary(self) -> str:
        """Return one line: passed, or what differs first."""
        if self.ok:
            near = f", {self.bits} bits at their threshold" if self.form == "float" else ""
            return (
                f"torch, graph and engine agree on {self.images} images, "
                f"{len({check.layer for check in self.layers})} layers ({self.form} form{near})"
            )
        return str(self._error())

    def raise_for_difference(self) -> None:
        """Do nothing where every check passed.

        Raises:
            VerificationError: Names the first differing layer, else the output or the file.
        """
        if not self.ok:
            raise self._error()

    def _error(self) -> VerificationError:
        where = f"verify {self.folder}"
        for name, state in self.files.items():
            if state not in ("ok", "changed"):
                return VerificationError(
                    where,
                    f"{name} must be the artifact's own, of the {self.form} form",
                    got=f"a file {state}",
                    fix="Copy the folder again, or compress again",
                )
        first = self.first_difference
        if first is not None:
            return VerificationError(
                where,
                f"layer {first.layer}: the {first.part} must equal torch (value {first.value!r})",
                got=f"{first.differing} values off, at most by {first.difference:.3g}",
                fix="It is the first differing layer; compress again, or report it",
            )
        for end in self.end_to_end:
            if not end.ok:
                return VerificationError(
                    where,
                    f"output {end.output!r}: the {end.part} must equal torch end to end",
                    got=f"{end.images - end.excused} images off, at most by {end.difference:.3g}",
                )
        changed = [name for name, state in self.files.items() if state != "ok"]
        if changed:
            return VerificationError(
                where,
                "each file must have the hash in artifact.json",
                got=f"{', '.join(changed)} changed",
                fix="Copy the folder again, or compress again",
            )
        return VerificationError(where, "there must be layers and outputs to compare", got="none")

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts and lists, ready for JSON."""
        first = self.first_difference
        return {
            "folder": self.folder,
            "form": self.form,
            "ok": self.ok,
            "summary": self.summary(),
            "images": self.images,
            "bits_at_threshold": self.bits,
            "first_differing_layer": None if first is None else first.layer,
            "layers": [dataclasses.asdict(check) for check in self.layers],
            "end_to_end": [dataclasses.asdict(check) for check in self.end_to_end],
            "files": dict(self.files),
        }

    def table(self) -> Table:
        """Lay out one row per layer and part, then the outputs, for a terminal.

        A layer's several values share a row, which names the first that differs, else the last.
        """
        from rich.table import Table

        table = Table(title=f"verify {self.folder} ({self.form} form)", title_justify="left")
        for title in ("layer", "value", "part"):
            table.add_column(title)
        for title in ("max difference", "values off", "bits at threshold"):
            table.add_column(title, justify="right")
        table.add_column("")
        for checks in _grouped(self.layers):
            shown = next((check for check in checks if not check.ok), checks[-1])
            table.add_row(
                shown.layer,
                shown.value,
                shown.part,
                f"{max(check.difference for check in checks):.3g}",
                str(sum(check.differing for check in checks)),
                str(sum(check.bits for check in checks) or ""),
                _mark(all(check.ok for check in checks)),
            )
        for end in self.end_to_end:
            off = f"{end.images} images" + (f", {end.excused} by bits" if end.excused else "")
            table.add_row(
                "end to end", end.output, end.part, f"{end.difference:.3g}", off, "", _mark(end.ok)
            )
        for name, state in self.files.items():
            if state != "ok":
                table.add_row("file", name, "", "", state, "", _mark(ok=False))
        return table


def _grouped(checks: list[LayerCheck]) -> list[list[LayerCheck]]:
    """Return the checks by layer and part, in order of the first of each."""
    groups: dict[tuple[str, str], list[LayerCheck]] = {}
    for check in checks:
        groups.setdefault((check.layer, check.part), []).append(check)
    return list(groups.values())


def _mark(ok: bool) -> str:
    return "ok" if ok else "[bold red]DIFFERS[/]"
