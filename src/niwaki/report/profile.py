"""Show a network's profile: a table for the terminal, bars as SVG, a page (`Profile`)."""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from niwaki.report._svg import SERIES, Drawing, html_table, page

if TYPE_CHECKING:
    from rich.table import Table

    from niwaki.targets import LayerProfile, Profile

_HEAD = ("layer", "op", "output", "density", "runs as", "ms", "share", "GMAC/s", "MB", "roof")
_LEFT, _ROW, _BARS = 330.0, 17.0, 420.0


def table(profile: Profile) -> Table:
    """Return the profile as a rich table: one row per layer, slow ones marked, and the sum."""
    from rich.table import Table

    drawn = Table(box=None, pad_edge=False)
    for index, name in enumerate(_HEAD):
        drawn.add_column(name, justify="left" if index < 5 else "right", no_wrap=index != 4)
    drawn.add_column("")
    longest = max((layer.ms for layer in profile.layers), default=1.0)
    for layer in profile.layers:
        mark = "bold" if layer.share >= 0.05 else ""
        bar = "█" * round(16 * layer.ms / max(longest, 1e-9))
        drawn.add_row(*_row(layer), f"[{_COLORS[_kind(layer)]}]{bar}[/]", style=mark)
    return drawn


def sentences(profile: Profile) -> list[str]:
    """Return the sum in words: time, useful rate, and the roofs that were measured."""
    macs = sum(layer.macs for layer in profile.layers)
    found = [
        f"One image takes {profile.total_ms:.3f} ms (spread {profile.spread_ms:.2g}) on "
        f"{profile.threads} thread{'s' * (profile.threads > 1)}, {profile.isa}: "
        f"{macs / max(profile.total_ms, 1e-9) / 1e6:.1f} GMAC/s on weights that aren't zero."
    ]
    if profile.roofs:
        rates = ", ".join(f"{name} {rate:.0f}" for name, rate in profile.roofs.items())
        found.append(f"Roofs of one thread, measured in this run: {rates} (GMAC/s, GB/s).")
    return found


def picture(profile: Profile) -> str:
    """Draw a bar per layer, coloured by what runs it, its roof's share filled in, as SVG."""
    height = 74 + _ROW * len(profile.layers) + 24
    drawing = Drawing(_LEFT + _BARS + 170, height, f"time of each layer of {profile.file}")
    drawing.text(12, 24, f"Profile: {Path(profile.file).name}", size=15, bold=True)
    drawing.text(
        12,
        42,
        f"{profile.machine['cpu']}, {profile.threads} thread{'s' * (profile.threads > 1)}, "
        f"{profile.isa}, {profile.total_ms:.3f} ms an image; solid: the share of the roof",
        size=11,
        tone="soft",
    )
    longest = max((layer.ms for layer in profile.layers), default=1.0)
    for index, layer in enumerate(profile.layers):
        y = 62 + _ROW * index
        color = SERIES[_kind(layer)]
        width = _BARS * layer.ms / max(longest, 1e-9)
        drawing.text(12, y + 11, _cut(layer.name, 30), size=10.5)
        drawing.text(_LEFT - 8, y + 11, _words(layer), size=9.5, anchor="end", tone="soft")
        drawing.box(_LEFT, y + 1, width, _ROW - 4, color, opacity=0.35 if layer.roof else 1)
        if layer.roof_share is not None:
            drawing.box(_LEFT, y + 1, width * min(1.0, layer.roof_share), _ROW - 4, color)
        roof = "" if layer.roof_share is None else f", {_roof(layer)}"
        drawing.text(_LEFT + width + 6, y + 11, f"{layer.ms:.3f} ms{roof}", size=9.5, tone="soft")
    return drawing.svg()


def html(profile: Profile) -> str:
    """Return the profile as one self-contained page: sentences, bars, table."""
    notes = [*sentences(profile), *([profile.warning] if profile.warning else [])]
    parts = [*(f"<p>{escape(note)}</p>" for note in notes), picture(profile)]
    parts.append(html_table(list(_HEAD), [_row(layer) for layer in profile.layers]))
    return page(f"Profile: {Path(profile.file).name}", parts)


_COLORS = ("green", "yellow", "blue", "magenta", "white")
"""The terminal's words for `SERIES`."""


def _kind(layer: LayerProfile) -> int:
    """Return the place of a layer's colour: sparse, dense, bits, linear, anything else."""
    if layer.binary_macs:
        return 3
    if layer.op == "linear":
        return 2
    if layer.op != "conv":
        return 4
    return 0 if "sparse" in f"{layer.algorithm} {layer.kernel}" else 1


def _row(layer: LayerProfile) -> list[str]:
    runs_as = f"{layer.algorithm} {layer.tuning}".strip() or layer.kernel
    return [
        layer.name,
        layer.op,
        _shape(layer.output_shape),
        "" if layer.density is None else f"{100 * layer.density:.3g} %",
        _cut(runs_as, 44),
        f"{layer.ms:.4f}",
        f"{100 * layer.share:.1f} %",
        f"{layer.gmacs_per_s:.1f}" if layer.macs or layer.binary_macs else "",
        f"{layer.bytes / 1e6:.3f}",
        _roof(layer),
    ]


def _words(layer: LayerProfile) -> str:
    density = "" if layer.density is None else f" {100 * layer.density:.3g} %"
    return f"{layer.algorithm or layer.op}{density} {_shape(layer.output_shape)}"


def _shape(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape))


def _roof(layer: LayerProfile) -> str:
    return "" if layer.roof_share is None else f"{100 * layer.roof_share:.0f} % {layer.roof}"


def _cut(text: str, length: int) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
