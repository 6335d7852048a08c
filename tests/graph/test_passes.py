"""What every pass must keep, and what each is for."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest

from niwaki import graph
from niwaki.errors import RegistryError
from niwaki.graph.functions import QONNX
from niwaki.graph.passes import PASSES

CHANNELS = 4


class Builder:
    """Grow a random chain of what exporters write, pass material in every other place."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        x = ir.val("x", ir.DataType.FLOAT, ["N", CHANNELS, 6, 6])
        self.graph = ir.Graph([x], [], nodes=[], opset_imports={"": 18, QONNX: 1}, name="random")
        self.value = x

    def constant(self, array) -> ir.Value:
        name = f"c{len(self.graph.initializers)}"
        tensor = ir.tensor(np.asarray(array), name=name)
        value = ir.val(name, tensor.dtype, list(tensor.shape), const_value=tensor)
        self.graph.register_initializer(value)
        return value

    def node(self, op_type, *inputs, domain="", **attributes) -> ir.Value:
        node = ir.node(op_type, inputs, attributes, domain=domain)
        self.graph.append(node)
        node.outputs[0].name = f"v{len(self.graph)}"
        return node.outputs[0]

    def floats(self, *shape) -> ir.Value:
        return self.constant(self.rng.standard_normal(shape).astype(np.float32))

    def conv(self):
        bias = [self.floats(CHANNELS)] if self.rng.random() < 0.5 else []
        weight = self.floats(CHANNELS, CHANNELS, 3, 3)
        self.value = self.node("Conv", self.value, weight, *bias, pads=[1, 1, 1, 1])

    def depthwise(self):
        weight = self.floats(CHANNELS, 1, 3, 3)
        kind = {"pads": [1, 1, 1, 1], "group": CHANNELS}
        self.value = self.node("Conv", self.value, weight, **kind)

    def deconv(self):
        weight = self.floats(CHANNELS, CHANNELS // 2, 1, 1)
        self.value = self.node("ConvTranspose", self.value, weight, group=2)

    def batch_norm(self):
        parameters = [self.floats(CHANNELS) for _ in range(3)]
        variance = self.constant((self.rng.random(CHANNELS) + 0.5).astype(np.float32))
        self.value = self.node("BatchNormalization", self.value, *parameters, variance)

    def scale(self):
        op_type = self.rng.choice(["Mul", "Add", "Sub", "Div"])
        shape = [(CHANNELS, 1, 1), (1, CHANNELS, 1, 1), (), (1, 1)][self.rng.integers(4)]
        other = self.constant(np.float32(self.rng.random(shape) + 0.5))
        pair = [self.value, other]
        if self.rng.random() < 0.5:
            pair.reverse()
        self.value = self.node(op_type, *pair)

    def identity(self):
        op_type = self.rng.choice(["Identity", "Dropout", "Cast", "Reshape", "Transpose"])
        if op_type == "Cast":
            self.value = self.node("Cast", self.value, to=1)
        elif op_type == "Reshape":
            self.value = self.node("Reshape", self.value, self.constant([-1, CHANNELS, 6, 6]))
        elif op_type == "Transpose":
            self.value = self.node("Transpose", self.value, perm=[0, 1, 2, 3])
        else:
            self.value = self.node(op_type, self.value)

    def folded(self):
        # A scale that is computed from constants in the graph.
        sign = self.node("Sign", self.floats(CHANNELS, 1, 1))
        two = self.node("Constant", value_float=2.0)
        self.value = self.node("Mul", self.value, self.node("Mul", sign, two))

    def binary(self):
        one = self.constant(np.float32(1))
        latent = self.node("Neg", self.floats(CHANNELS, CHANNELS, 3, 3))
        v = self.node("BipolarQuant", latent, one, domain=QONNX)
        conv = self.node("Conv", self.value, v, pads=[1, 1, 1, 1])
        self.value = self.node("Mul", conv, self.floats(CHANNELS, 1, 1))

    def residual(self):
        before = self.value
        self.conv()
        self.value = self.node("Add", self.value, before)

    def relu(self):
        self.value = self.node("Relu", self.value)

    def dead(self):
        self.node("Sigmoid", self.node("Identity", self.value))

    STEPS = (conv, depthwise, deconv, batch_norm, scale, identity, folded, binary, residual)
    STEPS += (relu, dead)

    def finish(self) -> ir.Model:
        self.value.name = "y"
        self.value.shape, self.value.dtype = ir.Shape(["N", CHANNELS, 6, 6]), ir.DataType.FLOAT
        self.graph.outputs.append(self.value)
        return graph.from_proto(graph.to_proto(ir.Model(self.graph, ir_version=8)))


def random_model(seed: int) -> ir.Model:
    builder = Builder(seed)
    for step in builder.rng.integers(len(Builder.STEPS), size=8):
        Builder.STEPS[step](builder)
    if builder.value.is_graph_input():
        builder.relu()
    return builder.finish()


def state(model: ir.Model) -> bytes:
    return graph.to_proto(model).SerializeToString(deterministic=True)


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("name", [*PASSES.names(), None])
def test_a_pass_keeps_outputs_and_settles(name, seed):
    names = None if name is None else [name]
    model = random_model(seed)
    x = np.random.default_rng(seed).standard_normal((2, CHANNELS, 6, 6)).astype(np.float32)
    before = graph.evaluate(model, {"x": x}, "all")
    graph.run_passes(model, names)
    after = graph.evaluate(model, {"x": x}, "all")
    assert [value.name for value in model.graph.outputs] == ["y"]
    # A value that keeps its name keeps its meaning: torch's values are found by name.
    scale = max(np.abs(before["y"]).max(), 1)
    for key in set(before) & set(after):
        np.testing.assert_allclose(after[key], before[key], rtol=1e-4, atol=1e-4 * scale)
    once = state(model)
    graph.run_passes(model, names)
    assert state(model) == once


def ops(model: ir.Model) -> list[str]:
    return [node.op_type for node in model.graph]


def test_all_passes_together_leave_only_what_computes():
    builder = Builder(1)
    builder.conv()
    builder.batch_norm()
    builder.value = builder.node("Add", builder.floats(CHANNELS, 1, 1), builder.value)
    builder.value = builder.node("Dropout", builder.value)
    builder.relu()
    builder.depthwise()
    builder.dead()
    builder.folded()
    model = graph.run_passes(builder.finish())
    assert ops(model) == ["Conv", "Relu", "Conv"]
    assert len(model.graph.initializers) == 4


def test_binary_weights_stay_behind_their_mark():
    builder = Builder(2)
    builder.binary()
    builder.batch_norm()
    model = graph.run_passes(builder.finish())
    assert ops(model) == ["BipolarQuant", "Conv", "Mul", "BatchNormalization"]
    signs = model.graph[0].inputs[0].const_value.numpy()
    assert set(np.unique(signs)) == {-1, 1}


def test_a_batch_norm_behind_a_sum_or_a_shared_layer_stays():
    builder = Builder(3)
    builder.residual()
    builder.batch_norm()
    assert ops(graph.run_passes(builder.finish())) == ["Conv", "Add", "BatchNormalization"]
    builder = Builder(3)
    builder.conv()
    conv = builder.value
    builder.batch_norm()
    builder.value = builder.node("Add", builder.value, conv)
    assert ops(graph.run_passes(builder.finish())) == ["Conv", "BatchNormalization", "Add"]


def test_a_shared_weight_is_folded_for_one_reader_only(rng):
    builder = Builder(4)
    weight = builder.floats(CHANNELS, CHANNELS, 1, 1)
    builder.value = builder.node("Conv", builder.value, weight)
    builder.batch_norm()
    builder.value = builder.node("Conv", builder.value, weight)
    model = builder.finish()
    x = rng.standard_normal((1, CHANNELS, 6, 6)).astype(np.float32)
    want = graph.evaluate(model, {"x": x})["y"]
    graph.run_passes(model)
    assert ops(model) == ["Conv", "Conv"]
    np.testing.assert_allclose(graph.evaluate(model, {"x": x})["y"], want, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("transposed", [0, 1])
@pytest.mark.parametrize("beta", [1.0, 0.5])
def test_a_batch_norm_goes_into_gemm(parse, rng, transposed, beta):
    model = parse(f"""
    g (float[N,3] x) => (float[N,2] y)
    <float[{"2,3" if transposed else "3,2"}] w = {{1.0, -2.0, 3.0, 4.0, 5.0, 6.0}},
     float[2] b = {{1.0, 2.0}}, float[2] gamma = {{2.0, 3.0}}, float[2] beta = {{-1.0, 1.0}},
     float[2] mean = {{0.5, 1.5}}, float[2] variance = {{4.0, 9.0}}>
    {{ a = Gemm <transB = {transposed}, alpha = 2.0, beta = {beta}> (x, w, b)
       y = BatchNormalization(a, gamma, beta, mean, variance) }}""")
    model = graph.from_proto(graph.to_proto(model))
    x = rng.standard_normal((4, 3)).astype(np.float32)
    want = graph.evaluate(model, {"x": x})["y"]
    graph.run_passes(model)
    assert ops(model) == ["Gemm"]
    np.testing.assert_allclose(graph.evaluate(model, {"x": x})["y"], want, rtol=1e-5, atol=1e-5)


def test_a_scale_per_pixel_stays():
    builder = Builder(5)
    builder.conv()
    builder.value = builder.node("Mul", builder.value, builder.floats(6, 1))
    assert ops(graph.run_passes(builder.finish())) == ["Conv", "Mul"]


def test_what_is_an_output_stays():
    builder = Builder(6)
    builder.conv()
    middle = builder.value
    builder.batch_norm()
    middle.shape, middle.dtype = ir.Shape(["N", CHANNELS, 6, 6]), ir.DataType.FLOAT
    builder.graph.outputs.append(middle)
    model = graph.run_passes(builder.finish())
    assert ops(model) == ["Conv", "BatchNormalization"]


@pytest.mark.parametrize("axes", ["2, 3", "-1, -2"])
def test_a_mean_over_the_picture_is_a_pool(parse, rng, axes):
    model = parse(f"""
    g (float[N,3,4,5] x) => (float[N,3,1,1] y) <int64[2] axes = {{{axes}}}>
    {{ y = ReduceMean <keepdims = 1> (x, axes) }}""")
    x = rng.standard_normal((2, 3, 4, 5)).astype(np.float32)
    graph.run_passes(model)
    assert ops(model) == ["GlobalAveragePool"]
    assert not model.graph.initializers
    want = x.mean((2, 3), keepdims=True)
    np.testing.assert_allclose(graph.evaluate(model, {"x": x})["y"], want, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("keep", "axes", "shape"), [(0, "2, 3", "N,3"), (1, "1, 2", "N,1,1,5"), (1, "3", "N,3,4,1")]
)
def test_other_means_stay(parse, keep, axes, shape):
    count = axes.count(",") + 1
    model = parse(f"""
    g (float[N,3,4,5] x) => (float[{shape}] y) <int64[{count}] axes = {{{axes}}}>
    {{ y = ReduceMean <keepdims = {keep}> (x, axes) }}""")
    assert ops(graph.run_passes(model)) == ["ReduceMean"]


def test_nodes_are_called_by_torchs_names(parse):
    model = parse("""
    g (float[N,2,4,4] x) => (float[N,2,4,4] y)
    { a = Relu(x)
      b = Relu(a)
      y = Add(b, a) }""")
    notes = ["['', 'block', 'block.2', 'relu']", "['', 'block', 'relu_1']", "['', 'add']"]
    for node, note in zip(model.graph, notes, strict=True):
        node.metadata_props["pkg.torch.onnx.name_scopes"] = note
    graph.run_passes(model, ["name-layers"])
    assert [node.name for node in model.graph] == ["block.2", "block", "add"]


def test_passes_run_after_what_they_name():
    for name, item in PASSES.items():
        for earlier in item.after:
            assert earlier in PASSES, f"{name} runs after {earlier}, which doesn't exist"


def test_an_unknown_pass_is_refused_with_the_known_ones(parse):
    model = parse("g (float[N,2] x) => (float[N,2] y) { y = Relu(x) }")
    with pytest.raises(RegistryError, match=r"fold-batch-norm.*got 'fold-magic'"):
        graph.run_passes(model, ["fold-magic"])


def equal_before_and_after(model, names, rng):
    """Run some passes; the output must stay, and return what nodes remain."""
    x = rng.normal(size=(2, 4, 7, 6)).astype(np.float32)
    before = graph.evaluate(model.clone(), {"x": x})["y"]
    graph.run_passes(model, names)
    np.testing.assert_allclose(graph.evaluate(model, {"x": x})["y"], before, rtol=1e-4, atol=1e-4)
    return [node.op_type for node in model.graph]


@pytest.mark.parametrize(
    ("line", "remain"),
    [
        ("h = Pad(x, pads)  y = Conv <pads = [1, 0, 0, 1]> (h, w)", ["Conv"]),
        ("h = Pad(x, pads, zero)  y = AveragePool <kernel_shape = [2, 2]> (h)", ["AveragePool"]),
        ("h = Pad(x, pads, one)  y = Conv(h, w)", ["Pad", "Conv"]),
        ('h = Pad <mode = "reflect"> (x, pads)  y = Conv(h, w)', ["Pad", "Conv"]),
        ('h = Pad(x, pads)  y = Conv <auto_pad = "SAME_UPPER"> (h, w)', ["Pad", "Conv"]),
        ("h = Pad(x, channels)  y = GlobalMaxPool(h)", ["Pad", "GlobalMaxPool"]),
        ("h = Pad(x, pads)  y = MaxPool <kernel_shape = [2, 2]> (h)", ["Pad", "MaxPool"]),
        (
            "h = Pad(x, pads)  y = AveragePool <kernel_shape = [2, 2], pads = [1, 1, 1, 1]> (h)",
            ["Pad", "AveragePool"],
        ),
        ("h = Pad(x, pads)  c = Conv(h, w)  g = GlobalMaxPool(h)  y = Mul(c, g)",
         ["Pad", "Conv", "GlobalMaxPool", "Mul"]),
    ],
)  # fmt: skip
def test_padding_goes_into_its_reader(parse, rng, line, remain):
    weight = ", ".join(str(n) for n in np.round(rng.normal(size=4 * 4 * 2 * 2), 3))
    model = parse(
        "pad (float[N,4,7,6] x) => (float[N,A,B,C] y) "
        f"<int64[8] pads = {{0, 0, 1, 2, 0, 0, 0, 1}}, float[4,4,2,2] w = {{{weight}}}, "
        "int64[8] channels = {0, 1, 0, 0, 0, 0, 0, 0}, float zero = {0.0}, float one = {1.0}> "
        f"{{ {line} }}"
    )
    assert equal_before_and_after(model, ["fold-pad"], rng) == remain


@pytest.mark.parametrize(
    ("line", "remain"),
    [
        ("y = Conv(n, w, b)", ["Conv"]),
        ("y = Conv <group = 2, strides = [2, 2]> (n, grouped)", ["Conv"]),
        ("y = Conv <pads = [1, 1, 1, 1]> (n, w)", ["BatchNormalization", "Conv"]),
        ("r = Relu(n)  y = Conv(r, w)", ["BatchNormalization", "Relu", "Conv"]),
        ("c = Conv(n, w)  g = GlobalMaxPool(n)  y = Add(c, g)",
         ["BatchNormalization", "Conv", "GlobalMaxPool", "Add"]),
    ],
)  # fmt: skip
def test_a_norm_goes_into_the_layer_behind_it(parse, rng, line, remain):
    weight = ", ".join(str(n) for n in np.round(rng.normal(size=4 * 4 * 2 * 2), 3))
    half = ", ".join(str(n) for n in np.round(rng.normal(size=6 * 2 * 2 * 2), 3))
    model = parse(
        "norm (float[N,4,7,6] x) => (float[N,A,B,C] y) "
        f"<float[4,4,2,2] w = {{{weight}}}, float[6,2,2,2] grouped = {{{half}}}, "
        "float[4] gain = {1.5, -0.5, 2.0, 1.0}, float[4] shift = {0.3, 1.0, -2.0, 0.0}, "
        "float[4] mean = {0.1, 0.2, -0.3, 0.0}, float[4] var = {0.5, 2.0, 1.0, 1.5}, "
        "float[4] b = {1.0, 2.0, 3.0, 4.0}> "
        f"{{ n = BatchNormalization(x, gain, shift, mean, var)  {line} }}"
    )
    assert equal_before_and_after(model, ["fold-norm-before"], rng) == remain


@pytest.mark.parametrize("rest", ["", "ceil_mode = 1,", "pads = [1, 0, 0, 1],"])
def test_a_pool_goes_in_front_of_a_pointwise_convolution(parse, rng, rest):
    sides = {"": "2,2", "ceil_mode = 1,": "3,3", "pads = [1, 0, 0, 1],": "3,3"}[rest]
    model = parse(f"""
    g (float[N,3,5,5] x) => (float[N,2,{sides}] y)
    <float[2,3,1,1] w = {{1.0, -2.0, 3.0, 4.0, 5.0, 6.0}}, float[2] b = {{1.0, 2.0}}>
    {{ a = Conv(x, w, b)
       y = AveragePool <{rest} kernel_shape = [2, 2], strides = [2, 2]> (a) }}""")
    x = rng.standard_normal((2, 3, 5, 5)).astype(np.float32)
    want = graph.evaluate(model, {"x": x})["y"]
    graph.run_passes(model)
    assert ops(model) == ["AveragePool", "Conv"]
    found = graph.evaluate(model, {"x": x}, "all")
    np.testing.assert_allclose(found["y"], want, rtol=1e-5, atol=1e-5)
    assert found["y.pooled"].shape == (2, 3, *want.shape[2:])


@pytest.mark.parametrize(
    ("pool", "kernel", "sides"),
    [
        ("pads = [1, 1, 0, 0], count_include_pad = 1, strides = [2, 2]", "1,1", "3,3"),
        ("strides = [1, 1]", "1,1", "4,4"),
        ("strides = [2, 2]", "2,2", "2,2"),
    ],
)
def test_a_pool_stays_where_it_gains_nothing_or_counts_its_pads(parse, pool, kernel, sides):
    size = 2 if kernel == "1,1" else 8
    numbers = ", ".join(["1.0"] * size)
    model = parse(f"""
    g (float[N,1,5,5] x) => (float[N,2,{sides}] y) <float[2,1,{kernel}] w = {{{numbers}}}>
    {{ a = Conv(x, w)
       y = AveragePool <kernel_shape = [2, 2], {pool}> (a) }}""")
    assert ops(graph.run_passes(model)) == ["Conv", "AveragePool"]
