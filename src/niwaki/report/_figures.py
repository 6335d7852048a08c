"""The report's pictures: inline SVG by matplotlib, and masks as PNG. Both follow the page's theme.

Text and grid are drawn in two marker colours that are then replaced by the page's own, so that one
picture serves light and dark.
"""

from __future__ import annotations

import base64
import io
import re
from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.errors import ToolMissingError
from niwaki.report._table import runner_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from niwaki.report._data import LayerResult, Mosaic, Report

_INK, _GRID = "#010203", "#040506"
_SERIES = ("#8b93a1", "#d9822b", "#1a9e77", "#5b7fd6", "#b65fc4")
"""Dense, sparse only, the method, then others: told apart in grey and by colour-blind readers."""


def curves(report: Report) -> str:
    """Draw loss, test accuracy and sparsity per epoch, one line per variant; "" without any."""
    variants = [v for v in report.variants if v.history.epoch]
    panels = (("loss", "training loss"), ("accuracy", "test accuracy"), ("sparsity", "sparsity"))
    panels = [p for p in panels if any(getattr(v.history, p[0]) for v in variants)]
    if not panels:
        return ""
    figure, axes = _figure(8.4, 2.5, len(panels))
    for axis, (key, title) in zip(axes, panels, strict=True):
        for variant in variants:
            heights = getattr(variant.history, key)
            if heights:
                epochs = variant.history.epoch[: len(heights)]
                axis.plot(
                    epochs,
                    heights,
                    color=_color(report, variant.name),
                    label=variant.name,
                    linewidth=1.8,
                    marker="o" if len(heights) < 15 else "",
                    markersize=3,
                )
        axis.set_title(title, fontsize=9, color=_INK)
        axis.set_xlabel("epoch", fontsize=8, color=_INK)
        axis.xaxis.get_major_locator().set_params(integer=True)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=4, fontsize=8, frameon=False,
        labelcolor=_INK,
    )  # fmt: skip
    return _svg(figure, "training curves: loss, accuracy and sparsity per epoch", "curves")


def latency_bars(report: Report) -> str:
    """Draw the median latency of each runner, grouped by network; "" where none was measured."""
    runners = runner_names(report)
    if not runners:
        return ""
    variants = [v for v in report.variants if v.latency]
    rows = len(variants) * len(runners)
    figure, (axis,) = _figure(8.4, 0.55 + 0.23 * rows + 0.12 * len(variants), 1)
    ticks: list[float] = []
    labels: list[str] = []
    place = 0.0
    for variant in variants:
        for runner in runners:
            timing = variant.latency.get(runner)
            if timing is not None:
                half = timing.spread_ms / 2
                axis.barh(
                    place,
                    timing.median_ms,
                    xerr=[[min(half, timing.median_ms)], [half]],  # no time is below 0
                    height=0.72,
                    color=_color(report, variant.name),
                    alpha=1.0 if runner == "niwaki" else 0.5,
                    ecolor=_INK,
                    error_kw={"linewidth": 0.8},
                )
                ticks.append(place)
                labels.append(f"{variant.name}, {runner}")
                axis.annotate(
                    f"{timing.median_ms:.3g}",
                    (timing.median_ms + half, place),
                    xytext=(5, 0), textcoords="offset points",
                    va="center", fontsize=7.5, color=_INK,
                )  # fmt: skip
            place += 1
        place += 0.5
    axis.set_yticks(ticks, labels)
    axis.invert_yaxis()
    axis.margins(x=0.12)
    axis.set_xlim(left=0)
    axis.set_xlabel("milliseconds, one image (bar ends: half the spread)", fontsize=8, color=_INK)
    axis.grid(axis="y", visible=False)
    return _svg(figure, "median latency of each engine on each network", "latency")


def density_bars(layers: list[LayerResult]) -> str:
    """Draw the share of kept weights per layer, log axis; "" without weights."""
    layers = [layer for layer in layers if layer.weights or layer.binary_weights]
    if not layers:
        return ""
    figure, (axis,) = _figure(8.4, 0.6 + 0.24 * len(layers), 1)
    for index, layer in enumerate(layers):
        share = layer.density if layer.weights else 0.0
        color = _SERIES[0] if layer.density > 0.5 and layer.weights else _SERIES[2]
        axis.barh(index, max(share, 1e-4), height=0.72, color=color)
        text = f"{100 * share:.3g} %" + (" + binary" if layer.binary_weights else "")
        axis.annotate(
            text, (max(share, 1e-4), index), xytext=(5, 0), textcoords="offset points",
            va="center", fontsize=7.5, color=_INK,
        )  # fmt: skip
    axis.set_yticks(range(len(layers)), [layer.name for layer in layers])
    axis.set_xscale("log")
    lowest = min((layer.density for layer in layers if layer.nonzeros), default=1.0)
    axis.set_xlim(10 ** np.floor(np.log10(min(lowest, 0.1)) - 0.3), 6)
    decades = [10.0**e for e in range(int(np.floor(np.log10(min(lowest, 0.1)))), 1)]
    axis.set_xticks(decades, [f"{100 * share:g} %" for share in decades])
    axis.minorticks_off()
    axis.invert_yaxis()
    axis.set_xlabel("weights kept (log scale)", fontsize=8, color=_INK)
    axis.grid(axis="y", visible=False)
    return _svg(figure, "share of kept weights per layer", "density")


def mosaic_png(mosaic: Mosaic) -> str:
    """Return a mask as the address of an inline PNG: kept weights coloured, zeros transparent."""
    from PIL import Image

    mask = mosaic.mask()
    pixels = np.zeros((*mask.shape, 4), np.uint8)
    pixels[mask] = (*(int(_SERIES[2][i : i + 2], 16) for i in (1, 3, 5)), 255)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")


def series_color(report: Report, name: str) -> str:
    """Return the colour of a variant, the same in every picture and in the table."""
    return _color(report, name)


def _color(report: Report, name: str) -> str:
    names = [variant.name for variant in report.variants]
    last = len(names) - 1
    index = names.index(name)
    order = 2 if index == last and last > 0 else index if index < 2 else index + 1
    return _SERIES[order % len(_SERIES)]


def _figure(width: float, height: float, panels: int) -> tuple[Figure, list[Any]]:
    try:
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise ToolMissingError(
            "report", "matplotlib must be installed", fix="pip install 'niwaki[report]'"
        ) from error
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = list(figure.subplots(1, panels, squeeze=False)[0])
    for axis in axes:
        axis.set_facecolor("none")
        axis.tick_params(labelsize=8, colors=_INK, length=0)
        axis.grid(color=_GRID, linewidth=0.6)
        axis.set_axisbelow(True)
        for side, spine in axis.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color(_GRID)
    return figure, axes


def _svg(figure: Figure, label: str, name: str) -> str:
    """Return a figure as inline SVG in the page's colours and font, the same bytes each time."""
    import matplotlib as mpl

    file = io.StringIO()
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": name}):
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    text = file.getvalue()
    text = text[text.index("<svg") :].replace(_INK, "currentColor").replace(_GRID, "var(--line)")
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    # Ids are the page's: each picture keeps to its own.
    text = re.sub(r'(id="|href="#|url\(#)', rf"\g<1>{name}-", text)
    return text.replace("<svg ", f'<svg role="img" aria-label="{label}" ', 1)
