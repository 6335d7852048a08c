"""The ImageNet networks: published sizes, torchvision's names, pictures smaller than 224."""

import numpy as np
import pytest
import torch

from niwaki import graph, models
from niwaki.capture import to_graph
from niwaki.errors import ShapeError, ValueDomainError
from niwaki.runtime import Engine, compile_graph

PARAMETERS = {
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "vgg16": 138_357_544,
    "nin-cifar": 966_986,
    "googlenet": 6_624_904,
    "googlenet-aux": 13_004_888,
    "squeezenet1-0": 1_248_424,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "mobilenet-v1": 4_231_976,
    "mobilenet-v1-0.5": 1_331_592,
    "mobilenet-v1-0.25": 470_072,
    # One output more: 513 or 257 weights of the classifier.
    "mobilenet-v1-0.5-same": 1_331_592 + 513,
    "mobilenet-v1-0.25-same": 470_072 + 257,
    "mobilenet-v2": 3_504_872,
    "mobilenet-v2-same": 3_504_872 + 1_281,
}
# The smallest picture of each that its pools leave something of; VGG's linear layers are too big
# for a test to fill.
SIDES = {"alexnet": 63, "googlenet-aux": 64, "squeezenet1-0": 33, "nin-cifar": 32}
LIGHT = [name for name in PARAMETERS if not name.startswith("vgg")]
# One entry per kind of layer and place; torchvision's names, from its documentation [recalled].
NAMES = {
    "alexnet": [
        "features.0.weight",
        "features.10.bias",
        "classifier.1.weight",
        "classifier.6.bias",
    ],
    "vgg11": ["features.0.weight", "features.18.bias", "classifier.0.weight", "classifier.6.bias"],
    "vgg16": ["features.0.weight", "features.28.bias", "classifier.3.weight", "classifier.6.bias"],
    "googlenet-aux": [
        "conv1.conv.weight",
        "conv3.bn.running_var",
        "inception3a.branch1.conv.weight",
        "inception4e.branch2.1.conv.weight",
        "inception5b.branch4.1.bn.bias",
        "aux1.conv.conv.weight",
        "aux2.fc2.bias",
        "fc.weight",
    ],
    "squeezenet1-0": [
        "features.0.weight",
        "features.3.squeeze.weight",
        "features.12.expand3x3.bias",
        "classifier.1.weight",
    ],
    "resnet18": ["conv1.weight", "layer1.1.bn2.weight", "layer2.0.downsample.0.weight", "fc.bias"],
    "resnet50": ["bn1.bias", "layer1.0.downsample.1.bias", "layer4.2.conv3.weight", "fc.weight"],
    "mobilenet-v2": [
        "features.0.0.weight",
        "features.1.conv.0.1.bias",
        "features.1.conv.1.weight",
        "features.2.conv.1.0.weight",
        "features.17.conv.3.running_mean",
        "features.18.1.weight",
        "classifier.1.weight",
    ],
}


def on_meta(name, **arguments):
    with torch.device("meta"):
        return models.create(name, **arguments)


@pytest.mark.parametrize(("name", "count"), PARAMETERS.items())
def test_parameters(name, count):
    assert sum(p.numel() for p in on_meta(name).parameters()) == count


@pytest.mark.parametrize(("name", "some"), NAMES.items())
def test_the_state_dict_has_torchvisions_names(name, some):
    assert set(some) <= set(on_meta(name).state_dict())


@pytest.mark.parametrize("name", ["mobilenet-v1-0.5", "mobilenet-v2"])
def test_the_padding_leaves_the_state_dict_alone(name):
    torch_like, same = on_meta(name, num_classes=7), on_meta(f"{name}-same", num_classes=7)
    shapes = {key: value.shape for key, value in torch_like.state_dict().items()}
    assert {key: value.shape for key, value in same.state_dict().items()} == shapes


