"""Drawn networks of everything that runs on padded planes: every value, batch, thread count, order.

Pads, shared rows, windows of concats, memory written over, and copies to and from compact form meet
here in all combinations; the oracle knows none of them.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from niwaki.runtime import Engine

from . import oracle
from .programs import Builder, weight_tensors


class Network:
    """A program and its values in NumPy, grown layer by layer."""

    def __init__(self, shape, images, rng):
        self.rng = rng
        self.builder = Builder(shape)
        self.arrays = {0: rng.normal(size=(images, *shape)).astype(np.float32).astype(np.float64)}

    def add(self, op, inputs, array, attrs=None, tensors=None):
        value = self.builder.layer(op, inputs, "f32", array.shape[1:], attrs, tensors)
        self.arrays[value] = array
        return value

    def conv(
        self, x, outputs, kernel, strides, pads, residual=None, groups=1, density=0.5, dilation=1
    ):
        array = self.arrays[x]
        shape = (outputs, array.shape[1] // groups, *kernel)
        weight = self.rng.normal(size=shape) * (self.rng.random(shape) < density)
        weight = (weight / np.sqrt(max(1, np.prod(shape[1:]) * density))).astype(np.float32)
        bias = self.rng.normal(size=outputs).astype(np.float32)
        dilations = (dilation, dilation)
        y = oracle.conv(array, weight.astype(np.float64), strides, pads, dilations, groups)
        y += bias[:, None, None]
        inputs = {"x": x}
        if residual is not None:
            inputs["residual"] = residual
            y = y + self.arrays[residual]
        storage = "sparse" if density < 0.5 else "dense"
        attrs = {"kernel": list(kernel), "strides": list(strides), "pads": list(pads)}
        attrs |= {
            "dilations": list(dilations),
            "groups": groups,
            "weight": storage,
            "activation": {"kind": "relu"},
        }
        tensors = weight_tensors(weight, storage) | {"bias": bias}
        return self.add("conv", inputs, np.maximum(y, 0), attrs, tensors)

    def pool(self, x, kind, kernel, strides, pads):
        array = self.arrays[x]
        size = [
            (array.shape[2 + i] + pads[i] + pads[i + 2] - kernel[i]) // strides[i] + 1
            for i in range(2)
        ]
        y = oracle.pool(array, kind, kernel, strides, pads, size)
        attrs = {"kernel": list(kernel), "strides": list(strides), "pads": list(pads)}
        return self.add(f"{kind}_pool", {"x": x}, y, attrs)


def draw_layer(draw, network):
    """Add one layer on drawn values."""
    arrays = {
        k: a for k, a in network.arrays.items() if a.ndim == 4 and a.shape[2] * a.shape[3] > 1
    }
    x = draw(st.sampled_from(list(arrays)))
    shape = arrays[x].shape
    same = [k for k, a in arrays.items() if a.shape == shape]
    sized = [k for k, a in arrays.items() if a.shape[2:] == shape[2:]]
    ops = ["conv", "conv", "down", "pool", "add", "concat", "gate", "square", "general"]
    op = draw(st.sampled_from(ops))
    if op == "conv":
        side = draw(st.sampled_from([1, 3, 3, 5]))
        outputs = draw(st.sampled_from([1, 4, 5, shape[1]]))
        fits = [k for k in sized if arrays[k].shape[1] == outputs]
        residual = draw(st.sampled_from([None, *fits]))
        pads = (side // 2,) * 4
        density = draw(st.sampled_from([0.3, 1.0]))
        network.conv(x, outputs, (side, side), (1, 1), pads, residual, density=density)
    elif op == "down":
        side = draw(st.sampled_from([1, 2, 3]))
        if min(shape[2:]) >= 4:
            pad = side // 2
            network.conv(x, shape[1], (side, side), (2, 2), (pad,) * 4, groups=shape[1])
    elif op == "pool":
        kind = draw(st.sampled_from(["max", "average"]))
        stride = draw(st.sampled_from([1, 2]))
        if min(shape[2:]) >= 3:
            network.pool(x, kind, (3, 3), (stride, stride), (1, 1, 1, 1))
    elif op == "add":
        b = draw(st.sampled_from(same))
        y = np.maximum(arrays[x] + arrays[b], 0)
        network.add("add", {"a": x, "b": b}, y, {"activation": {"kind": "relu"}})
    elif op == "concat":
        parts = draw(st.lists(st.sampled_from(sized), min_size=1, max_size=3))
        parts = [x, *parts]
        if sum(arrays[k].shape[1] for k in parts) <= 24:
            y = np.concatenate([arrays[k] for k in parts], 1)
            network.add("concat", {"inputs": parts}, y, {"axis": 0})
    elif op == "gate":
        mean = arrays[x].mean((2, 3), keepdims=True)
        gate = network.add("global_average_pool", {"x": x}, mean)
        network.add("mul", {"a": x, "b": gate}, arrays[x] * mean)
    elif op == "square":  # a gate that is its own map
        mean = arrays[x].mean((2, 3), keepdims=True)
        pooled = network.add("global_average_pool", {"x": x}, mean)
        network.add("mul", {"a": pooled, "b": pooled}, mean * mean)
    else:  # compact only
        y = np.abs(arrays[x])
        network.add("unary", {"x": x}, y, {"kind": "abs", "alpha": 0, "beta": 0})


@st.composite
def networks(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    shape = (draw(st.sampled_from([1, 3])), draw(st.integers(4, 9)), draw(st.integers(4, 18)))
    network = Network(shape, draw(st.sampled_from([1, 2, 5])), rng)
    for _ in range(draw(st.integers(2, 12))):
        draw_layer(draw, network)
    if len(network.arrays) == 1:
        network.conv(0, 4, (3, 3), (1, 1), (1, 1, 1, 1))
    return network


def check(engine, network):
    images = network.arrays[0].astype(np.float32)
    names = [value["name"] for value in engine.program.values]
    found = engine.values(images)
    for value, expected in network.arrays.items():
        largest = max(1.0, float(np.abs(expected).max()))
        np.testing.assert_allclose(found[names[value]], expected, atol=2e-5 * largest, rtol=0)
    return found


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.too_slow])
@given(network=networks(), threads=st.sampled_from([1, 1, 2, 3]))
def test_every_value(network, threads):
    outputs = sorted(network.arrays)[-2:]
    outputs = [value for value in outputs if value != 0]
    engine = Engine(network.builder.program(outputs), threads=threads)
    found = check(engine, network)
    # Outputs alone: other values' rooms are taken by then. The bits are the same.
    images = network.arrays[0].astype(np.float32)
    names = [value["name"] for value in engine.program.values]
    results = engine(images)
    for value, result in zip(outputs, results if len(outputs) > 1 else [results], strict=True):
        np.testing.assert_array_equal(result, found[names[value]])
    single = engine(images[-1:])
    first = results[0] if len(outputs) > 1 else results
    np.testing.assert_array_equal((single[0] if len(outputs) > 1 else single)[0], first[-1])


@settings(deadline=None, max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(network=networks(), data=st.data())
def test_run_layer(network, data):
    engine = Engine(network.builder.program())
    index = data.draw(st.integers(0, len(network.builder.layers) - 1))
    layer = network.builder.layers[index]
    ids = [
        k for item in layer["inputs"].values() for k in (item if isinstance(item, list) else [item])
    ]
    inputs = [network.arrays[k].astype(np.float32) for k in ids]
    (found,) = engine.run_layer(index, inputs)
    expected = network.arrays[layer["output"]]
    largest = max(1.0, float(np.abs(expected).max()))
    np.testing.assert_allclose(found, expected, atol=2e-5 * largest, rtol=0)


def densenet(growth=4, layers=4):
    network = Network((4, 8, 8), 3, np.random.default_rng(3))
    features = [network.conv(0, 8, (3, 3), (1, 1), (1, 1, 1, 1))]
    for _ in range(layers):
        x = features[0]
        if len(features) > 1:
            y = np.concatenate([network.arrays[k] for k in features], 1)
            x = network.add("concat", {"inputs": list(features)}, y, {"axis": 0})
        x = network.conv(x, 8, (1, 1), (1, 1), (0, 0, 0, 0))
        features.append(network.conv(x, growth, (3, 3), (1, 1), (1, 1, 1, 1)))
    y = np.concatenate([network.arrays[k] for k in features], 1)
    network.add("concat", {"inputs": list(features)}, y, {"axis": 0})
    return network


def test_growing_concats_copy_nothing():
    network = densenet()
    engine = Engine(network.builder.program())
    check(engine, network)
    kernels = [info.kernel for info in engine.explain() if info.op == "concat"]
    assert kernels == ["none"] * 4


@pytest.mark.parametrize("images", [1, 2, 7, 16, 33])
@pytest.mark.parametrize("threads", [1, 2])
def test_batches_equal_single_images(rng, images, threads):
    network = Network((3, 33, 31), images, rng)
    value = network.conv(0, 8, (3, 3), (2, 2), (1, 1, 1, 1))
    for _ in range(4):
        y = network.conv(value, 8, (3, 3), (1, 1), (1, 1, 1, 1))
        value = network.conv(y, 8, (1, 1), (1, 1), (0, 0, 0, 0), residual=value)
    value = network.pool(value, "max", (3, 3), (2, 2), (1, 1, 1, 1))
    for _ in range(8):
        value = network.conv(value, 16, (3, 3), (1, 1), (1, 1, 1, 1), density=0.2)
    network.add("global_average_pool", {"x": value}, network.arrays[value].mean((2, 3)))
    engine = Engine(network.builder.program(), threads=threads)
    x = network.arrays[0].astype(np.float32)
    together = engine(x)
    np.testing.assert_allclose(together, network.arrays[max(network.arrays)], atol=1e-4)
    for k in range(images):
        np.testing.assert_array_equal(engine(x[k : k + 1])[0], together[k])


@pytest.mark.parametrize(
    "algorithm", ["direct", "im2col", "winograd", "winograd_phases", "sparse", "cpo"]
)
def test_a_sum_lies_over_its_residual(rng, algorithm):
    """A chain of residual blocks takes less memory, and gives the same values."""
    network = Network((3, 30, 29), 3, rng)
    x = network.conv(0, 16, (3, 3), (1, 1), (1, 1, 1, 1))
    for _ in range(2):
        y = network.conv(x, 16, (3, 3), (1, 1), (1, 1, 1, 1))
        x = network.conv(y, 16, (3, 3), (1, 1), (1, 1, 1, 1), residual=x)
    y = network.conv(x, 4, (1, 1), (1, 1), (0, 0, 0, 0))
    program = network.builder.program([y])
    choice = {"algorithm": algorithm, "tuning": {}}
    sums = [layer["name"] for layer in network.builder.layers[2:5:2]]
    choices = dict.fromkeys(sums, choice)
    engine = Engine(program, choices=choices)
    own = Engine(program, choices=choices, bands=True)  # where no sum may lie over its residual
    images = network.arrays[0].astype(np.float32)
    for inputs in (images, images[:1]):
        np.testing.assert_allclose(engine(inputs), network.arrays[y][: len(inputs)], atol=1e-4)
    assert engine.memory_bytes < own.memory_bytes
    check(engine, network)


@pytest.mark.parametrize(
    "algorithm", ["reference", "direct", "im2col", "winograd", "sparse", "cpo", "cps"]
)
@pytest.mark.parametrize("threads", [1, 2])
def test_pads_behind_every_algorithm(rng, algorithm, threads):
    """Whatever lay there before, for full batches and for one image of an engine for many."""
    network = Network((16, 9, 9), 5, rng)
    x = network.conv(0, 16, (3, 3), (1, 1), (1, 1, 1, 1))
    network.conv(x, 16, (3, 3), (1, 1), (1, 1, 1, 1))
    choices = {"conv0": {"algorithm": algorithm, "tuning": {}}}
    choices["conv1"] = {"algorithm": "direct", "tuning": {}}
    engine = Engine(network.builder.program(), threads=threads, choices=choices)
    images = network.arrays[0].astype(np.float32)
    expected = network.arrays[max(network.arrays)]
    for count in (5, 1, 2):
        engine(np.full_like(images, np.nan))
        np.testing.assert_allclose(engine(images[:count]), expected[:count], atol=1e-4)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_map_that_gates_itself(rng, threads):
    """One number per channel times itself: each image by its own factor, not the first image's."""
    network = Network((5, 6, 7), 7, rng)
    x = network.conv(0, 5, (3, 3), (1, 1), (1, 1, 1, 1))
    mean = network.arrays[x].mean((2, 3), keepdims=True)
    pooled = network.add("global_average_pool", {"x": x}, mean)
    square = network.add("mul", {"a": pooled, "b": pooled}, mean * mean)
    network.conv(square, 5, (1, 1), (1, 1), (0, 0, 0, 0))
    check(Engine(network.builder.program(), threads=threads), network)


