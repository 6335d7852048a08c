"""Build the page: the template filled with the report's numbers and pictures."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

from niwaki.errors import ToolMissingError
from niwaki.report import _figures
from niwaki.report._table import runner_names
from niwaki.report._words import bytes_text, count_text, percent_text

if TYPE_CHECKING:
    from niwaki.report._data import Report, VariantResult


def page(report: Report) -> str:
    """Return the report as one HTML page that needs nothing beside it.

    Raises:
        ToolMissingError: jinja2 or matplotlib isn't installed.
    """
    try:
        from jinja2 import Environment, StrictUndefined
    except ModuleNotFoundError as error:
        raise ToolMissingError(
            "report", "jinja2 must be installed", fix="pip install 'niwaki[report]'"
        ) from error
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(percent=percent_text, bytes=bytes_text, count=count_text)
    source = resources.files("niwaki.report").joinpath("page.html.j2").read_text(encoding="utf-8")
    last = report.variants[-1] if report.variants else None
    return environment.from_string(source).render(
        report=report,
        last=last,
        runners=runner_names(report),
        colors={v.name: _figures.series_color(report, v.name) for v in report.variants},
        cards=cards(report),
        curves=_figures.curves(report),
        latency=_figures.latency_bars(report),
        density=_figures.density_bars(last.layers) if last else "",
        mosaics=[(m, _figures.mosaic_png(m)) for m in (last.mosaics if last else [])],
        classes=report.classes or [str(i) for i in range(len(report.confusion))],
    )


def cards(report: Report) -> list[dict[str, str]]:
    """Return the headline numbers: the last variant against the first, each with its comparison."""
    if not report.variants:
        return []
    dense, last = report.variants[0], report.variants[-1]
    several = last is not dense
    found: list[dict[str, str]] = []

    def add(title: str, number: str, note: str) -> None:
        found.append({"title": title, "number": number, "note": note if several else ""})

    if last.accuracy is not None:
        note = ""
        if dense.accuracy is not None:
            note = f"{100 * (last.accuracy - dense.accuracy):+.2f} points against {dense.name}"
        add("test accuracy", percent_text(last.accuracy, 2), note)
    add("zero weights", percent_text(last.weight_sparsity), "in the compressed layers")
    if last.size_bytes is not None:
        add(
            "packed file", bytes_text(last.size_bytes), _ratio(dense, last, "size_bytes", "smaller")
        )
    if last.multiplications is not None:
        note = _ratio(dense, last, "multiplications", "fewer")
        add("multiplications", count_text(last.multiplications), note)
    ours = last.latency.get("niwaki")
    if ours is not None:
        note = f"niwaki, {ours.threads} thread{'s' if ours.threads > 1 else ''}"
        peer = dense.latency.get("onnxruntime") or dense.latency.get("torch")
        if peer is not None:
            name = "ONNX Runtime" if "onnxruntime" in dense.latency else "torch"
            note += f"; {dense.name} in {name}: {peer.median_ms:.3g} ms"
        found.append({"title": "one image", "number": f"{ours.median_ms:.3g} ms", "note": note})
    return found


def _ratio(dense: VariantResult, last: VariantResult, key: str, word: str) -> str:
    before: Any = getattr(dense, key)
    after: Any = getattr(last, key)
    return f"{before / after:.3g} times {word} than {dense.name}" if before and after else ""
