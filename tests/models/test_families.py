"""The published sizes of the networks, and the layers that methods are meant for."""

import pytest
import torch

from niwaki import models


def weights(model):
    layers = torch.nn.Conv2d | torch.nn.Linear
    return {n: m.weight.numel() for n, m in model.named_modules() if isinstance(m, layers)}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lenet5-caffe", {"conv1": 500, "conv2": 25_000, "fc1": 400_000, "fc2": 5_000}),
        ("lenet5", {"conv1": 150, "conv2": 2_400, "fc1": 48_000, "fc2": 10_080, "fc3": 840}),
        ("lenet-300-100", {"fc1": 235_200, "fc2": 30_000, "fc3": 1_000}),
        ("digits-cnn", {"conv1": 288, "conv2": 18_432, "conv3": 36_864, "fc": 640}),
    ],
)
def test_weights_by_layer(name, expected):
    assert weights(models.create(name)) == expected


def test_lenet5_caffe_has_the_430500_weights_of_the_pruning_papers():
    assert sum(weights(models.create("lenet5-caffe")).values()) == 430_500


@pytest.mark.parametrize(
    ("name", "parameters"), [("resnet20", 269_722), ("resnet32", 464_154), ("resnet56", 853_018)]
)
def test_resnet_parameters(name, parameters):
    model = models.create(name)
    assert sum(p.numel() for p in model.parameters()) == parameters


@pytest.mark.parametrize(
    ("name", "left_dense"),
    [
        ("lenet5-caffe", ["conv1", "fc2"]),
        ("lenet-300-100", ["fc3"]),
        ("digits-cnn", ["conv1", "fc"]),
        ("resnet20", ["conv1", "linear"]),
    ],
)
def test_what_is_left_dense(name, left_dense):
    assert models.default_ignore(models.create(name)) == left_dense


def test_what_is_left_dense_in_a_users_network():
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3),
        torch.nn.Conv2d(2, 2, 3),
        torch.nn.Linear(2, 2),
        torch.nn.Linear(2, 2),
    )
    assert models.default_ignore(model) == ["0", "3"]
    assert models.default_ignore(torch.nn.ReLU()) == []


def test_an_option_a_shortcut_by_hand():
    # 1 channel 3x3, one zero channel before and one after: every second pixel stays.
    from niwaki.models.resnet_cifar import PaddedShortcut

    y = PaddedShortcut(1)(torch.arange(9.0).reshape(1, 1, 3, 3))
    assert y.tolist() == [[[[0, 0], [0, 0]], [[0, 2], [6, 8]], [[0, 0], [0, 0]]]]


def test_only_colour_resnets_ask_for_the_constants_of_their_weights():
    wanted = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}
    assert models.normalization(models.create("resnet20")) == wanted
    assert models.normalization(models.create("resnet20", in_channels=1)) is None
    assert models.normalization(models.create("lenet5")) is None
