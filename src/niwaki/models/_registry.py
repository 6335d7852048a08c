"""The registry of networks: what a family tells about itself, and how one is made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from niwaki.errors import ShapeError, ValueDomainError
from niwaki.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class ModelFamily:
    """Say how to make one named network.

    Args:
        build: Makes it: ``build(num_classes=..., in_channels=..., input_size=...)``.
        in_channels: Channels of the pictures it was designed for.
        input_size: Height and width in pixels it was designed for.
        num_classes: Outputs it was designed for.
    """

    build: Callable[..., nn.Module]
    in_channels: int
    input_size: int
    num_classes: int = 10


_MODELS: Registry[ModelFamily] = Registry("model", "niwaki.models", "niwaki.models")


def register_model(
    name: str, *, in_channels: int, input_size: int, num_classes: int = 10
) -> Callable[[Callable[..., nn.Module]], Callable[..., nn.Module]]:
    """Return a decorator that registers a function or class that makes a network.

    Args:
        name: Hyphens, lower case.
        in_channels: Default channels of the input.
        input_size: Default height and width of the input, pixels.
        num_classes: Default outputs.

    Raises:
        RegistryError: The name is taken.
    """

    def add(build: Callable[..., nn.Module]) -> Callable[..., nn.Module]:
        _MODELS.register(name)(ModelFamily(build, in_channels, input_size, num_classes))
        return build

    return add


def names() -> list[str]:
    """Return the names that `create` knows, sorted.

    Example:
        >>> "lenet5-caffe" in names()
        True
    """
    return _MODELS.names()


def defaults(name: str) -> ModelFamily:
    """Return what a named network was designed for.

    Raises:
        RegistryError: The name is unknown; the message lists the known ones.
    """
    return _MODELS.get(name)


def create(
    name: str,
    num_classes: int | None = None,
    in_channels: int | None = None,
    input_size: int | None = None,
    seed: int | None = None,
) -> nn.Module:
    """Make a network by name, with fresh random weights.

    Args:
        name: One of `names`; hyphens and underscores are the same.
        num_classes: Outputs, at least 2; the family's own when None.
        in_channels: Channels of the input; the family's own when None.
        input_size: Height and width of the input in pixels; the family's own when None.
        seed: Draw the weights from this seed and leave torch's generator alone; None draws from
            torch's generator.

    Returns:
        A module in training mode that maps float32 (N, in_channels, input_size, input_size) to
        logits, float32 (N, num_classes).

    Raises:
        RegistryError: The name is unknown.   ValueDomainError: `num_classes` or `in_channels` is
        too small.
        ShapeError: The network has no room for pictures that small.

    Example:
        >>> sum(p.numel() for p in create("resnet20", seed=0).parameters())
        269722
    """
    family = _MODELS.get(name)
    num_classes = family.num_classes if num_classes is None else num_classes
    in_channels = family.in_channels if in_channels is None else in_channels
    input_size = family.input_size if input_size is None else input_size
    if num_classes < 2:
        raise ValueDomainError(f"model {name}", "num_classes must be at least 2", got=num_classes)
    if in_channels < 1:
        raise ValueDomainError(f"model {name}", "in_channels must be at least 1", got=in_channels)
    arguments: dict[str, Any] = {
        "num_classes": num_classes,
        "in_channels": in_channels,
        "input_size": input_size,
    }
    if seed is None:
        return family.build(**arguments)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return family.build(**arguments)


def check_input(name: str, input_size: int, smallest: int) -> None:
    """Refuse pictures that a network's pools and convolutions would shrink to nothing.

    Raises:
        ShapeError: `input_size` is below `smallest`.
    """
    if input_size < smallest:
        raise ShapeError(
            f"model {name}",
            f"input_size must be at least {smallest} pixels",
            got=input_size,
            fix="Enlarge the pictures (image_size), or choose a smaller network",
        )


def default_ignore(model: nn.Module) -> list[str]:
    """Return the layers that a method leaves dense unless told otherwise.

    A model's own ``default_ignore`` attribute (names) decides; else it is the first convolution,
    which sees the picture and has few weights, and the last linear layer, which makes the logits.
    "First" and "last" go by the order in which the module registers its layers.

    Returns:
        Qualified names, e.g. ``["conv1", "fc2"]``; empty for a network without such layers.

    Example:
        >>> default_ignore(create("lenet5-caffe"))
        ['conv1', 'fc2']
    """
    own = getattr(model, "default_ignore", None)
    if own is not None and not callable(own):
        return list(own)
    found = list(model.named_modules())
    convolutions = [name for name, module in found if isinstance(module, nn.Conv2d)]
    linears = [name for name, module in found if isinstance(module, nn.Linear)]
    return convolutions[:1] + linears[-1:]


def normalization(model: nn.Module) -> dict[str, list[float]] | None:
    """Return the mean and std that a network's published weights want, or None.

    Returns:
        ``{"mean": [...], "std": [...]}`` in units of x / 255, to hand to `niwaki.train.data.load`.
    """
    own = getattr(model, "normalization", None)
    return {key: list(values) for key, values in own.items()} if isinstance(own, dict) else None
