"""Layers of floats and bits on large maps, whose sums full adders make (kernels/slices_b1).

All numbers are small multiples of 1/4, so every sum is exact: whatever adds them gives the same.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from niwaki.runtime import Engine, isas

from . import oracle
from .programs import Builder, binary_tensors, weight_tensors

SAME = {"kernel": [3, 3], "pads": [1, 1, 1, 1], "dilations": [1, 1], "strides": [1, 1]}


class Layers:
    """A stack of layers of both branches, and beside it every value of it in NumPy."""

    def __init__(self, seed, shape, images=1):
        self.rng = np.random.default_rng(seed)
        self.builder = Builder(shape)
        self.x = self.rng.integers(-8, 9, (images, *shape)).astype(np.float32)
        self.values = {self.builder.input: self.x}
        self.last = self.builder.input

    def add(self, outputs, window, *, residual=False, dense=False):
        x, rng = self.last, self.rng
        value = self.values[x]
        channels = value.shape[1]
        sign = rng.choice(np.array([-1, 1], np.int8), channels)
        level = rng.integers(-4, 5, channels).astype(np.float32)
        bits = (sign[:, None, None] * value >= level[:, None, None]).astype(np.float32)
        made = self.builder.layer(
            "threshold", {"x": x}, "u1", bits.shape[1:], {}, {"sign": sign, "level": level}
        )
        self.values[made] = bits
        shape = outputs, channels, *window["kernel"]
        weight = rng.integers(-1, 2, shape).astype(np.float32)
        weight[rng.random(shape) < 0.9] = 0
        signs = rng.choice(np.array([-1, 1], np.int8), shape)
        scale = rng.choice(np.array([-0.5, 0, 0.25], np.float32), outputs)
        plain = {key: window[key] for key in ("strides", "pads", "dilations")}

        def outputs_of(value, bits):
            acc = oracle.conv(bits, signs.astype(np.float32), **plain)
            y = oracle.conv(value, weight, **plain) + acc * scale[:, None, None]
            return np.clip(y + value if residual else y, -8, 8).astype(np.float32)

        self.outputs_of = outputs_of  # of the last layer
        y = outputs_of(value, bits)
        inputs = {"x": x, "bits": made} | ({"residual": x} if residual else {})
        kind = "dense" if dense else "sparse"
        attrs = {**window, "weight": kind, "groups": 1}
        attrs["activation"] = {"kind": "clip", "lo": -8.0, "hi": 8.0}
        tensors = {**weight_tensors(weight, kind), **binary_tensors(signs), "binary.scale": scale}
        self.last = self.builder.layer("conv", inputs, "f32", y.shape[1:], attrs, tensors)
        self.values[self.last] = y

    def engine(self, isa="auto", threads=1):
        return Engine(self.builder.program([self.last]), isa=isa, threads=threads)

    def check(self, engine):
        """Hold the output of a plain run, and then every value, to NumPy."""
        np.testing.assert_array_equal(engine(self.x), self.values[self.last])
        for name, array in engine.values(self.x).items():
            index = next(i for i, v in enumerate(self.builder.values) if v["name"] == name)
            np.testing.assert_array_equal(array, self.values[index], err_msg=name)


def kernels(engine, x, op="conv"):
    return [info.kernel for info in engine.explain(x) if info.op == op]


@settings(deadline=None, max_examples=25)
@given(data=st.data(), isa=st.sampled_from(isas()), threads=st.sampled_from([1, 2]))
def test_random_layers_are_exact(data, isa, threads):
    sides = data.draw(st.integers(8, 24)), data.draw(st.integers(8, 40))
    channels = data.draw(st.sampled_from([1, 5, 64, 70]))
    layers = Layers(data.draw(st.integers(0, 2**31)), (channels, *sides))
    for _ in range(2):
        kernel = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
        dilations = data.draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
        window = {
            "kernel": list(kernel),
            "pads": data.draw(st.lists(st.integers(0, 2), min_size=4, max_size=4)),
            "dilations": list(dilations),
            "strides": [data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2))],
        }
        layers.add(data.draw(st.integers(1, 9)), window, dense=data.draw(st.booleans()))
        layers.add(layers.values[layers.last].shape[1], SAME, residual=True)
    layers.check(layers.engine(isa, threads))


@pytest.mark.parametrize("isa", isas())
@pytest.mark.parametrize(("channels", "side"), [(64, 14), (20, 28), (12, 40), (130, 15)])
def test_large_maps_take_full_adders_and_make_their_own_bits(isa, channels, side):
    layers = Layers(side, (channels, side, side), images=2)
    layers.add(channels, SAME)
    layers.add(channels, SAME, residual=True)
    engine = layers.engine(isa)
    layers.check(engine)
    assert all(f"slices_u1_b1_f32_{isa}" in kernel for kernel in kernels(engine, layers.x[:1]))
    assert kernels(engine, layers.x[:1], "threshold") == ["none", "none"]


def test_small_maps_keep_popcounts():
    layers = Layers(1, (64, 7, 7))
    layers.add(64, SAME)
    engine = layers.engine()
    layers.check(engine)
    assert "planes_u1_b1_f32" in kernels(engine, layers.x)[0]


def test_a_layer_alone_takes_the_bits_it_is_given():
    layers = Layers(2, (16, 16, 16))
    layers.add(16, SAME)
    engine = layers.engine()
    assert kernels(engine, layers.x, "threshold") == ["none"]
    for bits in (np.zeros_like(layers.x), np.ones_like(layers.x)):
        (y,) = engine.run_layer(1, [layers.x, bits.astype(np.uint8)])
        np.testing.assert_array_equal(y, layers.outputs_of(layers.x, bits))
