"""Show what zeros bring: a table for the terminal, a curve as SVG, a page (`ZerosStudy`)."""

from __future__ import annotations

import math
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from niwaki.report._svg import SERIES, Drawing, html_table, page, round_ticks

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from niwaki.targets import Level, Peer, Timing, ZerosStudy

    Place = Callable[[float, float], tuple[float, float]]

WORDS = (
    "Weights were cut by size alone, to measure time: what that does to accuracy isn't considered "
    "here. `niwaki compress` trains the network around its zeros."
)
_SPARSE_ALREADY = 0.05
"""Share of zeros in a file's own weights from which on they are told."""
_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 150.0, 54.0, 58.0


def table(study: ZerosStudy) -> Table:
    """Return the study as a rich table: the peers, then every level with its speed-ups."""
    from rich.table import Table

    drawn = Table(box=None, pad_edge=False)
    drawn.add_column("zeros")
    drawn.add_column("engine")
    for name in ("median ms", "spread", "images/s", ".nwk MB"):
        drawn.add_column(name, justify="right")
    for peer in study.peers:
        drawn.add_column(f"x {peer.name}", justify="right")
    drawn.add_column("")
    longest = _longest(study)
    for peer in study.peers:
        ms = peer.timing.median_ms
        drawn.add_row(
            "dense",
            f"{peer.name} {peer.timing.version}".strip(),
            *_times(ms, peer.timing.spread_ms, study.batch),
            "",
            *_ratios(study, ms),
            f"[dim]{_bar(ms, longest)}[/dim]",
        )
    for level in study.levels:
        ms = level.timing.median_ms
        drawn.add_row(
            f"{100 * level.sparsity:.4g} %",
            "niwaki",
            *_times(ms, level.timing.spread_ms, study.batch),
            f"{level.size_bytes / 1e6:.2f}",
            *(f"[bold]{ratio}[/bold]" for ratio in _ratios(study, ms)),
            f"[green]{_bar(ms, longest)}[/green]",
        )
    return drawn


def sentences(study: ZerosStudy) -> list[str]:
    """Return what the study says, one sentence per peer, and what it doesn't say."""
    lowest, sparsest = study.levels[0], study.levels[-1]
    found: list[str] = []
    for peer in study.peers:
        even = study.break_even[peer.name]
        if even is None:
            found.append(
                f"{peer.name}: dense, it is faster than niwaki at every sparsity measured "
                f"(up to {_percent(sparsest.sparsity)})."
            )
        elif even <= lowest.sparsity:
            level = ", there by less than the times spread" if _is_tie(peer, lowest) else ""
            found.append(
                f"{peer.name}: niwaki is faster at every sparsity measured "
                f"(from {_percent(lowest.sparsity)} on{level})."
            )
        else:
            found.append(f"{peer.name}: zeros pay from about {_percent(even)} on (break-even).")
    if not study.peers:
        gain = lowest.timing.median_ms / sparsest.timing.median_ms
        found.append(
            f"No other engine took part. Within niwaki, {_percent(sparsest.sparsity)} zeros run "
            f"{gain:.3g} times as fast as {_percent(lowest.sparsity)}."
        )
    if lowest.sparsity == 0.0 and lowest.weight_sparsity >= _SPARSE_ALREADY:
        found.append(
            f"The file's own weights are {_percent(lowest.weight_sparsity)} zeros, which 0 % "
            "keeps: `niwaki bench` without --sparsity times it as it is."
        )
    return [*found, WORDS]


def _is_tie(peer: Peer, level: Level) -> bool:
    """Tell whether two medians are nearer to each other than half of the wider spread."""
    ours, theirs = level.timing, peer.timing
    apart = abs(ours.median_ms - theirs.median_ms)
    return apart <= max(ours.spread_ms, theirs.spread_ms) / 2


