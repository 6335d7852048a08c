"""Si-BNN: units by hand, what a network becomes, and the engine's bits against training's."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from niwaki import capture, methods, models
from niwaki.errors import ValueDomainError
from niwaki.methods._binary import BinaryActivation, SignActivation, signs
from niwaki.methods.si_bnn import BinaryUnit, SiBNNConfig
from niwaki.runtime import Engine, compile_graph


def randomize(model, seed=0):
    """Give batch norms gains of both signs and statistics, and thresholds and scales values."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.weight.normal_(generator=generator)
                module.bias.normal_(0.0, 0.3, generator=generator)
            elif isinstance(module, BinaryActivation):
                module.scale.uniform_(0.3, 2.0, generator=generator)
                module.bias.normal_(0.0, 0.2, generator=generator)


def settle(model, x):
    """Set the statistics of every batch norm to those of x, one layer after the other."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = 1.0
    model.train()
    with torch.no_grad():
        model(x)
    return model.eval()


def make_unit(layer, *, with_norm=True, shortcut=False, **options):
    norm = nn.BatchNorm2d(layer.weight.shape[0]) if with_norm else None
    unit = BinaryUnit(layer, None, norm, shortcut=shortcut, config=SiBNNConfig(**options))
    randomize(unit)
    return unit


def test_a_unit_by_its_formula():
    layer = nn.Conv2d(3, 3, 3, padding=1, bias=False)
    unit = make_unit(layer, shortcut=True)
    x = torch.randn(2, 3, 5, 5)
    settle(unit, x)
    norm, out, test = unit.norm_in, unit.norm_out, unit.binarize
    view = (1, -1, 1, 1)
    y = (x - norm.running_mean.view(view)) / (norm.running_var.view(view) + norm.eps).sqrt()
    y = y * norm.weight.view(view) + norm.bias.view(view)
    bits = ((y - test.bias.view(view)) * test.scale.view(view) >= 0).float()
    assert 0.2 < bits.mean() < 0.8
    alpha = layer.weight.abs().mean((1, 2, 3), keepdim=True)
    z = F.conv2d(bits, alpha * signs(layer.weight), padding=1)
    z = (z - out.running_mean.view(view)) / (out.running_var.view(view) + out.eps).sqrt()
    want = z * out.weight.view(view) + out.bias.view(view) + x
    torch.testing.assert_close(unit(x), want, rtol=1e-4, atol=1e-5)


def test_sign_activations_by_hand():
    x = torch.tensor([-1.5, -1.0, -0.5, 0.0, 0.5, 1.0], requires_grad=True)
    a = SignActivation()(x)
    assert a.tolist() == [-1, -1, -1, 1, 1, 1]
    a.sum().backward()
    assert x.grad.tolist() == [0, 0, 1, 1, 1, 0]  # the window is |x| < 1, its ends outside


@pytest.mark.parametrize("padding", [(2, 1), "same", "valid", 0])
def test_signed_padding_counts_as_minus_one(padding):
    layer = nn.Conv2d(2, 4, (3, 5), padding=padding, bias=True)
    unit = make_unit(layer, with_norm=False, activations="signed")
    x = torch.randn(2, 2, 7, 6)
    settle(unit, x)
    with torch.no_grad():
        a = unit.binarize(unit.norm_in(x))
        assert set(a.unique().tolist()) == {-1.0, 1.0}
        alpha = layer.weight.abs().mean((1, 2, 3), keepdim=True)
        # A picture with a border of -1 is one with a border of 0 where a + 1 stands for a.
        dense = F.conv2d(a + 1, alpha * signs(layer.weight), layer.bias, padding=padding)
        want = dense - (alpha * signs(layer.weight)).sum((1, 2, 3)).view(1, -1, 1, 1)
        torch.testing.assert_close(unit(x), want)
        torch.testing.assert_close(unit.fold().eval()(x), want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("activations", ["bits", "signed"])
@pytest.mark.parametrize("shortcut", [False, True])
@torch.no_grad()
def test_folding_keeps_a_unit(activations, shortcut):
    layer = nn.Conv2d(5, 5, 3, padding=1)
    unit = make_unit(layer, activations=activations, shortcut=shortcut)
    x = torch.randn(4, 5, 6, 6)
    want = settle(unit, x)(x)
    assert (unit.norm_out.weight < 0).any()
    folded = unit.fold()
    torch.testing.assert_close(folded(x), want, rtol=1e-4, atol=1e-5)
    assert folded.weight is layer.weight
    assert set(folded.weight.unique().tolist()) == {-1.0, 1.0}
    assert (folded.scale >= 0).all()  # so that a max pool behind may move in front of it


def test_gradients_reach_everything_and_stop_where_they_must():
    layer = nn.Conv2d(3, 4, 3, bias=False)
    unit = make_unit(layer)
    with torch.no_grad():
        layer.weight[0, 0, 0, 0] = 1.5
    x = torch.randn(6, 3, 6, 6, requires_grad=True)
    weight = torch.randn(6, 4, 4, 4)
    (unit(x) * weight).sum().backward()
    for parameter in unit.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().sum() > 0
    # Beyond 1 only alpha's share is left: the same for every weight of the channel, times its sign.
    y = unit.norm_in(x.detach())
    bits = unit.binarize(y)
    w_hat = (layer.weight.abs().mean((1, 2, 3), keepdim=True) * signs(layer.weight)).detach()
    w_hat.requires_grad_()
    (unit.norm_out(F.conv2d(bits.detach(), w_hat)) * weight).sum().backward()
    share = (signs(layer.weight[0]) * w_hat.grad[0]).sum() / 27
    torch.testing.assert_close(layer.weight.grad[0, 0, 0, 0], share.detach())


def test_start_values_are_options():
    method = methods.create("si-bnn", threshold=0.4, scale=2.0, window_low=1.0)
    model = models.create("sibnn-small", seed=0)
    method.prepare(model, torch.zeros(2, 1, 28, 28))
    for unit in method.units().values():
        assert unit.binarize.bias.unique().tolist() == [pytest.approx(0.4)]
        assert unit.binarize.scale.unique().tolist() == [2.0]
        assert unit.binarize.window_low == 1.0
    nan = float("nan")
    for bad in (
        {"window_low": 1.5},
        {"activations": "ternary"},
        {"scale": 0.0},
        {"scale": nan},
        {"threshold": nan},
    ):
        with pytest.raises(ValueDomainError, match="must be"):
            methods.create("si-bnn", **bad)


class Plain(nn.Module):
    """A user's post-activation network: a chain, a block with a shortcut, a ReLU that two read."""

    def __init__(self):
        super().__init__()
        self.stem, self.bn0, self.relu0 = (
            nn.Conv2d(2, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
        )
        self.a, self.bn1, self.relu1 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()
        self.b, self.bn2, self.relu2 = nn.Conv2d(8, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU()
        self.c, self.bn3, self.relu3 = nn.Conv2d(8, 6, 3, stride=2), nn.BatchNorm2d(6), nn.ReLU()
        self.d, self.bn4 = nn.Conv2d(6, 7, 1), nn.BatchNorm2d(7)
        self.fc = nn.Linear(7, 3)

    def forward(self, x):
        x = self.relu0(self.bn0(self.stem(x)))
        y = self.relu1(self.bn1(self.a(x)))
        x = self.relu2(self.bn2(self.b(y)) + x)
        x = self.relu3(self.bn3(self.c(x)))
        return self.fc(self.bn4(self.d(x)).mean((2, 3)))


def test_a_users_network_becomes_units():
    model, method = Plain(), methods.create("si-bnn")
    norms = {name: getattr(model, name) for name in ("bn1", "bn2", "bn3", "bn4")}
    method.prepare(model, torch.zeros(2, 2, 9, 9))
    units = method.units()
    assert list(units) == ["a", "b", "c", "d"]
    # a has a shortcut of its own, so bn1 stays behind it; b has the block's; c and d change shape.
    assert [unit.shortcut for unit in units.values()] == [True, False, False, False]
    assert units["a"].norm_out is norms["bn1"]
    assert units["b"].norm_out is norms["bn2"]
    # c has none, so the batch norm between c and d stands in front of d.
    assert units["c"].norm_out is None
    assert units["d"].norm_in is norms["bn3"]
    assert units["d"].norm_out is norms["bn4"]
    for name in ("bn1", "bn2", "bn3", "bn4", "relu1", "relu2", "relu3"):
        assert isinstance(model.get_submodule(name), nn.Identity), name
    assert isinstance(model.relu0, nn.ReLU)  # a and the shortcut read it
    assert isinstance(model.bn0, nn.BatchNorm2d)  # the stem's own

    model = Plain()
    method = methods.create("si-bnn", shortcuts=False)
    method.prepare(model, torch.zeros(2, 2, 9, 9))
    assert not any(unit.shortcut for unit in method.units().values())
    assert method.units()["a"].norm_out is None


def test_a_unit_whose_output_is_carried_past_the_next_has_a_shortcut_of_its_own():
    # y = a(x), then b(y) + y: the addition is b's shortcut, not a's.
    class Carried(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem, self.bn0 = nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4)
            self.a, self.bn1 = nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)
            self.b, self.bn2 = nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4)
            self.fc = nn.Linear(4, 3)

        def forward(self, x):
            y = self.bn1(self.a(self.bn0(self.stem(x))))
            return self.fc((self.bn2(self.b(y)) + y).mean((2, 3)))

    model, method = Carried(), methods.create("si-bnn")
    method.prepare(model, torch.zeros(2, 2, 6, 6))
    assert {name: unit.shortcut for name, unit in method.units().items()} == {"a": True, "b": False}


