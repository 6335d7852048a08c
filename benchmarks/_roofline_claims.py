"""What the sparse 3x3 must reach of the rate of multiply-adds with an unaligned load each."""

from __future__ import annotations

import re
from collections.abc import Sequence

from _check import Check
from _rows import Row

FLOORS = {"98% zeros": 55.0, "90% zeros": 75.0}
"""Percent of `load_gmacs`, from 64 channels up, at stride 1."""
BEST = re.compile(r"at best ([0-9.e+]+) GMAC/s")


def checks(rows: Sequence[Row]) -> list[Check]:
    """Hold every sparse 3x3 of the rows against its floor, by its least time."""
    roofs = {row.runner: row.median for row in rows if row.case == "roof"}
    held = []
    for row in rows:
        floor = FLOORS.get(row.shape.rpartition(", ")[2])
        if row.runner != "sparse" or not row.shape.startswith("3x3") or "stride" in row.shape:
            continue
        found = BEST.search(row.note)
        if floor is None or found is None:
            continue
        share = 100 * float(found[1]) / roofs["load_gmacs"]
        held.append(Check(f"{row.shape}: share of the unaligned-load rate", share, floor, "%"))
    return held
