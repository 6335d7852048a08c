"""Random arguments for the linear layers in tiles: see cases.py."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from niwaki.formats.bcsc import Bcsc
from niwaki.formats.bits_gemm import BitsGemm

from .cases import Arguments, Case, case, floats, integers


def tiled(fmt: Bcsc | BitsGemm, weight: np.ndarray) -> Arguments:
    """Return a weight (outputs, inputs) as the kernels' arguments."""
    sizes = {"outputs": weight.shape[0], "inputs": weight.shape[1]}
    return {
        **fmt.encode(weight),
        "tile_rows": fmt.rows,
        "tile_columns": fmt.columns,
        **sizes,
    }


def _case(draw: Any, rng: np.random.Generator, fmt: Bcsc | BitsGemm, op: str) -> Case:
    shape = (
        draw(st.sampled_from([1, 15, 64, 65, 130, 257])),
        draw(st.sampled_from([1, 17, 64, 100, 259])),
    )
    kept = rng.random(shape) < draw(st.sampled_from([0.0, 0.05, 0.3, 1.0]))
    many = op.startswith("BitsGemm")
    columns = draw(st.sampled_from([16, 32, 48, 64, 112])) if many else draw(st.integers(1, 4))
    x_shape = (shape[1], columns) if many else (columns, shape[1])
    active = rng.random(x_shape) < draw(st.sampled_from([0.0, 0.5, 1.0]))
    if op.endswith("I16"):
        x = np.where(active, rng.integers(-128, 256, x_shape), 0).astype(np.int16)
        weight = integers(rng, np.int8, *shape) * kept
        return {"x": x, **tiled(fmt, weight)}, None
    x = floats(rng, *x_shape) * active
    weight = floats(rng, *shape) * kept
    return (
        {"x": x, **tiled(fmt, weight)},
        {"x": abs(x), **tiled(fmt, abs(weight))},
    )


@case("BcscF32", "BcscI16")
def bcsc(draw: Any, rng: np.random.Generator, op: str) -> Case:
    sides = st.sampled_from([16, 64, 128])
    return _case(draw, rng, Bcsc(draw(st.sampled_from([16, 64, 256])), draw(sides)), op)


@case("BitsGemvF32")
def gemv(draw: Any, rng: np.random.Generator, op: str) -> Case:
    return _case(draw, rng, BitsGemm(64, draw(st.sampled_from([16, 64, 256]))), op)


@case("BitsGemmF32", "BitsGemmI16")
def gemm(draw: Any, rng: np.random.Generator, op: str) -> Case:
    columns = draw(st.sampled_from([64, 128, 256]))
    rows = draw(st.sampled_from([16, 64]))
    return _case(draw, rng, BitsGemm(rows, columns, rows_first=True), op)