@pytest.mark.parametrize("algorithm", ["sparse", "sparse4"])
@pytest.mark.parametrize(
    ("stride", "dilation", "copied"), [(1, 30, False), (1, 300, True), (2, 300, True)]
)
def test_far_taps_are_copied(rng, algorithm, stride, dilation, copied):
    """A tap beyond what may be read behind the last plane isn't read where it lies.

    The pad columns behind a row are computed too, and their taps would reach over the buffer's end.
    """
    builder = Builder((16, 1, 4000))
    weight = rng.normal(size=(4, 16, 1, 3)).astype(np.float32)
    weight *= rng.random(weight.shape[1:]) < 0.2  # in blocks of four outputs
    x = rng.normal(size=(2, 16, 1, 4000)).astype(np.float32)
    expected = oracle.conv(x, weight, (1, stride), (0, 0, 0, 0), (1, dilation), 1)
    attrs = {"kernel": [1, 3], "strides": [1, stride], "pads": [0] * 4, "weight": "sparse"}
    attrs |= {"dilations": [1, dilation], "groups": 1, "activation": {"kind": "none"}}
    builder.layer(
        "conv", {"x": 0}, "f32", expected.shape[1:], attrs, weight_tensors(weight, "sparse")
    )
    engine = Engine(builder.program(), choices={"conv0": {"algorithm": algorithm, "tuning": {}}})
    np.testing.assert_allclose(engine(x), expected, atol=1e-4)
    (info,) = engine.explain()
    assert info.algorithm == algorithm
    assert (" behind " in info.kernel) == copied
