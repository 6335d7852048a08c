"""The layer view: what becomes one layer, what doesn't, and what is refused."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from niwaki import graph
from niwaki.errors import ShapeError, UnsupportedOpError
from niwaki.graph.layers import layers, view


@pytest.fixture
def graph_of(parse):
    """Read ONNX's text form; keyword arguments are initializers by name."""

    def make(text, **arrays):
        model = parse(text)
        for name, array in arrays.items():
            values = (v for node in model.graph for v in node.inputs if v is not None)
            value = next(v for v in values if v.name == name)
            value.const_value = ir.tensor(np.asarray(array), name=name)
            value.shape, value.dtype = ir.Shape(value.const_value.shape), value.const_value.dtype
            model.graph.register_initializer(value)
        return graph.from_proto(graph.to_proto(model))

    return make


def kinds(model, **options):
    return [layer.op for layer in layers(model, **options)]


def floats(rng, *shape):
    return rng.normal(size=shape).astype(np.float32)


@pytest.fixture
def bap_arrays(rng):
    return {
        "w": floats(rng, 4, 4, 3, 3),
        "b": floats(rng, 4),
        "latent": np.where(rng.random((4, 4, 3, 3)) < 0.5, -1, 1).astype(np.float32),
        "t": floats(rng, 4, 1, 1),
        "sign": np.array([1, -1, 1, -1], np.float32).reshape(4, 1, 1),
        "level": floats(rng, 4, 1, 1),
    }


def bap_text(sums, threshold="xs = Mul(x, sign)\n over = GreaterOrEqual(xs, level)"):
    """Return a network of one BAP layer; `sums` says how s, scaled and x become total."""
    return f"""
    bap (float[N,4,6,5] x) => (float[N,4,6,5] y) <float one = {{1.0}}, float zero = {{0.0}}> {{
      {threshold}
      raw = Cast <to = 1> (over)
      [quant] bits = qonnx.custom_op.general.Quant
        <signed = 0, narrow = 0, rounding_mode = "ROUND"> (raw, one, zero, one)
      v = qonnx.custom_op.general.BipolarQuant(latent, one)
      [conv_weighted] s = Conv <pads = [1, 1, 1, 1]> (x, w, b)
      [conv] acc = Conv <pads = [1, 1, 1, 1]> (bits, v)
      scaled = Mul(acc, t)
      {sums}
      [relu] y = Relu(total)
    }}"""


@pytest.mark.parametrize(
    "sums",
    [
        "t1 = Add(s, scaled)\n total = Add(t1, x)",
        "t1 = Add(x, scaled)\n total = Add(s, t1)",
        "t1 = Add(x, s)\n total = Add(scaled, t1)",
        "total = Sum(scaled, x, s)",
    ],
)
def test_a_bap_layer_is_one_layer_in_any_order_of_adds(graph_of, bap_arrays, sums):
    threshold, conv = layers(graph_of(bap_text(sums), **bap_arrays))
    assert (threshold.op, threshold.output, threshold.dtype) == ("threshold", "bits", "u1")
    np.testing.assert_array_equal(threshold.arrays["sign"], [1, -1, 1, -1])
    np.testing.assert_array_equal(threshold.arrays["level"], bap_arrays["level"].ravel())
    assert conv.inputs == {"x": "x", "bits": "bits", "residual": "x"}
    assert (conv.name, conv.output, conv.shape) == ("conv", "y", (4, 6, 5))
    assert conv.attrs["activation"] == {"kind": "relu"}
    np.testing.assert_array_equal(conv.arrays["weight"], bap_arrays["w"])
    np.testing.assert_array_equal(conv.arrays["bias"], bap_arrays["b"])
    np.testing.assert_array_equal(conv.arrays["binary.weight"], bap_arrays["latent"])
    np.testing.assert_array_equal(conv.arrays["binary.scale"], bap_arrays["t"].ravel())


