"""Maps in two halves, which several threads share out: the same values as whole ones."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from niwaki.errors import UnsupportedOpError
from niwaki.runtime import Engine

from .test_layouts import Network, check


def sparse_conv(network, x, outputs, kernel=(3, 3), stride=1, pads=None, residual=None):
    pads = pads or [side // 2 for side in (*kernel, *kernel)]
    return network.conv(x, outputs, kernel, (stride, stride), pads, residual, density=0.2)


def block(network, x, inner, outputs, kernel=(3, 3), stride=1):
    """Add a bottleneck block, as ResNet-50 has them."""
    y = sparse_conv(network, x, inner, (1, 1))
    y = sparse_conv(network, y, inner, kernel, stride)
    if stride > 1 or network.arrays[x].shape[1] != outputs:
        x = sparse_conv(network, x, outputs, (1, 1), stride)
    return sparse_conv(network, y, outputs, (1, 1), residual=x)


def halved(engine):
    """Which layers run on halves."""
    return [info.name for info in engine.explain() if info.reason.endswith("on halves")]


def compare(network, threads, least=1):
    """Check all values against the oracle, and the outputs' bits against one thread's."""
    program = network.builder.program()
    engine = Engine(program, threads=threads, kernels=["sparse"])
    assert len(halved(engine)) >= least
    images = network.arrays[0].astype(np.float32)
    engine(np.full_like(images, np.nan))  # what lies in the arenas must not matter
    found = check(engine, network)
    one = Engine(program, kernels=["sparse"])
    assert halved(one) == []
    work = [[info.macs for info in each.explain()] for each in (engine, one)]
    assert work[0] == work[1]
    np.testing.assert_array_equal(engine(images), one(images))
    np.testing.assert_array_equal(engine(images[:1]), one(images[:1]))
    return engine, found


@pytest.mark.parametrize("threads", [2, 3, 4])
@pytest.mark.parametrize("images", [1, 3])
def test_a_residual_network(rng, threads, images):
    """Maps of 28x28 and 14x14 have halves; the one that a stride takes to 7 rows has none."""
    network = Network((3, 112, 112), images, rng)
    x = network.conv(0, 8, (7, 7), (2, 2), (3, 3, 3, 3), density=1.0)
    x = network.pool(x, "max", (3, 3), (2, 2), (1, 1, 1, 1))
    for outputs, stride in [(16, 1), (16, 1), (24, 2), (24, 1), (24, 2), (24, 1)]:
        x = block(network, x, 8, outputs, stride=stride)
    engine, _ = compare(network, threads)
    assert halved(engine) == ["conv0", *(f"conv{index}" for index in range(2, 16))]


@pytest.mark.parametrize("kernel", [(1, 3), (3, 1), (5, 5), (5, 3), (2, 2)])
@pytest.mark.parametrize("stride", [1, 2])
def test_windows_and_strides(rng, kernel, stride):
    """The rows that a half reads of the other one's, above and below."""
    network = Network((4, 24, 20), 2, rng)
    x = sparse_conv(network, 0, 6, (1, 1))
    above, left = (kernel[0] - 1) // 2, (kernel[1] - 1) // 2
    pads = [above, left, kernel[0] - 1 - above, kernel[1] - 1 - left]
    x = sparse_conv(network, x, 6, kernel, stride, pads)
    x = sparse_conv(network, x, 6, kernel, 1, pads)
    sparse_conv(network, x, 5, (1, 1))
    compare(network, 2, least=2)


def test_layers_alone_and_values_in_between(rng):
    network = Network((4, 28, 28), 1, rng)
    x = block(network, 0, 8, 16)
    x = block(network, x, 8, 16)
    block(network, x, 8, 16, stride=2)
    engine, found = compare(network, 2, least=8)
    names = [value["name"] for value in engine.program.values]
    for index, layer in enumerate(network.builder.layers):
        inputs = [found[names[value]] for value in layer["inputs"].values()]
        (alone,) = engine.run_layer(index, inputs)
        np.testing.assert_array_equal(alone, found[names[layer["output"]]])
    assert all(info.ms >= 0 for info in engine.explain(network.arrays[0].astype(np.float32)))


