"""Magnitude pruning: the cubic schedule by hand, when masks move, ties and bad weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from niwaki import methods
from niwaki.errors import ValueDomainError
from niwaki.methods._masked import cubic_sparsity


def test_schedule_by_hand():
    # Zhu and Gupta, Eq. (1): s_f + (s_i - s_f) (1 - u)^3.
    shares = {"hold": 0.2, "ramp": 0.4}
    for progress, want in [(0.0, 0.1), (0.2, 0.1), (0.6, 0.9), (1.0, 0.9)]:
        assert cubic_sparsity(progress, final=0.9, initial=0.1, **shares) == want
    middle = cubic_sparsity(0.4, final=0.9, initial=0.1, **shares)
    assert middle == pytest.approx(0.9 - 0.8 * 0.5**3)
    assert cubic_sparsity(0.0, final=0.7, hold=0.0, ramp=0.0) == 0.7
    assert cubic_sparsity(1.0, final=0.7, hold=0.3, ramp=0.7) == 0.7


def linear(values):
    layer = nn.Linear(len(values), 1, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([values]))
    return nn.Sequential(layer, nn.Linear(1, 1))


def test_masks_move_at_the_interval_and_settle_at_the_end():
    net = linear([float(i) for i in range(1, 201)])
    method = methods.create("magnitude", sparsity=0.9, hold=0.25, ramp=0.5, mask_interval=50)
    method.prepare(net, torch.ones(1, 200))
    mask = method.masks()["0"]
    total, moved, seen = 4000, [], mask.clone()
    for step in range(1, total + 1):
        method.step(step / total)
        if not torch.equal(mask, seen):
            moved.append(step)
            seen = mask.clone()
    # The ramp begins at step 1000: recomputed at 1001 (nothing moves yet), 1051, 1101...
    assert moved[:10] == list(range(1051, 1551, 50))
    assert moved[-1] <= 3000
    assert method.is_settled()
    assert int(mask.sum()) == 20
    assert mask[0, -20:].all()


def test_short_runs_ramp_gently():
    net = linear([float(i) for i in range(1, 201)])
    method = methods.create("magnitude", sparsity=0.9)  # 16 of 40 steps ramp: fewer than 50
    method.prepare(net, torch.ones(1, 200))
    counts = []
    for step in range(1, 41):
        method.step(step / 40)
        counts.append(int(method.masks()["0"].sum()))
    assert len(set(counts)) >= 13
    assert counts[7] == 200
    assert counts[23] == counts[-1] == 20
    assert counts == sorted(counts, reverse=True)


def test_a_pruned_weight_returns_by_rank_only():
    net = linear([0.1, 0.9, 0.5, 0.2])
    method = methods.create("magnitude", sparsity=0.5, hold=0.0, ramp=0.0)
    method.prepare(net, torch.ones(1, 4))
    method.step(0.1)
    assert method.masks()["0"].tolist() == [[False, True, True, False]]
    with torch.no_grad():
        net[0].parametrizations.weight.original[0, 0] = 7.0
    method.step(0.2)  # settled: fixed masks
    assert method.masks()["0"].tolist() == [[False, True, True, False]]


def test_global_scope_weighs_layers_against_each_other():
    net = nn.Sequential(nn.Linear(64, 64), nn.Linear(64, 64), nn.Linear(64, 2))
    with torch.no_grad():
        net[1].weight.copy_(torch.randn(64, 64).pow(3) * 10)  # another shape: another share
    method = methods.create("magnitude", sparsity=0.9, scope="global", hold=0.0, ramp=0.0)
    method.prepare(net, torch.ones(1, 64))
    method.step(0.5)
    kept = {key: int(mask.sum()) for key, mask in method.masks().items()}
    assert sum(kept.values()) == round(0.1 * 2 * 64 * 64)
    weights = {key: method._layers[key].parametrizations.weight.original for key in kept}
    scores = {
        key: weight.detach().abs() / weight.detach().std(correction=0)
        for key, weight in weights.items()
    }
    lowest_kept = min(float(scores[key][mask].min()) for key, mask in method.masks().items())
    highest_cut = max(float(scores[key][~mask].max()) for key, mask in method.masks().items())
    assert lowest_kept >= highest_cut
    assert kept["0"] != kept["1"]


def test_sparsity_zero_and_bad_weights():
    net = linear([0.1, 0.9])
    method = methods.create("magnitude", sparsity=0.0)
    method.prepare(net, torch.ones(1, 2))
    method.step(1.0)
    assert method.is_settled()
    assert method.masks()["0"].all()

    net = linear([0.1, float("nan")])
    method = methods.create("magnitude", sparsity=0.5, hold=0.0, ramp=0.0)
    method.prepare(net, torch.ones(1, 2))
    with pytest.raises(ValueDomainError, match=r"\[mask 0\] weights must be finite"):
        method.step(0.5)


def test_config_limits():
    with pytest.raises(ValueDomainError, match="initial_sparsity must be in"):
        methods.create("magnitude", sparsity=0.5, initial_sparsity=0.6)
    with pytest.raises(ValueDomainError, match="mask_interval must be at least 1"):
        methods.create("magnitude", mask_interval=0)
    with pytest.raises(ValueDomainError, match="scope must be"):
        methods.create("magnitude", scope="row")
