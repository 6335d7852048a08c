"""Layers run band by band through the cache: the same bits as layer by layer."""

from __future__ import annotations

import numpy as np
import pytest

from niwaki.runtime import Engine, isas

from .programs import Builder
from .test_layouts import Network


def compare(network, least_groups=1, kernels=None):
    """Run a network both ways; return the groups."""
    program = network.builder.program(sorted(network.arrays)[-1:])
    banded = Engine(program, kernels=kernels, bands=True)
    plain = Engine(program, kernels=kernels)
    assert plain.band_groups == []
    assert len(banded.band_groups) >= least_groups
    x = network.arrays[0].astype(np.float32)
    np.testing.assert_array_equal(banded(x), plain(x))
    for name, value in plain.values(x).items():
        np.testing.assert_array_equal(banded.values(x)[name], value, err_msg=name)
    return banded.band_groups


def chain(size=(112, 112), channels=32, layers=3, images=1, density=1.0):
    builder = Network((channels, *size), images, np.random.default_rng(0))
    value = 0
    for _ in range(layers):
        value = fast_conv(builder, value, channels, 3, 1, density)
    return builder


def fast_conv(network, x, outputs, side, stride, density=1.0, residual=None, groups=1):
    """Add a convolution without computing it: its array only has the shape."""
    array = network.arrays[x]
    shape = (outputs, array.shape[1] // groups, side, side)
    weight = network.rng.normal(size=shape) * (network.rng.random(shape) < density)
    weight = (weight / np.sqrt(max(1, np.prod(shape[1:]) * density))).astype(np.float32)
    pad = side // 2
    size = [(s + 2 * pad - side) // stride + 1 for s in array.shape[2:]]
    attrs = {"kernel": [side, side], "strides": [stride, stride], "pads": [pad] * 4}
    attrs |= {"groups": groups, "weight": "dense", "activation": {"kind": "relu"}}
    inputs = {"x": x} if residual is None else {"x": x, "residual": residual}
    empty = np.empty((array.shape[0], outputs, *size))
    return network.add("conv", inputs, empty, attrs, {"weight": weight})


def test_three_layers_move_half_the_bytes():
    groups = compare(chain(), kernels=["direct"])
    (group,) = groups
    assert (group.first, group.last) == (0, 3)
    size = 32 * 112 * 112 * 4
    assert (group.unfused, group.fused, group.background) == (6 * size, 2 * size, 2 * size)
    assert group.unfused >= 2 * group.fused
    assert 4 <= group.rows < 112


@pytest.mark.parametrize("size", [(57, 61), (56, 56), (113, 40)])
@pytest.mark.parametrize("images", [1, 3])
def test_residuals_pools_strides_and_odd_sizes(size, images):
    network = Network((16, *size), images, np.random.default_rng(1))
    x = fast_conv(network, 0, 64, 3, 1)
    y = fast_conv(network, x, 32, 1, 1)
    y = fast_conv(network, y, 32, 5, 1)
    y = fast_conv(network, y, 64, 1, 1, residual=x)
    pool = np.empty((images, 64, *[(s - 1) // 2 + 1 for s in size]))
    attrs = {"kernel": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    y = network.add("max_pool", {"x": y}, pool, attrs)
    z = fast_conv(network, y, 64, 3, 1)
    network.add("add", {"a": z, "b": y}, pool, {"activation": {"kind": "relu"}})
    compare(network)


def test_a_depthwise_network_with_a_stride():
    network = Network((16, 112, 112), 2, np.random.default_rng(2))
    x = fast_conv(network, 0, 96, 1, 1)
    x = fast_conv(network, x, 96, 3, 2, groups=96)
    x = fast_conv(network, x, 24, 1, 1)
    fast_conv(network, fast_conv(network, x, 144, 1, 1), 24, 1, 1, residual=x)
    compare(network)


def test_sparse_layers_in_bands():
    compare(chain(size=(90, 75), layers=4, density=0.05))


@pytest.mark.parametrize("isa", isas())
def test_every_isa(isa):
    network = chain(size=(100, 90), layers=2)
    program = network.builder.program()
    x = network.arrays[0].astype(np.float32)
    banded = Engine(program, isa=isa, bands=True)
    np.testing.assert_array_equal(banded(x), Engine(program, isa=isa)(x))


def test_small_maps_stay_layer_by_layer():
    engine = Engine(chain(size=(14, 14)).builder.program(), bands=True)
    assert engine.band_groups == []


def test_two_threads_run_layer_by_layer_and_agree():
    network = chain()
    program = network.builder.program()
    x = network.arrays[0].astype(np.float32)
    np.testing.assert_array_equal(Engine(program, threads=2, bands=True)(x), Engine(program)(x))


def test_a_program_of_one_layer():
    builder = Builder((1, 4, 4))
    builder.layer("activation", {"x": 0}, "f32", (1, 4, 4), {"activation": {"kind": "relu"}})
    assert Engine(builder.program(), bands=True).band_groups == []
