"""Weights from files: what fits is loaded exactly, what doesn't is refused whole."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from niwaki import models
from niwaki.errors import FormatError, InputError, ShapeError, ValueDomainError


def net():
    return torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2))


@pytest.fixture
def source():
    torch.manual_seed(0)
    model = net()
    model[1].running_mean.uniform_()
    return model.state_dict()


def write(path, state):
    if path.suffix == ".npz":
        np.savez(path, **{key: value.numpy() for key, value in state.items()})
    else:
        save_file(state, path)
    return path


def refuse(error, match, path):
    model = net()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with pytest.raises(error, match=match):
        models.load_weights(model, path)
    assert all(torch.equal(before[key], value) for key, value in model.state_dict().items())


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_loads_every_tensor(tmp_path, source, suffix):
    model = net()
    models.load_weights(model, write(tmp_path / f"w{suffix}", source))
    assert all(torch.equal(value, source[key]) for key, value in model.state_dict().items())


def test_takes_off_the_prefix_of_data_parallel(tmp_path, source):
    renamed = {f"module.{key}": value for key, value in source.items()}
    model = net()
    models.load_weights(model, str(write(tmp_path / "w.npz", renamed)))
    assert torch.equal(model[0].weight, source["0.weight"])


def test_converts_floats_and_misses_no_batch_count(tmp_path, source):
    half = {key: value.half() for key, value in source.items() if value.is_floating_point()}
    model = net()
    models.load_weights(model, write(tmp_path / "w.safetensors", half))
    assert model[0].weight.dtype == torch.float32
    assert torch.equal(model[0].weight, source["0.weight"].half().float())


def test_missing_and_unexpected_keys_are_named(tmp_path, source):
    del source["0.bias"]
    source["2.extra"] = torch.zeros(1)
    match = r"got 1 missing \(0\.bias\) and 1 unexpected \(2\.extra\)"
    refuse(InputError, match, write(tmp_path / "w.npz", source))


def test_an_empty_file_misses_everything(tmp_path):
    refuse(
        InputError,
        r"6 missing \(0\.bias, 0\.weight, 1\.bias, \.\.\.\)",
        write(tmp_path / "w.npz", {}),
    )


def test_a_shape_that_differs_is_named(tmp_path, source):
    source["0.weight"] = torch.zeros(2, 1, 5, 5)
    match = r"'0\.weight' must have shape \(2, 1, 3, 3\), got \(2, 1, 5, 5\)"
    refuse(ShapeError, match, write(tmp_path / "w.safetensors", source))


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_values_that_are_not_finite_are_refused(tmp_path, source, bad):
    source["0.weight"][0, 0, 0, 0] = bad
    match = r"'0\.weight' must be finite, got 1 NaN"
    refuse(ValueDomainError, match, write(tmp_path / "w.npz", source))


def test_integers_are_no_weights(tmp_path, source):
    source["0.weight"] = torch.zeros(2, 1, 3, 3, dtype=torch.uint8)
    match = r"'0\.weight' must be convertible to torch\.float32, got torch\.uint8"
    refuse(ValueDomainError, match, write(tmp_path / "w.npz", source))


@pytest.mark.parametrize("suffix", [".pt", ".pth", ".th", ".bin", ".ckpt"])
def test_pickles_are_refused_with_the_way_out(tmp_path, suffix):
    path = tmp_path / f"w{suffix}"
    path.write_bytes(b"\x80\x04.")
    refuse(FormatError, r"can run any code, got \.\w+\. .*safetensors\.torch\.save_file", path)


def test_an_npz_that_needs_pickle_is_refused(tmp_path):
    path = tmp_path / "w.npz"
    np.savez(path, x=np.array([{}], dtype=object))
    refuse(FormatError, r"must be \.npz of plain arrays", path)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_truncated_file_is_refused(tmp_path, source, suffix):
    path = write(tmp_path / f"w{suffix}", source)
    path.write_bytes(path.read_bytes()[:-30])
    refuse(FormatError, "the file must be", path)


def test_a_missing_file_and_another_kind(tmp_path):
    refuse(InputError, "must be a file that exists", tmp_path / "none.npz")
    path = tmp_path / "w.onnx"
    path.write_bytes(b"")
    refuse(FormatError, r"must be \.safetensors or \.npz, got '\.onnx'", path)
