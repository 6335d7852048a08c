"""Our BAP: each layer becomes an extremely sparse branch plus a binary branch that is nearly free.

Source: Wang, Li, Li, Cheng, "Extremely Sparse Networks via Binary Augmented Pruning for Fast Image
Classification", IEEE TNNLS 2021, doi:10.1109/TNNLS.2021.3120409.

Only the abstract could be read. [paper] marks what it says, [ours] what we built to meet it.
[paper] About 98 % of the weights are pruned, binary connections stand in for them; the binary
        branch costs negligible resources.
[ours]  Everything exact below:
        z = BN_s(Conv(x, M * W)) + BN_b(Conv(A(x), alpha * sign(V))), A(x) = [(BN_in(x) - b) s >= 0]
        and z = Conv(x, M * W) + bias + BN_b(...) where no batch norm follows the layer.

Ours     Here               Meaning
W        layer.weight       real weights of the sparse branch, (O, C, k, k) or (O, C)
M        masks()            kept weights, bool, share 1 - sparsity of each layer
V        branch.latent      real weights behind the binary ones, in [-1, 1], shape of W
alpha_o  -                  mean |V_o|, per output channel
BN_s     norm               the user's own batch norm behind the layer, if it alone reads it
BN_in    branch.norm_in     private batch norm in front of the binariser, per input channel
s, b     branch.binarize    scale and bias of the threshold test, per input channel
BN_b     branch.norm_out    private batch norm behind the binary convolution
A        branch.binarize    {0, 1} activations, see _binary.py; {-1, +1} where "signed"

Departures (from the recipe on the method's page, which is ours too):
- V = W at the start and both gains 1: this is what was measured there. For large trained networks
  it proposes std(V) = 0.1 and gain 0.3: `latent_std` and `branch_gain`.
- Masks are recomputed every 50 steps, and at least 16 times over the ramp in short runs.
- convert folds both batch norms and beta into the weights, t and one bias, so that the deployed
  layer is Conv + t * Conv, as docs/design/architecture.md has it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn

from niwaki import capture
from niwaki.errors import ValueDomainError
from niwaki.methods._augmented import AugmentedConv2d, AugmentedLinear
from niwaki.methods._base import MethodConfig, register_method
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
    as_arguments,
    as_parameter,
    binary_limit,
    replace_module,
    take_module,
)
from niwaki.methods._masked import MaskedConfig, MaskedMethod
from niwaki.methods._masks import latent_weight

if TYPE_CHECKING:
    from niwaki.methods._layers import Layer, Observed


@dataclass(frozen=True)
class BAPConfig(MaskedConfig):
    """Hold the settings of our BAP.

    Raises:
        ValueDomainError: A value is out of its range.
    """

    window_low: float = WINDOW_LOW
    """rho: the gradient of a bit passes where -rho < y < 1; in [0, 1]. Not used where signed."""
    activations: Activations = "bits"
    """A's values: {0, 1}; or {-1, +1}, with -1 in the padding, and no s and b."""
    tied: bool = False
    """V is W itself: half the memory of training, slightly less capacity."""
    latent_std: float | None = None
    """Scale V at the start so that its standard deviation is this; None: V = W."""
    branch_gain: float = 1.0
    """gamma of BN_b at the start; below 1 the branch starts weak."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.window_low <= 1.0:
            raise ValueDomainError("bap", "window_low must be in [0, 1]", got=self.window_low)
        check_activations("bap", self.activations)
        if self.latent_std is not None and not 0.0 < self.latent_std < math.inf:
            raise ValueDomainError("bap", "latent_std must be finite, above 0", got=self.latent_std)
        if not math.isfinite(self.branch_gain):
            raise ValueDomainError("bap", "branch_gain must be finite", got=self.branch_gain)
        if self.latent_std is not None and self.tied:
            raise ValueDomainError("bap", "latent_std must be None where tied", got=self.latent_std)


class BinaryBranch(nn.Module):
    """Compute BN_b(Conv(A(BN_in(x)), alpha * sign(V))) with the geometry of a layer.

    Args:
        layer: The user's layer; its weight starts V, and is V where the config says tied.
        config: The method's settings.
    """

    def __init__(self, layer: Layer, config: BAPConfig) -> None:
        super().__init__()
        weight = layer.weight
        batch_norm = nn.BatchNorm2d if isinstance(layer, nn.Conv2d) else nn.BatchNorm1d
        self.norm_in = batch_norm(weight.shape[1])
        self.binarize = make_activation(config.activations, weight.shape[1], config.window_low)
        self.norm_out = batch_norm(weight.shape[0])
        nn.init.constant_(self.norm_out.weight, config.branch_gain)
        self.to(weight.device, weight.dtype)
        self.latent: nn.Parameter | None = None
        if not config.tied:
            latent = weight.detach().clone()
            if config.latent_std is not None and (spread := float(latent.std())) > 0.0:
                latent *= config.latent_std / spread
            self.latent = nn.Parameter(latent.clamp_(-1.0, 1.0))
        self.train(layer.training)

    def forward(self, x: Tensor, layer: Layer, latent: Tensor) -> Tensor:
        """Return the branch's output; ``latent`` is V, ``layer`` gives stride and padding."""
        weight = binarize_weight(latent)
        return self.norm_out(apply_binary(layer, weight, None, self.binarize, self.norm_in(x)))


