"""What every registered method keeps to, third parties' methods included."""

from __future__ import annotations

import copy
import dataclasses
import json

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from niwaki import capture, graph, methods
from niwaki.errors import ValueDomainError
from niwaki.registry import canonical
from niwaki.structures import density_of, kept_count

SPARSITY = 0.9
COMPRESSED = ["conv1", "conv2", "fc1"]  # of SmallNet: not stem, head and the strided 1x1 shortcut

PRUNING = [name for name in methods.names() if methods.METHODS.get(name).prunes]
every_method = pytest.mark.parametrize("name", methods.names())
every_pruning_method = pytest.mark.parametrize("name", PRUNING)


def create(name, **options):
    if name in PRUNING:
        options = {"sparsity": SPARSITY, **options}
    return methods.create(name, **options)


def prepared(name, net, x, **options):
    method = create(name, **options)
    method.prepare(net, x)
    return method


def train(method, net, x, steps, first=0, total=20, optimizer=None):
    """Train on labels that come from the pictures; return the optimiser."""
    y = (x.mean((1, 2, 3)) * 40).long().remainder(5)
    optimizer = optimizer or torch.optim.Adam(net.parameters(), 1e-2)
    net.train()
    for step in range(first, first + steps):
        optimizer.zero_grad()
        F.cross_entropy(net(x), y).backward()
        optimizer.step()
        method.step((step + 1) / total)
    return optimizer


@every_method
def test_is_named_and_cites_a_source(name):
    method = methods.METHODS.get(name)
    assert method.name == name == canonical(method.name)
    assert method.source.strip()
    assert dataclasses.is_dataclass(method.Config)
    with pytest.raises(dataclasses.FrozenInstanceError):
        method.Config().targets = ()


@every_method
def test_refuses_unknown_options(name):
    with pytest.raises(ValueDomainError, match=r"an option must be one of targets.*'speed'"):
        methods.create(name, speed=3)
    if name not in PRUNING:
        with pytest.raises(ValueDomainError, match=r"an option must be one of .*'sparsity'"):
            methods.create(name, sparsity=0.5)
        assert methods.create(name).target_sparsity == 0.0


@every_pruning_method
def test_refuses_bad_sparsities(name):
    for bad in (-0.1, 1.1, float("nan"), "much", True):
        with pytest.raises(ValueDomainError, match="sparsity must be"):
            methods.create(name, sparsity=bad)
    with pytest.raises(ValueDomainError, match="hold \\+ ramp"):
        methods.create(name, hold=0.7, ramp=0.7)
    if methods.METHODS.get(name).augments:
        assert methods.create(name, sparsity=1.0).config.sparsity == 1.0
    else:
        with pytest.raises(ValueDomainError, match="below 1 for a method without a second branch"):
            methods.create(name, sparsity=1.0)


@every_method
def test_prepare_keeps_the_parameter_objects(name, make_net, x):
    net = make_net()
    before = {id(p): p.detach().clone() for p in net.parameters()}
    method = prepared(name, net, x)
    after = {id(p): p for p in net.parameters()}
    assert set(before) <= set(after)
    for key, value in before.items():
        torch.testing.assert_close(after[key].detach(), value, rtol=0, atol=0)
    assert {id(p) for p in method.new_parameters()} == set(after) - set(before)
    assert {id(p) for p in method.no_decay_parameters()} <= set(after)
    assert [c.name for c in method.layers() if c.compressed] == COMPRESSED
    assert all(c.reason for c in method.layers() if not c.compressed)


@every_method
def test_forward_changes_no_schedule(name, make_net, x):
    net = make_net()
    method = prepared(name, net, x)
    train(method, net, x, 10)
    state, masks = method.state_dict(), copy.deepcopy(method.masks())
    assert json.loads(json.dumps(state)) == state
    for mode in (True, False):
        net.train(mode)
        for _ in range(3):
            net(x)
    assert method.state_dict() == state
    for key, mask in method.masks().items():
        assert torch.equal(mask, masks[key])


@every_pruning_method
def test_reaches_the_target_exactly(name, make_net, x):
    net = make_net()
    layers = {key: net.get_submodule(key).weight for key in COMPRESSED}
    method = prepared(name, net, x)
    train(method, net, x, 20)
    assert set(method.masks()) == set(COMPRESSED)
    for key, mask in method.masks().items():
        assert mask.shape == layers[key].shape
        assert mask.dtype == torch.bool
        assert int(mask.sum()) == kept_count(mask.numel(), density_of(SPARSITY))
    method.convert(net)
    for weight in layers.values():
        kept = kept_count(weight.numel(), density_of(SPARSITY))
        assert np.count_nonzero(weight.detach().numpy()) == kept


