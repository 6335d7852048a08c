"""What the runs of `bench_binary_accuracy.py` must show: the floors of the methods' pages.

Means over the seeds. A comparison with fewer seeds than asked isn't measured.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from _check import Check

SEEDS = 3
SPREAD = 4.0
"""Points that Si-BNN may be below its real twin."""
FLOORS = (  # claim, run, the runs that it is held against (the best of them), least difference
    ("Si-BNN", "si-bnn", (), 87.0),
    ("Si-BNN over {-1, +1}", "si-bnn", ("signed",), 0.5),
    ("Si-BNN over its real twin", "si-bnn", ("real",), -SPREAD),
    ("BAP at 98 % over dense", "bap", ("dense",), -2.0),
    ("BAP at 98 % over sparse-only", "bap", ("sparse-only",), 4.0),
    ("BAP at 98 % over the binary branch alone", "bap", ("binary-only", "binary-ramped"), 1.0),
)


Unit = Mapping[str, float]
"""What was seen of a unit's bits: ``ones`` (share), ``threshold`` (mean b), ``least_scale`` (s)."""


def checks(
    scores: Mapping[str, Sequence[float]], bits: Sequence[Sequence[Unit]] = ()
) -> list[Check]:
    """Hold every claim.

    Args:
        scores: Run -> accuracies in percent, one a seed.
        bits: Of Si-BNN: seed -> its units.
    """
    found = []
    for claim, run, others, floor in FLOORS:
        counts = [len(scores.get(name, ())) for name in (run, *others)]
        if min(counts) < SEEDS:
            why = f"{min(counts)} of {SEEDS} seeds"
            found.append(Check(claim, None, floor, "points", why=why))
            continue
        beside = max((statistics.mean(scores[name]) for name in others), default=0.0)
        unit = "points" if others else "%"
        found.append(Check(claim, statistics.mean(scores[run]) - beside, floor, unit))
    units = [unit for seed in bits for unit in seed]
    why = "" if len(bits) >= SEEDS else f"{len(bits)} of {SEEDS} seeds"
    ones = None if why else max(unit["ones"] for unit in units)
    found.append(Check("share of ones, most of any unit", ones, 0.5, "", at_most=True, why=why))
    for claim, key, floor in (
        ("mean threshold b, least of any unit", "threshold", 1e-3),
        ("window s, least of any channel", "least_scale", 0.75),
    ):
        least = None if why else min(unit[key] for unit in units)
        found.append(Check(claim, least, floor, "", why=why))
    return found


def bits_table(seeds: Sequence[Sequence[Unit]]) -> list[str]:
    """Return the Markdown table of each unit's bits, on 1,000 test pictures."""
    lines = ["| seed | unit | ones | mean threshold b | least s |", "|---|---|---|---|---|"]
    for seed, units in enumerate(seeds):
        for place, unit in enumerate(units, 1):
            lines.append(
                f"| {seed} | {place} | {unit['ones']:.3f} | {unit['threshold']:+.3f} "
                f"| {unit['least_scale']:.2f} |"
            )
    return lines
