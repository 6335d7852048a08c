"""The base of methods that zero weights along a schedule: Zhu and Gupta's cubic ramp.

Source: Zhu, Gupta, "To prune, or not to prune: exploring the efficacy of pruning for model
compression", 2017, arXiv:1710.01878, Eq. (1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from niwaki import structures
from niwaki.errors import ValueDomainError
from niwaki.methods._base import Method, MethodConfig, PruningConfig
from niwaki.methods._layers import Layer, LayerChoice, Observed, choose_layers
from niwaki.methods._masks import Mask, add_mask, agree, latent_weight, remove_mask

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor, nn

LEAST_UPDATES = 16
"""Masks are recomputed at least this often over the ramp, so that short runs ramp gently too."""


def cubic_sparsity(
    progress: float, *, final: float, initial: float = 0.0, hold: float, ramp: float
) -> float:
    """Return the target sparsity at a point of the training.

    s = s_f + (s_i - s_f) * (1 - u)^3 with u from 0 to 1 over the ramp; s_i before, s_f after.

    Args:
        progress: Share of the training that is done, in [0, 1].
        final: s_f, in [0, 1].
        initial: s_i, in [0, 1].
        hold: Share of the training before the ramp, in [0, 1].
        ramp: Share of the training that the ramp takes, in [0, 1].

    Source: arXiv:1710.01878, Eq. (1).

    Example:
        >>> [round(cubic_sparsity(p, final=0.8, hold=0.2, ramp=0.4), 3) for p in (0.1, 0.4, 0.6)]
        [0.0, 0.7, 0.8]
    """
    if progress <= hold and progress < hold + ramp:
        return initial
    if progress >= hold + ramp - 1e-9:  # 0.2 + 0.4 is above 0.6 in floating point
        return final
    u = (progress - hold) / ramp
    return final + (initial - final) * (1.0 - u) ** 3


@dataclass(frozen=True)
class MaskedConfig(PruningConfig):
    """Hold what every masking method takes.

    Raises:
        ValueDomainError: A value is out of its range.
    """

    initial_sparsity: float = 0.0
    """s_i: the sparsity at the start of the ramp, in [0, sparsity]."""
    scope: Literal["layer", "global"] = "layer"
    """The same share in every layer, or one threshold on |W| / std(W) over all."""
    mask_interval: int = 50
    """Steps between two recomputations of the masks while the target moves."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0.0 <= self.initial_sparsity <= self.sparsity:
            raise ValueDomainError(
                "method",
                f"initial_sparsity must be in [0, sparsity = {self.sparsity}]",
                got=self.initial_sparsity,
            )
        if self.mask_interval < 1:
            raise ValueDomainError(
                "method", "mask_interval must be at least 1", got=self.mask_interval
            )
        structures.create("unstructured", scope=self.scope)


