"""Run the C API's example on an emulated CPU and compare its scores with Python's here.

python cpp/check/example.py BUILD EMULATOR ...
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np

import niwaki
from niwaki.formats import FORMATS
from niwaki.runtime import Program, nwk


def network(rng: np.random.Generator) -> Program:
    """Return convolutions (sparse; dense with strides), a pool and a classifier."""
    sparse = rng.normal(size=(16, 3, 3, 3)).astype(np.float32)
    sparse[rng.random(sparse.shape) < 0.8] = 0
    tensors = {f"a.{key}": array for key, array in FORMATS.get("entries").encode(sparse).items()}
    tensors["b.weight"] = rng.normal(size=(24, 16, 3, 3)).astype(np.float32) / 12
    tensors["b.bias"] = rng.normal(size=24).astype(np.float32)
    tensors["c.weight"] = rng.normal(size=(10, 24)).astype(np.float32)
    relu = {"activation": {"kind": "relu"}}
    window = {"kernel": [3, 3], "pads": [1, 1, 1, 1], **relu}
    steps = [
        ("conv", "a", {**window, "weight": "sparse"}, ["counts", "gaps", "values"], [16, 23, 19]),
        ("conv", "b", {**window, "strides": [2, 2], "weight": "dense"}, ["", "bias"], [24, 12, 10]),
        ("global_average_pool", "pool", {}, [], [24]),
        ("linear", "c", {"weight": "dense"}, [""], [10]),
    ]
    values = [{"name": "x", "dtype": "f32", "layout": "planes", "shape": [3, 23, 19]}]
    layers = []
    for index, (op, name, attrs, roles, shape) in enumerate(steps):
        named = {}
        for role in roles:
            if role == "bias":
                named["bias"] = f"{name}.bias"
            elif role == "":
                named["weight"] = f"{name}.weight"
            else:
                named[f"weight.{role}"] = f"{name}.{role}"
        values.append({"name": name, "dtype": "f32", "layout": "planes", "shape": shape})
        layers.append(
            {
                "op": op,
                "name": name,
                "inputs": {"x": index},
                "output": index + 1,
                "attrs": attrs,
                "tensors": named,
            }
        )
    header = {"form": "float", "name": "example", "inputs": [0], "outputs": [len(steps)]}
    return Program({**header, "values": values, "layers": layers}, tensors)


def main() -> int:
    """Print the largest difference; return 0 when it is rounding."""
    build, emulator = Path(sys.argv[1]), sys.argv[2:]
    rng = np.random.default_rng(5)
    program = network(rng)
    nwk.write(build / "example.nwk", program)
    x = rng.normal(size=(3, 3, 23, 19)).astype(np.float32)
    x.tofile(build / "example.f32")
    scores = build / "scores.f32"
    scores.unlink(missing_ok=True)
    done = subprocess.run(
        [*emulator, build / "classify", build / "example.nwk", build / "example.f32"],
        env={**os.environ, "NIWAKI_DUMP": str(scores)},
        check=True,
        capture_output=True,
        text=True,
    )
    expected = niwaki.Engine(program)(x)
    got = np.fromfile(scores, np.float32).reshape(expected.shape)
    difference = float(abs(got - expected).max())
    print(done.stdout, end="")
    print(f"C API under {' '.join(emulator)}: differs from here by at most {difference:.2g}")
    return int(not difference <= 1e-4 * abs(expected).max())


if __name__ == "__main__":
    raise SystemExit(main())
