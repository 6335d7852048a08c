"""Choose the layers that a method compresses: patterns, the default, and what it can't take."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from niwaki.errors import ValueDomainError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Layer = nn.Conv2d | nn.Linear


@dataclass(frozen=True)
class LayerChoice:
    """Say what was decided on one conv or linear layer, and why."""

    name: str
    """Qualified name in the model."""
    kind: str
    """``conv`` or ``linear``."""
    shape: tuple[int, ...]
    """Shape of the weight."""
    compressed: bool
    reason: str
    """Why it is left alone; "" where it is compressed."""

    @property
    def weights(self) -> int:
        """Return the number of weights."""
        count = 1
        for size in self.shape:
            count *= size
        return count


@dataclass
class Observed:
    """Record how one layer was used in one forward pass."""

    module: Layer
    input_rank: int = 0
    calls: int = 0
    order: int = 0


def observe(model: nn.Module, example_inputs: Any) -> dict[str, Observed]:
    """Run the model once in evaluation mode and record its conv and linear layers.

    Returns:
        Qualified name -> record, in the order of the calls; layers that were not called come last.
    """
    seen = {
        name: Observed(module)
        for name, module in model.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear)
    }
    clock = 0

    def hook(record: Observed) -> Callable[[nn.Module, tuple[Any, ...]], None]:
        def note(_module: nn.Module, inputs: tuple[Any, ...]) -> None:
            nonlocal clock
            clock += 1
            record.calls += 1
            record.order = record.order or clock
            record.input_rank = inputs[0].dim() if inputs else 0

        return note

    handles = [record.module.register_forward_pre_hook(hook(record)) for record in seen.values()]
    modes = {module: module.training for module in model.modules()}
    try:
        model.eval()
        with torch.no_grad():
            model(*as_arguments(example_inputs))
    finally:
        for handle in handles:
            handle.remove()
        for module, training in modes.items():
            module.training = training
    return dict(sorted(seen.items(), key=lambda item: item[1].order or clock + 1))


def as_arguments(example_inputs: Any) -> tuple[Any, ...]:
    """Return the positional arguments of a forward pass from a tensor or a tuple of them."""
    if isinstance(example_inputs, Tensor):
        return (example_inputs,)
    return tuple(example_inputs)


def replace_module(model: nn.Module, name: str, new: nn.Module) -> None:
    """Put a module at another's place, under every name that the other is registered by."""
    old = model.get_submodule(name)
    for path, module in list(model.named_modules(remove_duplicate=False)):
        if module is old:
            model.set_submodule(path, new)


def take_module(model: nn.Module, name: str) -> None:
    """Leave an identity at a module's place, in its mode."""
    training = model.get_submodule(name).training
    replace_module(model, name, nn.Identity().train(training))


def as_parameter(tensor: Tensor) -> nn.Parameter:
    """Return a layer's own weight or bias as what it is; torch types it as any tensor."""
    assert isinstance(tensor, nn.Parameter)
    return tensor


def choose_layers(
    model: nn.Module,
    example_inputs: Any,
    *,
    targets: tuple[str, ...],
    ignore: tuple[str, ...] | None,
    unsupported: Callable[[Observed], str],
) -> list[LayerChoice]:
    """Decide on every conv and linear layer, in the order of the calls.

    Args:
        model: The network.
        example_inputs: What its forward takes.
        targets: Names or ``re:`` patterns; empty is all.
        ignore: Names or ``re:`` patterns; None is the default, or nothing where targets are given.
        unsupported: Returns why the method can't take a layer, "" where it can.

    Raises:
        ValueDomainError: A pattern matches no layer, a layer asked for by name can't be taken, or
            no layer is left.
    """
    seen = observe(model, example_inputs)
    wanted = _matching("targets", targets, seen) if targets else set(seen)
    if ignore is not None:
        left, why = _matching("ignore", ignore, seen), "ignored"
    elif targets:
        left, why = set[str](), ""
    else:
        left, why = default_ignore(model, seen), "ignored by default"
    choices: list[LayerChoice] = []
    for name, record in seen.items():
        limit = _never_supported(record) or unsupported(record)
        if name in left:
            reason = why
        elif name not in wanted:
            reason = "not among the targets"
        else:
            reason = limit
            if limit and name in targets:
                raise ValueDomainError(f"method, layer {name}", f"can't be compressed: {limit}")
        weight = record.module.weight
        kind = "conv" if isinstance(record.module, nn.Conv2d) else "linear"
        choices.append(LayerChoice(name, kind, tuple(weight.shape), not reason, reason))
    if not any(choice.compressed for choice in choices):
        told = "; ".join(f"{choice.name}: {choice.reason}" for choice in choices)
        raise ValueDomainError(
            "method",
            "at least one conv or linear layer must be left to compress",
            got=told or "a model without such layers",
            fix="Name layers with targets, or pass an ignore list of your own",
        )
    return choices


