"""The engine's face: whole networks, threads, values, explanations, and clear errors."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import onnx
import onnx.numpy_helper
import onnx.parser
import pytest

from niwaki.errors import FormatError, RegistryError, ShapeError, ValueDomainError
from niwaki.runtime import Engine, isas, kernels, nwk

from . import oracle
from .programs import Builder, binary_tensors, rescale, weight_tensors

ISAS = [*isas(), "reference"]


def integer_network(rng):
    """Return (program, NumPy twin) of an integer BAP network with a residual, a pool and logits."""
    builder = Builder((3, 9, 9), form="integer")
    window = {"kernel": [3, 3], "pads": [1, 1, 1, 1]}
    stem = rng.integers(-50, 50, (20, 3, 3, 3)).astype(np.int8)
    weight = rng.integers(-90, 90, (20, 20, 3, 3)).astype(np.int8)
    weight[rng.random(weight.shape) < 0.9] = 0
    signs = rng.choice([-1, 1], weight.shape).astype(np.int8)
    dense = rng.integers(-50, 50, (10, 20)).astype(np.int8)
    level = rng.integers(5, 60, 20)
    shift = {"bias": np.arange(20) * 50, "shift": np.full(20, 12, np.uint8)}
    x = builder.layer("quantize_input", {"x": 0}, "s8", (3, 9, 9), {"inverse_scale": 40.0})
    a = builder.layer(
        "conv",
        {"x": x},
        "u8",
        (20, 9, 9),
        {**window, "weight": "dense"},
        {"weight": stem, "multiplier": np.full(20, 60, np.int16), **shift},
    )
    sign = {"sign": np.ones(20, np.int8), "level": level.astype(np.int32)}
    bits = builder.layer("threshold", {"x": a}, "u1", (20, 9, 9), {}, sign)
    b = builder.layer(
        "conv",
        {"x": a, "bits": bits, "residual": a},
        "u8",
        (20, 9, 9),
        {**window, "weight": "sparse"},
        {
            **weight_tensors(weight, "sparse"),
            **binary_tensors(signs),
            "multiplier": np.full(20, 9, np.int16),
            "binary.multiplier": np.full(20, 80, np.int16),
            "residual.multiplier": np.full(20, 2048, np.int16),
            **shift,
        },
    )
    whole = {"kernel": [9, 9]}
    c = builder.layer("sum_pool", {"x": b}, "u8", (20,), whole, rescale(20, 405, 0, 15))
    logits = {"weight": dense, "bias": np.arange(10)}
    d = builder.layer("linear", {"x": c}, "s32", (10,), {"weight": "dense"}, logits)
    builder.layer("dequantize", {"x": d}, "f32", (10,), {"scale": 0.5})

    def twin(image):
        x = np.clip(np.rint(image * np.float32(40)), -128, 127).astype(np.int64)
        rule = (shift["bias"], shift["shift"], 0, 255)
        acc = oracle.conv(x, stem.astype(np.int64), pads=(1, 1, 1, 1))
        a = oracle.requantize([acc], [[60] * 20], *rule)
        acc = oracle.conv(a, weight.astype(np.int64), pads=(1, 1, 1, 1))
        ones = (a >= level[:, None, None]).astype(np.int64)
        binary = oracle.conv(ones, signs.astype(np.int64), pads=(1, 1, 1, 1))
        b = oracle.requantize([acc, binary, a], [[9] * 20, [80] * 20, [2048] * 20], *rule)
        sums = b.sum((2, 3))
        c = oracle.requantize([sums], [[405] * 20], [0] * 20, [15] * 20, 0, 255)
        return ((c @ dense.T.astype(np.int64) + np.arange(10)) * 0.5).astype(np.float32)

    return builder.program(), twin


def test_an_integer_network_is_exact_on_every_isa_and_batch(rng):
    program, twin = integer_network(rng)
    x = rng.normal(size=(7, 3, 9, 9)).astype(np.float32)
    expected = twin(x)
    assert len(np.unique(expected)) > 20  # not saturated away
    for isa in ISAS:
        for threads in (1, 2):
            engine = Engine(program, threads=threads, isa=isa)
            for images in (0, 1, 2, 7):
                np.testing.assert_array_equal(engine(x[:images]), expected[:images])


def test_values_are_those_of_running_layer_by_layer(rng):
    """Buffers are shared between values that don't live at once: each is copied in time."""
    program, _ = integer_network(rng)
    engine = Engine(program)
    x = rng.normal(size=(3, 3, 9, 9)).astype(np.float32)
    values = engine.values(x)
    assert list(values) == [value["name"] for value in program.values]
    names = [value["name"] for value in program.values]
    for index, layer in enumerate(program.layers):
        inputs = [values[names[value]] for value in layer["inputs"].values()]
        (output,) = engine.run_layer(index, inputs)
        np.testing.assert_array_equal(output, values[names[layer["output"]]])
        (single,) = engine.run_layer(index, [array[1] for array in inputs])
        np.testing.assert_array_equal(single, output[1])
    np.testing.assert_array_equal(engine(x), values[names[-1]])
    assert values["threshold2.out"].dtype == np.float32
    assert set(np.unique(values["threshold2.out"])) == {0.0, 1.0}


