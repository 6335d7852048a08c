"""Profile: what each layer of a network costs here, and how near its roof it runs.

Roofs come from the same run: `rooflines` measures the rates of multiply-adds from registers and
with a load each, and of plain reading. A layer can't be faster than its multiply-adds at the rate
of its kernel's kind, nor than its bytes at the rate of where they lie; the slower of the two is
its roof, and the share of the roof is roof time over measured time.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.targets._load import load_warning
from niwaki.targets._machine import machine_info
from niwaki.targets._roof import bound, rooflines
from niwaki.targets._timing import check_one_input, interleave

if TYPE_CHECKING:
    from collections.abc import Mapping

    from niwaki.runtime import Engine, LayerInfo

SCHEMA_VERSION = 1
_BYTES = {"f32": 4.0, "u8": 1.0, "s8": 1.0, "s32": 4.0, "u1": 1 / 8}


@dataclass(frozen=True)
class LayerProfile:
    """Hold what one layer costs for one image."""

    index: int
    op: str
    name: str
    input_shapes: tuple[tuple[int, ...], ...]
    output_shape: tuple[int, ...]
    density: float | None
    """Share of non-zero weights; None without such weights."""
    algorithm: str
    """Of a float convolution; "" for other layers."""
    tuning: str
    kernel: str
    reason: str
    ms: float
    share: float
    """Of the time of all layers, [0, 1]."""
    macs: int
    """Useful multiply-adds: by non-zero weights."""
    binary_macs: int
    gmacs_per_s: float
    """Useful multiply-adds (and one-bit ones) per nanosecond."""
    bytes: int
    """Inputs, output and weights as stored, each once."""
    gb_per_s: float
    roof: str
    """What bounds the layer: `fma`, `load` and `load_aligned` (one load per multiply-add), `l2`,
    `l3`, `memory`; "" where no roof applies (bits, integers) or none was measured."""
    roof_share: float | None
    """Least possible time over measured time, in (0, 1] but for noise; None without a roof."""


@dataclass(frozen=True)
class Profile:
    """Hold a network's profile."""

    file: str
    input_shape: tuple[int, ...]
    threads: int
    isa: str
    total_ms: float
    """Median of whole runs; less than the layers' sum where timing each adds its own cost."""
    spread_ms: float
    layers: tuple[LayerProfile, ...]
    roofs: dict[str, float]
    """Measured rates of one thread: `_gmacs` (GMAC/s of float32) and `_gb` (GB/s)."""
    machine: dict[str, Any]
    warning: str

    def to_dict(self) -> dict[str, Any]:
        """Return the profile as JSON can hold it: `schema_version`, every field by its name."""
        return {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(self)}


def profile(engine: Engine, *, file: str = "", runs: int = 30) -> Profile:
    """Time whole runs and each layer of an engine on one image of noise.

    Args:
        engine: What to profile.
        file: What to call it.
        runs: Whole runs that are timed.

    Raises:
        InputError: The network has several inputs.
    """
    from niwaki.targets.cpu import ENGINE_RUNNER, engine_runner, noise

    check_one_input(len(engine.input_shapes))
    warning = load_warning(engine.threads)
    x = noise(tuple(engine.input_shape))
    whole = interleave([engine_runner(engine, x, threads=engine.threads)], runs=runs)
    roofs = rooflines(engine.isa)
    one_tap = [layer["attrs"].get("kernel") == [1, 1] for layer in engine.program.layers]
    infos = engine.explain(x)
    total = sum(info.ms for info in infos) or 1.0
    return Profile(
        file=file,
        input_shape=tuple(engine.input_shape),
        threads=engine.threads,
        isa=engine.isa,
        total_ms=whole[ENGINE_RUNNER].median_ms,
        spread_ms=whole[ENGINE_RUNNER].spread_ms,
        layers=tuple(
            _layer(info, total, roofs, engine.threads, one_tap[info.index]) for info in infos
        ),
        roofs=roofs,
        machine=machine_info(),
        warning=warning,
    )


def _layer(
    info: LayerInfo, total: float, roofs: Mapping[str, float], threads: int, one_tap: bool
) -> LayerProfile:
    size = _bytes(info)
    seconds = max(info.ms, 1e-9) / 1000
    roof, least_ms = bound(info, size, roofs, threads, one_tap=one_tap)
    return LayerProfile(
        index=info.index,
        op=info.op,
        name=info.name,
        input_shapes=info.input_shapes,
        output_shape=info.output_shape,
        density=info.density,
        algorithm=info.algorithm,
        tuning=info.tuning,
        kernel=info.kernel,
        reason=info.reason,
        ms=info.ms,
        share=info.ms / total,
        macs=info.macs,
        binary_macs=info.binary_macs,
        gmacs_per_s=(info.macs + info.binary_macs) / seconds / 1e9,
        bytes=size,
        gb_per_s=size / seconds / 1e9,
        roof=roof,
        roof_share=least_ms / max(info.ms, 1e-9) if roof else None,
    )


def _bytes(info: LayerInfo) -> int:
    """Return the bytes of inputs, output and weights, each counted once."""
    # Inputs of unknown dtype are counted as the output's: mixed only where bits are unpacked.
    each = _BYTES.get(info.output_dtype, 4.0)
    elements = sum(math.prod(shape) for shape in (*info.input_shapes, info.output_shape))
    return int(np.ceil(elements * each)) + info.weight_bits // 8