def test_a_batch_norm_without_statistics_stays_where_it_is():
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4, track_running_stats=False)
    )
    method = methods.create("si-bnn", targets=["1"])
    method.prepare(model, torch.zeros(2, 2, 5, 5))
    assert method.units()["1"].norm_out is None
    assert isinstance(model[2], nn.BatchNorm2d)


def captured(name, side, count, **options):
    """Return (prepared network, its method, pictures), random and settled."""
    model = models.create(name, input_size=side, seed=0)
    x = torch.randn(count, models.defaults(name).in_channels, side, side)
    method = methods.create("si-bnn", **options)
    method.prepare(model, x)
    randomize(model)
    return settle(model, x), method, x


def training_bits(method, model, x):
    """Return the bits in front of every unit, in evaluation mode, and the logits."""
    found = []
    hooks = [
        unit.binarize.register_forward_hook(lambda _m, _x, out: found.append(out > 0))
        for unit in method.units().values()
    ]
    with torch.no_grad():
        logits = model(x)
    for hook in hooks:
        hook.remove()
    return found, logits.numpy()


def engine_bits(model, x):
    """Return the bits of the engine, each with its distance from the threshold, and the logits."""
    graph, _ = capture.to_graph(model, x)
    engine = Engine(compile_graph(graph))
    program, values = engine.program, engine.values(x.numpy())
    names = [value["name"] for value in program.header["values"]]
    layers, found = program.header["layers"], []
    # A max pool of bits stands behind the threshold that was behind it.
    pools = {each["inputs"]["x"]: each["output"] for each in layers if each["op"] == "max_pool"}
    for layer in layers:
        if layer["op"] != "threshold":
            continue
        if layer["output"] in pools:  # of integers: equal, however near
            bits = values[names[pools[layer["output"]]]]
            found.append((bits > 0, np.full(bits.shape, np.inf)))
            continue
        source = values[names[layer["inputs"]["x"]]]
        shape = (-1,) + (1,) * (source.ndim - 2)
        sign, level = (program.tensors[layer["tensors"][key]] for key in ("sign", "level"))
        over = source * sign.reshape(shape) - level.reshape(shape)
        found.append((values[names[layer["output"]]] > 0, np.abs(over)))
    return found, engine(x.numpy())


