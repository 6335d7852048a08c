"""The networks made for binarisation: the counts of the authors' code and of the page."""

import pytest
import torch
from torch import nn

from niwaki import methods, models
from niwaki.errors import ShapeError


def prepared(name, side=None):
    """Return a network as Si-BNN trains it, and its method, without filling any weights."""
    with torch.device("meta"):
        model = models.create(name)
        x = torch.empty(2, 3, side, side)
        method = methods.create("si-bnn")
        method.prepare(model, x)
    return model, method


def multiplications(model, side):
    """Return (in units, outside) for one picture of the real twin."""
    inside, outside = 0, 0
    ignored = set(models.default_ignore(model))

    def count(name, module):
        def hook(_module, _inputs, out):
            nonlocal inside, outside
            macs = out[0].numel() * module.weight[0].numel()
            if name in ignored:
                outside += macs
            else:
                inside += macs

        return hook

    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count(name, module))
    model.eval()(torch.empty(1, 3, side, side, device="meta"))
    return inside, outside


def test_resnet18_has_the_parameters_of_the_authors_code():
    model, method = prepared("sibnn-resnet18", 64)
    units = method.units().values()
    assert sum(p.numel() for p in model.parameters()) == 11_703_080
    assert sum(unit.layer.weight.numel() for unit in units) == 10_985_472
    assert sum(p.numel() for p in method.no_decay_parameters()) == 6_784
    ignored = [model.get_submodule(name) for name in models.default_ignore(model)]
    assert sum(p.numel() for layer in ignored for p in layer.parameters()) == 694_440
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    assert sum(p.numel() for norm in norms for p in norm.parameters()) == 16_384
    # No unit has a shortcut of its own: the network has them all.
    assert not any(unit.shortcut for unit in units)
    assert all(unit.norm_out is not None for unit in units)


def test_resnet18_has_the_multiplications_of_the_page():
    with torch.device("meta"):
        model = models.create("sibnn-resnet18")
    inside, outside = multiplications(model, 224)
    assert inside == 1_676_279_808  # 1.676 G
    assert round(outside / 1e6, 1) == 195.6


def test_alexnet_has_the_weights_and_multiplications_of_the_page():
    model, method = prepared("sibnn-alexnet", 227)
    binary = sum(unit.layer.weight.numel() for unit in method.units().values())
    layers = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.Linear)]
    assert sum(layer.weight.numel() for layer in layers) == 62_367_776
    assert binary == 58_236_928
    # A chain: a batch norm between two units is the second's; the last is the only one behind.
    assert not any(unit.shortcut for unit in method.units().values())
    assert [name for name, unit in method.units().items() if unit.norm_out] == ["classifier.5"]
    with torch.device("meta"):
        twin = models.create("sibnn-alexnet")
    inside, outside = multiplications(twin, 227)
    assert round(inside / 1e9, 3) == 1.026
    assert round((inside + outside) / 1e9, 3) == 1.135


def test_resnet50_puts_every_convolution_of_its_blocks_into_a_unit():
    model, method = prepared("sibnn-resnet50", 64)
    kernels = [unit.layer.kernel_size[0] for unit in method.units().values()]
    assert (kernels.count(1), kernels.count(3)) == (32, 16)
    # The network has the blocks' shortcuts and those of its 3x3 convolutions; the first 1x1 alone
    # keeps its shape beside them.
    assert [n for n, unit in method.units().items() if unit.shortcut] == ["blocks.0.unit1.conv"]
    assert models.default_ignore(model) == [
        "conv1",
        *(f"blocks.{place}.shortcut.0" for place in (0, 3, 7, 13)),
        "fc",
    ]


@pytest.mark.parametrize(
    ("name", "binary"),
    [("sibnn-small", 69_120), ("sibnn-resnet20", 267_264), ("vgg-small", 4_571_136)],
)
def test_small_networks(name, binary):
    channels = models.defaults(name).in_channels
    model, method = models.create(name, seed=0), methods.create("si-bnn")
    side = models.defaults(name).input_size
    method.prepare(model, torch.zeros(2, channels, side, side))
    assert sum(unit.layer.weight.numel() for unit in method.units().values()) == binary
    assert all(isinstance(unit.norm_in, nn.BatchNorm2d) for unit in method.units().values())
    # Nothing but s and b is new: the real twin has all batch norms.
    thresholds = {id(p) for p in method.no_decay_parameters()}
    assert {id(p) for p in method.new_parameters()} == thresholds


def test_resnet20_takes_the_weights_of_the_cifar_resnet():
    trained = models.create("resnet20", seed=3)
    twin = models.create("sibnn-resnet20", seed=0)
    missing, unexpected = twin.load_state_dict(trained.state_dict(), strict=False)
    assert not unexpected
    assert {key.split(".")[2] for key in missing} == {"norm1", "norm2"}


def test_weights_are_drawn_with_deviation_one_over_n():
    model = models.create("sibnn-small", seed=0)
    weight = model.unit4.conv.weight
    assert float(weight.detach().std()) * 576 == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("name", ["sibnn-resnet20", "sibnn-small", "vgg-small", "sibnn-alexnet"])
def test_pictures_that_are_too_small_are_refused(name):
    with pytest.raises(ShapeError, match="input_size must be at least"):
        models.create(name, input_size=3)
