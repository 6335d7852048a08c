"""How busy this machine is, for a word of warning before times are taken on it."""

from __future__ import annotations

import os

from niwaki.runtime._cpu import usable_cores

BUSY_SHARE = 0.35
"""Share of the cores' time, over the last minute, from which times can't be trusted."""


def load_warning(threads: int = 1) -> str:
    """Return one sentence where the machine is too busy to be timed; "" where it isn't.

    Args:
        threads: How many threads are about to be timed.
    """
    cores = usable_cores()
    if threads > cores:
        return (
            f"{threads} threads are asked for, but this process may use {cores} cores: "
            "they will wait for each other."
        )
    try:
        load = os.getloadavg()[0]
    except OSError:
        return ""
    if load < BUSY_SHARE * cores:
        return ""
    return (
        f"This machine is busy (load average {load:.1f} on {cores} cores): times come out too "
        "long. Compare runs within one table only."
    )
