"""The session in a user's own loop, with the user's own optimiser."""

from __future__ import annotations

import copy
import json

import pytest
import torch
from torch import nn

import niwaki
from niwaki import methods, models
from niwaki.errors import FormatError, RegistryError, ValueDomainError
from niwaki.train import Session


@pytest.fixture
def x():
    return torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(1))


def make(x, method="bap", steps=10, **options):
    model = models.create("digits-cnn", seed=0)
    return model, Session(model, method, total_steps=steps, example_inputs=x, **options)


def loop(model, session, optimizer, x, steps):
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
        session.step()


def test_is_part_of_the_face():
    assert niwaki.Session is Session


@pytest.mark.parametrize("name", methods.names())
def test_users_own_loop_and_optimizer(x, name):
    prunes = methods.METHODS.get(name).prunes
    model, session = make(x, name, **({"sparsity": 0.9} if prunes else {}))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    mine = [id(p) for p in optimizer.param_groups[0]["params"]]
    session.prepare(optimizer)
    assert [id(p) for p in optimizer.param_groups[0]["params"]] == mine
    held = {id(p) for group in optimizer.param_groups for p in group["params"]}
    assert held == {id(p) for p in model.parameters()}
    no_decay = {id(p) for p in session.method.no_decay_parameters()}
    for group in optimizer.param_groups[1:]:
        assert group["weight_decay"] == (0.0 if id(group["params"][0]) in no_decay else 1e-4)
    loop(model, session, optimizer, x, 10)
    assert session.progress == 1.0
    assert session.sparsity == pytest.approx(0.9 if prunes else 0.0, abs=1e-4)
    assert set(session.masks()) == ({"conv2", "conv3"} if prunes else set())
    assert session.convert() is model
    with torch.no_grad():
        assert torch.isfinite(model.eval()(x)).all()


def test_new_parameters_learn(x):
    model, session = make(x, "bap")
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    session.prepare(optimizer)
    before = [p.detach().clone() for p in session.method.new_parameters()]
    loop(model, session, optimizer, x, 3)
    after = session.method.new_parameters()
    assert all(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


def test_schedule_shares(x):
    _, session = make(x, "magnitude", sparsity=0.8, schedule=(0.0, 0.5, 0.5))
    session.prepare()
    seen = []
    for _ in range(10):
        session.step()
        seen.append(session.sparsity)
    assert seen[0] > 0.0
    assert seen[4] == seen[-1] == pytest.approx(0.8, abs=1e-4)
    session.step()  # one more than total_steps: masks stay
    assert session.sparsity == seen[-1]
    with pytest.raises(ValueDomainError, match="three shares"):
        make(x, schedule=(0.5, 0.2, 0.1))


def test_convert_waits_for_the_target(x):
    _, session = make(x, "magnitude", sparsity=0.8)
    session.prepare()
    session.step()
    with pytest.raises(ValueDomainError, match=r"reached its target 0.8.*step 1 of 10"):
        session.convert()
    session.convert(early=True)


def test_order_of_calls(x):
    _, session = make(x)
    with pytest.raises(ValueDomainError, match=r"Session.step.*a session that is new"):
        session.step()
    session.prepare()
    with pytest.raises(ValueDomainError, match=r"Session.prepare.*a session that is prepared"):
        session.prepare()


def test_bad_arguments(x):
    with pytest.raises(RegistryError, match="must be one of bap, magnitude"):
        make(x, "prune-harder")
    with pytest.raises(ValueDomainError, match="total_steps must be at least 1"):
        make(x, steps=0)
    with pytest.raises(ValueDomainError, match="an option must be one of"):
        make(x, colour="red")
    with pytest.raises(ValueDomainError, match="configured already"):
        make(x, methods.create("magnitude"), sparsity=0.5)


def test_state_round_trip_through_json(x):
    model, session = make(x, "bap", sparsity=0.9)
    session.prepare()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    loop(model, session, optimizer, x, 5)
    state = json.loads(json.dumps(session.state_dict()))
    weights = {key: value.clone() for key, value in model.state_dict().items()}
    moments = copy.deepcopy(optimizer.state_dict())

    again, other = make(x, "bap", sparsity=0.9)
    other.prepare()
    optimizer2 = torch.optim.Adam(again.parameters(), 1e-2)
    again.load_state_dict(weights)
    optimizer2.load_state_dict(moments)
    other.load_state_dict(state)
    assert other.steps_done == 5
    loop(model, session, optimizer, x, 5)
    loop(again, other, optimizer2, x, 5)
    for key, value in model.state_dict().items():
        assert torch.equal(value, again.state_dict()[key]), key

    _, third = make(x, "bap", sparsity=0.5)
    third.prepare()
    with pytest.raises(FormatError, match="config must be the session's own"):
        third.load_state_dict(state)


def test_a_tuple_of_inputs():
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b, self.head = nn.Linear(4, 8), nn.Linear(4, 8), nn.Linear(8, 2)

        def forward(self, x, y):
            return self.head(torch.relu(self.a(x) + self.b(y)))

    x, y = torch.ones(3, 4), torch.ones(3, 4)
    session = Session(Two(), "bap", 0.5, total_steps=2, example_inputs=(x, y))
    session.prepare()
    assert sorted(session.masks()) == ["a", "b"]