def test_at_most_is_at_least_of_the_negative(graph_of, bap_arrays):
    del bap_arrays["sign"]
    sums = "t1 = Add(s, scaled)\n total = Add(t1, x)"
    model = graph_of(bap_text(sums, "over = LessOrEqual(x, level)"), **bap_arrays)
    threshold = layers(model)[0]
    np.testing.assert_array_equal(threshold.arrays["sign"], [-1] * 4)
    np.testing.assert_array_equal(threshold.arrays["level"], -bap_arrays["level"].ravel())


def test_a_value_read_twice_is_a_value_of_its_own(graph_of, rng):
    model = graph_of(
        """twice (float[N,2,4,4] x) => (float[N,2,4,4] y) {
          c = Conv(x, w)
          r = Relu(c)
          y = Add(r, c)
        }""",
        w=floats(rng, 2, 2, 1, 1),
    )
    found = layers(model)
    assert [(layer.op, layer.output) for layer in found] == [
        ("conv", "c"),
        ("activation", "r"),
        ("add", "y"),
    ]
    assert found[0].attrs["activation"] == {"kind": "none"}


def test_an_output_in_the_middle_is_not_fused_away(graph_of, rng):
    model = graph_of(
        "two (float[N,2,4,4] x) => (float[N,2,4,4] c, float[N,2,4,4] y) "
        "{ c = Conv(x, w)\n y = Relu(c) }",
        w=floats(rng, 2, 2, 1, 1),
    )
    assert kinds(model) == ["conv", "activation"]
    assert view(model).outputs == ["c", "y"]


def test_the_larger_convolution_takes_the_projection_as_its_residual(graph_of, rng):
    model = graph_of(
        """block (float[N,2,8,8] x) => (float[N,3,4,4] y) {
          p = Conv <strides = [2, 2]> (x, wp)
          c = Conv <strides = [2, 2], pads = [1, 1, 1, 1]> (x, wc)
          s = Add(p, c)
          y = Relu(s)
        }""",
        wp=floats(rng, 3, 2, 1, 1),
        wc=floats(rng, 3, 2, 3, 3),
    )
    projection, conv = layers(model)
    assert projection.output == "p"
    assert conv.inputs == {"x": "x", "residual": "p"}
    assert conv.output == "y"


def test_sums_of_many_values_become_adds_in_a_row(graph_of):
    model = graph_of(
        """sums (float[N,2,3,3] x) => (float[N,2,3,3] y) {
          a = Relu(x)
          b = Sigmoid(x)
          c = Tanh(x)
          ab = Add(a, b)
          abc = Add(ab, c)
          y = Relu(abc)
        }"""
    )
    first, second = layers(model)[-2:]
    assert (first.op, second.op) == ("add", "add")
    assert set(second.inputs.values()) == {first.output, "c"}
    assert set(first.inputs.values()) == {"a", "b"}
    assert (second.output, second.attrs["activation"]["kind"]) == ("y", "relu")


def test_factors_and_batch_norm_join_the_weights(graph_of, rng):
    model = graph_of(
        """affine (float[N,2,3,3] x) => (float[N,2,3,3] y) {
          c = Conv(x, w, b)
          n = BatchNormalization <epsilon = 0.25> (c, g, o, m, v)
          y = Mul(n, k)
        }""",
        w=floats(rng, 2, 2, 1, 1),
        b=np.array([1, 2], np.float32),
        g=np.array([2, 3], np.float32),
        o=np.array([5, 6], np.float32),
        m=np.array([1, 0], np.float32),
        v=np.array([0.75, 3.75], np.float32),
        k=np.array(2, np.float32),
    )
    (conv,) = layers(model)
    # By hand: 2 * (g * (c - m) / sqrt(v + eps) + o); square roots are 1 and 2.
    np.testing.assert_allclose(conv.arrays["bias"], [2 * 5, 2 * (1.5 * 2 + 6)], rtol=1e-6)
    weight = next(v for v in model.graph.initializers.values() if v.name == "w")
    factors = np.array([4, 3], np.float32).reshape(2, 1, 1, 1)
    np.testing.assert_allclose(conv.arrays["weight"], weight.const_value.numpy() * factors)


