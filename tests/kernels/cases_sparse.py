"""Random arguments for the sparse convolutions on padded planes, and for the split by strides."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from .cases import AWKWARD, SMALL, Arguments, Case, case, floats

STARTS, FINISHES = 1, 2
ACTIVATIONS = range(9)
"""In the order of ActivationKind: none, relu, leaky_relu, clip and the smooth ones."""


def draw_segments(rng: np.random.Generator, units: int, blocks: int) -> np.ndarray:
    """Cut random taps of each unit into up to ``blocks`` segments, block by block."""
    counts = rng.integers(0, 9, (units, blocks)) * (rng.random((units, blocks)) < 0.7)
    counts[rng.random(units) < 0.2] = 0
    segments = []
    for block in range(blocks):
        for unit in rng.permutation(units):
            before, own = counts[unit, :block].sum(), counts[unit, block]
            after = counts[unit, block + 1 :].sum()
            if own == 0 and not (block == 0 and after == 0):
                continue
            flags = STARTS * (before == 0) + FINISHES * (after == 0)
            segments.append((unit, own, flags))
    return np.array(segments, np.int32).reshape(-1, 3)


def draw_store(draw: Any, rng: np.random.Generator, outputs: int, end: int) -> Arguments:
    """Draw an activation and some of bias, residual and mask; images come from the input."""
    store: Arguments = {
        "activation": draw(st.sampled_from(ACTIVATIONS)),
        "alpha": 0.1,
        "beta": 0.5,
        "lo": -0.5,
        "hi": 0.75,
    }
    if draw(st.booleans()):
        store["bias"] = floats(rng, outputs)
    if draw(st.booleans()):
        store["mask"] = rng.integers(0, 2**32, end // 32 + 2, np.uint32)
    return store


def absolute(arguments: Arguments) -> Arguments:
    """Return the case whose result is the sum of absolute terms, and 1 for the activation's own."""
    signed = ("input", "values", "residual")
    found = {name: abs(x) if name in signed else x for name, x in arguments.items()}
    found.pop("mask", None)
    found["bias"] = 1 + abs(arguments.get("bias", np.zeros(arguments["outputs"], np.float32)))
    return found | {"activation": 0}


@case("SparseConvF32", "SparseConv4F32")
def sparse_conv(draw: Any, rng: np.random.Generator, op: str) -> Case:
    images, outputs = draw(st.integers(1, 5)), draw(st.integers(0, 9))
    begin = draw(st.sampled_from([0, 0, 5, 16, 33]))
    end = begin + draw(AWKWARD | st.integers(1, 500))
    room = 60
    fours = op == "SparseConv4F32"
    units = -(-outputs // 4) if fours else outputs
    segments = draw_segments(rng, units, draw(st.integers(1, 3)))
    taps = int(segments[:, 1].sum())
    arguments = {
        "input": floats(rng, images, room + end + 16),
        "offsets": rng.integers(0, room, taps, np.int32, endpoint=True),
        "values": floats(rng, taps, 4) if fours else floats(rng, taps),
        "segments": segments,
        "outputs": outputs,
        "begin": begin,
        "end": end,
        "tile": draw(st.integers(1, 15)),
        **draw_store(draw, rng, outputs, end),
    }
    if draw(st.booleans()):
        arguments["residual"] = floats(rng, images, outputs, end + 16)
    return arguments, absolute(arguments)


@case("SplitPhasesF32")
def split_phases(draw: Any, rng: np.random.Generator, op: str) -> Case:
    x = floats(rng, draw(st.integers(0, 3)), draw(SMALL), draw(AWKWARD.filter(bool)))
    first = st.integers(-4, 4)
    planes = [
        (draw(first), draw(first), draw(st.integers(0, 5))) for _ in range(draw(st.integers(0, 3)))
    ]
    return {
        "x": x,
        "planes": np.array(planes, np.int64).reshape(-1, 3),
        "stride_h": draw(st.integers(1, 3)),
        "stride_w": draw(st.integers(1, 3)),
        "row": draw(AWKWARD.filter(bool)),
        "margin": draw(st.sampled_from([0, 1, 16])),
    }, None
