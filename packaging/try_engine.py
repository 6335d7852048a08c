"""Run a small network, packed and sparse, on every instruction set that this CPU has."""

from __future__ import annotations

import numpy as np

import niwaki
from niwaki.formats import FORMATS
from niwaki.runtime import Program, isas, nwk


def network() -> Program:
    """Return a sparse convolution and a dense one, each with a ReLU."""
    rng = np.random.default_rng(0)
    weight = rng.normal(size=(32, 8, 3, 3)).astype(np.float32)
    weight[rng.random(weight.shape) < 0.9] = 0
    tensors = {f"a.{key}": array for key, array in FORMATS.get("entries").encode(weight).items()}
    tensors["b"] = rng.normal(size=(16, 32, 3, 3)).astype(np.float32)
    attrs = {"kernel": [3, 3], "pads": [1, 1, 1, 1], "activation": {"kind": "relu"}}
    sparse = {f"weight.{key}": f"a.{key}" for key in ("counts", "gaps", "values")}
    plan = [("sparse", sparse), ("dense", {"weight": "b"})]
    layers = [
        {
            "op": "conv",
            "name": f"conv{index}",
            "inputs": {"x": index},
            "output": index + 1,
            "attrs": {**attrs, "weight": storage},
            "tensors": names,
        }
        for index, (storage, names) in enumerate(plan)
    ]
    values = [
        {"name": f"v{index}", "dtype": "f32", "layout": "planes", "shape": [channels, 20, 20]}
        for index, channels in enumerate((8, 32, 16))
    ]
    header = {"form": "float", "name": "wheel", "inputs": [0], "outputs": [2]}
    return Program({**header, "values": values, "layers": layers}, tensors)


def main() -> None:
    """Pack, load, run; every instruction set must agree with the plain reference."""
    nwk.write("wheel.nwk", network())
    x = np.random.default_rng(1).normal(size=(2, 8, 20, 20)).astype(np.float32)
    expected = niwaki.Engine("wheel.nwk", isa="reference")(x)
    for isa in isas():
        got = niwaki.Engine("wheel.nwk", isa=isa)(x)
        difference = float(abs(got - expected).max())
        assert difference <= 1e-4 * abs(expected).max(), (isa, difference)
        print(f"{isa}: differs from the reference by {difference:.1e}")
    print(f"best here: {niwaki.Engine('wheel.nwk').isa}")


if __name__ == "__main__":
    main()
