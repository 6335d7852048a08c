"""The table and the plot of `bench_models.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from _check import check_table
from _models_claims import CORE_A_BELOW, break_even, checks, peak
from peers import FLOAT_PEERS

COLOURS = {
    "niwaki": "#15803d",
    "onnxruntime": "#1d4ed8",
    "openvino": "#7c3aed",
    "openvino-int8": "#be123c",
    "deepsparse": "#d97706",
    "torch": "#6b7280",
}


def write_report(found: dict[str, Any], folder: Path) -> Path:
    """Write ``models.md`` and ``models.svg``; return the page's path."""
    page = folder / "models.md"
    page.write_text("\n".join(_page(found)) + "\n", encoding="utf-8")
    draw(found, folder / "models.svg")
    return page


def _page(found: dict[str, Any]) -> list[str]:
    machine, rate = found["machine"], peak(found)
    busiest = max((record["load_average"] for record in found["cases"]), default=0.0)
    core = "?" if rate is None else "A" if rate < CORE_A_BELOW else "B"
    commits = sorted({record["commit"] for record in found["cases"]})
    lines = [
        "# Whole networks beside other engines",
        "",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['isas'][0]}, commit "
        f"{', '.join(commits)}; measured multiply-add peak of one thread "
        f"{'unknown' if rate is None else f'{rate:.0f} GMAC/s'} (core {core}); highest load "
        f"average of the machine when a case began: {busiest:.1f}.",
        "",
        "Random weights, magnitude-pruned per layer, stem and depthwise layers dense, classifier "
        "pruned too; all engines get the same file, but for int8 and torch, which run the dense "
        "network. Median [quartiles] in milliseconds per call, engines in turn. A case is "
        "network:sparsity:threads:batch[:structure].",
        "",
        "| case | " + " | ".join(FLOAT_PEERS) + " |",
        "|---|" + "---|" * len(FLOAT_PEERS),
    ]
    for record in found["cases"]:
        cells = [_time(record["peers"].get(name)) for name in FLOAT_PEERS]
        lines.append(f"| {record['case']} | " + " | ".join(cells) + " |")
    lines += ["", *_claims(found), "", *_break_evens(found), "", *_details(found)]
    lines += ["", *_failures(found), "", "![times by sparsity](models.svg)"]
    return lines


def _time(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    if "median_ms" not in row:
        return "failed"
    return f"{row['median_ms']:.2f} [{row['low_ms']:.2f}, {row['high_ms']:.2f}]"


def _claims(found: dict[str, Any]) -> list[str]:
    held = checks(found)
    lacking = sum(check.passed is None for check in held)
    lost = sum(check.passed is False for check in held)
    return [
        "## Claims",
        "",
        f"{len(held)} claims: {len(held) - lost - lacking} kept, {lost} not kept, {lacking} not "
        "measured.",
        "",
        *check_table(held),
    ]


def _break_evens(found: dict[str, Any]) -> list[str]:
    networks = list(dict.fromkeys(record["network"] for record in found["cases"]))
    lines = [
        "## Break-even",
        "",
        "Sparsity from which niwaki is faster, one thread, one image:",
        "",
    ]
    lines += ["| network | dense int8 in OpenVINO | ONNX Runtime fp32 |", "|---|---|---|"]
    lines += [
        f"| {name} | {break_even(found, name)} | {break_even(found, name, 'onnxruntime')} |"
        for name in networks
    ]
    return lines


def _details(found: dict[str, Any]) -> list[str]:
    lines = [
        "## Memory, loading, logits",
        "",
        "Peak resident memory of a fresh process over 10 runs; difference of logits from ONNX "
        "Runtime's on the same input, over its largest logit (int8 only where the case is dense); "
        "compile: from ONNX, with an empty and with a full table of costs.",
        "",
        "| case | engine | version | peak MB | load ms | compile s | file MB | difference |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for record in found["cases"]:
        for name, row in record["peers"].items():
            if "error" in row:
                continue
            cells = [
                row["version"],
                f"{row['peak_bytes'] / 1e6:.0f}",
                f"{row['load_s'] * 1e3:.0f}",
                f"{row['compile_s']:.1f}, {row['compile_cached_s']:.1f}"
                if "compile_s" in row
                else "",
                f"{row['bytes'] / 1e6:.2f}" if "bytes" in row and name == "niwaki" else "",
                f"{row['max_difference']:.1e}" if "max_difference" in row else "",
            ]
            lines.append(f"| {record['case']} | {name} | " + " | ".join(cells) + " |")
    return lines


def _failures(found: dict[str, Any]) -> list[str]:
    lines = [
        f"- {record['case']}, {name}: {row['error']}"
        for record in found["cases"]
        for name, row in record["peers"].items()
        if "error" in row
    ]
    return ["## Not measured", "", *(lines or ["Nothing: every engine ran every case."])]


def draw(found: dict[str, Any], path: Path) -> None:
    """Draw time against sparsity, one panel a network: one thread, one image, unstructured."""
    import matplotlib as mpl

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "niwaki"
    from matplotlib import pyplot as plt

    plain = [
        record
        for record in sorted(found["cases"], key=lambda record: record["sparsity"])
        if (record["threads"], record["batch"], record["structure"]) == (1, 1, "unstructured")
    ]
    networks = list(dict.fromkeys(record["network"] for record in plain)) or ["nothing measured"]
    figure, axes = plt.subplots(1, len(networks), figsize=(3.6 * len(networks), 3.4), squeeze=False)
    for axis, network in zip(axes[0], networks, strict=True):
        for name in FLOAT_PEERS:
            points = [
                (100 * record["sparsity"], record["peers"][name]["median_ms"])
                for record in plain
                if record["network"] == network and "median_ms" in record["peers"].get(name, {})
            ]
            if points:
                style = {"lw": 2.2} if name == "niwaki" else {"lw": 1.2, "alpha": 0.85}
                x, y = zip(*points, strict=True)
                axis.plot(x, y, "o-", ms=4, color=COLOURS[name], label=name, **style)
        axis.set_yscale("log")
        axis.set_title(network, fontsize=10)
        axis.set_xlabel("zeros, %")
        axis.grid(alpha=0.25, which="both")
        axis.spines[["top", "right"]].set_visible(False)
    axes[0][0].set_ylabel("milliseconds")
    handles = {
        label: handle
        for axis in axes[0]
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)
    }
    if handles:
        figure.legend(
            handles.values(), handles.keys(), loc="lower center", ncol=len(handles), frameon=False
        )
    figure.tight_layout(rect=(0, 0.1, 1, 1))
    figure.patch.set_facecolor("white")
    figure.savefig(path, metadata={"Date": None})
    plt.close(figure)