@every_method
def test_converts_and_keeps_the_outputs(name, make_net, x):
    net = make_net()
    before = {id(p) for p in net.parameters()}
    layers = {key: net.get_submodule(key).weight for key in COMPRESSED}
    classes = {key: type(module) for key, module in net.named_modules()}
    keys = list(net.state_dict())
    method = prepared(name, net, x)
    train(method, net, x, 20)
    assert method.is_settled()
    net.eval()
    with torch.no_grad():
        want = net(x)
        method.convert(net)
        torch.testing.assert_close(net(x), want, rtol=1e-4, atol=1e-4)
    assert all(net.get_submodule(key).weight is weight for key, weight in layers.items())
    if method.augments:
        # The batch norms behind compressed layers are folded; everything else is as it was.
        gone = {key for key in keys if key.startswith(("bn1.", "bn2."))}
        assert set(keys) - gone <= set(net.state_dict())
    else:
        assert list(net.state_dict()) == keys
        assert {key: type(module) for key, module in net.named_modules()} == classes
        assert {id(p) for p in net.parameters()} == before


@every_pruning_method
def test_gradient_is_zero_where_masked(name, make_net, x):
    net = make_net()
    layers = {key: net.get_submodule(key).weight for key in COMPRESSED}
    method = prepared(name, net, x)
    train(method, net, x, 20)
    net.zero_grad()
    net(x).square().sum().backward()
    for key, mask in method.masks().items():
        grad = layers[key].grad
        assert torch.equal(grad[~mask], torch.zeros_like(grad[~mask]))
        assert grad[mask].abs().sum() > 0


@every_method
def test_resumes_where_it_stopped(name, make_net, x):
    whole, method = make_net(), None
    method = prepared(name, whole, x)
    train(method, whole, x, 20)

    half = make_net()
    method = prepared(name, half, x)
    optimizer = train(method, half, x, 9)
    saved = copy.deepcopy((half.state_dict(), optimizer.state_dict(), method.state_dict()))

    resumed = make_net()
    method = prepared(name, resumed, x)
    optimizer = torch.optim.Adam(resumed.parameters(), 1e-2)
    resumed.load_state_dict(saved[0])
    optimizer.load_state_dict(saved[1])
    method.load_state_dict(json.loads(json.dumps(saved[2])))
    train(method, resumed, x, 11, first=9, optimizer=optimizer)
    for key, value in whole.state_dict().items():
        assert torch.equal(resumed.state_dict()[key], value), key


@every_method
def test_exports_to_the_graph(name, make_net, x):
    net = make_net()
    method = prepared(name, net, x)
    train(method, net, x, 20)
    method.convert(net)
    net.eval()
    model, _ = capture.to_graph(net, x)
    (got,) = graph.evaluate(model, {model.graph.inputs[0].name: x.numpy()}).values()
    np.testing.assert_allclose(got, net(x).detach().numpy(), atol=1e-4, rtol=1e-4)


@every_method
def test_refuses_misuse(name, make_net, x):
    method = create(name)
    with pytest.raises(ValueDomainError, match="prepare must come before step"):
        method.step(0.5)
    net = make_net()
    method.prepare(net, x)
    with pytest.raises(ValueDomainError, match="prepare must be called once"):
        method.prepare(net, x)
    with pytest.raises(ValueDomainError, match="progress must be in"):
        method.step(1.2)
    with pytest.raises(ValueDomainError, match="must match a conv or linear layer of stem, conv1"):
        prepared(name, make_net(), x, targets=["conv9"])
    with pytest.raises(ValueDomainError, match="at least one conv or linear layer"):
        prepared(name, nn.Sequential(nn.Flatten(), nn.Linear(128, 5)), x)


class RegisteredTwice(nn.Module):
    """Its convolution and batch norm have two names, and forward calls the second."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 6, 3, padding=1)
        self.conv, self.bn = nn.Conv2d(6, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8)
        self.body = nn.Sequential(self.conv, self.bn, nn.ReLU())
        self.head = nn.Linear(8, 5)

    def forward(self, x):
        return self.head(self.body(self.stem(x)).mean((2, 3)))


@every_method
def test_a_layer_of_two_names_is_one_layer(name, x):
    net = RegisteredTwice()
    method = prepared(name, net, x)
    assert [c.name for c in method.layers() if c.compressed] == ["conv"]
    train(method, net, x, steps=20)
    net.eval()
    with torch.no_grad():
        want = net(x)
        method.convert(net)
        torch.testing.assert_close(net(x), want, atol=1e-4, rtol=1e-4)
    assert net.body[0] is net.conv
    weight = net.conv.weight.detach()
    if name in PRUNING:
        assert int((weight != 0).sum()) <= kept_count(weight.numel(), density_of(SPARSITY))
    else:
        assert len(weight.abs().unique()) == 1  # signs


@every_method
def test_a_frozen_batch_norm_stays_frozen(name, x):
    net = RegisteredTwice().train()
    frozen = net.bn.eval()
    prepared(name, net, x)
    assert not frozen.training
    assert any(module is frozen for module in net.modules())
    assert net.conv.training
