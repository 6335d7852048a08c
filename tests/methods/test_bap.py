"""Our BAP: the identities and gradients of its page, the unit, what convert makes of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from niwaki import capture, methods
from niwaki.errors import ValueDomainError
from niwaki.methods._augmented import AugmentedConv2d, AugmentedLinear
from niwaki.methods._binary import binarize_weight
from niwaki.methods.bap import BAPConfig, BinaryAugmented
from niwaki.runtime import Engine, compile_graph


def make_unit(*, stride=1, with_norm=True, **options):
    layer = nn.Conv2d(3, 5, 3, stride=stride, padding=1)
    norm = nn.BatchNorm2d(5) if with_norm else None
    unit = BinaryAugmented(layer, norm, BAPConfig(**options))
    return unit.double()


def masked(unit, density=0.3):
    mask = torch.rand(unit.layer.weight.shape) < density
    nn.utils.parametrize.register_parametrization(unit.layer, "weight", _Times(mask))
    return mask


class _Times(nn.Module):
    def __init__(self, mask) -> None:
        super().__init__()
        self.register_buffer("mask", mask)

    def forward(self, weight):
        return weight.masked_fill(~self.mask, 0.0)


def settle(unit, x):
    """Give every batch norm statistics and an affine part of its own."""
    for module in unit.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight)
            nn.init.normal_(module.bias)
    unit.train()
    for _ in range(3):
        unit(x)
    return unit.eval()


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("with_norm", [True, False])
def test_without_the_branch_it_is_a_masked_convolution(stride, with_norm):
    # bap.md, "works" item 3: t_o = 0.
    unit, x = make_unit(stride=stride, with_norm=with_norm), torch.randn(4, 3, 7, 6).double()
    mask = masked(unit)
    settle(unit, x)
    with torch.no_grad():
        unit.branch.norm_out.weight.zero_()
        unit.branch.norm_out.bias.zero_()
        weight = unit.layer.parametrizations.weight.original * mask
        want = F.conv2d(x, weight, unit.layer.bias, stride, 1)
        want = unit.norm(want) if unit.norm is not None else want
        torch.testing.assert_close(unit(x), want)


@pytest.mark.parametrize("stride", [1, 2])
def test_without_weights_it_is_a_binary_convolution(stride):
    # bap.md, "works" item 3: M = 0 gives the Si-BNN convolution.
    unit, x = make_unit(stride=stride), torch.randn(4, 3, 7, 6).double()
    masked(unit, density=0.0)
    settle(unit, x)
    branch = unit.branch
    with torch.no_grad():
        unit.layer.bias.zero_()
        unit.norm.running_mean.zero_()
        unit.norm.bias.zero_()
        y = (branch.norm_in(x) - branch.binarize.bias.view(-1, 1, 1)) * branch.binarize.scale.view(
            -1, 1, 1
        )
        v = branch.latent
        alpha = v.abs().mean((1, 2, 3), keepdim=True)
        binary = F.conv2d((y >= 0).double(), torch.where(v >= 0, alpha, -alpha), None, stride, 1)
        torch.testing.assert_close(unit(x), branch.norm_out(binary))


def test_gradients_by_finite_differences():
    # bap.md, "works" item 4: W (masked), the batch norms behind the branches. The bits don't depend
    # on these, so that differences are exact.
    unit, x = make_unit(), torch.randn(6, 3, 5, 5).double()
    mask = masked(unit)
    settle(unit, x)
    unit.train()  # batch statistics included
    grad = torch.randn(6, 5, 5, 5).double()
    weight = unit.layer.parametrizations.weight.original
    checked = [weight, unit.norm.weight, unit.norm.bias]
    checked += [unit.branch.norm_out.weight, unit.branch.norm_out.bias]
    (unit(x) * grad).sum().backward()
    for parameter in checked:
        flat, slopes = parameter.data.view(-1), parameter.grad.view(-1)
        for i in range(0, flat.numel(), max(1, flat.numel() // 12)):
            kept, values = float(flat[i]), []
            for h in (1e-6, -1e-6):
                flat[i] = kept + h
                values.append(float((unit(x) * grad).sum().detach()))
            flat[i] = kept
            assert float(slopes[i]) == pytest.approx((values[0] - values[1]) / 2e-6, abs=1e-4)
    assert torch.equal(weight.grad[~mask], torch.zeros_like(weight.grad[~mask]))
    assert unit.branch.latent.grad.abs().min() > 0


def test_gradients_in_front_of_the_bits_by_finite_differences_of_the_surrogate():
    # bap.md, "works" item 4: s and b, and the batch norm in front. A step has no slope, so by its
    # definition the loss is that of clamp(y, -rho, 1), with the gradient that reaches the bits.
    unit, x = make_unit(), torch.randn(6, 3, 5, 5).double()
    masked(unit)
    settle(unit, x)
    unit.train()  # batch statistics included
    branch, held = unit.branch, []
    hook = branch.binarize.register_forward_hook(lambda _m, _x, out: held.append(out))
    grad = torch.randn(6, 5, 5, 5).double()
    out = unit(x)
    hook.remove()
    (bits,) = held
    bits.retain_grad()
    (out * grad).sum().backward()

    def surrogate():
        b, s = branch.binarize.bias.view(-1, 1, 1), branch.binarize.scale.view(-1, 1, 1)
        y = (branch.norm_in(x) - b) * s
        return float((bits.grad * y.clamp(-0.3, 1.0)).sum().detach())

    parameters = [branch.norm_in.weight, branch.norm_in.bias]
    parameters += [branch.binarize.scale, branch.binarize.bias]
    for parameter in parameters:
        assert parameter.grad.abs().min() > 1e-3
        for i in range(3):
            kept, values = float(parameter[i].detach()), []
            for h in (1e-7, -1e-7):
                parameter.data[i] = kept + h
                values.append(surrogate())
            parameter.data[i] = kept
            slope = (values[0] - values[1]) / 2e-7
            assert float(parameter.grad[i]) == pytest.approx(slope, abs=1e-4)


def test_starts_from_the_weights():
    layer = nn.Conv2d(3, 5, 3)
    with torch.no_grad():
        layer.weight[0, 0, 0, 0] = 3.0
    unit = BinaryAugmented(layer, None, BAPConfig())
    assert torch.equal(unit.branch.latent, layer.weight.clamp(-1, 1))
    assert unit.branch.norm_out.weight.eq(1).all()
    unit = BinaryAugmented(layer, None, BAPConfig(latent_std=0.1, branch_gain=0.3))
    assert float(unit.branch.latent.detach().std()) == pytest.approx(0.1, rel=0.1)  # one is clamped
    assert unit.branch.norm_out.weight.eq(0.3).all()


def compress(net, x, steps=10, **options):
    method = methods.create("bap", **options)
    method.prepare(net, x)
    optimizer = torch.optim.Adam(net.parameters(), 1e-2)
    net.train()
    for step in range(steps):
        optimizer.zero_grad()
        net(x).square().mean().backward()
        optimizer.step()
        method.step((step + 1) / steps)
    return method


def test_the_units_stand_where_layer_and_batch_norm_stood(make_net, x):
    net = make_net()
    conv1, bn1, conv2 = net.conv1, net.bn1, net.conv2
    method = methods.create("bap")
    method.prepare(net, x)
    assert net.conv1.layer is conv1
    assert net.conv1.norm is bn1
    assert isinstance(net.bn1, nn.Identity)
    assert net.conv2.layer is conv2
    assert net.conv2.norm is None  # a sum reads it
    assert isinstance(net.bn2, nn.Identity)
    decay_free = {id(p) for p in method.no_decay_parameters()}
    assert id(net.conv1.branch.latent) not in decay_free
    assert id(net.conv1.branch.binarize.scale) in decay_free
    assert id(bn1.weight) in decay_free


@pytest.mark.parametrize("activations", ["bits", "signed"])
@pytest.mark.parametrize("tied", [False, True])
@pytest.mark.parametrize("sparsity", [0.0, 0.98, 1.0])
def test_convert_keeps_the_outputs(make_net, x, sparsity, tied, activations):
    net = make_net()
    method = compress(net, x, sparsity=sparsity, tied=tied, activations=activations)
    assert {c.name for c in method.layers() if c.compressed} == {"conv1", "conv2", "fc1"}
    net.eval()
    with torch.no_grad():
        want = net(x)
        method.convert(net)
        got = net(x)
    torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)
    assert isinstance(net.conv1, AugmentedConv2d)
    assert isinstance(net.fc1, AugmentedLinear)
    assert sorted(k for k in net.state_dict() if k.startswith("conv2.")) == [
        f"conv2.{key}" for key in ("bias", "binary_weight", "level", "scale", "sign", "weight")
    ]
    assert set(net.conv2.binary_weight.unique().tolist()) <= {-1.0, 1.0}
    assert torch.isfinite(net.conv2.level).all()
    if sparsity == 1.0:
        assert net.conv2.weight.eq(0).all()
    assert "Conv2d(8, 8" in repr(net.conv2)
    assert "Linear(128, 24" in repr(net.fc1)


@pytest.mark.parametrize("padding", [(2, 1), "same", 0])
def test_signed_padding_counts_as_minus_one(padding):
    layer = nn.Conv2d(3, 5, 3, padding=padding)
    unit = BinaryAugmented(layer, None, BAPConfig(activations="signed")).double()
    x = torch.randn(4, 3, 7, 6).double()
    settle(unit, x)
    branch = unit.branch
    with torch.no_grad():
        a = branch.binarize(branch.norm_in(x))
        assert set(a.unique().tolist()) == {-1.0, 1.0}
        # A picture with a border of -1 is one with a border of 0 where a + 1 stands for a.
        weight = binarize_weight(branch.latent)
        binary = F.conv2d(a + 1, weight, None, padding=padding)
        want = layer(x) + branch.norm_out(binary - weight.sum((1, 2, 3)).view(1, -1, 1, 1))
        torch.testing.assert_close(unit(x), want)
        folded = unit.fold(unit.latent().detach().clone()).double()
        torch.testing.assert_close(folded(x), want, atol=1e-5, rtol=1e-5)  # it holds float32


def test_signed_activations_run_in_the_engine(make_net, x):
    net = make_net()
    compress(net, x, sparsity=0.9, activations="signed").convert(net)
    graph, _ = capture.to_graph(net.eval(), x)
    engine = Engine(compile_graph(graph))
    with torch.no_grad():
        want = net(x)
    np.testing.assert_allclose(engine(x.numpy()), want.numpy(), atol=1e-4, rtol=1e-4)
    assert any(layer.binary_macs for layer in engine.explain())


def test_tied_has_no_latent_of_its_own(make_net, x):
    net = make_net()
    method = compress(net, x, sparsity=0.9, tied=True)
    assert net.conv1.branch.latent is None
    weight = net.conv1.layer.parametrizations.weight.original
    assert net.conv1.latent() is weight
    assert all(p is not weight for p in method.new_parameters())
    # The signs of all weights feed the branch: a masked one has a gradient through it.
    mask = method.masks()["conv1"]
    assert weight.grad[~mask].abs().sum() > 0
    assert float(weight.detach().abs().max()) <= 1.0


def test_deployed_layer_loads_its_state_again(make_net, x):
    net, other = make_net(), make_net()
    compress(net, x, sparsity=0.9).convert(net)
    compress(other, x + 1, sparsity=0.9).convert(other)
    with torch.no_grad():
        net.conv1.sign[:] = -1.0
    net.conv1._note_signs()
    other.conv1.has_flips = False
    other.load_state_dict(net.state_dict())
    assert other.conv1.has_flips
    assert torch.equal(other.eval()(x), net.eval()(x))


def test_latent_and_scale_stay_in_their_ranges(make_net, x):
    net = make_net()
    method = methods.create("bap", sparsity=0.5)
    method.prepare(net, x)
    with torch.no_grad():
        net.conv1.branch.latent.fill_(4.0)
        net.conv1.branch.binarize.scale.fill_(-1.0)
    method.step(0.1)
    assert net.conv1.branch.latent.eq(1).all()
    assert net.conv1.branch.binarize.scale.gt(0).all()


def test_branch_weight_is_alpha_times_sign():
    v = torch.tensor([[0.5, -0.25]])
    assert binarize_weight(v).tolist() == [[0.375, -0.375]]


def test_config_limits():
    with pytest.raises(ValueDomainError, match="window_low must be in"):
        methods.create("bap", window_low=1.5)
    with pytest.raises(ValueDomainError, match="latent_std must be finite, above 0"):
        methods.create("bap", latent_std=0.0)
    with pytest.raises(ValueDomainError, match="branch_gain must be finite"):
        methods.create("bap", branch_gain=float("nan"))
    with pytest.raises(ValueDomainError, match="activations must be bits or signed"):
        methods.create("bap", activations="real")
    with pytest.raises(ValueDomainError, match="latent_std must be None where tied"):
        methods.create("bap", latent_std=0.1, tied=True)
