"""The comparison as a table for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from niwaki.report._words import bytes_text, count_text, percent_text

if TYPE_CHECKING:
    from rich.table import Table

    from niwaki.report._data import Report


def summary_table(report: Report) -> Table:
    """Lay out one row per variant: accuracy, sparsity, size, work, latency of each runner.

    Args:
        report: What to show.

    Returns:
        A `rich.table.Table`; print it with a `rich.console.Console`.
    """
    from rich.table import Table

    runners = runner_names(report)
    table = Table(title=report.title, title_justify="left")
    table.add_column("network")
    for title in ("accuracy", "sparsity", "packed size", "multiplications", "binary ops"):
        table.add_column(title, justify="right")
    for runner in runners:
        table.add_column(f"{runner} ms", justify="right")
    for variant in report.variants:
        row = [
            variant.name,
            percent_text(variant.accuracy, 2),
            percent_text(variant.weight_sparsity, 1),
            bytes_text(variant.size_bytes),
            count_text(variant.multiplications),
            count_text(variant.binary_operations),
        ]
        for runner in runners:
            timing = variant.latency.get(runner)
            row.append(
                "-" if timing is None else f"{timing.median_ms:.3f} ± {timing.spread_ms:.3f}"
            )
        table.add_row(*row)
    return table


def runner_names(report: Report) -> list[str]:
    """Return the runners that any variant was timed with, in the order met."""
    return list(dict.fromkeys(name for variant in report.variants for name in variant.latency))
