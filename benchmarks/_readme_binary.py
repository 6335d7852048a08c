"""The README's table of binary networks beside other engines, from `results/binary.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

ROWS = {
    "ResNet-18, binary": ("sibnn-resnet18 as si-bnn", "resnet18", "bi-real-18"),
    "AlexNet, binary": ("sibnn-alexnet as si-bnn", "sibnn-alexnet", ""),
    "VGG-small, binary": ("vgg-small as si-bnn", "vgg-small", ""),
    "ResNet-18, 98 % zeros + binary": ("resnet18 as bap", "resnet18", ""),
}
"""Label: niwaki's case, its float twin, and what Larq ran."""


def binary_table(results: Path) -> str:
    """Return the Markdown table: one image, one thread."""
    found = json.loads((results / "binary.json").read_text(encoding="utf-8"))
    groups = _groups(found["rows"])
    lines = [
        "| | ONNX Runtime, float32 | OpenVINO, dense int8 | Larq Compute Engine | **niwaki** "
        "| against ONNX Runtime | packed |",
        "|---|---|---|---|---|---|---|",
    ]
    slow = ""
    for label, (case, twin, larq) in ROWS.items():
        group = groups[case]
        own, peer = group[case, "niwaki"], group[f"{twin} in float32", "onnxruntime"]
        eight = group.get((f"{twin} in 8 bits", "openvino-int8"))
        fast = group.get((larq, "larq-indirect"))
        lines.append(
            f"| {label} | {_time(peer)} | {_time(eight)} | {_time(fast)} | {_time(own)} "
            f"| **{peer['median'] / own['median']:.1f}x** "
            f"| {group[f'{case}, packed', 'niwaki']['median']:.2f} MB |"
        )
        if (plain := group.get((larq, "larq"))) is not None and plain["runs"]:
            slow = f" Larq ran Bi-Real-18 in its fastest settings; as it comes: {_time(plain)}."
    lines += [
        "",
        f"One image (224x224, AlexNet 227x227, VGG-small 32x32), one thread, "
        f"{found['machine']['cpu']}; medians, engines in turn in one run. Random weights: speed "
        f"without a claim about accuracy.{slow} Layers, AVX2 and versions: "
        "[benchmarks/results/binary.md](benchmarks/results/binary.md).",
    ]
    return "\n".join(lines)


def _groups(rows: list[dict[str, Any]]) -> dict[str, dict[tuple[str, str], dict[str, Any]]]:
    """Return niwaki's case -> the rows of its run by (case, runner); its own row comes first."""
    groups: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
    current: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        is_network = " as " in row["case"] and "," not in row["case"]
        if is_network and row["case"] not in groups:
            current = groups.setdefault(row["case"], {})
        # The best instruction set comes before a forced one.
        current.setdefault((row["case"], row["runner"]), row)
    return groups


def _time(row: dict[str, Any] | None) -> str:
    return f"{row['median']:.2f} ms" if row is not None and row["runs"] else "-"
