"""Every convolution algorithm of the registry against NumPy: a line in algorithms.inc is tested.

The binding puts NaN wherever an algorithm must not depend on memory, and refuses outputs whose pad
columns aren't zeros or that reach between planes.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from niwaki import _core
from niwaki.runtime import isas

from . import oracle

ALGORITHMS = _core.algorithms()
ISAS = [*isas(), "reference"]
TOLERANCE = {"winograd": 1e-4, "winograd_phases": 1e-4}
"""Of the layer's largest |value|; 1e-5 for the others."""
ACTIVATIONS = {
    "none": {},
    "relu": {},
    "leaky_relu": {"alpha": 0.1},
    "clip": {"lo": 0.0, "hi": 6.0},
    "sigmoid": {},
    "hard_sigmoid": {"alpha": 0.2, "beta": 0.5},
    "hard_swish": {},
    "silu": {},
    "tanh": {},
}


def activate(x, kind, alpha=0.0, beta=0.0, lo=0.0, hi=0.0):
    """Return the activation in float64."""
    sigmoid = 1 / (1 + np.exp(-x))
    return {
        "none": lambda: x,
        "relu": lambda: np.maximum(x, 0),
        "leaky_relu": lambda: np.where(x < 0, alpha * x, x),
        "clip": lambda: np.clip(x, lo, hi),
        "sigmoid": lambda: sigmoid,
        "hard_sigmoid": lambda: np.clip(alpha * x + beta, 0, 1),
        "hard_swish": lambda: x * np.clip(x / 6 + 0.5, 0, 1),
        "silu": lambda: x * sigmoid,
        "tanh": lambda: np.tanh(x),
    }[kind]()


