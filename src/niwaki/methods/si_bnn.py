"""Si-BNN: binary networks with {0, 1} activations, trained thresholds and gradient windows.

Source: Wang, He, Cheng, "Toward Accurate Binarized Neural Networks With Sparsity for Mobile
Application", IEEE TNNLS 2022, doi:10.1109/TNNLS.2022.3173498, and its AAAI 2020 predecessor,
doi:10.1609/aaai.v34i07.6900.

Marks: [code] = the authors' published training code (ResNet-18), [ours] = our decision. Bodies and
tables of both papers could not be read.

[code] One unit:  u(x) = BN_out(Conv(A(BN_in(x)), alpha * sign(W))) + shortcut(x), and no ReLU:
       A is the one-bit ReLU. First convolution, classifier and 1x1 shortcuts stay in floats.

Paper     Here              Meaning
W         layer.weight      real weights behind the binary ones, (O, C, k, k) or (O, C)
alpha_o   -                 mean |W_o|, per output channel
A         binarize          {0, 1} activations, see _binary.py; {-1, +1} where "signed"
s, b      binarize          scale and bias of the threshold test, per input channel
rho       window_low        the gradient of a bit passes where -rho < (x - b) s < 1
BN_in     norm_in           batch norm in front of the binariser, per input channel
BN_out    norm_out          batch norm behind the convolution

How a network of the user's own becomes units, all [ours]:
- BN_in is the batch norm in front that the layer alone reads, else a new one.
- BN_out is the batch norm that alone reads the layer, if any. In a chain, one batch norm stands
  between two units: it is BN_in of the second, unless the first has a shortcut of its own.
- An ``nn.ReLU`` in front that the layer alone reads goes; one that others read too stays.
- A convolution gets its own identity shortcut where its shape allows it, unless its output goes
  into an addition already: then that is its shortcut (a model's ``unit_shortcuts`` or the option
  ``shortcuts`` decide otherwise: chains have none).

Departures:
- Weights are clamped to [-1, 1] after each step, so before the next one; the first step sees the
  user's own, and (as the formula has it) gives those beyond 1 a gradient through alpha alone.
- "signed", the {-1, +1} baseline [ours]: sign(BN_in(x)), gradient where |BN_in(x)| < 1, no s and b.
  Its padding counts as -1, in training as in deployment: a padded bit is then 0, as everywhere.
- convert flips the weights of channels whose scale came out negative, so that a max pool behind the
  layer may move in front of the scale.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from niwaki import capture
from niwaki.errors import ValueDomainError
from niwaki.methods._base import Method, MethodConfig, register_method
from niwaki.methods._binarized import BinaryConv2d, BinaryLinear
from niwaki.methods._binary import (
    WINDOW_LOW,
    BinaryActivation,
    binarize_weight,
    channel_mean_abs,
    signs,
)
from niwaki.methods._binary_layer import (
    Activations,
    apply_binary,
    check_activations,
    fold_activation,
    make_activation,
)
from niwaki.methods._fold import BatchNorm, affine_of, fold_threshold
from niwaki.methods._layers import (
    LayerChoice,
    as_arguments,
    as_parameter,
    binary_limit,
    choose_layers,
    replace_module,
    take_module,
)

if TYPE_CHECKING:
    from niwaki.methods._layers import Layer, Observed


@dataclass(frozen=True)
class SiBNNConfig(MethodConfig):
    """Hold the settings of Si-BNN.

    Raises:
        ValueDomainError: A value is out of its range.
    """

    window_low: float = WINDOW_LOW
    """rho, in [0, 1]; 0.3 in the authors' code. Not used where activations are signed."""
    activations: Activations = "bits"
    """{0, 1}, the method; or {-1, +1}, the baseline, on the same units and weights."""
    threshold: float = 0.0
    """b at the start. 0 lets half of the bits be 1; 0.4 with `scale` 2 is the sparser start."""
    scale: float = 1.0
    """s at the start, above 0: the gradient window is 1/s wide."""
    shortcuts: bool | None = None
    """Give units shortcuts of their own; None: as the model's ``unit_shortcuts`` says, else yes."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.window_low <= 1.0:
            raise ValueDomainError("si-bnn", "window_low must be in [0, 1]", got=self.window_low)
        check_activations("si-bnn", self.activations)
        if not 0.0 < self.scale < math.inf:
            raise ValueDomainError("si-bnn", "scale must be finite, above 0", got=self.scale)
        if not math.isfinite(self.threshold):
            raise ValueDomainError("si-bnn", "threshold must be finite", got=self.threshold)


class BinaryUnit(nn.Module):
    """Stand at a layer's place: BN_out(Conv(A(BN_in(x)), alpha * sign(W))) [+ x].

    Args:
        layer: The user's own ``nn.Conv2d`` or ``nn.Linear``; its weight is W.
        norm_in: The user's own batch norm in front; None makes a new one.
        norm_out: The user's own batch norm behind, or None.
        shortcut: Whether x is added.
        config: The method's settings.
    """

    def __init__(
        self,
        layer: Layer,
        norm_in: BatchNorm | None,
        norm_out: BatchNorm | None,
        *,
        shortcut: bool,
        config: SiBNNConfig,
    ) -> None:
        super().__init__()
        weight = layer.weight
        channels = weight.shape[1]
        self.layer = layer
        self.shortcut = shortcut
        if norm_in is None:
            kind = nn.BatchNorm2d if isinstance(layer, nn.Conv2d) else nn.BatchNorm1d
            norm_in = kind(channels).to(weight.device, weight.dtype).train(layer.training)
        self.norm_in = norm_in
        self.binarize = make_activation(config.activations, channels, config.window_low)
        if isinstance(self.binarize, BinaryActivation):
            nn.init.constant_(self.binarize.scale, config.scale)
            nn.init.constant_(self.binarize.bias, config.threshold)
            self.binarize.to(weight.device, weight.dtype)
        self.norm_out = norm_out
        self.binarize.train(layer.training)
        self.training = layer.training  # the user's batch norms keep their own: some are frozen

    def forward(self, x: Tensor) -> Tensor:
        """Return the unit's output, with the shape of the layer's own."""
        layer, weight = self.layer, binarize_weight(self.layer.weight)
        y = apply_binary(layer, weight, layer.bias, self.binarize, self.norm_in(x))
        if self.norm_out is not None:
            y = self.norm_out(y)
        return y + x if self.shortcut else y

    @torch.no_grad()
    def clamp(self) -> None:
        """Keep W in [-1, 1] and s positive; called after each optimiser step."""
        self.layer.weight.clamp_(-1.0, 1.0)
        if isinstance(self.binarize, BinaryActivation):
            self.binarize.clamp()

    @torch.no_grad()
    def fold(self) -> BinaryConv2d | BinaryLinear:
        """Return the deployable layer, whose weight is the user's own parameter, now -1 and +1."""
        layer, weight = self.layer, as_parameter(self.layer.weight)
        binary = signs(weight)
        outer = affine_of(self.norm_out, weight.shape[0])
        worth = outer.gain.to(weight.device) * channel_mean_abs(weight.double()).flatten()
        offset = outer.offset.to(weight.device)
        if layer.bias is not None:
            offset = offset + outer.gain.to(weight.device) * layer.bias.double()
        scale, shift = fold_activation(self.binarize, worth, binary)
        offset = offset + shift
        flip = torch.where(scale < 0, -1.0, 1.0).to(weight.dtype)
        weight.copy_(binary * flip.view(-1, *[1] * (weight.dim() - 1)))
        bias = nn.Parameter(offset.to(weight.dtype))
        if layer.bias is not None:
            bias = as_parameter(layer.bias)
        bias.copy_(offset)
        sign, level = fold_threshold(self.norm_in, self.binarize)
        folded = {"sign": sign, "level": level, "scale": scale.abs().float()}
        if isinstance(layer, nn.Linear):
            return BinaryLinear(weight, bias, **folded).train(self.training)
        deployed = BinaryConv2d(
            weight,
            bias,
            stride=layer.stride,
            padding=layer.padding,
            dilation=layer.dilation,
            shortcut=self.shortcut,
            **folded,
        )
        return deployed.train(self.training)


