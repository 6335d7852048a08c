"""What bounds a layer here: rates measured in the same run, and the least time they allow.

| rate | what it is |
|---|---|
| `fma_gmacs` | float32 multiply-adds from registers |
| `load_gmacs` | the same with one unaligned load from L1 each, as sparse kernels do |
| `load_aligned_gmacs` | the same where the load is aligned, as 1x1 kernels find it |
| `l2_gb`, `l3_gb`, `memory_gb` | reading from the second cache, the third, and memory |
| `bits_gmacs` | bits of activations ANDed with weights, counted and added, from registers |
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from niwaki import _core

if TYPE_CHECKING:
    from collections.abc import Mapping

    from niwaki.runtime import LayerInfo

L2_BYTES = 1 << 20
"""Up to here a layer's bytes count as lying in the second cache."""
L3_BYTES = 16 << 20
"""Up to here as lying in the third, which the layer before has just filled."""
_ONE_LOAD_EACH = ("sparse", "cpo", "cps")
"""Algorithms that read an activation vector for each multiply-add; `sparse4` shares it by four."""
_MULTIPLIED = {"winograd": 1 / 4, "winograd2": 4 / 9}
"""Share of a direct convolution's multiply-adds that Winograd's tiles of 4x4 and 2x2 take."""


def _multiplied(info: LayerInfo) -> float:
    """Return the share of a direct convolution's multiply-adds that a layer's algorithm takes."""
    if info.algorithm != "winograd_phases" or not info.density:
        return _MULTIPLIED.get(info.algorithm, 1.0)
    inputs, height, _ = info.input_shapes[0]
    taps = round(info.macs / (info.density * inputs * math.prod(info.output_shape)))
    stride = max(1, round(height / info.output_shape[1]))
    side = math.ceil(math.sqrt(taps) / stride) + 3  # of a patch, for tiles of 4x4: points.h
    return stride**2 * side**2 / 16 / taps


def rooflines(isa: str = "auto") -> dict[str, float]:
    """Measure this machine's rates, one thread, in about a fifth of a second.

    Args:
        isa: Instruction set of the multiply-adds and loads.
    """
    return {name: float(rate) for name, rate in _core.roofline(isa).items()}


def core_distance() -> float | None:
    """Measure how far the first two CPUs are from each other, in some milliseconds.

    Returns:
        Nanoseconds that a cache line takes from one to the other: about 30 where they have a cache
        in common, 100 and more where they don't. None where there aren't two, or the system didn't
        run both at once. A virtual machine's CPUs may change places while it runs.
    """
    cpus = _core.allowed_cpus()
    if len(cpus) < 2:
        return None
    found = float(_core.core_distance_ns(cpus[0], cpus[1]))
    return found if found >= 0 else None


def bound(
    info: LayerInfo, size: int, roofs: Mapping[str, float], threads: int, *, one_tap: bool = False
) -> tuple[str, float]:
    """Return what bounds a float layer, and the least milliseconds that it allows.

    Args:
        info: The layer.
        size: Its bytes, each counted once.
        roofs: Rates of one thread, from `rooflines`; {} where none were measured.
        threads: Threads that share the multiply-adds (caches and memory are taken as shared).
        one_tap: Whether the window is 1x1.

    Returns:
        The rate's name without unit, and milliseconds; ("", 0) where no rate applies.
    """
    load = "load_aligned" if one_tap else "load"
    rate = load if info.algorithm in _ONE_LOAD_EACH else "fma"
    home = "l2" if size <= L2_BYTES else "l3" if size <= L3_BYTES else "memory"
    measured = f"{rate}_gmacs" in roofs and f"{home}_gb" in roofs
    if not measured or info.binary_macs or info.output_dtype != "f32":
        return "", 0.0
    macs = info.macs * _multiplied(info)
    compute_ms = macs / (roofs[f"{rate}_gmacs"] * threads * 1e6)
    move_ms = size / (roofs[f"{home}_gb"] * 1e6)
    return (rate, compute_ms) if compute_ms >= move_ms else (home, move_ms)