@st.composite
def problems(draw):
    """Draw the arguments of a convolution and its result in float64."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    groups = draw(st.sampled_from([1, 1, 1, 2, 3, 0]))  # 0: depthwise
    if draw(st.booleans()):  # the windows of networks, on maps of their size
        side = draw(st.sampled_from([1, 3, 5, 7]))
        kernel, pads = (side, side), (side // 2,) * 4
        strides = draw(st.sampled_from([(1, 1), (2, 2)]))
        dilations = (1, 1)
        size = draw(st.sampled_from([(7, 7), (14, 14), (15, 13), (28, 29), (6, 40)]))
    else:
        kernel = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
        strides = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
        dilations = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
        pads = draw(st.tuples(*[st.integers(0, 3)] * 4))
        size = tuple(
            max(1, (kernel[i] - 1) * dilations[i] + 1 - pads[i] - pads[i + 2])
            + draw(st.integers(0, 20))
            for i in range(2)
        )
    inputs = draw(st.sampled_from([1, 2, 3, 8, 17]))
    outputs = draw(st.sampled_from([1, 2, 4, 7, 16, 21]))
    if groups == 0:
        groups, inputs, outputs = inputs, 1, draw(st.sampled_from([1, 1, 2]))
    elif groups > 1:
        inputs, outputs = min(inputs, 8), min(outputs, 7)
    density = draw(st.sampled_from([0.0, 0.1, 0.3, 1.0]))
    shape = (outputs * groups, inputs, *kernel)
    kept = rng.random(shape) < density
    if draw(st.booleans()):  # zeros in blocks of four outputs
        kept = np.repeat(kept[::4], 4, axis=0)[: shape[0]]
    weight = (rng.normal(size=shape) * kept).astype(np.float32)
    images = draw(st.integers(1, 3))
    x = rng.normal(size=(images, inputs * groups, *size)).astype(np.float32)
    kind = draw(st.sampled_from(list(ACTIVATIONS)))
    arguments = {
        "input": x,
        "weight": weight,
        "kernel": kernel,
        "strides": strides,
        "dilations": dilations,
        "pads": pads,
        "groups": groups,
        "activation": kind,
        **ACTIVATIONS[kind],
        "isa": draw(st.sampled_from(ISAS)),
        "geometry": draw(st.sampled_from(["compact", "padded", "apart"])),
        "stored": draw(st.sampled_from(["dense", "sparse"])),
        "threads": draw(st.sampled_from([1, 2, 5])),
        "max_images": images + draw(st.sampled_from([0, 2])),
    }
    total = oracle.conv(
        x.astype(np.float64), weight.astype(np.float64), strides, pads, dilations, groups
    )
    if draw(st.booleans()):
        arguments["bias"] = rng.normal(size=shape[0]).astype(np.float32)
        total += arguments["bias"][:, None, None]
    if draw(st.booleans()):
        arguments["residual"] = rng.normal(size=total.shape).astype(np.float32)
        total += arguments["residual"]
    return arguments, total, activate(total, kind, **ACTIVATIONS[kind])


def run(algorithm, arguments, tuning=None, **more):
    return _core.run_convolution(algorithm, tuning or {}, **arguments, **more)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@settings(
    deadline=None,
    max_examples=80,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
@given(problem=problems(), data=st.data())
def test_algorithm(algorithm, problem, data):
    arguments, total, expected = problem
    choices = _core.convolution_choices(**arguments)
    if algorithm not in choices:
        return
    milliseconds, tunings = choices[algorithm]
    assert milliseconds >= 0
    assert len(tunings) >= 1
    tuning = data.draw(st.sampled_from(tunings))
    got = run(algorithm, arguments, tuning)
    assert got.shape == expected.shape
    largest = max(1.0, float(np.abs(total).max()))
    error = float(np.abs(got - expected).max())
    assert error <= TOLERANCE.get(algorithm, 1e-5) * largest, tuning
    # One order of sums: neither the tuning nor tasks, threads, or the batch may change a bit.
    np.testing.assert_array_equal(run(algorithm, arguments, tunings[0], backwards=1), got)
    if "residual" in arguments:  # the engine lets an output take a residual's memory
        np.testing.assert_array_equal(run(algorithm, arguments, tuning, over_residual=1), got)
    one = {**arguments, "input": arguments["input"][-1:].copy(), "threads": 1, "max_images": 1}
    if "residual" in one:
        one["residual"] = one["residual"][-1:].copy()
    np.testing.assert_array_equal(run(algorithm, one, tuning), got[-1:])
    if _core.convolution_bands(algorithm, **arguments):
        rows = data.draw(st.integers(1, 9))
        np.testing.assert_array_equal(run(algorithm, arguments, {}, rows=rows), got)


def test_reference_takes_everything():
    weight = np.ones((1, 1, 1, 1), np.float32)
    arguments = {"kernel": (1, 1), "strides": (1, 1), "pads": (0,) * 4, "isa": "auto"}
    choices = _core.convolution_choices(input=weight, weight=weight, **arguments)
    assert "reference" in choices


def test_unknown_algorithm_is_named():
    weight = np.ones((1, 1, 1, 1), np.float32)
    arguments = {"kernel": (1, 1), "strides": (1, 1), "pads": (0,) * 4, "isa": "auto"}
    with pytest.raises(ValueError, match="algorithms\\(\\) lists, got nope"):
        _core.run_convolution("nope", {}, input=weight, weight=weight, **arguments)


@pytest.mark.parametrize("isa", ISAS[:-1])
@pytest.mark.parametrize("algorithm", ["winograd", "winograd2"])
@pytest.mark.parametrize("size", [(7, 7), (5, 13), (14, 30)])
def test_short_filters(algorithm, size, isa, rng):
    """3x3 windows with channels enough for Winograd, which random problems rarely have."""
    inputs, outputs = 19, 37
    x = rng.normal(size=(2, inputs, *size)).astype(np.float32)
    weight = rng.normal(size=(outputs, inputs, 3, 3)).astype(np.float32)
    for pads, geometry in (((1, 1, 1, 1), "padded"), ((0, 2, 3, 0), "compact")):
        residual = oracle.conv(x, weight, (1, 1), pads, (1, 1), 1)
        arguments = {
            "input": x,
            "weight": weight,
            "bias": rng.normal(size=outputs).astype(np.float32),
            "residual": rng.normal(size=residual.shape).astype(np.float32),
            "kernel": (3, 3),
            "strides": (1, 1),
            "pads": pads,
            "activation": "relu",
            "isa": isa,
            "geometry": geometry,
            "stored": "dense",
        }
        total = oracle.conv(
            x.astype(np.float64), weight.astype(np.float64), (1, 1), pads, (1, 1), 1
        )
        total += arguments["bias"][:, None, None] + arguments["residual"]
        tolerance = TOLERANCE.get(algorithm, 1e-5) * np.abs(total).max()
        _, tunings = _core.convolution_choices(**arguments)[algorithm]
        first = run(algorithm, arguments, tunings[0])
        assert np.abs(first - np.maximum(total, 0)).max() <= tolerance
        for tuning in [*tunings[1:], {"rows": 1}]:
            np.testing.assert_array_equal(run(algorithm, arguments, tuning, backwards=1), first)


@pytest.mark.parametrize("isa", ISAS[:-1])
@pytest.mark.parametrize(
    ("kernel", "strides", "pads"),
    [
        ((7, 7), (2, 2), (3, 3, 3, 3)),
        ((11, 11), (4, 4), (2, 2, 2, 2)),
        ((5, 4), (1, 2), (0, 3, 1, 2)),
        ((3, 3), (1, 1), (1, 1, 1, 1)),
        ((7, 6), (3, 3), (2, 1, 0, 3)),
    ],
)
def test_stems(kernel, strides, pads, isa, rng):
    """Windows of 2 to 5 taps a phase, whose rows end within a vector, a quad and a tile."""
    x = rng.normal(size=(2, 3, 41, 75)).astype(np.float32)
    weight = rng.normal(size=(11, 3, *kernel)).astype(np.float32)
    total = oracle.conv(x.astype(np.float64), weight.astype(np.float64), strides, pads, (1, 1), 1)
    arguments = {
        "input": x,
        "weight": weight,
        "bias": rng.normal(size=11).astype(np.float32),
        "residual": rng.normal(size=total.shape).astype(np.float32),
        "kernel": kernel,
        "strides": strides,
        "pads": pads,
        "activation": "relu",
        "isa": isa,
        "stored": "dense",
    }
    total += arguments["bias"][:, None, None] + arguments["residual"]
    for geometry in ("padded", "compact", "apart"):
        arguments["geometry"] = geometry
        _, tunings = _core.convolution_choices(**arguments)["winograd_phases"]
        first = run("winograd_phases", arguments, tunings[0])
        assert np.abs(first - np.maximum(total, 0)).max() <= 2e-5 * np.abs(total).max()
        for tuning in [*tunings[1:], {"rows": 1}, {"rows": 3}]:
            got = run("winograd_phases", arguments, tuning, backwards=1)
            np.testing.assert_array_equal(got, first)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(problem=problems(), tile=st.integers(1, 9), block=st.integers(1, 20), rows=st.integers(0, 5))
def test_packed_activations_change_no_bit(problem, tile, block, rows):
    """Whatever the window, stride and geometry: packed tiles add the same products in one order."""
    arguments, _, _ = problem
    if "sparse" not in _core.convolution_choices(**arguments):
        return
    plain = run("sparse", arguments, {"pack": 0})
    packed = {"tile": tile, "block": block, "pack": 1}
    np.testing.assert_array_equal(run("sparse", arguments, packed), plain)
    if rows and _core.convolution_bands("sparse", **arguments):
        np.testing.assert_array_equal(run("sparse", arguments, packed, rows=rows), plain)


def test_packed_activations_are_tried_where_taps_lie_beside_the_grid(rng):
    weight = rng.normal(size=(64, 64, 3, 3)).astype(np.float32)
    weight *= rng.random(weight.shape) < 0.3
    x = rng.normal(size=(1, 64, 7, 7)).astype(np.float32)
    rest = {"strides": (1, 1), "isa": "auto", "stored": "sparse"}
    arguments = {"input": x, "weight": weight, "kernel": (3, 3), "pads": (1,) * 4, **rest}
    tunings = _core.convolution_choices(**arguments)["sparse"][1]
    assert any(tuning.get("pack") == 1 for tuning in tunings)
    one = weight[:, :, :1, :1].copy()
    arguments = {"input": x, "weight": one, "kernel": (1, 1), "pads": (0,) * 4, **rest}
    tunings = _core.convolution_choices(**arguments)["sparse"][1]
    assert not any("pack" in tuning for tuning in tunings)
