"""Work: counts worked out by hand."""

from __future__ import annotations

import numpy as np

from niwaki.formats import FORMATS
from niwaki.runtime import Program, nwk
from niwaki.targets import packed_bytes, total, work
from niwaki.targets.size import SizeTarget


def bap_program() -> Program:
    """A 3x3 convolution 2 -> 4 on 5x5 (7 non-zeros, 72 bits), and a dense linear layer 100 -> 3."""
    weight = np.zeros((4, 2, 3, 3), np.float32)
    weight.reshape(-1)[[0, 5, 17, 20, 40, 41, 71]] = 1.5
    entries = FORMATS.get("entries").encode(weight)
    signs = np.where(np.arange(72).reshape(4, 2, 3, 3) % 3 == 0, 1, -1).astype(np.int8)
    words = FORMATS.get("bit-planes").encode(signs)["words"]
    conv = {
        "kernel": [3, 3], "strides": [1, 1], "pads": [1, 1, 1, 1], "dilations": [1, 1],
        "groups": 1, "weight": "sparse", "activation": {"kind": "relu"},
    }  # fmt: skip
    values = [
        {"name": "x", "dtype": "f32", "layout": "planes", "shape": [2, 5, 5]},
        {"name": "bits", "dtype": "u1", "layout": "words", "shape": [2, 5, 5]},
        {"name": "h", "dtype": "f32", "layout": "planes", "shape": [4, 5, 5]},
        {"name": "flat", "dtype": "f32", "layout": "planes", "shape": [100]},
        {"name": "y", "dtype": "f32", "layout": "planes", "shape": [3]},
    ]
    tensors = {
        "t.sign": np.ones(2, np.int8),
        "t.level": np.zeros(2, np.float32),
        "c.counts": entries["counts"],
        "c.gaps": entries["gaps"],
        "c.values": entries["values"],
        "c.signs": words,
        "c.scale": np.ones(4, np.float32),
        "c.bias": np.zeros(4, np.float32),
        "f.weight": np.ones((3, 100), np.float32),
        "f.bias": np.zeros(3, np.float32),
    }
    layers = [
        {"op": "threshold", "name": "conv.bits", "inputs": {"x": 0}, "output": 1, "attrs": {},
         "tensors": {"sign": "t.sign", "level": "t.level"}},
        {"op": "conv", "name": "conv", "inputs": {"x": 0, "bits": 1}, "output": 2, "attrs": conv,
         "tensors": {"weight.counts": "c.counts", "weight.gaps": "c.gaps",
                     "weight.values": "c.values", "binary.weight": "c.signs",
                     "binary.scale": "c.scale", "bias": "c.bias"}},
        {"op": "reshape", "name": "flatten", "inputs": {"x": 2}, "output": 3, "attrs": {},
         "tensors": {}},
        {"op": "linear", "name": "fc", "inputs": {"x": 3}, "output": 4,
         "attrs": {"weight": "dense", "activation": {"kind": "none"}},
         "tensors": {"weight": "f.weight", "bias": "f.bias"}},
    ]  # fmt: skip
    header = {
        "form": "float", "name": "tiny", "inputs": [0], "outputs": [4], "values": values,
        "layers": layers, "preprocess": {}, "classes": [], "source": {},
    }  # fmt: skip
    return Program(header, tensors)


def test_counts_of_a_sparse_and_binary_convolution():
    conv = work(bap_program())[1]
    assert (conv.name, conv.op, conv.shape) == ("conv", "conv", (4, 2, 3, 3))
    assert (conv.weights, conv.nonzeros, conv.binary_weights) == (72, 7, 72)
    assert conv.multiplications == 7 * 25
    assert conv.binary_operations == 72 * 25
    assert conv.format == "sparse f32 + binary"
    # counts u16 x 4, gaps u8 x 7, values f32 x 7, words u64 x 36, scale and bias f32 x 4
    assert conv.bytes == 8 + 7 + 28 + 288 + 16 + 16


def test_counts_of_the_other_layers():
    bits, _, flatten, fc = work(bap_program())
    assert (bits.shape, bits.multiplications, bits.format) == ((), 0, "")
    assert flatten.bytes == 0
    assert (fc.shape, fc.multiplications, fc.format) == ((3, 100), 300, "dense f32")


def test_fillers_are_no_weights():
    program = bap_program()
    long = np.zeros((1, 600), np.float32)
    long[0, 599] = 2
    encoded = FORMATS.get("entries").encode(long)
    assert encoded["values"].size == 3
    layer = program.layers[3]
    layer["attrs"]["weight"] = "sparse"
    layer["tensors"] = {f"weight.{role}": f"f.{role}" for role in encoded}
    program.tensors.update({f"f.{role}": array for role, array in encoded.items()})
    assert work(program)[3].nonzeros == 1


def test_totals_add_up():
    assert total(work(bap_program())) == {
        "weights": 372,
        "nonzeros": 307,
        "binary_weights": 72,
        "multiplications": 475,
        "binary_operations": 1800,
    }


def test_size_is_that_of_the_file(tmp_path):
    program = bap_program()
    nwk.write(tmp_path / "m.nwk", program)
    size = (tmp_path / "m.nwk").stat().st_size
    assert packed_bytes(program) == size
    assert SizeTarget().price(program) == {"size_kb": size / 1000, "macs": 475.0}
