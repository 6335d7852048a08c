"""Windows that reach far beyond a small map: few weights must not ask for gigabytes of pads."""

import numpy as np
import pytest

from niwaki.runtime import Engine
from niwaki.runtime.program import Program


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation", "outputs"), [(1, 16001, 1, 1), (3, 1, 16000, 16)]
)
def test_pads_far_from_a_small_map_take_little_memory(kernel, stride, dilation, outputs):
    pad = 8000 if kernel == 1 else 16000
    weight = np.ones((outputs, 1, kernel, kernel), np.float32)
    attrs = {
        "kernel": [kernel, kernel],
        "pads": [pad] * 4,
        "strides": [stride, stride],
        "dilations": [dilation, dilation],
        "groups": 1,
        "weight": "dense",
        "activation": {"kind": "none"},
    }
    header = {
        "form": "float",
        "name": "far",
        "inputs": [0],
        "outputs": [1],
        "values": [
            {"name": "x", "dtype": "f32", "layout": "planes", "shape": [1, 1, 1]},
            {"name": "y", "dtype": "f32", "layout": "planes", "shape": [outputs, 1, 1]},
        ],
        "layers": [
            {
                "op": "conv",
                "name": "conv",
                "inputs": {"x": 0},
                "output": 1,
                "attrs": attrs,
                "tensors": {"weight": "w"},
            }
        ],
        "preprocess": {},
        "classes": [],
        "source": {},
    }
    engine = Engine(Program(header, {"w": weight}))
    x = np.full((2, 1, 1, 1), 3.0, np.float32)
    inside = kernel == 3  # the 1x1 window's only tap lies in the pads
    np.testing.assert_array_equal(engine(x), np.full((2, outputs, 1, 1), 3.0 * inside, np.float32))
    assert engine.memory_bytes < 8 << 20