@register_method("si-bnn", source="doi:10.1109/TNNLS.2022.3173498")
class SiBNN(Method):
    """Binarise activations to {0, 1} and weights to {-1, +1}, thresholds and windows trained.

    In the model, ``conv`` becomes a unit with keys ``conv.layer.*``, ``conv.norm_in.*``,
    ``conv.norm_out.*`` and ``conv.binarize.*``; batch norms and ReLUs that went into a unit leave
    identities at their places. After `convert` the layer has ``conv.weight`` as before, now -1 and
    +1, ``conv.bias``, and the buffers ``sign``, ``level`` and ``scale``.
    """

    augments: ClassVar[bool] = True
    Config: ClassVar[type[MethodConfig]] = SiBNNConfig
    config: SiBNNConfig  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, config: MethodConfig | None = None) -> None:
        super().__init__(config)
        self._choices: list[LayerChoice] = []
        self._units: dict[str, BinaryUnit] = {}
        self._new: list[nn.Parameter] = []

    def prepare(self, model: nn.Module, example_inputs: Any) -> None:
        """Put a unit at each chosen layer's place, in place."""
        if self._choices:
            raise ValueDomainError(
                f"method {self.name}",
                "prepare must be called once",
                got="a second call",
                fix="Make a new method, or a new Session, for another network",
            )
        self._choices = choose_layers(
            model,
            example_inputs,
            targets=self.config.targets,
            ignore=self.config.ignore,
            unsupported=_unsupported,
        )
        known = {id(parameter) for parameter in model.parameters()}
        shortcuts = self.config.shortcuts
        if shortcuts is None:
            shortcuts = bool(getattr(model, "unit_shortcuts", True))
        around = capture.surroundings(model, as_arguments(example_inputs))
        chosen = {c.name: around[c.name] for c in self._choices if c.compressed}
        with_shortcut = {
            name
            for name, place in chosen.items()
            if shortcuts and place.keeps_shape and not place.is_added
            if isinstance(model.get_submodule(name), nn.Conv2d)
        }
        outer = {chosen[name].norm_behind for name in with_shortcut}
        inner = {place.norm_before for place in chosen.values()} - outer
        for name, place in chosen.items():
            norm_in = None if place.norm_before in outer else place.norm_before
            norm_out = None if place.norm_behind in inner else place.norm_behind
            self._put_unit(model, name, (norm_in, norm_out), name in with_shortcut)
            for path in place.relus_before:
                take_module(model, path)
        self._new = [p for unit in self._units.values() for p in unit.parameters()]
        self._new = [parameter for parameter in self._new if id(parameter) not in known]

    def _put_unit(
        self,
        model: nn.Module,
        name: str,
        norms: tuple[str | None, str | None],
        shortcut: bool,
    ) -> None:
        layer = model.get_submodule(name)
        assert isinstance(layer, nn.Conv2d | nn.Linear)
        norm_in, norm_out = (_take_norm(model, path) for path in norms)
        unit = BinaryUnit(layer, norm_in, norm_out, shortcut=shortcut, config=self.config)
        replace_module(model, name, unit)
        self._units[name] = unit

    def step(self, progress: float) -> None:
        """Clamp W and s; nothing follows a schedule."""
        if not 0.0 <= progress <= 1.0:
            raise ValueDomainError(
                f"method {self.name}", "progress must be in [0, 1]", got=progress
            )
        self._require_prepared("step")
        for unit in self._units.values():
            unit.clamp()

    def convert(self, model: nn.Module) -> None:
        """Replace each unit by its folded, deployable layer, in place."""
        self._require_prepared("convert")
        for name, unit in self._units.items():
            replace_module(model, name, unit.fold())
        self._units, self._new = {}, []

    def masks(self) -> dict[str, Tensor]:
        """Return no masks: every weight is kept."""
        return {}

    def layers(self) -> list[LayerChoice]:
        """Return every conv and linear layer, with what was decided on it and why."""
        return list(self._choices)

    def units(self) -> dict[str, BinaryUnit]:
        """Return layer name -> its unit, between `prepare` and `convert`."""
        return dict(self._units)

    def new_parameters(self) -> list[nn.Parameter]:
        """Return s, b and the affine parameters of batch norms that the user's model had not."""
        return list(self._new)

    def no_decay_parameters(self) -> list[nn.Parameter]:
        """Return s and b."""
        return [p for unit in self._units.values() for p in unit.binarize.parameters()]

    def _require_prepared(self, verb: str) -> None:
        if not self._units:
            raise ValueDomainError(
                f"method {self.name}",
                f"prepare must come before {verb}",
                got="no units",
                fix="Call prepare(model, example_inputs); after convert, make a new method",
            )


def _unsupported(record: Observed) -> str:
    return binary_limit(record, "a binary layer")


def _take_norm(model: nn.Module, path: str | None) -> BatchNorm | None:
    """Take a batch norm out of the model; one without running statistics can't be folded: stays."""
    norm = None if path is None else model.get_submodule(path)
    if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d) or norm.running_mean is None:
        return None
    assert path is not None
    take_module(model, path)
    return norm
