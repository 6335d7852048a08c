"""Checkpoint files: round trips, whole or not at all, damage is told."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from niwaki.errors import FormatError, InputError
from niwaki.train import checkpoint


def test_round_trip(tmp_path):
    shared = torch.arange(3.0)
    arrays = {"a": shared, "b": shared, "mask": torch.tensor([True, False]), "n": torch.tensor(7)}
    state = {"lr": 0.1, "none": None, "rows": [1, 2]}
    path = checkpoint.save(tmp_path / "c", 12, arrays, state)
    assert path.name == "step-00000012"
    assert sorted(p.name for p in path.iterdir()) == ["arrays.safetensors", "state.json"]
    got, got_state = checkpoint.load(tmp_path / "c")
    assert got_state == state
    for key, value in arrays.items():
        assert got[key].dtype == value.dtype
        assert torch.equal(got[key], value)


def test_the_newest_counts_and_older_ones_go(tmp_path):
    for step in (5, 10, 9999, 100000):
        checkpoint.save(tmp_path, step, {"a": torch.tensor(step)}, {"step": step})
    assert [p.name for p in tmp_path.iterdir()] == ["step-00100000"]
    leftover = tmp_path / ".step-00000011.x.tmp"  # of a killed write
    leftover.mkdir()
    assert checkpoint.load(tmp_path)[1] == {"step": 100000}
    checkpoint.save(tmp_path, 100001, {}, {})
    assert [p.name for p in tmp_path.iterdir()] == ["step-00100001"]


def test_nothing_there(tmp_path):
    assert checkpoint.load(tmp_path) is None
    assert checkpoint.load(tmp_path / "missing") is None


def test_damage_is_told(tmp_path):
    path = checkpoint.save(tmp_path, 1, {"a": torch.zeros(4)}, {})
    arrays = path / "arrays.safetensors"
    data = bytearray(arrays.read_bytes())
    data[-1] ^= 1
    arrays.write_bytes(data)
    with pytest.raises(FormatError, match=r"arrays.safetensors\] a checkpoint must be whole.*SHA"):
        checkpoint.load(tmp_path)
    record = json.loads((path / "state.json").read_text())
    record["version"] = 2
    (path / "state.json").write_text(json.dumps(record))
    with pytest.raises(FormatError, match=r"the version must be 1, got 2. Update niwaki"):
        checkpoint.load(tmp_path)
    (path / "state.json").write_text("{")
    with pytest.raises(FormatError, match="a checkpoint must be whole"):
        checkpoint.load(tmp_path)
    (path / "state.json").unlink()
    with pytest.raises(FormatError, match="a checkpoint must be whole"):
        checkpoint.load(tmp_path)


def test_a_file_in_the_way(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="every parent of the path must be a folder"):
        checkpoint.save(tmp_path / "file", 1, {}, {})


@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD])
def test_optimizer_round_trip(tmp_path, kind):
    def make():
        torch.manual_seed(0)
        net = nn.Linear(3, 2)
        options = {"momentum": 0.9} if kind is torch.optim.SGD else {"betas": (0.8, 0.99)}
        return net, kind(net.parameters(), lr=0.1, **options)

    def step(net, optimizer):
        optimizer.zero_grad()
        net(torch.ones(1, 3)).square().sum().backward()
        optimizer.step()

    net, optimizer = make()
    step(net, optimizer)
    arrays, plain = checkpoint.optimizer_to_plain(optimizer, "o.")
    weights = {f"m.{key}": value for key, value in net.state_dict().items()}
    checkpoint.save(tmp_path, 1, arrays | weights, plain)
    loaded, state = checkpoint.load(tmp_path)

    again, other = make()
    again.load_state_dict({k[2:]: v for k, v in loaded.items() if k.startswith("m.")})
    checkpoint.optimizer_from_plain(other, loaded, state, "o.")
    for _ in range(3):
        step(net, optimizer)
        step(again, other)
    assert checkpoint.weights_hash(net) == checkpoint.weights_hash(again)


def test_weights_hash_sees_values_names_and_types():
    net = nn.BatchNorm1d(3)
    hashes = {checkpoint.weights_hash(net)}
    net.weight.data[0] = -0.0
    hashes.add(checkpoint.weights_hash(net))
    net.num_batches_tracked += 1
    hashes.add(checkpoint.weights_hash(net))
    hashes.add(checkpoint.weights_hash(nn.Sequential(net)))
    hashes.add(checkpoint.weights_hash(net.double()))
    assert len(hashes) == 5
