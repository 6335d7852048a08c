"""Write the README's tables and picture from what `results/` holds of networks and of training.

python benchmarks/readme.py            # rewrite README.md and docs/pictures/results.svg
python benchmarks/readme.py --check    # exit code 1 where the README says something else
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

from _readme_accuracy import accuracy_table
from _readme_binary import binary_table
from _readme_speed import speed_table

ROOT = Path(__file__).parent.parent
RESULTS = Path(__file__).parent / "results"
PICTURE = ROOT / "docs" / "pictures" / "results.svg"
BLOCK = re.compile(
    r"(<!-- (speed|binary|accuracy|results): written by benchmarks/readme.py -->\n)"
    r".*?(\n<!-- end of \2 -->)",
    re.DOTALL,
)
"""The README's tables, each between its comments."""
CASES = {
    "digits": "digits, small CNN",
    "mnist": "MNIST, LeNet-5",
    "fashion-mnist": "Fashion-MNIST, LeNet-5",
}
NETWORKS = {"dense": "dense", "sparse only": "98 % zeros", "bap": "**98 % zeros + binary**"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    found = {name: load(name) for name in CASES if (RESULTS / f"compress-{name}.json").exists()}
    readme = ROOT / "README.md"
    old = readme.read_text(encoding="utf-8")
    tables = {
        "speed": speed_table(RESULTS),
        "binary": binary_table(RESULTS),
        "accuracy": accuracy_table(RESULTS),
        "results": table(found),
    }
    new = BLOCK.sub(lambda m: m[1] + tables[m[2]] + m[3], old)
    if check:
        print("the README agrees" if new == old else "the README differs from the results")
        return int(new != old)
    readme.write_text(new, encoding="utf-8")
    draw(found)
    return 0


def load(name: str) -> dict[str, Any]:
    """Return one benchmark's file, with its rows by (case's tail, runner, unit)."""
    found = json.loads((RESULTS / f"compress-{name}.json").read_text(encoding="utf-8"))
    rows = found["rows"]
    stem = next(row["case"] for row in rows if row["runner"] == "dense")
    found["by"] = {(r["case"].removeprefix(stem), r["runner"], r["unit"]): r for r in rows}
    return found


def value(found: dict[str, Any], network: str, unit: str) -> float:
    return float(found["by"]["", network, unit]["median"])


def latency(found: dict[str, Any], network: str, runner: str) -> str:
    row = found["by"].get((f" {network}, one image", runner, "ms"))
    return f"{row['median']:.3f}" if row else "-"


def table(found: dict[str, dict[str, Any]]) -> str:
    """Return the Markdown table: three networks per data set, measured in one run."""
    head = (
        "| | network | test accuracy | packed size | multiplications "
        "| torch | ONNX Runtime | niwaki |"
    )
    lines = [head, "|---|---|---|---|---|---|---|---|"]
    for name, label in CASES.items():
        if name not in found:
            continue
        one = found[name]
        for network, shown in NETWORKS.items():
            times = [latency(one, network, who) for who in ("torch", "onnxruntime", "niwaki")]
            lines.append(
                f"| {label if network == 'dense' else ''} | {shown} "
                f"| {value(one, network, '% top-1'):.2f} % | {value(one, network, 'kB'):,.1f} kB "
                f"| {value(one, network, 'M multiplications'):.3f} M | "
                + " | ".join(f"{t} ms" for t in times)
                + " |"
            )
    runs = ", ".join(
        f"{name} {one['by']['', 'dense', '% top-1']['runs']}" for name, one in found.items()
    )
    cpu = next(iter(found.values()))["machine"]["cpu"] if found else ""
    lines += [
        "",
        f"One image, one thread, {cpu}; medians of interleaved runs, the same network in all "
        f"three. Seeds averaged: {runs}. Spreads, versions and commits: "
        "[benchmarks/results](benchmarks/results).",
    ]
    return "\n".join(lines)


def draw(found: dict[str, dict[str, Any]]) -> None:
    """Draw accuracy against packed size: what the zeros cost, and what the binary branch gives."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "niwaki"
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(found), figsize=(3.4 * len(found), 3.0), squeeze=False)
    looks = {"dense": ("#6b7280", "o"), "sparse only": ("#d97706", "s"), "bap": ("#15803d", "D")}
    names = {"dense": "dense", "sparse only": "98 % zeros", "bap": "98 % zeros + binary"}
    for axis, (name, one) in zip(axes[0], found.items(), strict=True):
        for network, (colour, marker) in looks.items():
            size, accuracy = value(one, network, "kB"), value(one, network, "% top-1")
            axis.plot(size, accuracy, marker, color=colour, ms=9, label=names[network])
        axis.set_xscale("log")
        axis.set_xlabel("packed size, kB")
        axis.set_title(CASES[name], fontsize=10)
        axis.grid(alpha=0.25)
        axis.margins(0.25)
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("test accuracy, %")
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=3, frameon=False)
    figure.tight_layout(rect=(0, 0.08, 1, 1))
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.patch.set_facecolor("white")
    figure.savefig(PICTURE, metadata={"Date": None})
    plt.close(figure)


if __name__ == "__main__":
    raise SystemExit(main())
