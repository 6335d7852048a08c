"""Maps of a group of bands that lie over each other row by row: the same bits, in as little memory.

Whoever wrote a row too early would take it from a reader further behind, so whole outputs are
compared, of one image and of several, and once more after another input: what an earlier call left
in memory must not matter.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from niwaki.runtime import Engine, isas

from .test_bands import chain, fast_conv
from .test_layouts import Network


def engines(network, outputs=None, **options):
    """Return a network's engine with bands, which must have a group, and one without."""
    program = network.builder.program(outputs or sorted(network.arrays)[-1:])
    banded = Engine(program, bands=True, **options)
    assert banded.band_groups
    return banded, Engine(program, **options)


def images_of(network):
    return network.arrays[0].astype(np.float32)


def assert_same(banded, plain, x):
    for images in (x, np.ascontiguousarray(x[..., ::-1]), x[:1], x):
        np.testing.assert_array_equal(np.hstack(banded(images)), np.hstack(plain(images)))


def padded(network, x, outputs, side, dilation, pads, density=1.0):
    """Add a convolution of stride 1 whose window is dilated, without computing it."""
    array = network.arrays[x]
    shape = (outputs, array.shape[1], side, side)
    weight = network.rng.normal(size=shape) * (network.rng.random(shape) < density)
    weight = (weight / np.sqrt(array.shape[1] * side * side * density)).astype(np.float32)
    size = [array.shape[2 + i] + pads[i] + pads[i + 2] - (side - 1) * dilation for i in range(2)]
    attrs = {"kernel": [side, side], "dilations": [dilation] * 2, "pads": list(pads)}
    attrs |= {"weight": "dense", "activation": {"kind": "relu"}}
    empty = np.empty((array.shape[0], outputs, *size))
    return network.add("conv", {"x": x}, empty, attrs, {"weight": weight})


@pytest.mark.parametrize("size", [(112, 112), (97, 83), (131, 45), (64, 33 * 4)])
@pytest.mark.parametrize(("kernel", "density"), [("direct", 1.0), ("sparse", 0.1)])
def test_a_chain_needs_no_more_memory_than_layer_by_layer(size, kernel, density):
    network = chain(size, layers=3, density=density)
    banded, plain = engines(network, kernels=[kernel])
    assert banded.band_groups[0].last == 3
    assert_same(banded, plain, images_of(network))
    # Two maps take turns; the third one's pads are all that there is more.
    pads = 32 * 4 * (size[1] + 64) * 4
    assert banded.memory_bytes <= plain.memory_bytes + pads


@pytest.mark.parametrize("layers", [4, 5, 8])
@pytest.mark.parametrize("images", [1, 3])
def test_long_chains_of_several_images(layers, images):
    network = chain((70, 61), channels=48, layers=layers, images=images, density=0.04)
    assert_same(*engines(network), images_of(network))


@pytest.mark.parametrize("isa", isas())
def test_every_isa_makes_the_same_rows_again(isa):
    network = chain((90, 77), channels=40, density=0.05)
    assert_same(*engines(network, isa=isa), images_of(network))