class BinaryAugmented(nn.Module):
    """Stand at a layer's place: the sparse layer and its batch norm, plus the binary branch.

    Args:
        layer: The user's own ``nn.Conv2d`` or ``nn.Linear``.
        norm: The batch norm that alone reads the layer, or None.
        config: The method's settings.
    """

    def __init__(self, layer: Layer, norm: BatchNorm | None, config: BAPConfig) -> None:
        super().__init__()
        self.layer = layer
        self.norm = norm
        self.branch = BinaryBranch(layer, config)
        self.training = layer.training  # the user's batch norm keeps its own: some are frozen

    def latent(self) -> nn.Parameter:
        """Return V."""
        return latent_weight(self.layer) if self.branch.latent is None else self.branch.latent

    def forward(self, x: Tensor) -> Tensor:
        """Return z, with the shape of the layer's own output."""
        z = self.layer(x)
        if self.norm is not None:
            z = self.norm(z)
        return z + self.branch(x, self.layer, self.latent())

    @torch.no_grad()
    def clamp(self) -> None:
        """Keep V in [-1, 1] and s positive; called after each optimiser step."""
        self.latent().clamp_(-1.0, 1.0)
        if isinstance(self.branch.binarize, BinaryActivation):
            self.branch.binarize.clamp()

    @torch.no_grad()
    def fold(self, latent: Tensor) -> AugmentedConv2d | AugmentedLinear:
        """Return the deployable layer, whose weight is the user's own parameter.

        Args:
            latent: V, (O, C, ...); the mask is off the layer by now.
        """
        layer, branch = self.layer, self.branch
        outputs = layer.weight.shape[0]
        sparse, binary = affine_of(self.norm, outputs), affine_of(branch.norm_out, outputs)
        worth = binary.gain * channel_mean_abs(latent.double()).flatten()
        scale, shift = fold_activation(branch.binarize, worth, signs(latent))
        per_output = (-1,) + (1,) * (layer.weight.dim() - 1)
        weight = as_parameter(layer.weight)
        offset = sparse.offset.to(weight.device) + binary.offset.to(weight.device) + shift
        if layer.bias is not None:
            offset = offset + sparse.gain * layer.bias.double()
        weight.copy_(weight.double() * sparse.gain.to(weight.device).view(per_output))
        bias = nn.Parameter(offset.to(weight.dtype))
        if layer.bias is not None:
            bias = as_parameter(layer.bias)
        bias.copy_(offset)
        sign, level = fold_threshold(branch.norm_in, branch.binarize)
        folded = {
            "sign": sign,
            "level": level,
            "binary_weight": signs(latent).float(),
            "scale": scale.float(),
        }
        if isinstance(layer, nn.Conv2d):
            deployed = AugmentedConv2d(
                weight,
                bias,
                stride=layer.stride,
                padding=layer.padding,
                dilation=layer.dilation,
                **folded,
            )
        else:
            deployed = AugmentedLinear(weight, bias, **folded)
        return deployed.train(self.training)


