"""The README's table of speed: whole networks beside other engines, from `results/models.json`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

LABELS = {
    "resnet50": "ResNet-50",
    "vgg16": "VGG-16",
    "resnet18": "ResNet-18",
    "mobilenet-v2": "MobileNetV2",
}
SHOWN = (0.0, 0.9, 0.98)
"""Sparsities that fit a first screen; the others are one link away."""
ENGINES = {
    "onnxruntime": "ONNX Runtime",
    "deepsparse": "DeepSparse",
    "openvino-int8": "OpenVINO, dense int8",
    "niwaki": "**niwaki**",
}
"""Columns; the int8 one runs the dense network, quantised."""


def speed_table(results: Path) -> str:
    """Return the Markdown table: one image, one thread, unstructured zeros."""
    found = json.loads((results / "models.json").read_text(encoding="utf-8"))
    plain = [
        record
        for record in found["cases"]
        if (record["threads"], record["batch"], record["structure"]) == (1, 1, "unstructured")
        and record["sparsity"] in SHOWN
    ]
    lines = [
        "| | zeros | " + " | ".join(ENGINES.values()) + " | against ONNX Runtime |",
        "|---|---|" + "---|" * (len(ENGINES) + 1),
    ]
    for network, label in LABELS.items():
        rows = sorted(
            (record for record in plain if record["network"] == network),
            key=lambda record: record["sparsity"],
        )
        for position, record in enumerate(rows):
            times = {name: _time(record, name) for name in ENGINES}
            cells = ["-" if ms is None else f"{ms:.2f} ms" for ms in times.values()]
            own, peer = times["niwaki"], times["onnxruntime"]
            gain = "-" if own is None or peer is None else f"**{peer / own:.2f}x**"
            lines.append(
                f"| {'' if position else label} | {100 * record['sparsity']:.0f} % | "
                + " | ".join(cells)
                + f" | {gain} |"
            )
    machine = found["machine"]
    where = f"{machine['cpu']}, {machine['isas'][0]}"
    lines += [
        "",
        f"One image of 224x224, one thread, {where}; medians, engines "
        "in turn, each row in one run. Random weights, pruned by magnitude, the stem and depthwise "
        "layers dense: speed without a claim about accuracy. Other sparsities, quartiles, threads, "
        "batches, memory and "
        "versions: [benchmarks/results/models.md](benchmarks/results/models.md).",
    ]
    return "\n".join(lines)


def _time(record: dict[str, Any], engine: str) -> float | None:
    row = record["peers"].get(engine, {})
    return row.get("median_ms")
