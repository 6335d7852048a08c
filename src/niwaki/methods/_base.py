"""What a method is: the registry, the shared settings, and the class that each file extends.

To add a method, write one file with a config dataclass, the paper's functions, and a class
decorated with :func:`register_method`. Most weight methods extend
:class:`niwaki.methods.MaskedMethod` and say only how a weight is scored.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from niwaki.errors import ValueDomainError
from niwaki.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor, nn

    from niwaki.methods._layers import LayerChoice


@dataclass(frozen=True)
class MethodConfig:
    """Hold what every method takes; a method's own config extends this one."""

    targets: tuple[str, ...] = ()
    """Layers to compress, by qualified name or ``re:pattern``; empty: all but the ignored ones."""
    ignore: tuple[str, ...] | None = None
    """Layers to leave alone. None: where `targets` is empty, the model's ``default_ignore``, or
    else the first convolution, the last linear layer and the strided 1x1 shortcuts."""

    def __post_init__(self) -> None:
        for name in ("targets", "ignore"):  # lists come from recipes
            value = getattr(self, name)
            if isinstance(value, str):
                value = (value,)
            object.__setattr__(self, name, value if value is None else tuple(value))


@dataclass(frozen=True)
class PruningConfig(MethodConfig):
    """Hold what a method that zeroes weights takes.

    Raises:
        ValueDomainError: The sparsity or a share of the schedule is out of its range.
    """

    sparsity: float = 0.98
    """Share of zeros in each compressed layer, in [0, 1]."""
    hold: float = 0.2
    """Share of the training before the sparsity rises, in [0, 1]."""
    ramp: float = 0.4
    """Share of the training over which it rises, in [0, 1]; what is left trains fixed masks."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("sparsity", "hold", "ramp"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise ValueDomainError("method", f"{name} must be a number", got=repr(value))
            if not 0.0 <= value <= 1.0:
                raise ValueDomainError("method", f"{name} must be in [0, 1]", got=value)
        if self.hold + self.ramp > 1.0 + 1e-9:
            raise ValueDomainError(
                "method",
                "hold + ramp must be at most 1, the whole training",
                got=f"{self.hold} + {self.ramp}",
            )


class Method(ABC):
    """Compress the chosen layers of a network while it trains.

    The calls come in this order: `prepare` once, `step` after each optimiser step, `convert` once.
    A schedule advances in `step` only, never in a forward pass: tracing must not change a model.
    """

    name: ClassVar[str] = ""
    """Set by :func:`register_method`."""
    source: ClassVar[str] = ""
    """The paper: DOI or arXiv number, or "niwaki"."""
    prunes: ClassVar[bool] = False
    """Whether it zeroes weights: its config is a `PruningConfig`, and a sparsity has a meaning."""
    augments: ClassVar[bool] = False
    """Whether binary weights stand in for the user's: sparsity exactly 1 is then allowed, and the
    deployed layers are ops that the dense network doesn't have."""
    Config: ClassVar[type[MethodConfig]] = MethodConfig

    def __init__(self, config: MethodConfig | None = None) -> None:
        self.config = self.Config() if config is None else config
        if not isinstance(self.config, self.Config):
            raise ValueDomainError(
                f"method {self.name}",
                f"config must be a {self.Config.__name__}",
                got=type(self.config).__name__,
            )

    @classmethod
    def create(cls, **options: Any) -> Self:
        """Return the method with a config made of ``options``.

        Raises:
            ValueDomainError: An option is unknown (the message lists the known ones) or its value
                is out of range.
        """
        known = [field.name for field in dataclasses.fields(cls.Config)]
        for option in options:
            if option not in known:
                raise ValueDomainError(
                    f"method {cls.name}",
                    f"an option must be one of {', '.join(known)}",
                    got=repr(option),
                )
        return cls(cls.Config(**options))

    @abstractmethod
    def prepare(self, model: nn.Module, example_inputs: Any) -> None:
        """Make the network trainable, in place.

        Every parameter of the model stays the same object, so an optimiser that the user already
        has stays valid; parameters that are added are those of `new_parameters`.

        Args:
            model: The network, trained or fresh.
            example_inputs: What its forward takes: a tensor, or a tuple of arguments.

        Raises:
            ValueDomainError: No layer is left to compress, or a pattern matches none.
        """

    @abstractmethod
    def step(self, progress: float) -> None:
        """Follow the schedule; call it after each optimiser step.

        Args:
            progress: Share of the training that is done, in [0, 1].
        """

    @abstractmethod
    def convert(self, model: nn.Module) -> None:
        """Make the trained network deployable, in place."""

    @abstractmethod
    def masks(self) -> dict[str, Tensor]:
        """Return layer name -> mask, bool, of the weight's shape; True where a weight is kept."""

    @abstractmethod
    def layers(self) -> list[LayerChoice]:
        """Return every conv and linear layer, with what was decided on it and why."""

    def new_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that `prepare` added, for the user's optimiser."""
        return []

    def no_decay_parameters(self) -> list[nn.Parameter]:
        """Return the parameters that weight decay must leave alone."""
        return []

    @property
    def target_sparsity(self) -> float:
        """Share of zeros that the compressed layers end with; 0 for a method that prunes none."""
        return 0.0

    def is_settled(self) -> bool:
        """Tell whether the target sparsity is reached, so that `convert` gives what was asked."""
        return True

    def state_dict(self) -> dict[str, Any]:
        """Return the position in the schedule, JSON-able; masks and weights are in the model."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a position that `state_dict` returned; load the model's own state dict too."""
        del state


METHODS: Registry[type[Method]] = Registry("method", "niwaki.methods", "niwaki.methods")

M = TypeVar("M", bound=type[Method])


def register_method(name: str, *, source: str) -> Callable[[M], M]:
    """Return a class decorator that registers a method.

    Args:
        name: Hyphens, lower case.
        source: The paper: DOI or arXiv number, or "niwaki".

    Raises:
        RegistryError: The name is taken.   ValueDomainError: The source is empty.
    """
    if not source.strip():
        raise ValueDomainError(
            f"register method {name}", "source must cite the paper", got=repr(source)
        )

    def add(method: M) -> M:
        method.name, method.source = name, source
        METHODS.register(name)(method)
        return method

    return add
