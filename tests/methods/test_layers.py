"""Which layers a method takes: patterns, the defaults, and the reasons it tells."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from niwaki import methods
from niwaki.errors import ValueDomainError


def choices(net, x, name="magnitude", **options):
    method = methods.create(name, sparsity=0.5, **options)
    method.prepare(net, x)
    return {choice.name: choice for choice in method.layers()}


def taken(*args, **options):
    return [name for name, choice in choices(*args, **options).items() if choice.compressed]


def test_patterns(make_net, x):
    assert taken(make_net(), x, targets=["re:conv.*"]) == ["conv1", "conv2"]
    assert taken(make_net(), x, targets=["re:conv.*"], ignore=["conv2"]) == ["conv1"]
    assert taken(make_net(), x, ignore=["stem"]) == ["conv1", "conv2", "shortcut", "fc1", "head"]
    assert taken(make_net(), x, ignore=[]) == ["stem", "conv1", "conv2", "shortcut", "fc1", "head"]
    # A target named by the user wins over the defaults.
    assert taken(make_net(), x, targets="stem") == ["stem"]
    with pytest.raises(ValueDomainError, match="must be a regular expression"):
        taken(make_net(), x, targets=["re:(conv"])


def test_reasons(make_net, x):
    found = choices(make_net(), x)
    assert found["stem"].reason == "ignored by default"
    assert found["shortcut"].reason == "ignored by default"
    assert (found["conv1"].kind, found["conv1"].weights) == ("conv", 8 * 6 * 9)
    assert (found["fc1"].kind, found["fc1"].shape) == ("linear", (24, 128))
    assert choices(make_net(), x, targets=["conv1"])["fc1"].reason == "not among the targets"


def test_a_models_own_default(make_net, x):
    net = make_net()
    net.default_ignore = ["conv1", "fc1"]
    assert taken(net, x) == ["stem", "conv2", "shortcut", "head"]
    net = make_net()
    net.default_ignore = lambda: ["re:.*conv.*"]
    assert taken(net, x) == ["stem", "shortcut", "fc1", "head"]


def test_first_and_last_go_by_the_calls_not_by_the_attributes():
    class Backwards(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 2)
            self.body = nn.Linear(8, 4)
            self.second = nn.Conv2d(3, 2, 1)
            self.first = nn.Conv2d(1, 3, 1)
            self.unused = nn.Linear(3, 3)

        def forward(self, x):
            x = self.second(self.first(x))
            return self.head(self.body(x.flatten(1)))

    found = choices(Backwards(), torch.zeros(1, 1, 2, 2))
    assert [n for n, c in found.items() if c.compressed] == ["second", "body"]
    assert found["unused"].reason == "not called in a forward pass"


def test_bap_tells_what_it_cant_take():
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(1, 4, 1)
            self.grouped = nn.Conv2d(4, 4, 3, padding=1, groups=4)
            self.mirrored = nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")
            self.twice = nn.Conv2d(4, 4, 1)
            self.plain = nn.Conv2d(4, 4, 1)
            self.tokens = nn.Linear(4, 4)
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            x = self.mirrored(self.grouped(self.stem(x)))
            x = self.plain(self.twice(self.twice(x)))
            x = self.tokens(x.flatten(2).transpose(1, 2))
            return self.head(x.mean(1))

    x = torch.zeros(2, 1, 4, 4)
    found = choices(Odd(), x, "bap")
    assert [n for n, c in found.items() if c.compressed] == ["plain"]
    assert found["grouped"].reason.startswith("4 groups")
    assert found["mirrored"].reason.startswith("padding mode reflect")
    assert found["twice"].reason == "called 2 times in a forward pass"
    assert found["tokens"].reason == "its input isn't (N, features)"
    with pytest.raises(ValueDomainError, match=r"layer grouped.*4 groups"):
        choices(Odd(), x, "bap", targets=["grouped"])
    assert taken(Odd(), x, "bap", targets=["re:grouped|plain"]) == ["plain"]
