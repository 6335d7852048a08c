"""The README's table of what bits cost in accuracy, from `results/binary-*.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

COLUMNS = ("float", "98 % zeros", "98 % zeros + bits", "bits {0, 1}", "bits {-1, +1}")
ROWS = {  # label: file, and the case of each column
    "Fashion-MNIST, four units, 5 epochs": (
        "binary-accuracy",
        ("real", None, None, "si-bnn", "signed"),
    ),
    "Fashion-MNIST, half of its pictures, 8 epochs": (
        "binary-accuracy",
        ("dense", "sparse-only", "bap", None, None),
    ),
    "CIFAR-10, ResNet-20, 10 epochs from its trained weights": (
        "binary-cifar10",
        ("float", "sparse-only", "bap", "si-bnn", "si-bnn-signed"),
    ),
}


def accuracy_table(results: Path) -> str:
    """Return the Markdown table: test accuracies, means over seeds."""
    lines = ["| | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for label, (name, cases) in ROWS.items():
        rows = json.loads((results / f"{name}.json").read_text(encoding="utf-8"))["rows"]
        found = {row["case"]: row for row in rows}
        lines.append(f"| {label} | " + " | ".join(_cell(found, case) for case in cases) + " |")
    return "\n".join(lines)


def _cell(found: dict[str, dict[str, Any]], case: str | None) -> str:
    if case is None:
        return "-"
    row = found[case]
    spread = f" ± {row['spread']:.2f}" if row["runs"] > 1 else ""
    return f"{row['median']:.2f}{spread} %"
