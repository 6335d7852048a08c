"""The integer form from end to end: torch, the NumPy reference, ONNX Runtime, the engine."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from niwaki import capture, graph, methods, models
from niwaki.errors import InputError, UnsupportedOpError
from niwaki.graph import integer
from niwaki.methods._augmented import AugmentedConv2d, AugmentedLinear
from niwaki.runtime import Engine, compile_graph
from niwaki.train._integer_steps import (
    bits_of,
    convolve,
    float32_is_exact,
    max_pool,
    shift_and_clip,
    straight,
)
from niwaki.train.integer import IntegerNetwork


def augmented(channels, outputs, size, stride=1):
    """Return a BAP layer with mixed signs and about a tenth of its weights."""
    weight = torch.randn(outputs, channels, *size)
    weight[torch.rand(weight.shape) < 0.9] = 0
    folded = {
        "sign": torch.where(torch.rand(channels) < 0.5, -1.0, 1.0),
        "level": torch.randn(channels) * 0.3,
        "binary_weight": torch.where(torch.randn(weight.shape) < 0, -1.0, 1.0),
        "scale": torch.randn(outputs) * 0.1,
    }
    bias = nn.Parameter(torch.randn(outputs) * 0.2)
    if not size:
        return AugmentedLinear(nn.Parameter(weight), bias, **folded)
    pads = tuple(k // 2 for k in size)
    window = {"stride": (stride, stride), "padding": pads, "dilation": (1, 1)}
    return AugmentedConv2d(nn.Parameter(weight), bias, **window, **folded)


class Blocks(nn.Module):
    """A stem with s8 input, BAP with an identity and with a projection, a BAP linear layer."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 3, padding=1)
        self.same = augmented(6, 6, (3, 3))
        self.down = augmented(6, 9, (3, 3), stride=2)
        self.shortcut = nn.Conv2d(6, 9, 1, stride=2)
        self.hidden = augmented(9 * 2 * 2, 7, ())
        self.head = nn.Linear(7, 5)

    def forward(self, x):
        x = F.relu(self.stem(x))
        x = F.relu(self.same(x) + x)
        x = F.relu(self.shortcut(x) + self.down(x))
        x = F.max_pool2d(x, 2)
        return self.head(F.relu(self.hidden(x.flatten(1))))