def default_ignore(model: nn.Module, seen: dict[str, Observed]) -> set[str]:
    """Return the layers that stay dense: the model's own ``default_ignore``, or the usual ones.

    The usual ones are the first convolution, which sees the picture, the last linear layer, which
    makes the logits, and 1x1 convolutions with a stride, which carry a shortcut.
    """
    own: Any = getattr(model, "default_ignore", None)
    if own is not None:
        own = own() if callable(own) else own
        return _matching("default_ignore", list(own), seen)
    called = [(name, record.module) for name, record in seen.items() if record.calls]
    convolutions = [(name, m) for name, m in called if isinstance(m, nn.Conv2d)]
    linears = [name for name, module in called if isinstance(module, nn.Linear)]
    shortcuts = [
        name for name, m in convolutions if m.kernel_size == (1, 1) and tuple(m.stride) != (1, 1)
    ]
    return {name for name, _ in convolutions[:1]} | set(linears[-1:]) | set(shortcuts)


def binary_limit(record: Observed, what: str) -> str:
    """Return why a layer can't be run on bits, "" where it can.

    Args:
        record: How the layer is used.
        what: What would run on bits: ``the binary branch``.
    """
    module = record.module
    if record.calls > 1:
        return f"called {record.calls} times in a forward pass"
    if isinstance(module, nn.Linear):
        return "" if record.input_rank == 2 else "its input isn't (N, features)"
    if module.groups != 1:
        return f"{module.groups} groups: {what} has one"
    if module.padding_mode != "zeros":
        return f"padding mode {module.padding_mode}: {what} pads with zeros"
    return ""


def zero_pads(layer: nn.Conv2d) -> list[int]:
    """Return the padding of a convolution as ``F.pad`` takes it: left, right, top, bottom.

    Example:
        >>> zero_pads(nn.Conv2d(1, 1, (3, 4), padding="same"))
        [1, 2, 1, 1]
    """
    if layer.padding == "valid":
        return [0, 0, 0, 0]
    if layer.padding == "same":  # what is odd goes behind, as torch does it
        spans = [d * (k - 1) for d, k in zip(layer.dilation, layer.kernel_size, strict=True)]
        (top, bottom), (left, right) = [(span // 2, span - span // 2) for span in spans]
        return [left, right, top, bottom]
    height, width = layer.padding
    assert isinstance(height, int)
    assert isinstance(width, int)
    return [width, width, height, height]


def _never_supported(record: Observed) -> str:
    if not record.calls:
        return "not called in a forward pass"
    if nn.utils.parametrize.is_parametrized(record.module):
        return "its weight is parametrised already"
    return ""


def _matching(where: str, patterns: Iterable[str], known: Iterable[str]) -> set[str]:
    known = list(known)
    found: set[str] = set()
    for pattern in patterns:
        if pattern.startswith("re:"):
            try:
                compiled = re.compile(pattern[3:])
            except re.error as error:
                raise ValueDomainError(
                    where, "the pattern must be a regular expression", got=f"{pattern!r}: {error}"
                ) from None
            hits = {name for name in known if compiled.fullmatch(name)}
        else:
            hits = {name for name in known if name == pattern}
        if not hits:
            raise ValueDomainError(
                where, f"must match a conv or linear layer of {', '.join(known)}", got=repr(pattern)
            )
        found |= hits
    return found