def test_values_share_memory(rng):
    """A chain of twenty layers needs room for two values, not for twenty."""
    builder = Builder((8, 64, 64))
    value = 0
    for _ in range(20):
        relu = {"activation": {"kind": "relu"}}
        value = builder.layer("activation", {"x": value}, "f32", (8, 64, 64), relu)
    one = 8 * 64 * 64 * 4
    assert 2 * one <= Engine(builder.program()).memory_bytes < 3 * one


@pytest.mark.measures_memory
def test_values_that_no_memory_holds_are_refused():
    """A file of some hundred bytes may ask for gigabytes."""
    resource = pytest.importorskip("resource")
    shape = (1 << 10, 1 << 10, 1 << 9)  # 2 GiB
    builder = Builder(shape)
    builder.layer("activation", {"x": 0}, "f32", shape, {"activation": {"kind": "relu"}})
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (used + (1 << 30), limits[1]))
    try:
        with pytest.raises(ShapeError, match=r"must fit into memory, got \d+ MiB"):
            Engine(builder.program())
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


def test_several_outputs_come_as_a_tuple(rng):
    program, _ = integer_network(rng)
    program.header["outputs"] = [3, 7]
    bits, logits = Engine(program)(np.ones((2, 3, 9, 9), np.float32))
    assert bits.shape == (2, 20, 9, 9)
    assert bits.dtype == np.float32
    assert logits.shape == (2, 10)


