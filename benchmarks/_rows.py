"""Write what a benchmark measured: one row per case, as JSON and as Markdown, in `results/`.

Each row says where it comes from (commit, CPU, instruction set, threads), what ran (runner,
version, case, shape) and what was measured (median, spread, runs, unit). A claim of speed quotes
two rows of one run. Run scripts from the repository's root: `python benchmarks/bench_<thing>.py`.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from niwaki.targets import Timing, machine_info

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Row:
    """Hold one measured case."""

    case: str
    """What was measured: network, layer, start of the program ..."""
    runner: str
    """Who ran it: ``niwaki``, ``onnxruntime``, ``torch``, a kernel's name ..."""
    median: float
    spread: float
    """Interquartile range of times; standard deviation over seeds of accuracies."""
    runs: int
    """Timed runs, or seeds."""
    unit: str = "ms"
    version: str = ""
    threads: int = 1
    shape: str = ""
    isa: str = ""
    """Instruction set of this row; the machine's best where left out."""
    note: str = ""

    @classmethod
    def of(cls, case: str, runner: str, timing: Timing, **more: Any) -> Row:
        """Make a row of a timing."""
        return cls(
            case,
            runner,
            timing.median_ms,
            timing.spread_ms,
            timing.runs,
            version=timing.version,
            threads=timing.threads,
            **more,
        )


def write_rows(name: str, rows: Sequence[Row], *, title: str, folder: Path = RESULTS) -> Path:
    """Write `<name>.json` and `<name>.md`, and return the Markdown's path.

    Args:
        name: The benchmark, e.g. ``resnet20``; a later run replaces the earlier.
        rows: What was measured.
        title: First line of the Markdown.
        folder: Where to.
    """
    machine = machine_info()
    best = machine["isas"][0] if machine["isas"] else ""
    full = [
        {
            "commit": machine["commit"],
            "cpu": machine["cpu"],
            **dataclasses.asdict(row),
            "isa": row.isa or best,
        }
        for row in rows
    ]
    date = datetime.datetime.now(datetime.UTC).date().isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    found = {"benchmark": name, "date": date, "machine": machine, "rows": full}
    text = json.dumps(found, indent=1) + "\n"
    (folder / f"{name}.json").write_text(text, encoding="utf-8")
    page = folder / f"{name}.md"
    page.write_text(_markdown(title, date, machine, full), encoding="utf-8")
    return page


def _markdown(title: str, date: str, machine: dict[str, Any], rows: list[dict[str, Any]]) -> str:
    columns = [
        "case", "shape", "runner", "version", "isa", "threads", "median", "spread", "unit",
        "runs", "note",
    ]  # fmt: skip
    shown = [name for name in columns if any(row[name] not in ("", None) for row in rows)]
    lines = [
        f"# {title}",
        "",
        f"{date}, commit {machine['commit'] or 'unknown'}, {machine['cpu']}, "
        f"{machine['cores']} cores, {machine['system']}, Python {machine['python']}.",
        "",
        "| " + " | ".join(shown) + " |",
        "|" + " --- |" * len(shown),
    ]
    lines += ["| " + " | ".join(_cell(row[name]) for name in shown) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|")