def test_scales_and_offsets_alone_are_one_affine_layer(graph_of):
    model = graph_of(
        """affine (float[N,2,3,3] x) => (float[N,2,3,3] y)
        <float[2,1,1] k = {2.0, 4.0}, float[2,1,1] o = {1.0, -1.0}, float d = {2.0}> {
          a = Mul(x, k)
          b = Add(a, o)
          c = Div(b, d)
          y = Relu(c)
        }"""
    )
    (affine,) = layers(model)
    assert affine.op == "affine"
    np.testing.assert_array_equal(affine.arrays["scale"], [1, 2])
    np.testing.assert_array_equal(affine.arrays["bias"], [0.5, -0.5])
    assert affine.attrs["activation"] == {"kind": "relu"}


@pytest.mark.parametrize(
    "flags", ["transB = 1", "transB = 0", "transB = 1, alpha = 2.0, beta = 3.0"]
)
def test_gemm_is_linear(graph_of, rng, flags):
    stored = floats(rng, 5, 3) if "transB = 1" in flags else floats(rng, 3, 5)
    model = graph_of(
        f"gemm (float[N,3] x) => (float[N,5] y) {{ y = Gemm <{flags}> (x, w, b) }}",
        w=stored,
        b=floats(rng, 5),
    )
    (linear,) = layers(model)
    x = floats(rng, 2, 3)
    y = x @ linear.arrays["weight"].T + linear.arrays["bias"]
    np.testing.assert_allclose(y, graph.evaluate(model, {"x": x})["y"], rtol=1e-5)


def test_matmul_and_add_are_linear(graph_of, rng):
    weight, bias = floats(rng, 3, 5), floats(rng, 5)
    text = "m (float[N,3] x) => (float[N,5] y) { p = MatMul(x, w)\n y = Add(b, p) }"
    (linear,) = layers(graph_of(text, w=weight, b=bias))
    assert (linear.op, linear.output) == ("linear", "y")
    np.testing.assert_array_equal(linear.arrays["weight"], weight.T)
    np.testing.assert_array_equal(linear.arrays["bias"], bias)


def test_identities_and_dropout_vanish_and_the_last_name_stays(graph_of):
    model = graph_of(
        """same (float[N,3] x) => (float[N,3] y) {
          a = Relu(x)
          b = Identity(a)
          c = Dropout(b)
          y = Sigmoid(c)
        }"""
    )
    relu, sigmoid = layers(model)
    assert (relu.output, sigmoid.inputs) == ("c", {"x": "c"})


@pytest.mark.parametrize(
    ("lines", "activation"),
    [
        ("y = LeakyRelu <alpha = 0.25> (x)", {"kind": "leaky_relu", "alpha": 0.25}),
        ("y = Clip(x, zero, six)", {"kind": "clip", "lo": 0.0, "hi": 6.0}),
        ("y = Clip(x, zero)", {"kind": "relu"}),
        ("y = HardSwish(x)", {"kind": "hard_swish"}),
        ("s = Sigmoid(x)\n y = Mul(x, s)", {"kind": "silu"}),
        ("y = HardSigmoid <alpha = 0.5, beta = 0.25> (x)",
         {"kind": "hard_sigmoid", "alpha": 0.5, "beta": 0.25}),
    ],
)  # fmt: skip
def test_activations(graph_of, lines, activation):
    model = graph_of(
        "act (float[N,3] x) => (float[N,3] y) <float zero = {0.0}, float six = {6.0}> "
        f"{{ {lines} }}"
    )
    (found,) = layers(model)
    assert found.attrs["activation"] == activation