@register_method("bap", source="doi:10.1109/TNNLS.2021.3120409")
class BAP(MaskedMethod):
    """Prune to about 98 % and let a {0, 1} x {-1, +1} branch stand in for the zeros.

    In the model, ``conv`` becomes a unit with keys ``conv.layer.*``, ``conv.norm.*`` (the keys of
    the batch norm behind it, which leaves an identity at its place) and ``conv.branch.*``. After
    `convert` the layer has ``conv.weight`` as before, ``conv.bias``, and the buffers ``sign``,
    ``level``, ``binary_weight`` and ``scale``; the batch norm's keys are gone, folded.
    """

    augments: ClassVar[bool] = True
    Config: ClassVar[type[MethodConfig]] = BAPConfig
    config: BAPConfig  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, config: MethodConfig | None = None) -> None:
        super().__init__(config)
        self._units: dict[str, BinaryAugmented] = {}

    def unsupported(self, record: Observed) -> str:
        """Return why a layer can't have a binary branch."""
        return binary_limit(record, "the binary branch")

    def attach(self, model: nn.Module, example_inputs: Any, names: list[str]) -> dict[str, Layer]:
        """Put a unit at each layer's place and an identity at its batch norm's."""
        readers = capture.consumers(model, as_arguments(example_inputs)).batch_norms
        masked: dict[str, Layer] = {}
        for name in names:
            layer = model.get_submodule(name)
            assert isinstance(layer, nn.Conv2d | nn.Linear)
            norm_name = readers.get(name)
            norm = None if norm_name is None else model.get_submodule(norm_name)
            if not isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d) or norm.running_mean is None:
                norm = norm_name = None
            if norm_name is not None:
                take_module(model, norm_name)  # before the unit has it too
            unit = BinaryAugmented(layer, norm, self.config)
            replace_module(model, name, unit)
            self._units[name] = unit
            masked[name] = layer
        return masked

    def step(self, progress: float) -> None:
        """Clamp V and s, then recompute the masks where the schedule asks for it."""
        super().step(progress)
        for unit in self._units.values():
            unit.clamp()

    def convert(self, model: nn.Module) -> None:
        """Replace each unit by its folded, deployable layer, in place."""
        self._require_prepared("convert")
        # Before the masks are written: a tied V is the weight itself, and folding rescales it.
        self._latents = {name: unit.latent().detach().clone() for name, unit in self._units.items()}
        super().convert(model)

    def detach(self, model: nn.Module) -> None:
        """Fold each unit; the masks are off by then."""
        for name, unit in self._units.items():
            replace_module(model, name, unit.fold(self._latents[name]))
        self._units, self._latents = {}, {}

    def new_parameters(self) -> list[nn.Parameter]:
        """Return V (unless tied), s, b and the affine parameters of both private batch norms."""
        return [p for unit in self._units.values() for p in unit.branch.parameters()]

    def no_decay_parameters(self) -> list[nn.Parameter]:
        """Return s, b and the parameters of all batch norms of the units: all new ones but V."""
        kept: list[nn.Parameter] = []
        for unit in self._units.values():
            branch = unit.branch
            for module in (branch.norm_in, branch.binarize, branch.norm_out, unit.norm):
                kept += [] if module is None else list(module.parameters())
        return kept
