"""Programs made by hand: a builder, and one-layer programs for `run_layer`."""

from __future__ import annotations

import numpy as np

from niwaki.formats import FORMATS
from niwaki.runtime import Program


class Builder:
    """Collect values, layers and tensors of a program.

    The program's input is f32, value 0. `feed` makes a value of any dtype and shape exist, so that
    a layer under test can be run alone with `run_layer`.
    """

    def __init__(self, input_shape=(1, 1, 1), form="float"):
        self.form = form
        self.values = []
        self.layers = []
        self.tensors = {}
        self.input = self.value("x", "f32", input_shape)

    def value(self, name, dtype, shape):
        layout = "words" if dtype == "u1" else "planes"
        self.values.append({"name": name, "dtype": dtype, "layout": layout, "shape": list(shape)})
        return len(self.values) - 1

    def layer(self, op, inputs, dtype, shape, attrs=None, tensors=None):
        """Add a layer; return its output's id."""
        index = len(self.layers)
        name = f"{op}{index}"
        output = self.value(f"{name}.out", dtype, shape)
        names = {}
        for role, array in (tensors or {}).items():
            names[role] = f"{name}.{role}"
            self.tensors[names[role]] = array
        self.layers.append(
            {
                "op": op,
                "name": name,
                "inputs": inputs,
                "output": output,
                "attrs": attrs or {},
                "tensors": names,
            }
        )
        return output

    def feed(self, dtype, shape):
        """Return a value of that kind, made from the input in a few layers (of a (1, 1, 1) one)."""
        channels, height, width = (*shape, 1, 1)[:3]
        pads = [0, 0, 0, channels - 1, height - 1, width - 1]
        value = self.layer(
            "pad", {"x": self.input}, "f32", (channels, height, width), {"pads": pads}
        )
        if len(shape) == 1:
            value = self.layer("reshape", {"x": value}, "f32", shape)
        if dtype in ("s8", "u8", "s32"):
            value = self.layer("quantize_input", {"x": value}, "s8", shape, {"inverse_scale": 1.0})
        if dtype == "u8":
            value = self.layer("requantize", {"x": value}, "u8", shape, {}, rescale(channels))
        if dtype == "s32":
            assert len(shape) == 1, "s32 comes from a linear layer"
            value = self.layer(
                "linear",
                {"x": value},
                "s32",
                shape,
                {"weight": "dense"},
                {"weight": np.eye(channels, dtype=np.int8), "bias": np.zeros(channels, np.int64)},
            )
        if dtype == "u1":
            value = self.layer(
                "threshold",
                {"x": value},
                "u1",
                shape,
                {},
                {"sign": np.ones(channels, np.int8), "level": np.zeros(channels, np.float32)},
            )
        return value

    def program(self, outputs=None, **more):
        header = {
            "form": self.form,
            "name": "handmade",
            "inputs": [self.input],
            "outputs": outputs or [self.layers[-1]["output"]],
            "values": self.values,
            "layers": self.layers,
            "preprocess": {},
            "classes": [],
            "source": {},
        }
        return Program({**header, **more}, self.tensors)

    @property
    def last(self):
        """The index of the last layer, for `run_layer`."""
        return len(self.layers) - 1


def rescale(channels, multiplier=2, bias=0, shift=1):
    """Return requantisation tensors, the same for every channel; by default the identity."""
    return {
        "multiplier": np.full(channels, multiplier, np.int16),
        "bias": np.full(channels, bias, np.int64),
        "shift": np.full(channels, shift, np.uint8),
    }


def weight_tensors(weight, storage):
    """Return the tensors of a dense or sparse weight."""
    if storage == "dense":
        return {"weight": weight}
    encoded = FORMATS.get("entries").encode(weight)
    return {f"weight.{role}": array for role, array in encoded.items()}


def binary_tensors(signs):
    """Return the tensors of a {-1, +1} weight."""
    return {"binary.weight": FORMATS.get("bit-planes").encode(signs)["words"]}