def picture(study: ZerosStudy) -> str:
    """Draw time over sparsity with the peers as lines and the break-even points, as SVG.

    The horizontal axis is logarithmic in what is kept: each halving of the weights is as wide.
    """
    drawing = Drawing(760, 420, f"milliseconds over sparsity for {Path(study.file).name}")
    right, bottom = drawing.width - _RIGHT, drawing.height - _BOTTOM
    ticks = round_ticks(_longest(study) * 1.05)
    reach = max(_place(study.levels[-1].sparsity), 0.1)

    def at(sparsity: float, ms: float) -> tuple[float, float]:
        across = _place(sparsity) / reach * (right - _LEFT - 20)
        return _LEFT + 10 + across, bottom - ms / ticks[-1] * (bottom - _TOP)

    drawing.text(_LEFT, 22, f"What zeros bring: {Path(study.file).name}", size=15, bold=True)
    drawing.text(
        _LEFT,
        40,
        f"{study.machine['cpu']}, {study.threads} thread{'s' * (study.threads > 1)}, "
        f"batch {study.batch}, {study.structure} zeros, medians",
        size=11,
        tone="soft",
    )
    for tick in ticks:
        _, y = at(0, tick)
        drawing.line([(_LEFT, y), (right, y)])
        drawing.text(_LEFT - 8, y + 4, f"{tick:g}", size=11, anchor="end", tone="soft")
    drawing.text(16, _TOP - 8, "ms", size=11, tone="soft")
    for level in study.levels:
        x, _ = at(level.sparsity, 0)
        drawing.line([(x, bottom), (x, bottom + 5)], tone="axis")
        drawing.text(
            x, bottom + 19, _percent(level.sparsity), size=11, anchor="middle", tone="soft"
        )
    drawing.line([(_LEFT, bottom), (right, bottom)], tone="axis")
    middle = (_LEFT + right) / 2
    words = "zeros in each pruned layer (each halving of the weights is as wide)"
    drawing.text(middle, bottom + 40, words, size=11, anchor="middle", tone="soft")
    _draw_peers(drawing, study, at, right)
    points = [at(level.sparsity, level.timing.median_ms) for level in study.levels]
    drawing.line(_between(study, at), color=SERIES[0], width=2.5)
    first = study.peers[0].timing.median_ms if study.peers else 0.0
    for level, (x, y) in zip(study.levels, points, strict=True):
        drawing.dot(x, y, 4, SERIES[0])
        ms = level.timing.median_ms
        gain = f" ({first / ms:.3g}x)" if first else ""
        drawing.text(x + 7, y - 8, f"{ms:.3g}{gain}", size=11)
    x, y = points[-1]
    drawing.text(x + 12, y + 5, "niwaki", size=12, color=SERIES[0], bold=True)
    return drawing.svg()


def html(study: ZerosStudy) -> str:
    """Return the study as one self-contained page: sentences, curve, table, machine."""
    head = ["zeros", "engine", "median ms", "spread ms", ".nwk MB"]
    head += [f"x {peer.name}" for peer in study.peers]
    rows = [
        ["dense", f"{peer.name} {peer.timing.version}", *_plain(peer.timing), "",
         *_ratios(study, peer.timing.median_ms)]
        for peer in study.peers
    ]  # fmt: skip
    rows += [
        [_percent(level.sparsity), "niwaki", *_plain(level.timing), f"{level.size_bytes / 1e6:.2f}",
         *_ratios(study, level.timing.median_ms)]
        for level in study.levels
    ]  # fmt: skip
    notes = [*sentences(study), *([study.warning] if study.warning else [])]
    notes += [f"Left out: {text}" for text in study.left_out]
    parts = [picture(study), *(f"<p>{escape(note)}</p>" for note in notes), html_table(head, rows)]
    return page(f"What zeros bring: {Path(study.file).name}", parts)


def _between(study: ZerosStudy, place: Place) -> list[tuple[float, float]]:
    """Return points of the curve: straight over sparsity between levels, as `break_even` has it."""
    points: list[tuple[float, float]] = []
    for low, high in pairwise(study.levels):
        for step in range(24):
            share = step / 24
            sparsity = low.sparsity + share * (high.sparsity - low.sparsity)
            slope = high.timing.median_ms - low.timing.median_ms
            points.append(place(sparsity, low.timing.median_ms + share * slope))
    last = study.levels[-1]
    return [*points, place(last.sparsity, last.timing.median_ms)]


def _draw_peers(drawing: Drawing, study: ZerosStudy, place: Place, right: float) -> None:
    taken: list[float] = []
    for index, peer in enumerate(study.peers):
        color = SERIES[1 + index % (len(SERIES) - 1)]
        _, y = place(0, peer.timing.median_ms)
        drawing.line([(_LEFT, y), (right, y)], color=color, width=1.6, dashed=True)
        words = y + 4  # names of nearly equal times move apart
        while any(abs(words - other) < 13 for other in taken):
            words += 13
        taken.append(words)
        text = f"{peer.name} {peer.timing.median_ms:.3g}"
        drawing.text(right + 6, words, text, size=11, color=color)
        even = study.break_even[peer.name]
        if even is not None and even > study.levels[0].sparsity:
            x, y = place(even, peer.timing.median_ms)
            drawing.line([(x, y), (x, drawing.height - _BOTTOM)], color=color, dashed=True)
            drawing.dot(x, y, 3.5, color)
            drawing.text(x + 5, drawing.height - _BOTTOM - 6, _percent(even), size=11, color=color)


def _place(sparsity: float) -> float:
    """Return where a sparsity lies on the axis: halvings of what is kept."""
    return -math.log2(1 - sparsity)


def _longest(study: ZerosStudy) -> float:
    return max(each.timing.median_ms for each in (*study.levels, *study.peers))


def _times(ms: float, spread: float, batch: int) -> list[str]:
    return [f"{ms:.3f}", f"{spread:.2g}", f"{1000 * batch / ms:.0f}"]


def _plain(timing: Timing) -> list[str]:
    return [f"{timing.median_ms:.3f}", f"{timing.spread_ms:.2g}"]


def _ratios(study: ZerosStudy, ms: float) -> list[str]:
    return [f"{peer.timing.median_ms / ms:.2f}" for peer in study.peers]


def _bar(ms: float, longest: float, width: int = 24) -> str:
    eighths = max(1, round(ms / longest * width * 8))
    return "█" * (eighths // 8) + ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"
