"""Convolution algorithms and linear kernels against their roofs: `bench_kernels.py --roofline`.

Roofs are measured in the same run, before and after the cases; the better rate counts. A case may
take no less time than its multiply-adds at the rate that applies (`load`: a load from L1 each;
`fma`: from registers, where loads are shared), nor than its bytes from where they fit; the larger
of the two is its bound, and the share is that over the least time measured. Multiply-adds are
useful ones: products of non-zeros at real output pixels, pads counted. Winograd saves products,
so it may exceed its roof.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from _rows import Row
from niwaki import _core
from niwaki.formats.bcsc import Bcsc
from niwaki.formats.bits_gemm import BitsGemm
from niwaki.targets import rooflines
from niwaki.targets._roof import L2_BYTES, L3_BYTES

SETTINGS = 8
"""Tunings of an algorithm that are tried: its best guesses."""


@dataclass(frozen=True)
class Conv:
    """Hold a convolution for one algorithm; the padding keeps the size but for the stride."""

    algorithm: str
    inputs: int
    side: int
    outputs: int
    kernel: int
    weights: float = 1
    activations: float = 1
    stride: int = 1
    groups: int = 1

    def __str__(self) -> str:
        k, to = self.kernel, f"{self.inputs} to {self.outputs}"
        text = f"{k}x{k}, {to}, {self.side}x{self.side}"
        if self.stride > 1:
            text += f", stride {self.stride}"
        if self.weights < 1:
            text += f", {1 - self.weights:.0%} zeros"
        if self.activations < 1:
            text += f", {1 - self.activations:.0%} zero activations"
        return text


_STAGES = ((64, 56), (128, 28), (256, 14), (512, 7))
CONVS = (
    *(Conv("sparse", c, side, c, 3, d) for d in (0.02, 0.1) for c, side in _STAGES),
    *(
        Conv("sparse", c, side, o, 1, d)
        for d in (0.02, 0.1)
        for c, side, o in ((256, 56, 64), (1024, 14, 256), (512, 7, 2048))
    ),
    Conv("sparse", 128, 56, 128, 3, 0.1, stride=2),
    Conv("sparse", 512, 14, 512, 3, 0.1, stride=2),
    Conv("sparse", 1024, 14, 2048, 1, 0.1, stride=2),
    *(Conv("sparse4", c, side, c, 3, 0.1) for c, side in _STAGES[1:3]),
    Conv("sparse4", 1024, 14, 256, 1, 0.1),
    Conv("direct", 3, 224, 64, 7, stride=2),
    Conv("direct", 128, 28, 128, 3),
    Conv("direct", 1024, 14, 256, 1),
    *(Conv(name, c, side, c, 3) for name in ("winograd", "winograd2") for c, side in _STAGES[1:3]),
    Conv("winograd_phases", 3, 224, 64, 7, stride=2),
    Conv("depthwise", 144, 56, 144, 3, groups=144),
    Conv("depthwise", 144, 56, 144, 3, stride=2, groups=144),
    *(Conv(name, 256, 14, 256, 3, activations=0.3) for name in ("cpo", "cps")),
    Conv("im2col", 256, 14, 256, 3),
    Conv("im2col", 512, 14, 512, 3, stride=2),
)


@dataclass(frozen=True)
class Bound:
    """Hold what a case does: its rate, 1e9 useful multiply-adds, and bytes moved at least."""

    rate: str
    gmacs: float
    size: int

    def least(self, roofs: dict[str, float]) -> tuple[str, float]:
        """Return what bounds it, and seconds."""
        home = "l2" if self.size <= L2_BYTES else "l3" if self.size <= L3_BYTES else "memory"
        compute = self.gmacs / roofs[f"{self.rate}_gmacs"]
        move = self.size / 1e9 / roofs[f"{home}_gb"]
        return (self.rate, compute) if compute >= move else (home, move)


def _problem(case: Conv) -> tuple[dict[str, Any], Bound]:
    rng = np.random.default_rng(0)
    k, inner = case.kernel, case.inputs // case.groups
    weight = rng.standard_normal((case.outputs, inner, k, k)).astype(np.float32)
    block = 4 if case.algorithm == "sparse4" else 1
    if case.weights < 1:
        mask = rng.random((case.outputs // block, inner, k, k)) < case.weights
        weight *= np.repeat(mask, block, axis=0)
    x = rng.standard_normal((1, case.inputs, case.side, case.side)).astype(np.float32)
    x *= rng.random(x.shape) < case.activations
    pads = (k // 2,) * 4
    pixels = ((case.side - 1) // case.stride + 1) ** 2
    arguments = {
        "input": x, "weight": weight, "kernel": (k, k), "strides": (case.stride,) * 2,
        "pads": pads, "groups": case.groups, "isa": "auto", "activation": "relu",
        "bias": np.zeros(case.outputs, np.float32),
        "stored": "sparse" if case.weights < 1 else "dense",
        "activation_density": case.activations,
    }  # fmt: skip
    non_zeros = int(np.count_nonzero(weight))
    # A tap of the stream is an offset and its values.
    stored = non_zeros * 4 + (non_zeros // block * 4 if case.weights < 1 else 0)
    size = stored + 4 * (x.size + case.outputs * pixels)
    loads = "load_aligned" if k == 1 and case.stride == 1 else "load"
    rate = loads if case.algorithm in ("sparse", "cpo", "cps") else "fma"
    return arguments, Bound(rate, non_zeros * pixels * case.activations / 1e9, size)


def _best_setting(case: Conv, arguments: dict[str, Any]) -> dict[str, int]:
    tunings = _core.convolution_choices(**arguments)[case.algorithm][1][:SETTINGS]
    times = [
        min(_core.time_convolution(case.algorithm, tuning, 3, **arguments)) for tuning in tunings
    ]
    return tunings[int(np.argmin(times))]


Timed = tuple[str, str, Bound, list[float]]
"""Runner, shape, what it does, seconds of each run."""


def _convolutions(runs: int, only: str) -> Iterator[Timed]:
    for case in CONVS:
        if only not in case.algorithm:
            continue
        arguments, bound = _problem(case)
        setting = _best_setting(case, arguments)
        seconds = _core.time_convolution(case.algorithm, setting, runs, **arguments)
        yield case.algorithm, str(case), bound, seconds


def _linears(runs: int, only: str) -> Iterator[Timed]:
    """Time linear layers of a classifier's size."""
    rng = np.random.default_rng(0)
    inputs, outputs = 2048, 1024
    weight = rng.standard_normal((outputs, inputs)).astype(np.float32)
    dense = weight.copy()
    weight *= rng.random(weight.shape) < 0.1
    rows, columns = np.nonzero(weight)
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=outputs))])
    entries = {"columns": columns.astype(np.int32), "values": weight[rows, columns]}
    sizes = {"outputs": outputs, "inputs": inputs}
    bcsc = {**Bcsc(256, 64).encode(weight), "tile_rows": 256, "tile_columns": 64, **sizes}
    bits, many = ({"tile_rows": 64, "tile_columns": 64, **sizes} for _ in range(2))
    bits |= BitsGemm(64, 64).encode(weight)
    many |= BitsGemm(64, 64, rows_first=True).encode(weight)
    packed: dict[str, tuple[str, dict[str, Any], int]] = {
        "LinearDenseF32": ("fma", {"weights": dense}, 1),
        "LinearSparseF32": ("load", entries | {"starts": starts.astype(np.int32)}, 1),
        "BcscF32": ("fma", bcsc, 1),
        "BitsGemvF32": ("fma", bits, 1),
        "BitsGemmF32": ("load", many, 64),
    }
    for op, (rate, arguments, images) in packed.items():
        kernel = next((k for k in _core.kernels() if k.op == op and k.available), None)
        if kernel is None or only not in kernel.name:
            continue
        shape = (inputs, images) if op == "BitsGemmF32" else (images, inputs)
        x = rng.standard_normal(shape).astype(np.float32)
        moved = sum(a.nbytes for a in arguments.values() if isinstance(a, np.ndarray))
        used = dense.size if op == "LinearDenseF32" else len(rows)
        bound = Bound(rate, used * images / 1e9, moved + 4 * (inputs + outputs) * images)
        seconds = _core.time_kernel(kernel.name, runs, x=x, **arguments)
        zeros = "" if op == "LinearDenseF32" else ", 90% zeros"
        plural = "" if images == 1 else "s"
        text = f"linear, {inputs} to {outputs}{zeros}, {images} image{plural}"
        yield kernel.name, text, bound, seconds


