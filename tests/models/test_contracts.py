"""What every registered network must do."""

import pytest
import torch

from niwaki import models
from niwaki.errors import RegistryError, ShapeError, ValueDomainError

# Networks for pictures of 224 pixels take seconds each: test_imagenet.py has them at small sizes.
SMALL = [name for name in models.names() if models.defaults(name).input_size <= 32]
EVERY = pytest.mark.parametrize("name", SMALL)
# Those of the Si-BNN form have two batch norms a convolution: test_sibnn.py counts them.
ONE_NORM = [name for name in SMALL if name != "nin-cifar" and not name.startswith("sibnn-")]
WITH_NORMS = pytest.mark.parametrize("name", ONE_NORM)


def pictures(name: str, count: int) -> torch.Tensor:
    family = models.defaults(name)
    generator = torch.Generator().manual_seed(1)
    side = family.input_size
    return torch.randn(count, family.in_channels, side, side, generator=generator)


@EVERY
def test_maps_pictures_to_logits(name):
    model = models.create(name, num_classes=7, seed=0).eval()
    logits = model(pictures(name, 3))
    assert logits.shape == (3, 7)
    assert logits.dtype == torch.float32
    assert torch.isfinite(logits).all()


@EVERY
def test_takes_other_channels_and_sizes(name):
    family = models.defaults(name)
    side = family.input_size + 4
    channels = 4 - family.in_channels
    model = models.create(name, 5, in_channels=channels, input_size=side, seed=0).eval()
    assert model(torch.zeros(2, channels, side, side)).shape == (2, 5)


@EVERY
def test_a_picture_does_not_see_its_batch_in_eval(name):
    model = models.create(name, seed=0).eval()
    x = pictures(name, 4)
    alone = torch.cat([model(x[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(model(x), alone, rtol=1e-4, atol=1e-5)


@EVERY
def test_a_seed_decides_the_weights_and_leaves_the_generator_alone(name):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    first = models.create(name, seed=3).state_dict()
    assert torch.equal(torch.rand(3), expected)
    second = models.create(name, seed=3).state_dict()
    other = models.create(name, seed=4).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert any(not torch.equal(first[key], other[key]) for key in first)


@EVERY
def test_exports_with_any_batch_size(name):
    model = models.create(name, seed=0).eval()
    batch = torch.export.Dim("batch", min=1, max=64)
    exported = torch.export.export(
        model, (pictures(name, 2),), dynamic_shapes=({0: batch},), strict=False
    )
    x = pictures(name, 3)
    torch.testing.assert_close(exported.module()(x), model(x))


@EVERY
def test_every_parameter_gets_a_gradient(name):
    model = models.create(name, seed=0).train()
    torch.nn.functional.cross_entropy(model(pictures(name, 4)), torch.arange(4)).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


@EVERY
def test_what_is_left_dense_are_layers_that_exist(name):
    model = models.create(name)
    modules = dict(model.named_modules())
    ignored = models.default_ignore(model)
    assert ignored
    assert all(isinstance(modules[key], torch.nn.Conv2d | torch.nn.Linear) for key in ignored)


@WITH_NORMS
def test_hidden_layers_have_batch_norm_and_no_bias(name):
    # A bias in front of batch norm trains nothing, and would be counted as a parameter.
    model = models.create(name)
    layers = [m for m in model.modules() if isinstance(m, torch.nn.Conv2d | torch.nn.Linear)]
    norms = [
        m for m in model.modules() if isinstance(m, torch.nn.BatchNorm2d | torch.nn.BatchNorm1d)
    ]
    assert len(norms) == len(layers) - 1
    assert all(layer.bias is None for layer in layers[:-1])


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(RegistryError, match=r"must be one of .*lenet5-caffe.*, got 'vgg99'"):
        models.create("vgg99")


def test_underscores_are_hyphens():
    assert type(models.create("lenet5_caffe")) is type(models.create("lenet5-caffe"))


@pytest.mark.parametrize("name", ["lenet5-caffe", "lenet5", "digits-cnn", "resnet20"])
def test_pictures_that_are_too_small_are_refused(name):
    with pytest.raises(ShapeError, match="input_size must be at least"):
        models.create(name, input_size=1)


def test_the_smallest_pictures_work():
    for name, smallest in (
        ("lenet5-caffe", 16),
        ("lenet5", 12),
        ("digits-cnn", 2),
        ("resnet20", 4),
    ):
        channels = models.defaults(name).in_channels
        model = models.create(name, input_size=smallest).eval()
        assert model(torch.zeros(1, channels, smallest, smallest)).shape == (1, 10)


def test_numbers_that_make_no_network_are_refused():
    with pytest.raises(ValueDomainError, match="num_classes must be at least 2, got 1"):
        models.create("lenet5", num_classes=1)
    with pytest.raises(ValueDomainError, match="in_channels must be at least 1, got 0"):
        models.create("lenet5", in_channels=0)
