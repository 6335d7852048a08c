"""What ``--model`` takes: a registered name, a file of the user's own, or timm."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from niwaki.errors import InputError, ToolMissingError
from niwaki.models._registry import create
from niwaki.registry import import_users_file, in_one_line

if TYPE_CHECKING:
    from collections.abc import Callable


def from_spec(
    spec: str,
    *,
    num_classes: int | None = None,
    in_channels: int | None = None,
    input_size: int | None = None,
    seed: int | None = None,
) -> nn.Module:
    """Make the network that a text names.

    Args:
        spec: A registered name (`niwaki.models.names`); ``file.py:make``, a Python file and a
            callable in it that returns a module; or ``timm:name``, with timm's random weights.
        num_classes: Outputs; the maker's default when None. A user's ``make`` gets those of
            `num_classes`, `in_channels` and `input_size` that its signature names.
        in_channels: Channels of the input.
        input_size: Height and width of the input, pixels.
        seed: As in `niwaki.models.create`.

    Raises:
        RegistryError: The name is unknown; the message lists the known ones.
        InputError: The file is missing or fails, or its callable isn't there or returns no module.
        ToolMissingError: timm isn't installed.
    """
    given: dict[str, Any] = {
        "num_classes": num_classes,
        "in_channels": in_channels,
        "input_size": input_size,
    }
    given = {key: value for key, value in given.items() if value is not None}
    kind, separator, rest = spec.rpartition(":")
    if separator and kind == "timm":
        return _seeded(seed, lambda: _from_timm(rest, given))
    if separator:
        return _seeded(seed, lambda: _from_file(Path(kind), rest, given))
    if spec.endswith(".py"):
        return _seeded(seed, lambda: _from_file(Path(spec), "make", given))
    return create(spec, seed=seed, **given)


def _seeded(seed: int | None, make: Callable[[], nn.Module]) -> nn.Module:
    if seed is None:
        return make()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make()


def _from_timm(name: str, given: dict[str, Any]) -> nn.Module:
    try:
        timm = importlib.import_module("timm")
    except ImportError:
        raise ToolMissingError(
            f"model timm:{name}", "timm must be installed", fix="pip install timm"
        ) from None
    renamed = {"num_classes": "num_classes", "in_channels": "in_chans"}
    arguments = {renamed[key]: value for key, value in given.items() if key in renamed}
    try:
        return timm.create_model(name, pretrained=False, **arguments)
    except RuntimeError as error:  # timm's word for an unknown name
        raise InputError(
            f"model timm:{name}",
            "the name must be one that timm knows",
            got=repr(str(error)),
            fix="timm.list_models() lists them",
        ) from error


def _from_file(path: Path, name: str, given: dict[str, Any]) -> nn.Module:
    where = f"model {path}:{name}"
    if not path.is_file():
        raise InputError(
            where,
            "the model must be a known name, FILE.py:CALLABLE of an existing file, or timm:NAME",
            got=str(path),
        )
    module = import_users_file(path, where)
    make = getattr(module, name, None)
    if not callable(make):
        found = ", ".join(_callables(module)) or "none"
        raise InputError(where, f"{path.name} must define a callable {name!r}", got=f"only {found}")
    accepted = inspect.signature(make).parameters
    try:
        model = make(**{key: value for key, value in given.items() if key in accepted})
    except (Exception, SystemExit) as error:
        raise InputError(
            where, f"{name}() must return the network", got=in_one_line(error)
        ) from error
    if not isinstance(model, nn.Module):
        raise InputError(where, f"{name}() must return a torch.nn.Module", got=type(model).__name__)
    return model


def _callables(module: object) -> list[str]:
    return sorted(
        name
        for name, item in vars(module).items()
        if callable(item)
        and not name.startswith("_")
        and getattr(item, "__module__", None) == getattr(module, "__name__", None)
    )
