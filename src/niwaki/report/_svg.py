"""A few strokes of SVG, for pictures that the base install can draw: no plotting library.

Pictures follow the reader's theme: colours are CSS classes with a light and a dark form, so that
one file serves both, alone or inside a page.
"""

from __future__ import annotations

from html import escape

SERIES = ("#1a9e77", "#d9822b", "#5b7fd6", "#b65fc4", "#8b93a1")
"""Told apart in grey and by colour-blind readers; the first is niwaki's."""

_STYLE = """
svg.niwaki { font-family: system-ui, sans-serif; color: #1c2430; background: #fff; }
svg.niwaki .ink { fill: #1c2430; } svg.niwaki .soft { fill: #667085; }
svg.niwaki .grid { stroke: #e3e7ee; stroke-width: 1; } svg.niwaki .axis { stroke: #98a2b3; }
@media (prefers-color-scheme: dark) {
svg.niwaki { color: #e6e9ef; background: #151a22; }
svg.niwaki .ink { fill: #e6e9ef; } svg.niwaki .soft { fill: #98a2b3; }
svg.niwaki .grid { stroke: #2a3240; } svg.niwaki .axis { stroke: #667085; }
}
"""


class Drawing:
    """Collect shapes and return them as one SVG text.

    Args:
        width: Width in user units (pixels at the natural size).
        height: Height in the same.
        label: What a screen reader says of the picture.
    """

    def __init__(self, width: float, height: float, label: str) -> None:
        self.width, self.height = width, height
        self._label = label
        self._parts: list[str] = []

    def text(
        self,
        x: float,
        y: float,
        words: str,
        *,
        size: float = 12,
        anchor: str = "start",
        tone: str = "ink",
        color: str = "",
        bold: bool = False,
    ) -> None:
        """Write words; `anchor` is start, middle or end, `tone` a class (ink, soft)."""
        look = f'style="fill:{color}"' if color else f'class="{tone}"'
        weight = ' font-weight="600"' if bold else ""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:g}" text-anchor="{anchor}" '
            f"{look}{weight}>{escape(words)}</text>"
        )

    def line(
        self,
        points: list[tuple[float, float]],
        *,
        color: str = "",
        tone: str = "grid",
        width: float = 1,
        dashed: bool = False,
    ) -> None:
        """Draw a line through points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        look = f'style="stroke:{color}"' if color else f'class="{tone}"'
        dash = ' stroke-dasharray="6 4"' if dashed else ""
        self._parts.append(
            f'<polyline points="{path}" fill="none" {look} stroke-width="{width:g}"{dash} '
            'stroke-linejoin="round"/>'
        )

    def box(
        self, x: float, y: float, width: float, height: float, color: str, *, opacity: float = 1
    ) -> None:
        """Fill a rectangle."""
        self._parts.append(
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" height="{height:.1f}" '
            f'rx="1.5" fill="{color}" fill-opacity="{opacity:g}"/>'
        )

    def dot(self, x: float, y: float, radius: float, color: str) -> None:
        """Draw a filled circle."""
        self._parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}" fill="{color}"/>')

    def svg(self) -> str:
        """Return the picture as SVG, complete and self-contained."""
        body = "\n".join(self._parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="niwaki" role="img" '
            f'aria-label="{escape(self._label, quote=True)}" width="{self.width:g}" '
            f'height="{self.height:g}" viewBox="0 0 {self.width:g} {self.height:g}">\n'
            f"<style>{_STYLE}</style>\n{body}\n</svg>\n"
        )


def round_ticks(highest: float, count: int = 5) -> list[float]:
    """Return about `count` round numbers from 0 up to at least `highest`.

    Example:
        >>> round_ticks(83)
        [0.0, 20.0, 40.0, 60.0, 80.0, 100.0]
    """
    import math

    if highest <= 0:
        return [0.0, 1.0]
    raw = highest / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = power * next(factor for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    ticks = [0.0]
    while ticks[-1] < highest * 0.999:
        ticks.append(round(ticks[-1] + step, 12))
    return ticks


def page(title: str, parts: list[str]) -> str:
    """Return a self-contained HTML page: a title, then parts of HTML."""
    body = "\n".join(parts)
    return (
        "<!doctype html>\n"
        f'<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<style>{_PAGE_STYLE}</style></head>\n"
        f"<body><main><h1>{escape(title)}</h1>\n{body}\n</main></body></html>\n"
    )


def html_table(head: list[str], rows: list[list[str]]) -> str:
    """Return an HTML table of plain texts."""
    top = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = ["<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows]
    return (
        f"<table><thead><tr>{top}</tr></thead><tbody>\n" + "\n".join(lines) + "\n</tbody></table>"
    )


_PAGE_STYLE = """
:root { color-scheme: light dark; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0; padding: 2rem 1rem;
  color: #1c2430; background: #fff; }
main { max-width: 60rem; margin: auto; } svg { max-width: 100%; height: auto; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { text-align: right; padding: .25rem .7rem; border-bottom: 1px solid #98a2b355; }
th:first-child, td:first-child { text-align: left; } .note { color: #667085; }
@media (prefers-color-scheme: dark) { body { color: #e6e9ef; background: #151a22; } }
"""