@pytest.mark.parametrize(
    ("name", "side", "activations", "count"),
    [
        ("vgg-small", 8, "bits", 5),
        ("vgg-small", 8, "signed", 5),
        ("sibnn-alexnet", 67, "bits", 6),  # 5x5 bits, pools, bits into linear layers
    ],
)
def test_a_chain_has_the_same_bits_in_the_engine(name, side, activations, count):
    model, method, x = captured(name, side, 3, activations=activations)
    bits, logits = training_bits(method, model, x)
    assert len(bits) == count
    method.convert(model)
    found, got = engine_bits(model, x)
    for want, (bit, _) in zip(bits, found, strict=True):
        assert 0.02 < want.float().mean() < 0.98
        np.testing.assert_array_equal(bit.reshape(want.shape), want.numpy())
    np.testing.assert_allclose(got, logits, atol=1e-3)


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("sibnn-small", 12),
        ("sibnn-resnet20", 16),
        ("sibnn-resnet18", 64),  # pools in front of 1x1 shortcuts, as in the paper's code
        ("sibnn-resnet50", 64),
    ],
)
def test_shortcut_networks_differ_only_at_their_thresholds(name, side):
    model, method, x = captured(name, side, 4)
    bits, logits = training_bits(method, model, x)
    method.convert(model)
    found, got = engine_bits(model, x)
    for want, (bit, distance) in zip(bits, found, strict=True):
        assert 0.02 < want.float().mean() < 0.98
        assert not (bit != want.numpy())[distance > 1e-4].any()
    np.testing.assert_allclose(got, logits, atol=1e-3)


def test_a_short_training_learns_sparse_bits():
    # Item 9 in small: from P(a = 1) near 1/2 the share of ones falls, and thresholds move.
    torch.manual_seed(1)
    model, method = models.create("sibnn-small", input_size=12, seed=0), methods.create("si-bnn")
    template = torch.randn(4, 1, 12, 12)
    y = torch.arange(64) % 4
    x = template[y] + 0.5 * torch.randn(64, 1, 12, 12)
    method.prepare(model, x)
    before, _ = training_bits(method, model.train(), x)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    for step in range(40):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        method.step((step + 1) / 40)
    assert float(loss.detach()) < 0.3
    bits, logits = training_bits(method, model.eval(), x)
    assert (logits.argmax(1) == y.numpy()).mean() > 0.9
    assert np.mean([b.float().mean() for b in bits]) < np.mean([b.float().mean() for b in before])
    for unit, found in zip(method.units().values(), bits, strict=True):
        assert float(unit.binarize.bias.detach().abs().mean()) > 0.02  # two steps of Adam
        assert float(unit.binarize.scale.detach().min()) > 0.75
        assert float(found.float().mean()) < 0.5
        assert float(unit.layer.weight.detach().abs().max()) <= 1.0
