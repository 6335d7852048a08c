"""Rewrites of layers around bits, before they become a program."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from niwaki.graph.layers import Layer


def pool_bits(layers: Sequence[Layer], outputs: Sequence[str]) -> list[Layer]:
    """Test in front of a max pool instead of behind it, where bits come in and bits go out.

    A maximum passes a rising test where one of its numbers does, and a falling one (sign -1) where
    all of them do: the pool becomes an OR or an AND of bits, and the sums of the convolution in
    front of it never leave it as floats.

    Args:
        layers: In the order in which they run.
        outputs: Names of the values that leave.

    Returns:
        The layers; each pair keeps its names, the value between them is called after the bits.
    """
    readers = Counter(name for layer in layers for name in layer.inputs.values())
    readers.update(outputs)
    made = {layer.output: layer for layer in layers}
    found: dict[str, list[Layer]] = {}
    for test in layers:
        pool = made.get(test.inputs.get("x", "")) if test.op == "threshold" else None
        if pool is None or pool.op != "max_pool" or readers[pool.output] != 1:
            continue
        conv = made.get(pool.inputs["x"])
        if conv is None or readers[conv.output] != 1 or not _is_binary(conv):
            continue
        between = f"{test.output}.before"
        if between in made:
            continue
        sign = np.asarray(test.arrays["sign"], np.int8)
        found[pool.output] = [
            replace(test, output=between, inputs={"x": conv.output}, shape=conv.shape),
            replace(pool, output=test.output, inputs={"x": between}, dtype="u1",
                    arrays={"sign": sign}),
        ]  # fmt: skip
        found[test.output] = []
    return [new for layer in layers for new in found.get(layer.output, [layer])]


def _is_binary(layer: Layer) -> bool:
    """Tell whether a convolution reads bits only and makes floats without an activation."""
    return (
        layer.op == "conv"
        and set(layer.inputs) == {"bits"}
        and layer.dtype == "f32"
        and layer.attrs.get("activation", {"kind": "none"})["kind"] == "none"
    )