def test_many_python_threads_share_one_engine(rng):
    program, twin = integer_network(rng)
    batches = [rng.normal(size=(3, 3, 9, 9)).astype(np.float32) for _ in range(8)]
    expected = [twin(batch) for batch in batches]
    for threads in (1, 2):
        engine = Engine(program, threads=threads)
        failures = []

        def work(index, engine=engine, failures=failures):
            for _ in range(20):
                if not np.array_equal(engine(batches[index]), expected[index]):
                    failures.append(index)

        workers = [threading.Thread(target=work, args=(index,)) for index in range(8)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        assert failures == []


def test_float_results_do_not_depend_on_threads_or_batch(rng):
    builder = Builder((16, 20, 20))
    weight = rng.normal(size=(70, 16, 3, 3)).astype(np.float32)
    attrs = {"kernel": [3, 3], "weight": "dense", "activation": {"kind": "silu"}}
    builder.layer("conv", {"x": 0}, "f32", (70, 18, 18), attrs, {"weight": weight})
    x = rng.normal(size=(3, 16, 20, 20)).astype(np.float32)
    program = builder.program()
    expected = Engine(program)(x)
    for threads in (2, 3, 4):
        engine = Engine(program, threads=threads)
        np.testing.assert_array_equal(engine(x), expected)
        np.testing.assert_array_equal(engine(x[1:2]), expected[1:2])


def test_subnormals_are_flushed_inside_and_only_there():
    builder = Builder((4,))
    tensors = {"scale": np.full(4, 0.5, np.float32), "bias": np.zeros(4, np.float32)}
    builder.layer("affine", {"x": 0}, "f32", (4,), {}, tensors)
    tiny = np.full((1, 4), 1e-39, np.float32)
    assert not Engine(builder.program())(tiny).any()
    assert (tiny * np.float32(0.5)).all()


def test_explain_says_what_runs_and_why(rng):
    program, _ = integer_network(rng)
    infos = Engine(program, isa="portable").explain()
    assert [info.op for info in infos] == [layer["op"] for layer in program.layers]
    bap = infos[3]
    assert bap.name == "conv3"
    assert bap.input_shapes == ((20, 9, 9),) * 3
    assert bap.output_shape == (20, 9, 9)
    assert bap.output_dtype == "u8"
    kept = np.count_nonzero(program.tensors["conv3.weight.values"])
    assert bap.density == pytest.approx(kept / (20 * 20 * 9))
    assert bap.macs == kept * 81
    assert bap.binary_macs == 20 * 20 * 9 * 81
    tensors = [program.tensors[name] for name in program.layers[3]["tensors"].values()]
    assert bap.weight_bits == sum(array.nbytes for array in tensors) * 8
    conv, binary = bap.kernel.split(" + ")
    assert conv.endswith("_portable")
    assert binary.endswith("_portable")
    assert bap.reason == "weights stored sparse; best within isa=portable, as asked"
    assert infos[1].density == pytest.approx(np.mean(program.tensors["conv1.weight"] != 0))
    assert infos[0].density is None
    assert all(info.ms > 0 for info in infos)
    assert dataclasses.asdict(bap)["index"] == 3
    automatic = Engine(program).explain(np.ones((1, 3, 9, 9), np.float32))
    assert automatic[1].reason == f"weights stored dense; best for this CPU ({isas()[0]})"


def test_a_kernel_is_forced_by_name(rng):
    program, twin = integer_network(rng)
    x = rng.normal(size=(1, 3, 9, 9)).astype(np.float32)
    for kernel in kernels():
        if kernel.op not in ("ConvSparseI16", "ConvB1") or not kernel.available:
            continue
        engine = Engine(program, kernels=[kernel.name])
        assert kernel.name in engine.explain()[3].kernel
        np.testing.assert_array_equal(engine(x), twin(x))
    with pytest.raises(RegistryError, match=r"\[kernels\] the kernel must exist .* got 'nope'"):
        Engine(program, kernels=["nope"])


def test_isas_and_kernels_are_listed():
    assert isas()[-1] == "portable"
    listed = kernels()
    assert len({kernel.name for kernel in listed}) == len(listed)
    assert {"portable", "reference"} <= {kernel.isa for kernel in listed}


def test_wrong_inputs_are_told_what_to_do(rng):
    program, _ = integer_network(rng)
    engine = Engine(program)
    with pytest.raises(
        ShapeError, match=r"x must have shape \(N, 3, 9, 9\), got shape \(1, 3, 9, 8\)\. Resize"
    ):
        engine(np.zeros((1, 3, 9, 8), np.float32))
    with pytest.raises(ShapeError, match=r"got shape \(3, 9, 9\)"):
        engine(np.zeros((3, 9, 9), np.float32))
    with pytest.raises(ValueDomainError, match=r"x must be float32, got uint8\. Convert it"):
        engine(np.zeros((1, 3, 9, 9), np.uint8))
    with pytest.raises(ValueDomainError, match="x must be float32, got list"):
        engine([[1.0]])
    with pytest.raises(RegistryError, match=r"\[isa\] the name must be one of auto, .*'sse9'"):
        Engine(program, isa="sse9")
    for threads in (0, 1.5, "2", None, True, 1025):
        with pytest.raises(ValueDomainError, match="threads must be in") as told:
            Engine(program, threads=threads)
        assert f"got {threads!r}" in str(told.value)
    assert Engine(program, threads=np.int64(2)).threads == 2
    with pytest.raises(ShapeError, match=r"input_shape must be \(3, 9, 9\)"):
        Engine(program, input_shape=(3, 8, 8))
    assert Engine(program, input_shape=(3, 9, 9)).input_shape == (3, 9, 9)
    # Slices and reversed views are as good as copies.
    x = rng.normal(size=(4, 3, 9, 18)).astype(np.float32)
    np.testing.assert_array_equal(engine(x[::2, :, :, ::2]), engine(x[::2, :, :, ::2].copy()))


def test_wrong_inputs_of_a_layer_are_named(rng):
    program, _ = integer_network(rng)
    engine = Engine(program)
    good = np.zeros((20, 9, 9))
    with pytest.raises(ValueDomainError, match=r"index must be in \[0, 7\), got 7"):
        engine.run_layer(7, [good])
    with pytest.raises(
        ShapeError, match=r"\[run_layer 3 \(conv3\)\] 3 inputs must be given, got 1"
    ):
        engine.run_layer(3, [good])
    with pytest.raises(ShapeError, match=r"'conv1.out' must have shape \(20, 9, 9\)"):
        engine.run_layer(2, [good[:, :8]])
    with pytest.raises(ValueDomainError, match=r"'threshold2\.out' must hold 0 and 1"):
        engine.run_layer(3, [good, good + 2, good])
    for wrong in (256, -1, 0.5, np.nan):
        with pytest.raises(ValueDomainError, match=r"'conv1\.out' must hold numbers that fit u"):
            engine.run_layer(2, [good + wrong])
    with pytest.raises(ShapeError, match="one batch size"):
        engine.run_layer(3, [np.zeros((2, 20, 9, 9)), np.zeros((2, 20, 9, 9)), good[None]])


LAYER_DAMAGES = {
    "kernel": (1, "attrs", {"kernel": [0, 3]}, "kernel must be 2 integers"),
    "strides": (1, "attrs", {"strides": [0, 1]}, "strides must be 2 integers"),
    "pads": (1, "attrs", {"pads": [-1, 0, 0, 0]}, "pads must be 4 integers"),
    "huge pads": (1, "attrs", {"pads": [2**40, 0, 0, 0]}, "pads must be 4 integers"),
    "other pads": (1, "attrs", {"pads": [2, 1, 1, 1]}, "the output must be 10 x 9"),
    "huge kernel": (1, "attrs", {"kernel": [2**20, 2**20]}, "the output must be 0 x 0"),
    "groups": (1, "attrs", {"groups": 2}, "groups must divide both channel counts, got 2"),
    "no groups": (1, "attrs", {"groups": 0}, "groups must be an integer in [1, 3]"),
    "binary groups": (3, "attrs", {"groups": 2}, "a binary branch must have groups = 1"),
    "storage": (1, "attrs", {"weight": "csr"}, "weight must be one of dense, sparse, none"),
    "none with x": (1, "attrs", {"weight": "none"}, "weight must be none exactly where"),
    "lo above hi": (1, "attrs", {"lo": 9, "hi": 8}, "lo must be at most hi"),
    "lo below u8": (1, "attrs", {"lo": -1}, "lo must be an integer in [0, 255]"),
    "scale": (0, "attrs", {"inverse_scale": -1.0}, "inverse_scale must be a positive"),
    "huge scale": (0, "attrs", {"inverse_scale": 1e300}, "inverse_scale must be a positive"),
    "pool": (4, "attrs", {"kernel": [8, 9]}, "the kernel must be the whole image"),
    "foreign input": (3, "inputs", {"bits": 2}, "bits must be u1, got u8"),
    "foreign role": (3, "inputs", {"y": 2}, "its inputs must be known, got 'y'"),
    "tensor dtype": (3, "tensors", {"bias": "conv3.shift"}, "bias must be s64, got u8"),
    "tensor shape": (
        3,
        "tensors",
        {"bias": "linear5.bias"},
        "bias must have shape (20,), got (10,)",
    ),
    "swapped": (3, "tensors", {"weight.counts": "conv3.weight.gaps"}, "weight.counts must be u16"),
}


@pytest.mark.parametrize("damage", LAYER_DAMAGES)
def test_a_layer_that_cannot_run_is_refused_at_load(damage, rng):
    index, part, change, message = LAYER_DAMAGES[damage]
    program, _ = integer_network(rng)
    layer = program.layers[index]
    layer[part] = {**layer[part], **change}
    with pytest.raises(FormatError) as caught:
        Engine(program)
    text = str(caught.value)
    assert text.startswith(f"[handmade] layer {index} ({layer['name']}), {layer['op']}: ")
    assert message in text


TENSOR_DAMAGES = {
    "shift 0": ("conv1.shift", lambda a: a * 0, "shift must be in [1, 40], got 0"),
    "shift 41": ("conv1.shift", lambda a: a * 0 + 41, "shift must be in [1, 40], got 41"),
    "bias": ("conv1.bias", lambda a: a + 2**47, "bias must fit 48 bits"),
    "logits": ("linear5.bias", lambda a: a + 2**31, "sum and bias must fit 32 bits"),
    "sign": ("threshold2.sign", lambda a: a * 0, "sign must be -1 or +1, got 0"),
    "counts": (
        "conv3.weight.counts",
        lambda a: a + (np.arange(20) == 19),
        "weight.counts must add up",
    ),
    "few counts": ("conv3.weight.counts", lambda a: a * 0, "weight.counts must add up"),
    "gaps": ("conv3.weight.gaps", lambda a: a * 0 + 255, "position must be below 180"),
    "values": ("conv3.weight.values", lambda a: a[1:], "weight.values must have shape"),
}


@pytest.mark.parametrize("damage", TENSOR_DAMAGES)
def test_a_tensor_out_of_range_is_refused_at_load(damage, rng):
    name, change, message = TENSOR_DAMAGES[damage]
    program, _ = integer_network(rng)
    old = program.tensors[name]
    program.tensors[name] = change(old).astype(old.dtype)
    with pytest.raises(FormatError) as caught:
        Engine(program)
    assert message in str(caught.value)


def test_sums_that_leave_32_bits_are_refused():
    builder = Builder((70_000,), form="integer")
    x = builder.layer("quantize_input", {"x": 0}, "s8", (70_000,), {"inverse_scale": 1.0})
    x = builder.layer("requantize", {"x": x}, "u8", (70_000,), {}, rescale(70_000))
    tensors = {"weight": np.full((1, 70_000), 127, np.int8), "bias": np.zeros(1, np.int64)}
    builder.layer("linear", {"x": x}, "s32", (1,), {"weight": "dense"}, tensors)
    with pytest.raises(FormatError, match="a sum of products must fit 32 bits"):
        Engine(builder.program())


def test_an_onnx_file_is_compiled_and_its_open_sides_are_given(tmp_path, rng):
    text = """<ir_version: 8, opset_import: ["": 18]>
    net (float[N,2,H,W] x) => (float[N,3,A,B] y) <float[3,2,3,3] weight> {
        conv = Conv <pads = [1, 1, 1, 1]> (x, weight)
        y = Relu(conv)
    }"""
    model = onnx.parser.parse_model(text)
    weight = rng.normal(size=(3, 2, 3, 3)).astype(np.float32)
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "weight"))
    path = tmp_path / "model.onnx"
    onnx.save(model, path)
    engine = Engine(path, input_shape=(2, 5, 7))
    x = rng.normal(size=(2, 2, 5, 7)).astype(np.float32)
    expected = np.maximum(oracle.conv(x, weight, pads=(1, 1, 1, 1)), 0)
    np.testing.assert_allclose(engine(x), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(ShapeError, match="must have shape"):
        engine(x[..., :6])


FRESH = """
import sys
import numpy
from niwaki.runtime import Engine, nwk
engine = Engine(sys.argv[1])
nwk.read(sys.argv[1])
engine(numpy.zeros((1, *engine.input_shape), "float32"))
engine.explain()
heavy = ("torch", "onnx", "onnx_ir", "onnxscript", "pydantic")
print([name for name in heavy if name in sys.modules])
"""


def test_a_nwk_loads_without_torch_or_onnx(tmp_path, rng):
    path = tmp_path / "model.nwk"
    nwk.write(path, integer_network(rng)[0])
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(path)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "[]\n", "")