def roofline_rows(runs: int, only: str, show: Callable[[str], None] = print) -> list[Row]:
    """Time every case, and return its rows behind those of the roofs.

    Args:
        runs: Timed runs of each case.
        only: Cases whose algorithm or kernel contains this.
        show: Called with a line per case.
    """
    before = rooflines()
    timed = [*_convolutions(runs, only), *_linears(runs, only)]
    after = rooflines()
    roofs = {name: max(rate, after[name]) for name, rate in before.items()}
    rows = [
        Row("roof", name, rate, abs(rate - min(before[name], after[name])), 2,
            unit="GMAC/s" if name.endswith("gmacs") else "GB/s")
        for name, rate in roofs.items()
    ]  # fmt: skip
    for runner, shape, bound, seconds in timed:
        low, median, high = np.percentile(seconds, [25, 50, 75])
        name, least = bound.least(roofs)
        rate = bound.gmacs / min(seconds)
        note = f"at best {rate:.3g} GMAC/s, {least / min(seconds):.0%} of {name}"
        case = "linear" if shape.startswith("linear") else "convolution"
        rows.append(
            Row(case, runner, median * 1e6, (high - low) * 1e6, len(seconds), unit="us",
                shape=shape, note=note)
        )  # fmt: skip
        show(f"{runner:28} {shape:48} {median * 1e6:9.1f} us  {note}")
    return rows