def draw_layer(draw, network):
    x = draw(st.sampled_from(list(network.arrays)[-3:]))
    shape = network.arrays[x].shape
    ops = [
        "conv",
        "conv",
        "conv",
        "dense",
        "grouped",
        "dilated",
        "pool",
        "average",
        "add",
        "concat",
    ]
    op = draw(st.sampled_from(ops))
    outputs = draw(st.sampled_from([3, 5, shape[1]]))
    fits = [k for k, a in network.arrays.items() if a.shape == (shape[0], outputs, *shape[2:])]
    residual = draw(st.sampled_from([None, *fits]))
    side = draw(st.sampled_from([1, 3, 3, 5]))
    stride = 2 if residual is None and min(shape[2:]) >= 8 and draw(st.booleans()) else 1
    if op == "conv":
        above = draw(st.integers(0, side - 1)) if residual is None and stride == 1 else side // 2
        pads = [above, side // 2, side - 1 - above, side // 2]
        sparse_conv(network, x, outputs, (side, side), stride, pads, residual)
    elif op == "dense":
        network.conv(x, outputs, (side, side), (1, 1), [side // 2] * 4, residual)
    elif op == "grouped":
        groups = draw(st.sampled_from([n for n in (1, 2, 3, shape[1]) if shape[1] % n == 0]))
        density = draw(st.sampled_from([0.3, 1.0]))
        pads = (side // 2,) * 4
        network.conv(
            x, shape[1], (side, side), (stride, stride), pads, groups=groups, density=density
        )
    elif op == "dilated":
        dilation = draw(st.integers(2, 4))
        network.conv(x, outputs, (3, 3), (1, 1), (dilation,) * 4, density=0.3, dilation=dilation)
    elif op == "concat":
        parts = [x, *(k for k, a in network.arrays.items() if a.shape[2:] == shape[2:])][:3]
        y = np.concatenate([network.arrays[k] for k in parts], 1)
        if y.shape[1] <= 16:
            network.add("concat", {"inputs": parts}, y, {"axis": 0})
    elif op == "pool":
        network.pool(x, "max", (3, 3), (stride, stride), (1, 1, 1, 1))
    elif op == "average":
        network.pool(x, "average", (3, 3), (stride, stride), (1, 1, 1, 1))
    else:
        network.add("add", {"a": x, "b": x}, 2 * network.arrays[x])


@st.composite
def networks(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    shape = (draw(st.sampled_from([1, 4])), draw(st.sampled_from([12, 16, 20, 23, 28])), 17)
    network = Network(shape, draw(st.sampled_from([1, 2, 3, 7])), rng)
    for _ in range(draw(st.integers(2, 9))):
        draw_layer(draw, network)
    return network


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(network=networks(), threads=st.sampled_from([2, 3, 5]))
def test_drawn_networks_have_the_bits_of_one_thread(network, threads):
    outputs = sorted(network.arrays)[1:][-3:]
    program = network.builder.program(outputs)
    engines = [Engine(program, threads=n, kernels=["sparse"]) for n in (1, threads)]
    images = network.arrays[0].astype(np.float32)
    for engine in engines:
        engine(np.full_like(images, np.nan))
    one, many = ([*engine(images)] for engine in engines)
    for a, b in zip(one, many, strict=True):
        np.testing.assert_array_equal(a, b)


def winograd_network(rng, side):
    network = Network((16, side, side), 1, rng)
    x = sparse_conv(network, 0, 16)
    for _ in range(2):
        x = network.conv(x, 16, (3, 3), (1, 1), (1,) * 4, density=0.4)
    return network


def test_winograd_has_the_same_bits_on_halves_of_whole_tiles(rng):
    network = winograd_network(rng, 32)
    choices = {f"conv{k}": "winograd" for k in range(3)}
    program = network.builder.program()
    one, two = (Engine(program, threads=n, choices=choices) for n in (1, 2))
    assert len(halved(two)) == 3
    images = network.arrays[0].astype(np.float32)
    np.testing.assert_array_equal(one(images), two(images))


def test_winograd_does_not_run_on_halves_of_other_tiles(rng):
    """A half of 28 rows has 14: tiles of 4 would be cut elsewhere than one thread cuts them."""
    program = winograd_network(rng, 28).builder.program()
    assert Engine(program, choices={"conv1": "winograd"}).explain()[1].algorithm == "winograd"
    with pytest.raises(UnsupportedOpError, match="got winograd on halves of 14 rows"):
        Engine(program, threads=2, choices={"conv1": "winograd"})
    assert Engine(program, threads=2, choices={"conv1": "sparse"})