@pytest.mark.parametrize("name", LIGHT)
@torch.no_grad()
def test_small_pictures_run(name):
    side = SIDES.get(name, 32)
    model = models.create(name, 5, input_size=side, seed=0)
    x = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    logits = model.eval()(x)
    assert logits.shape == (2, 5)
    assert torch.isfinite(logits).all()
    alone = torch.cat([model(x[:1]), model(x[1:])])
    torch.testing.assert_close(logits, alone, rtol=1e-3, atol=1e-3 * float(logits.abs().max()))
    assert models.default_ignore(model)


@pytest.mark.parametrize("name", ["vgg11", "vgg16"])
def test_a_vgg_runs_on_shapes_alone(name):
    model = on_meta(name, num_classes=5, in_channels=1, input_size=64).eval()
    assert model(torch.empty(2, 1, 64, 64, device="meta")).shape == (2, 5)


@pytest.mark.parametrize("name", ["googlenet-aux", "alexnet", "mobilenet-v1-0.25-same", "resnet18"])
def test_every_parameter_gets_a_gradient(name):
    side = SIDES.get(name, 64)
    model = models.create(name, 5, input_size=side, seed=0).train()
    x = torch.randn(4, 3, side, side, generator=torch.Generator().manual_seed(1))
    found = model.forward_with_heads(x) if name == "googlenet-aux" else (model(x),)
    target = torch.arange(4)
    sum(torch.nn.functional.cross_entropy(logits, target) for logits in found).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


def test_a_googlenet_without_heads_says_which_one_has_them():
    model = models.create("googlenet", 5, input_size=32)
    with pytest.raises(ValueDomainError, match="Create 'googlenet-aux'"):
        model.forward_with_heads(torch.zeros(2, 3, 32, 32))


def test_same_padding_by_hand():
    # 4 pixels, stride 2: windows start at 0 and 2, so the one pixel of padding goes behind.
    from niwaki.models._mobile import ConvNorm

    layer = ConvNorm(1, 1, 4, stride=2, padding="same").eval()
    torch.nn.init.ones_(layer.get_submodule("0").weight)
    y = layer(torch.full((1, 1, 4, 4), 0.25))
    expected = torch.tensor([[2.25, 1.5], [1.5, 1.0]]) / (1 + 1e-5) ** 0.5
    torch.testing.assert_close(y[0, 0], expected)


@pytest.mark.parametrize(
    ("name", "side"), [("alexnet", 32), ("vgg16", 31), ("squeezenet1-0", 16), ("googlenet", 8)]
)
def test_pictures_that_are_too_small_are_refused(name, side):
    with pytest.raises(ShapeError, match="input_size must be at least"):
        on_meta(name, input_size=side)


def randomize_norms(model):
    """Give batch norms plausible statistics: folding ones and zeros would test nothing."""
    generator = torch.Generator().manual_seed(2)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            size = module.num_features
            module.running_mean.copy_(0.1 * torch.randn(size, generator=generator))
            module.running_var.copy_(0.5 + torch.rand(size, generator=generator))


@pytest.mark.parametrize(
    ("name", "side"),
    [("mobilenet-v2-same", 32), ("squeezenet1-0", 33), ("nin-cifar", 32)],
)
def test_captured_networks_give_torchs_logits_in_the_engine(name, side):
    model = models.create(name, 6, input_size=side, seed=0).eval()
    randomize_norms(model)
    x = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(1))
    found, _ = to_graph(model, x)
    ops = [node.op_type for node in found.graph]
    assert "GlobalAveragePool" in ops
    assert not {"BatchNormalization", "ReduceMean", "Pad"} & set(ops)
    with torch.no_grad():
        want = model(x).numpy()
    atol = 1e-4 * float(np.abs(want).max())
    np.testing.assert_allclose(Engine(compile_graph(found))(x.numpy()), want, rtol=0, atol=atol)
    np.testing.assert_allclose(
        next(iter(graph.evaluate(found, {found.graph.inputs[0].name: x.numpy()}).values())),
        want,
        rtol=0,
        atol=atol,
    )
