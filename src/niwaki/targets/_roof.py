"""What bounds a layer here: rates measured in the same run, and the least time they allow.

| rate | what it is |
|---|---|
| `fma_gmacs` | float32 multiply-adds from registers |
| `load_gmacs` | the same with one unaligned load from L1 each, as sparse kernels do |
| `l2_gb`, `memory_gb` | reading from the second cache, and from memory |
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from niwaki import _core

if TYPE_CHECKING:
    from collections.abc import Mapping

    from niwaki.runtime import LayerInfo

L2_BYTES = 1 << 20
"""Up to here a layer's bytes count as lying in the second cache."""
_ONE_LOAD_EACH = ("sparse", "cpo", "cps")
"""Algorithms that read an activation vector for each multiply-add; `sparse4` shares it by four."""


def rooflines() -> dict[str, float]:
    """Measure this machine's rates, one thread; {} where this build can't."""
    measure = getattr(_core, "roofline", None)
    return {} if measure is None else {name: float(rate) for name, rate in measure().items()}


def bound(
    info: LayerInfo, size: int, roofs: Mapping[str, float], threads: int
) -> tuple[str, float]:
    """Return what bounds a float layer, and the least milliseconds that it allows.

    Args:
        info: The layer.
        size: Its bytes, each counted once.
        roofs: Rates of one thread, from `rooflines`; {} where none were measured.
        threads: Threads that share the multiply-adds (caches and memory are taken as shared).

    Returns:
        The rate's name without unit, and milliseconds; ("", 0) where no rate applies.
    """
    one_load = info.algorithm in _ONE_LOAD_EACH
    rate = "load" if one_load else "fma"
    home = "l2" if size <= L2_BYTES else "memory"
    measured = f"{rate}_gmacs" in roofs and f"{home}_gb" in roofs
    if not measured or info.binary_macs or info.output_dtype != "f32":
        return "", 0.0
    compute_ms = info.macs / (roofs[f"{rate}_gmacs"] * threads * 1e6)
    move_ms = size / (roofs[f"{home}_gb"] * 1e6)
    return (rate, compute_ms) if compute_ms >= move_ms else (home, move_ms)