def test_height_and_width_may_come_from_the_caller(graph_of, rng):
    model = graph_of(
        """same (float[N,2,16,16] x) => (float[N,4] y) {
          c = Conv <auto_pad = "SAME_UPPER", strides = [2, 2]> (x, w)
          p = MaxPool <kernel_shape = [3, 3], strides = [2, 2], ceil_mode = 1> (c)
          g = GlobalAveragePool(p)
          y = Flatten(g)
        }""",
        w=floats(rng, 4, 2, 3, 3),
    )
    conv, pool, average, flat = layers(model, input_shape=(2, 7, 10))
    assert conv.shape == (4, 4, 5)
    # By hand: height 7 needs 2 more rows for 4 outputs (1 + 1), width 10 needs 1 (0 + 1).
    assert conv.attrs["pads"] == [1, 0, 1, 1]
    assert pool.shape == (4, 2, 2)
    assert (average.shape, flat.shape) == ((4, 1, 1), (4,))
    with pytest.raises(ShapeError, match=r"must fit the file's .*got \(3, 7, 10\)"):
        layers(model, input_shape=(3, 7, 10))


def test_moving_layers_know_their_shapes(graph_of):
    model = graph_of(
        """moves (float[N,4,6,6] x) => (float[N,3,8,6] y)
        <int64[3] start = {0, 0, 1}, int64[3] end = {9, 6, -1}, int64[3] axis = {1, 2, 3},
         int64[3] step = {1, 2, 2}, int64[8] pads = {0, 0, 1, 2, 0, 0, 0, 2},
         int64[2] sizes = {3, 1}, int64[4] flat = {0, 2, -1, 2}, int64[4] back = {0, 3, 4, 2}> {
          a, b = Split <axis = 1> (x, sizes)
          s = Slice(a, start, end, axis, step)
          p = Pad(s, pads)
          r = Concat <axis = 2> (p, p)
          y = Relu(r)
        }"""
    )
    found = {layer.output: layer for layer in layers(model)}
    assert set(found) == {"a", "s", "p", "r", "y"}  # b is dead
    assert found["a"].shape == (3, 6, 6)
    assert found["s"].shape == (3, 3, 2)
    assert found["s"].attrs == {"starts": [0, 0, 1], "ends": [3, 6, 5], "steps": [1, 2, 2]}
    assert found["p"].attrs["pads"] == [0, 1, 2, 0, 0, 2]
    assert (found["p"].shape, found["r"].shape) == ((3, 4, 6), (3, 8, 6))


