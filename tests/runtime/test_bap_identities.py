"""One layer of two branches in the engine: each branch alone is the layer without the other.

bap.md, "what works must show", item 3: with t = 0 the layer is a masked convolution, with M = 0 a
convolution of bits, with both the integer engine is NumPy's sum bit for bit; strides 1 and 2,
borders, a width that fills no vector.
"""

from __future__ import annotations

import numpy as np
import pytest

from niwaki.runtime import Engine, isas

from . import oracle
from .programs import Builder, binary_tensors, weight_tensors

ISAS = [*isas(), "reference"]
CHANNELS, OUTPUTS, SIZE = 70, 33, (9, 21)


class Pair:
    """One layer's numbers, in integers or floats, and programs with one branch or both."""

    def __init__(self, form, stride, density):
        rng = np.random.default_rng(stride)
        is_integer = form == "integer"
        self.form, dtype = form, np.int8 if is_integer else np.float32
        shape = (OUTPUTS, CHANNELS, 3, 3)
        self.window = {"strides": [stride, stride], "pads": [1, 1, 1, 1]}
        mask = rng.random(shape) < density
        self.weight = (rng.integers(-127, 128, shape) * mask).astype(dtype)
        self.signs = rng.choice(np.array([-1, 1], np.int8), shape)
        self.x = rng.integers(0, 256, (2, CHANNELS, *SIZE)).astype(np.uint8 if is_integer else "f4")
        self.bits = rng.integers(0, 2, self.x.shape).astype(np.uint8)
        # So that both branches matter in 8 bits: sums are about 40,000, counts about 20.
        self.parts = rng.integers(-100, 100, (2, OUTPUTS)) * [[1], [200]]
        self.bias = rng.integers(-(2**20), 2**20, OUTPUTS)
        self.shift = np.full(OUTPUTS, 15, np.uint8)
        self.sums = self._conv(self.x, self.weight)
        self.counts = self._conv(self.bits, self.signs)

    def _conv(self, x, weight):
        return oracle.conv(x.astype(np.int64), weight.astype(np.int64), **self.window)

    def run(self, isa, *, sparse=True, binary=True, scale=None):
        """Run the layer with the branches asked for; `scale` replaces the binary branch's."""
        is_integer = self.form == "integer"
        builder, out = Builder(form=self.form), "s8" if is_integer else "f32"
        tensors = {"bias": self.bias if is_integer else self.bias.astype(np.float32)}
        if is_integer:
            tensors["shift"] = self.shift
        inputs, arrays = {}, []
        if sparse:
            inputs["x"] = builder.feed("u8" if is_integer else "f32", self.x.shape[1:])
            arrays.append(self.x)
            tensors |= weight_tensors(self.weight, "sparse")
            if is_integer:
                tensors["multiplier"] = self.parts[0].astype(np.int16)
        if binary:
            inputs["bits"] = builder.feed("u1", self.bits.shape[1:])
            arrays.append(self.bits)
            key, kind = ("multiplier", np.int16) if is_integer else ("scale", np.float32)
            scale = self.parts[1] if scale is None else scale
            tensors |= binary_tensors(self.signs) | {f"binary.{key}": scale.astype(kind)}
        attrs = {"kernel": [3, 3], **self.window, "weight": "sparse" if sparse else "none"}
        attrs |= {"lo": -128, "hi": 127} if is_integer else {"activation": {"kind": "none"}}
        builder.layer("conv", inputs, out, self.sums.shape[1:], attrs, tensors)
        return Engine(builder.program(), isa=isa).run_layer(builder.last, arrays)[0]

    def expected(self, *, sparse=True, binary=True):
        """Return NumPy's: the design's one rule in integers, float64 in floats."""
        terms = [self.sums] * sparse + [self.counts] * binary
        factors = [self.parts[0]] * sparse + [self.parts[1]] * binary
        if self.form == "integer":
            return oracle.requantize(terms, factors, self.bias, self.shift, -128, 127)
        total = np.zeros(self.sums.shape) + self.bias[:, None, None]
        total += self.sums if sparse else 0
        return total + (self.counts * self.parts[1][:, None, None] if binary else 0)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("form", ["integer", "float"])
def test_each_branch_alone_and_both(form, stride, isa):
    # Whole numbers below 2^24 in floats too: every form is exact.
    pair = Pair(form, stride, density=0.02)
    both = pair.run(isa)
    np.testing.assert_array_equal(both, pair.expected())
    without = pair.run(isa, scale=np.zeros(OUTPUTS))  # t = 0
    np.testing.assert_array_equal(without, pair.expected(binary=False))
    np.testing.assert_array_equal(without, pair.run(isa, binary=False))
    assert (both != without).mean() > 0.5
    empty = Pair(form, stride, density=0.0)  # M = 0
    bits = empty.run(isa)
    np.testing.assert_array_equal(bits, empty.expected(sparse=False))
    np.testing.assert_array_equal(bits, empty.run(isa, sparse=False))
    assert len(np.unique(bits)) > 50