class Pools(nn.Module):
    """Averages, asymmetric pads, concats of u8 with u8 and with s8, slices, an affine, ReLU6."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(2, 4, 3, stride=2, padding=1)
        self.two = nn.Conv2d(4, 4, (3, 1), padding=(1, 0), groups=2)
        self.norm = nn.BatchNorm2d(8)
        self.three = nn.Conv2d(8, 4, 1)
        self.head = nn.Linear(12, 3)

    def forward(self, x):
        a = F.relu6(self.one(x))
        b = self.two(F.pad(a, (1, 0, 0, 2))[:, :, 1:-1, 1:])
        mixed = F.relu(self.norm(torch.cat([a, b], 1)))
        c = F.relu(self.three(mixed))
        c = F.max_pool2d(c, 3, stride=2, padding=1) + F.avg_pool2d(c, 2, ceil_mode=False)[:, :, :3]
        both = torch.cat([c, mixed[:, ::2, :3, :3]], 1)
        return self.head(torch.cat([both.mean((2, 3)), a.amax((2, 3))], 1)).softmax(1)


class Signed(nn.Module):
    """No ReLU: signs stay, bits of signed values, a fully convolutional end."""

    def __init__(self):
        super().__init__()
        self.one = nn.Conv2d(2, 5, 3)
        self.two = augmented(5, 5, (3, 3))
        self.end = nn.Conv2d(5, 3, 1)

    def forward(self, x):
        x = self.two(self.one(x))
        return F.adaptive_avg_pool2d(self.end(x), 1).flatten(1)


NETS = {
    "blocks": (Blocks, (3, 8, 8)),
    "pools": (Pools, (2, 12, 12)),
    "signed": (Signed, (2, 7, 6)),
}


@pytest.fixture(params=sorted(NETS), scope="module")
def case(request):
    """Return a float Graph, its ranges and a batch of 3."""
    torch.manual_seed(13)
    make, shape = NETS[request.param]
    net = make().eval()
    model, record = capture.to_graph(net, torch.randn(2, *shape))
    rng = np.random.default_rng(17)
    batches = [rng.normal(size=(16, *shape)).astype(np.float32) for _ in range(2)]
    ranges = integer.calibrate(model, batches, record=record)
    return model, ranges, rng.normal(size=(3, *shape)).astype(np.float32)


def check_all_agree(model, values, x, folder):
    """Compare torch, the NumPy reference, ONNX Runtime and the engine."""
    reference = graph.evaluate(model, {"x": x}, keep="all")
    # Softmax runs in floats behind the integers: each part has its own exp.
    inexact = {node.outputs[0].name for node in model.graph if node.op_type == "Softmax"}

    def equal(found, wanted, name):
        assert found.dtype == wanted.dtype, name
        if name in inexact:
            np.testing.assert_allclose(found, wanted, rtol=1e-6, err_msg=name)
        else:
            np.testing.assert_array_equal(found, wanted, err_msg=name)

    shared = set(values) & set(reference)
    assert len(shared) > 8
    for name in shared:
        equal(values[name], reference[name], name)
    session = ort.InferenceSession(graph.to_proto(model).SerializeToString())
    names = [output.name for output in session.get_outputs()]
    for name, array in zip(names, session.run(None, {"x": x}), strict=True):
        equal(array, reference[name], name)
    graph.save(model, folder / "model.onnx")
    assert compile_graph(graph.load(folder / "model.onnx")).header == compile_graph(model).header
    program = compile_graph(model)
    assert program.header["form"] == "integer"
    found = Engine(program).values(x)
    shared = set(found) & set(values)
    assert set(names) <= shared
    for name in shared:
        equal(found[name], values[name], name)


def test_torch_reference_onnxruntime_and_engine_are_equal(case, tmp_path):
    model, ranges, x = case
    network = IntegerNetwork(model, ranges)
    written = network.to_graph()
    check_all_agree(written, network.values(x), x, tmp_path)
    again = integer.quantize(model, ranges)
    assert graph.to_proto(again).SerializeToString() == graph.to_proto(written).SerializeToString()


def test_they_stay_equal_while_training_lowers_the_loss(case, tmp_path):
    model, ranges, x = case
    network = IntegerNetwork(model, ranges)
    zeros = {key: weight == 0 for key, weight in network.weights.items()}
    target = network(torch.from_numpy(x)).detach() * 0.5 + 0.1
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3, weight_decay=1e-4)
    losses = []
    for _ in range(12):
        loss = F.mse_loss(network(torch.from_numpy(x)), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.7 * losses[0]
    trained = network.to_graph()
    for key, was_zero in zeros.items():
        if key.endswith("_weight"):
            assert bool((network.weights[key][was_zero] == 0).all())
    check_all_agree(trained, network.values(x), x, tmp_path)


def test_integers_are_close_to_the_floats(case):
    model, ranges, x = case
    (wanted,) = graph.evaluate(model, {"x": x}).values()
    (found,) = graph.evaluate(integer.quantize(model, ranges), {"x": x}).values()
    error = np.sqrt(np.mean((found - wanted) ** 2) / np.mean(wanted**2))
    # Rounding alone gives about 1 %; bits that flip at a threshold and clipped tails add to it.
    assert error < 0.08


def test_the_reference_calibrates_as_torch_does(case):
    model, ranges, _ = case
    rng = np.random.default_rng(17)
    shape = next(iter(model.graph.inputs)).shape[1:]
    batches = [rng.normal(size=(16, *shape)).astype(np.float32) for _ in range(2)]
    found = integer.calibrate(model, batches)
    assert found.keys() == ranges.keys()
    for name, value in found.items():
        assert value == pytest.approx(ranges[name], rel=1e-4), name


def test_several_outputs_and_shared_values_leave_as_floats(tmp_path):
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.one = nn.Conv2d(2, 3, 3)
            self.two = nn.Linear(3, 2)

        def forward(self, x):
            x = F.relu(self.one(x))
            return x, self.two(x.mean((2, 3)))

    torch.manual_seed(1)
    model, _ = capture.to_graph(Two().eval(), torch.randn(1, 2, 6, 6))
    x = np.random.default_rng(2).normal(size=(3, 2, 6, 6)).astype(np.float32)
    network = IntegerNetwork(model, integer.calibrate(model, [x]))
    first, second = network(torch.from_numpy(x))
    assert first.shape == (3, 3, 4, 4)
    assert second.shape == (3, 2)
    written = network.to_graph()
    assert [value.name for value in written.graph.outputs] == [
        value.name for value in model.graph.outputs
    ]
    check_all_agree(written, network.values(x), x, tmp_path)


def test_activations_without_integers_are_named():
    net = nn.Sequential(nn.Conv2d(2, 3, 3), nn.SiLU(), nn.Conv2d(3, 3, 1), nn.ReLU()).eval()
    model, _ = capture.to_graph(net, torch.randn(1, 2, 6, 6))
    x = np.ones((1, 2, 6, 6), np.float32)
    with pytest.raises(UnsupportedOpError, match=r"conv \(node '0'\) must have an integer form"):
        integer.quantize(model, integer.calibrate(model, [x]))
    with pytest.raises(InputError, match="at least one batch"):
        integer.calibrate(model, [])


def test_sums_of_bits_that_only_thresholds_read_stay_exact():
    model = models.create("vgg-small", input_size=8, seed=0)
    x = torch.randn(4, 3, 8, 8)
    method = methods.create("si-bnn")
    method.prepare(model, x)
    method.convert(model.eval())
    found, _ = capture.to_graph(model, x)
    ranges = integer.calibrate(found, [x.numpy()])
    with pytest.raises(UnsupportedOpError, match=r"only thresholds read.*Use the float form"):
        integer.quantize(found, ranges)


def test_shift_and_clip_is_the_rule_and_clips_gradients():
    rng = np.random.default_rng(5)
    total = rng.integers(-(2**47), 2**47, 1000)
    shift = rng.integers(1, 41, 1000)
    wanted = np.clip((total + (np.int64(1) << (shift - 1))) >> shift, -128, 127)
    x = torch.from_numpy(total.astype(np.float64)).requires_grad_()
    found = shift_and_clip(x, torch.from_numpy(shift), -128, 127)
    np.testing.assert_array_equal(found.detach().numpy(), wanted)
    found.sum().backward()
    inside = ((total + (np.int64(1) << (shift - 1))) >> shift) == wanted
    np.testing.assert_array_equal(x.grad.numpy(), np.where(inside, np.ldexp(1.0, -shift), 0))


@pytest.mark.parametrize("channels", [3, 64, 600])
@pytest.mark.parametrize("shape", [(), (3, 3)])
def test_sums_are_exact_in_either_float(channels, shape):
    # 64 channels of 3 x 3 stay below 2^24 only by their zeros, 600 don't.
    rng = np.random.default_rng(8)
    x = rng.integers(0, 256, (16, channels, *(6 for _ in shape)))
    weight = rng.integers(-127, 128, (17, channels, *shape))
    attrs = {"pads": [1, 0, 2, 1], "strides": [2, 1]}
    found = convolve(torch.from_numpy(x).double(), torch.from_numpy(weight).double(), attrs)
    assert found.dtype == torch.float64
    if not shape:
        np.testing.assert_array_equal(found.numpy(), x @ weight.T)
        return
    padded = np.pad(x, [(0, 0), (0, 0), (1, 2), (0, 1)])
    wanted = np.zeros(found.shape, np.int64)
    for i in range(3):
        for j in range(3):
            tap = padded[:, :, i : i + 7 : 2, j : j + 5]
            wanted += np.einsum("nchw,oc->nohw", tap, weight[:, :, i, j])
    np.testing.assert_array_equal(found.numpy(), wanted)


def test_float32_is_only_used_where_it_is_exact():
    assert not float32_is_exact("cuda", "highest")
    assert not float32_is_exact("cpu", "medium")


def test_straight_hands_the_gradient_to_the_float():
    soft = torch.tensor([0.3, 1.7], requires_grad=True)
    found = straight(soft, soft.detach().round())
    assert found.tolist() == [0, 2]
    found.sum().backward()
    assert soft.grad.tolist() == [1, 1]


def test_bits_pass_gradients_in_their_window():
    x = torch.tensor([-1.0, -0.2, 0.0, 0.9, 1.1], dtype=torch.float64)[:, None] * 2
    x.requires_grad_()
    one = torch.ones((), dtype=torch.float64)
    bits = bits_of(x, one, 0 * one)
    assert bits.ravel().tolist() == [0, 0, 1, 1, 1]
    bits.sum().backward()
    spread = x.detach().std(correction=0)
    y = x.detach() / spread
    wanted = ((y > -0.3) & (y < 1)) / spread
    torch.testing.assert_close(x.grad, wanted)


@pytest.mark.parametrize("ceil_mode", [False, True])
@pytest.mark.parametrize("pads", [[0, 0, 0, 0], [1, 0, 0, 1], [1, 1, 1, 1]])
def test_max_pool_equals_the_reference(ceil_mode, pads):
    rng = np.random.default_rng(6)
    x = rng.integers(-128, 128, (2, 3, 7, 8)).astype(np.float64)
    attrs = {"kernel": [3, 2], "strides": [2, 3], "pads": pads, "ceil_mode": ceil_mode}
    found = max_pool(torch.from_numpy(x), attrs).numpy()
    top, left, bottom, right = pads
    padded = np.pad(
        x, [(0, 0), (0, 0), (top, bottom + 9), (left, right + 9)], constant_values=-np.inf
    )
    for i in range(found.shape[2]):
        for j in range(found.shape[3]):
            window = padded[:, :, 2 * i : 2 * i + 3, 3 * j : 3 * j + 2]
            np.testing.assert_array_equal(found[:, :, i, j], window.max((2, 3)))