@pytest.mark.parametrize(
    ("lines", "shape"),
    [
        ("y = Reshape(x, target)", (2, 6, 4)),
        ("y = Flatten(x)", (48,)),
        ("f = Flatten(x)\n y = Unsqueeze(f, tail)", (48, 1, 1)),
        ("g = GlobalMaxPool(x)\n y = Squeeze(g, tail)", (4,)),
        ("y = ReduceMean <keepdims = 0> (x, tail)", (4,)),
        ("y = ReduceMean <keepdims = 1> (x, tail)", (4, 1, 1)),
    ],
)
def test_reshapes_keep_the_batch(graph_of, lines, shape):
    sizes = ",".join(map(str, shape))
    model = graph_of(
        f"r (float[N,4,3,4] x) => (float[N,{sizes}] y) "
        f"<int64[4] target = {{0, 2, -1, 4}}, int64[2] tail = {{2, 3}}> {{ {lines} }}"
    )
    assert layers(model)[-1].shape == shape


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("[h] z = Hardmax(x)\n[l] y = LpNormalization(z)",
         r"LpNormalization \(node 'l'\) needs .* lacks layers for Hardmax, LpNormalization"),
        ("[r] y = ReduceMean(x, first)", r"ReduceMean \(node 'r'\) needs an axis behind the batch"),
        ("[s] y = Softmax <axis = 0> (x)", r"Softmax \(node 's'\) needs an axis behind the batch"),
        ("[p] y = MaxPool <kernel_shape = [2, 257], dilations = [2, 2], pads=[0,512,0,512]> (x)",
         r"MaxPool \(node 'p'\) needs at most 256 taps along an axis, got \[2, 257\]"),
        ("[p] y, i = MaxPool <kernel_shape = [2, 2], dilations = [2, 2]> (x)\n"
         "f = Cast <to = 1> (i)\n z = Add(y, f)", r"MaxPool \(node 'p'\) needs no use of its"),
        ("[t] y = Transpose <perm = [1, 0, 2, 3]> (x)", r"Transpose \(node 't'\) .* first axis"),
        ("[f] y = Flatten <axis = 2> (x)", r"Flatten \(node 'f'\) needs the batch to stay"),
        ("[p] y = Pad(x, pads)", r"Pad \(node 'p'\) needs no pads along the batch"),
        ("[c] y = Concat <axis = 0> (x, x)", r"Concat \(node 'c'\)"),
    ],
)  # fmt: skip
def test_what_the_engine_does_not_run_is_named(parse, line, message):
    model = parse(
        f"bad (float[N,4,6,6] x) => (float[] y) "
        f"<int64[1] first = {{0}}, int64[8] pads = {{1, 0, 1, 1, 0, 0, 1, 1}}> {{ {line} }}"
    )
    with pytest.raises(UnsupportedOpError, match=message):
        layers(model)


def test_weights_that_change_are_refused(parse):
    model = parse(
        "dyn (float[N,4,6,6] x, float[N,4,1,1] w) => (float[N,N,6,6] y) { [c] y = Conv(x, w) }"
    )
    with pytest.raises(UnsupportedOpError, match=r"Conv \(node 'c'\) needs constant weights"):
        layers(model)


def test_what_is_repeated_along_axes_is_no_residual(graph_of):
    model = graph_of(
        """cast (float[N,4,6,6] x) => (float[N,4,6,6] y) {
          g = GlobalAveragePool(x)
          m = Mul(x, g)
          [sum] y = Add(m, g)
        }"""
    )
    found = layers(model)
    assert [layer.op for layer in found] == ["global_average_pool", "mul", "binary"]
    assert found[1].inputs == {"a": "x", "b": "g"}


def test_dead_nodes_are_not_seen(graph_of):
    model = graph_of("dead (float[N,4] x) => (float[N,4] y) { d = Elu(x)\n y = Relu(x) }")
    assert kinds(model) == ["activation"]


def test_the_integer_dialect(integer_graph):
    found = layers(graph.from_proto(graph.to_proto(integer_graph)))
    assert [(layer.op, layer.output, layer.dtype) for layer in found] == [
        ("quantize_input", "q", "s8"),
        ("conv", "h1", "u8"),
        ("threshold", "bits", "u1"),
        ("conv", "h2", "s8"),
        ("sum_pool", "mean", "s8"),
        ("linear", "total", "s32"),
        ("dequantize", "logits", "f32"),
    ]
    bap, pool, linear = found[3], found[4], found[5]
    assert bap.inputs == {"x": "h1", "bits": "bits", "residual": "h1"}
    assert set(bap.arrays) == {
        "weight",
        "binary.weight",
        "multiplier",
        "binary.multiplier",
        "residual.multiplier",
        "bias",
        "shift",
    }
    np.testing.assert_array_equal(bap.arrays["binary.multiplier"], [20000, 15000, 30000, -32768])
    assert (bap.attrs["lo"], bap.attrs["hi"]) == (-128, 127)
    assert (pool.attrs["kernel"], pool.shape) == ([7, 6], (4,))
    np.testing.assert_array_equal(linear.arrays["bias"], [1, -2, 3, -4, 5])
    assert linear.arrays["bias"].dtype == np.int64
