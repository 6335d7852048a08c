"""The binarisers: values and gradients against the formulas of the Si-BNN page."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from niwaki.methods._binary import (
    BinaryActivation,
    binarize_activation,
    binarize_weight,
    signs,
)
from niwaki.methods._fold import FLOAT32_MAX, fold_threshold


def test_activation_by_hand():
    y = torch.tensor([-0.31, -0.3, -0.29, 0.0, 0.99, 1.0, 1.01], dtype=torch.float64)
    y.requires_grad_()
    bits = binarize_activation(y, 0.3)
    assert bits.tolist() == [0, 0, 0, 1, 1, 1, 1]
    bits.sum().backward()
    assert y.grad.tolist() == [0, 0, 1, 1, 1, 0, 0]  # zero at exactly -0.3 and 1


@pytest.mark.parametrize("rho", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 2, 6)])
def test_activation_gradients(shape, rho):
    # g_y = g_a 1[-rho < y < 1]; g_x = s g_y; g_b = -s sum g_y; g_s = sum (x - b) g_y.
    module = BinaryActivation(3, window_low=rho).double()
    with torch.no_grad():
        module.scale.copy_(torch.tensor([0.5, 1.0, 2.0]))
        module.bias.copy_(torch.tensor([0.2, -0.4, 0.0]))
    x = torch.randn(shape, dtype=torch.float64, requires_grad=True)
    grad = torch.randn(shape, dtype=torch.float64)
    module(x).backward(grad)
    view = (1, 3) + (1,) * (len(shape) - 2)
    s, b = module.scale.detach().view(view), module.bias.detach().view(view)
    y = (x.detach() - b) * s
    g_y = grad * ((y > -rho) & (y < 1))
    axes = (0, *range(2, len(shape)))
    torch.testing.assert_close(x.grad, s * g_y, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(module.bias.grad, -(s * g_y).sum(axes), rtol=1e-6, atol=1e-9)
    want = ((x.detach() - b) * g_y).sum(axes)
    torch.testing.assert_close(module.scale.grad, want, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("rho", [0.3, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_no_gradient_at_the_ends_of_the_window(dtype, rho):
    # si-bnn.md, item 4: zero at y of exactly -rho and 1, in x, s and b alike. With s a power of two
    # and b = 0, x = y / s is exact.
    y = torch.tensor([[-rho], [1.0], [-rho], [1.0]], dtype=dtype)
    scale = torch.tensor([0.5, 1.0, 2.0], dtype=dtype)
    module = BinaryActivation(3, window_low=rho).to(dtype)
    with torch.no_grad():
        module.scale.copy_(scale)
    x = (y / scale).requires_grad_()
    bits = module(x)
    assert bits.tolist() == [[0, 0, 0], [1, 1, 1]] * 2
    bits.backward(torch.randn(4, 3, dtype=dtype))
    for grad in (x.grad, module.scale.grad, module.bias.grad):
        assert torch.equal(grad, torch.zeros_like(grad))
    # The nearest numbers inside have one.
    toward = torch.zeros_like(y)
    inside = (torch.nextafter(y, toward) / scale).requires_grad_()
    module(inside).sum().backward()
    assert torch.equal(inside.grad, scale.expand(4, 3))


def test_activation_gradients_are_those_of_the_clipped_surrogate():
    # The step's gradient is by definition that of clamp(y, -rho, 1): finite differences of it.
    module = BinaryActivation(4, window_low=0.3).double()
    with torch.no_grad():
        module.scale.uniform_(0.5, 2.0)
        module.bias.normal_(0.0, 0.3)
    x, grad = torch.randn(9, 4, dtype=torch.float64), torch.randn(9, 4, dtype=torch.float64)
    module(x).backward(grad)

    def surrogate(scale, bias):
        return float((grad * ((x - bias) * scale).clamp(-0.3, 1.0)).sum())

    with torch.no_grad():
        for parameter, pick in ((module.scale, 0), (module.bias, 1)):
            for channel in range(4):
                h = torch.zeros(4, dtype=torch.float64)
                h[channel] = 1e-6
                at = [module.scale, module.bias]
                up, down = at.copy(), at.copy()
                up[pick], down[pick] = parameter + h, parameter - h
                slope = (surrogate(*up) - surrogate(*down)) / 2e-6
                assert float(parameter.grad[channel]) == pytest.approx(slope, abs=1e-4)


def test_weight_value_and_gradient_by_loops():
    latent = torch.randn(3, 2, 2, 2, dtype=torch.float64)
    latent[0, 0, 0, 0], latent[1, 0, 0, 1], latent[2, 1, 1, 1] = 0.0, 1.0, -1.5
    latent.requires_grad_()
    grad = torch.randn(3, 2, 2, 2, dtype=torch.float64)
    out = binarize_weight(latent)
    out.backward(grad)
    w, g = latent.detach().numpy().reshape(3, 8), grad.numpy().reshape(3, 8)
    sign = np.where(w >= 0, 1.0, -1.0)
    for o in range(3):
        alpha = np.abs(w[o]).mean()
        np.testing.assert_allclose(out[o].detach().numpy().ravel(), alpha * sign[o])
        shared = sum(sign[o, i] * g[o, i] for i in range(8)) / 8
        for i in range(8):
            want = (1 - 1 / 8) * g[o, i] * (abs(w[o, i]) <= 1) + sign[o, i] * shared
            assert float(latent.grad[o].flatten()[i]) == pytest.approx(want, abs=1e-6)


def test_sign_of_zero_is_plus_one():
    assert signs(torch.tensor([0.0, -0.0, -1e-30])).tolist() == [1.0, 1.0, -1.0]


def random_chain(channels):
    norm, binarize = nn.BatchNorm2d(channels), BinaryActivation(channels)
    with torch.no_grad():
        norm.weight.normal_()
        norm.bias.normal_()
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.1, 3.0)
        binarize.scale.uniform_(0.01, 2.0)
        binarize.bias.normal_()
    return norm.eval(), binarize


def test_folded_threshold_agrees_on_a_million_values():
    norm, binarize = random_chain(20)
    sign, level = fold_threshold(norm, binarize)
    assert set(sign.tolist()) == {-1.0, 1.0}  # gamma of both signs
    x = torch.randn(1, 20, 250, 200) * 2
    with torch.no_grad():
        bits = binarize(norm(x))
    signed = x * sign.view(-1, 1, 1)
    got = (signed >= level.view(-1, 1, 1)).float()
    near = (signed - level.view(-1, 1, 1)).abs() < 1e-4
    assert torch.equal(got[~near], bits[~near])
    assert near.float().mean() < 1e-3


def test_folded_threshold_is_the_chain_itself_in_double():
    # The same claim without a margin: in float64, where the chain hardly rounds, 10^6 values differ
    # only where the level's own rounding to float32 lies between.
    norm, binarize = random_chain(20)
    assert (norm.weight < 0).any()
    assert (norm.weight > 0).any()
    sign, level = (part.double().view(-1, 1, 1) for part in fold_threshold(norm, binarize))
    x = torch.randn(1, 20, 250, 200) * 2
    # A tenth of them within a few roundings of the level.
    near = torch.rand(x.shape) < 0.1
    steps = torch.randint(-8, 9, x.shape) * torch.finfo(torch.float32).eps
    x = torch.where(near, (sign * level * (1 + steps)).float(), x).double()
    with torch.no_grad():
        bits = binarize.double()(norm.double()(x)).bool()
    got = sign * x >= level
    rounding = torch.finfo(torch.float32).eps * level.abs()
    assert (bits == got)[(sign * x - level).abs() > rounding].all()
    assert (bits == got).double().mean() > 0.98


def test_folded_threshold_of_constant_channels_is_finite():
    norm, binarize = random_chain(5)
    with torch.no_grad():
        norm.weight[:4] = 0.0
        norm.bias[:4] = torch.tensor([1.0, -1.0, 0.5, 0.0])
        binarize.bias[:4] = torch.tensor([0.0, 0.0, 0.5, 0.0])
        norm.weight[4], norm.bias[4] = 1e-38, 1e3  # the threshold is beyond float32
    sign, level = fold_threshold(norm, binarize)
    assert torch.isfinite(level).all()
    assert level.tolist() == [-FLOAT32_MAX, FLOAT32_MAX, -FLOAT32_MAX, -FLOAT32_MAX, -FLOAT32_MAX]
    x = torch.randn(2, 5, 3, 3)
    got = (x * sign.view(-1, 1, 1) >= level.view(-1, 1, 1)).float()
    with torch.no_grad():
        assert torch.equal(got, binarize(norm(x)))


def test_scale_stays_positive():
    module = BinaryActivation(2)
    with torch.no_grad():
        module.scale.copy_(torch.tensor([-1.0, 0.5]))
    module.clamp()
    assert module.scale.tolist() == [pytest.approx(1e-2), 0.5]