class MaskedMethod(Method):
    """Zero the weights of lowest score, more and more of them along a cubic ramp.

    A method that extends this one may override `score`, `unsupported`, `attach` and `detach`.
    """

    prunes: ClassVar[bool] = True
    Config: ClassVar[type[MethodConfig]] = MaskedConfig
    config: MaskedConfig  # pyright: ignore[reportIncompatibleVariableOverride]

    def __init__(self, config: MethodConfig | None = None) -> None:
        super().__init__(config)
        if self.config.sparsity == 1.0 and not self.augments:
            raise ValueDomainError(
                f"method {self.name}",
                "sparsity must be below 1 for a method without a second branch",
                got=self.config.sparsity,
                fix="At 1 every weight is zero: lower it, or use a method such as bap",
            )
        self._choices: list[LayerChoice] = []
        self._masks: dict[str, Mask] = {}
        self._layers: dict[str, Layer] = {}
        self._sparsity = 0.0  # of the masks as they are
        self._steps = 0
        self._updated_at = (0, 0.0)  # step and progress of the last recomputation

    # What a method overrides.

    def score(self, weight: NDArray[np.float32]) -> NDArray[Any]:
        """Return the importance of each weight, >= 0, of the weight's shape."""
        if self.config.scope == "global":
            return structures.relative_magnitude(weight)
        return structures.magnitude(weight)

    def unsupported(self, record: Observed) -> str:
        """Return why a layer can't be taken, "" where it can."""
        del record
        return ""

    def attach(self, model: nn.Module, example_inputs: Any, names: list[str]) -> dict[str, Layer]:
        """Change the model around its chosen layers; return each layer whose weight is masked."""
        del example_inputs
        return {name: _as_layer(model.get_submodule(name)) for name in names}

    def detach(self, model: nn.Module) -> None:
        """Make deployable what `attach` changed; the masks are off by then."""
        del model

    # The contract.

    def prepare(self, model: nn.Module, example_inputs: Any) -> None:
        """Put masks of ones on the chosen layers, in place."""
        if self._masks:
            raise ValueDomainError(f"method {self.name}", "prepare must be called once")
        self._choices = choose_layers(
            model,
            example_inputs,
            targets=self.config.targets,
            ignore=self.config.ignore,
            unsupported=self.unsupported,
        )
        names = [choice.name for choice in self._choices if choice.compressed]
        self._layers = self.attach(model, example_inputs, names)
        self._masks = {name: add_mask(layer) for name, layer in self._layers.items()}

    def step(self, progress: float) -> None:
        """Recompute the masks where the schedule asks for it."""
        if not 0.0 <= progress <= 1.0:
            raise ValueDomainError(
                f"method {self.name}", "progress must be in [0, 1]", got=progress
            )
        self._require_prepared("step")
        self._steps += 1
        config = self.config
        target = cubic_sparsity(
            progress,
            final=config.sparsity,
            initial=config.initial_sparsity,
            hold=config.hold,
            ramp=config.ramp,
        )
        if target == self._sparsity:
            return
        step, at = self._updated_at
        if (
            target == config.sparsity
            or self._steps - step >= config.mask_interval
            or progress - at >= config.ramp / LEAST_UPDATES - 1e-9
        ):
            self._update_masks(target)
            self._updated_at = (self._steps, progress)

    def convert(self, model: nn.Module) -> None:
        """Write the masks into the weights and restore class and keys, in place."""
        self._require_prepared("convert")
        for layer in self._layers.values():
            remove_mask(layer)
        self.detach(model)
        self._masks, self._layers = {}, {}

    def masks(self) -> dict[str, Tensor]:
        """Return layer name -> mask (bool; True = kept)."""
        return {name: module.mask for name, module in self._masks.items()}

    def layers(self) -> list[LayerChoice]:
        """Return every conv and linear layer, with what was decided on it and why."""
        return list(self._choices)

    @property
    def target_sparsity(self) -> float:
        """Share of zeros that the compressed layers end with."""
        return self.config.sparsity

    def is_settled(self) -> bool:
        """Tell whether the masks have the target sparsity."""
        return self._sparsity == self.config.sparsity

    def state_dict(self) -> dict[str, Any]:
        """Return the position in the schedule, JSON-able."""
        return {
            "steps": self._steps,
            "sparsity": self._sparsity,
            "updated_at": list(self._updated_at),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a position in the schedule."""
        self._steps = int(state["steps"])
        self._sparsity = float(state["sparsity"])
        step, progress = state["updated_at"]
        self._updated_at = (int(step), float(progress))

    def _update_masks(self, sparsity: float) -> None:
        def compute() -> dict[str, NDArray[np.bool_]]:
            scores = {
                name: self.score(latent_weight(layer).detach().float().cpu().numpy())
                for name, layer in self._layers.items()
            }
            structure = structures.create("unstructured", scope=self.config.scope)
            return structure.masks(scores, structures.density_of(sparsity))

        agree(compute, self.masks())
        self._sparsity = sparsity

    def _require_prepared(self, verb: str) -> None:
        if not self._masks:
            raise ValueDomainError(
                f"method {self.name}", f"prepare must come before {verb}", got="no masks"
            )


def _as_layer(module: nn.Module) -> Layer:
    assert isinstance(module, Layer)
    return module