@pytest.mark.parametrize(("side", "dilation"), [(1, 1), (3, 2), (5, 1), (7, 1), (3, 5)])
@pytest.mark.parametrize("kernel", ["sparse", "direct"])
def test_windows_that_reach_further(side, dilation, kernel):
    network = Network((24, 83, 90), 2, np.random.default_rng(side))
    value = 0
    for _ in range(4):
        pads = (side // 2 * dilation,) * 4
        value = padded(network, value, 24, side, dilation, pads, density=0.1)
        value = fast_conv(network, value, 24, 3, 1, density=0.1)
    assert_same(*engines(network, kernels=[kernel]), images_of(network))


def test_pads_on_one_side_only():
    network = Network((32, 100, 90), 2, np.random.default_rng(5))
    value = 0
    for pads in [(2, 0, 0, 2), (0, 2, 2, 0), (2, 1, 0, 1), (0, 1, 2, 1)]:
        value = padded(network, value, 32, 3, 1, pads, density=0.1)
    assert_same(*engines(network), images_of(network))


def test_a_map_read_by_layers_at_different_rows():
    network = Network((32, 96, 84), 2, np.random.default_rng(6))
    near = fast_conv(network, 0, 32, 1, 1, density=0.2)
    far = padded(network, near, 32, 7, 1, (3, 3, 3, 3), density=0.05)
    both = network.add("add", {"a": far, "b": near}, np.empty((2, 32, 96, 84)))
    again = fast_conv(network, both, 32, 5, 1, density=0.05, residual=near)
    fast_conv(network, again, 32, 3, 1, density=0.05)
    assert_same(*engines(network), images_of(network))


@pytest.mark.parametrize("height", [100, 111, 112])
def test_a_reader_that_leaves_out_the_last_row(height):
    """Of stride 2 and 1x1, it may be through before its input is, which others lie over."""
    network = Network((32, height, 90), 1, np.random.default_rng(7))
    early = fast_conv(network, 0, 32, 3, 1, density=0.1)
    half = fast_conv(network, early, 32, 1, 2)
    late = fast_conv(network, 0, 32, 1, 1)
    last = fast_conv(network, late, 32, 3, 1, density=0.1)
    choices = {"conv0": "sparse", "conv1": "direct", "conv2": "direct", "conv3": "sparse"}
    banded, plain = engines(network, outputs=[half, last], choices=choices)
    for found, expected in zip(banded(images_of(network)), plain(images_of(network)), strict=True):
        np.testing.assert_array_equal(found, expected)


FRESH = """
import numpy as np
from niwaki.runtime import Engine
from tests.runtime.test_band_memory import images_of
from tests.runtime.test_bands import chain

for size in [(111, 90), (95, 96), (79, 94)]:
    network = chain(size, density=0.1)
    engine = Engine(network.builder.program(), bands=True)
    assert engine.band_groups
    first = engine(images_of(network))
    assert np.isfinite(first).all() and np.abs(first).max() < 1e6
    np.testing.assert_array_equal(first, engine(images_of(network)))
"""


def test_memory_that_holds_anything_at_first():
    """Where planes lie without a gap, a channel's left pad is the last pad column before it."""
    root = Path(__file__).parents[2]
    environment = {**os.environ, "MALLOC_PERTURB_": "190"}  # glibc then fills memory with 0x41
    subprocess.run([sys.executable, "-c", FRESH], check=True, cwd=root, env=environment)


@pytest.mark.parametrize("images", [1, 3])
def test_inner_maps_that_are_asked_for(images):
    network = chain((90, 83), layers=4, images=images, density=0.1)
    x = images_of(network)
    banded, plain = engines(network)
    expected = plain.values(x)
    for _ in range(2):
        found = banded.values(x)
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value, err_msg=name)
        np.testing.assert_array_equal(banded(x), plain(x))
    for index in range(4):
        inner = x if index == 0 else found[f"conv{index - 1}.out"]
        (layer,) = banded.run_layer(index, [inner])
        np.testing.assert_array_equal(layer, found[f"conv{index}.out"])
    assert all(info.ms > 0 for info in banded.explain(x))


@pytest.mark.parametrize("images", [1, 2, 5])
def test_more_threads_share_out_images_or_layers(images):
    network = chain((90, 83), layers=3, images=images, density=0.1)
    assert_same(*engines(network, threads=2), images_of(network))


def grow(network, rng):
    """Add a drawn layer on a map of the largest size, most often on the last one."""
    size = network.arrays[0].shape[2:]
    maps = [k for k, a in network.arrays.items() if a.shape[2:] == size]
    x = int(maps[-1] if rng.random() < 0.7 else rng.choice(maps))
    shape = network.arrays[x].shape
    equal = [k for k in maps if network.arrays[k].shape == shape and k != x]
    op = rng.choice(["conv", "conv", "conv", "depthwise", "residual", "add", "relu", "stride"])
    if op == "depthwise":
        return fast_conv(network, x, shape[1], 3, 1, groups=shape[1])
    if op == "add" and equal:
        return network.add("add", {"a": x, "b": int(rng.choice(equal))}, np.empty(shape))
    if op == "relu":
        attrs = {"activation": {"kind": "relu"}}
        return network.add("activation", {"x": x}, np.empty(shape), attrs)
    residual = int(rng.choice(equal)) if op == "residual" and equal else None
    outputs = shape[1] if residual is not None else int(rng.choice([24, 24, 32]))
    stride = 2 if op == "stride" else 1
    side = int(rng.choice([1, 3, 3, 5]))
    return fast_conv(network, x, outputs, side, stride, density=0.1, residual=residual)


@pytest.mark.parametrize("seed", range(24))
def test_drawn_networks(seed):
    rng = np.random.default_rng(seed)
    size = (int(rng.integers(80, 110)), int(rng.integers(70, 100)))
    network = Network((24, *size), 2, rng)
    grown = [grow(network, rng) for _ in range(8)]
    read = {k for layer in network.builder.layers for k in layer["inputs"].values()}
    banded, plain = engines(network, outputs=[k for k in grown if k not in read])
    x = images_of(network)
    for images in (x, x[:1]):
        expected = plain(images)
        found = banded(images)
        if not isinstance(expected, tuple):
            expected, found = (expected,), (found,)
        for each, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(each, other)
