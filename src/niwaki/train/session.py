"""A method in the user's own training loop: prepare, step after each optimiser step, convert."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from niwaki import methods
from niwaki.errors import FormatError, ValueDomainError

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from niwaki.methods import LayerChoice, Method

_VERSION = 1


class Session:
    """Compress a model while the user trains it, in place.

    Args:
        model: The network.
        method: A name of ``niwaki.methods.names()``, or a method that is configured already.
        sparsity: Share of zeros in each compressed layer, in [0, 1]; the method's default when
            None. Not taken together with a configured method, as are all options.
        total_steps: Optimiser steps of the whole training, at least 1.
        example_inputs: What the model's forward takes: a tensor, or a tuple of arguments.
        schedule: Shares of the training before, over and after the ramp of the sparsity; their sum
            is 1. The method's default when None.
        targets: Layers to compress, by qualified name or ``re:pattern``.
        ignore: Layers to leave alone.
        options: The other fields of the method's config.

    Raises:
        RegistryError: The method is unknown.
        ValueDomainError: An option is unknown or out of its range, or `total_steps` is below 1.

    Example:
        >>> import torch
        >>> model = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.Linear(8, 2))
        >>> x = torch.ones(4, 8)
        >>> session = Session(model, "magnitude", 0.5, total_steps=10, example_inputs=x)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> session.prepare(optimizer)
        >>> for _ in range(10):
        ...     model(x).square().mean().backward()
        ...     optimizer.step()
        ...     session.step()
        >>> int((session.convert()[0].weight == 0).sum())
        32
    """

    def __init__(
        self,
        model: nn.Module,
        method: str | Method = "bap",
        sparsity: float | None = None,
        *,
        total_steps: int,
        example_inputs: Tensor | tuple[Any, ...],
        schedule: tuple[float, float, float] | None = None,
        targets: list[str] | tuple[str, ...] | None = None,
        ignore: list[str] | tuple[str, ...] | None = None,
        **options: Any,
    ) -> None:
        if total_steps < 1:
            raise ValueDomainError("Session", "total_steps must be at least 1", got=total_steps)
        if sparsity is not None:
            options["sparsity"] = sparsity
        if targets is not None:
            options["targets"] = tuple(targets)
        if ignore is not None:
            options["ignore"] = tuple(ignore)
        if schedule is not None:
            options["hold"], options["ramp"] = _shares(schedule)
        if isinstance(method, str):
            method = methods.create(method, **options)
        elif options:
            raise ValueDomainError(
                "Session",
                "options must be in the config of a method that is configured already",
                got=", ".join(sorted(options)),
            )
        self.model = model
        self.method: Method = method
        self.total_steps = total_steps
        self.steps_done = 0
        self._example_inputs = example_inputs
        self._state = "new"

    def prepare(self, optimizer: torch.optim.Optimizer | None = None) -> None:
        """Make the model trainable, in place, and give new parameters to the optimiser.

        Args:
            optimizer: Made from the model's parameters before; what the method adds becomes one
                more group, and a second one without weight decay. None: make the optimiser
                afterwards, from ``model.parameters()``.

        Raises:
            ValueDomainError: It was called before, or no layer is left to compress.
        """
        self._require("new", "prepare")
        self.method.prepare(self.model, self._example_inputs)
        self._state = "prepared"
        if optimizer is None:
            return
        known = {id(p) for group in optimizer.param_groups for p in group["params"]}
        no_decay = {id(p) for p in self.method.no_decay_parameters()}
        new = [p for p in self.method.new_parameters() if id(p) not in known]
        decayed = [p for p in new if id(p) not in no_decay]
        plain = [p for p in new if id(p) in no_decay]
        if decayed:
            optimizer.add_param_group({"params": decayed})
        if plain:
            optimizer.add_param_group({"params": plain, "weight_decay": 0.0})

    def step(self) -> None:
        """Follow the schedule; call it after each ``optimizer.step()``.

        Steps beyond `total_steps` keep the final masks.
        """
        self._require("prepared", "step")
        self.steps_done += 1
        self.method.step(self.progress)

    @property
    def is_prepared(self) -> bool:
        """Tell whether `prepare` was called and `convert` wasn't."""
        return self._state == "prepared"

    @property
    def progress(self) -> float:
        """Share of the training that is done, in [0, 1]."""
        return min(1.0, self.steps_done / self.total_steps)

    @property
    def sparsity(self) -> float:
        """Share of masked weights in the compressed layers at this moment, in [0, 1]."""
        masks = self.method.masks().values()
        size = sum(mask.numel() for mask in masks)
        return 1.0 - sum(int(mask.sum()) for mask in masks) / size if size else 0.0

    def masks(self) -> dict[str, Tensor]:
        """Return layer name -> mask (bool; True = kept)."""
        return self.method.masks()

    def layers(self) -> list[LayerChoice]:
        """Return every conv and linear layer, with what was decided on it and why."""
        return self.method.layers()

    def convert(self, *, early: bool = False) -> nn.Module:
        """Make the model deployable, in place, and return it.

        Args:
            early: Take the masks as they are, though the schedule hasn't reached its target.

        Raises:
            ValueDomainError: The target sparsity isn't reached and `early` is False.
        """
        self._require("prepared", "convert")
        if not early and not self.method.is_settled():
            raise ValueDomainError(
                "Session.convert",
                f"the sparsity must have reached its target {self.method.target_sparsity}",
                got=f"{self.sparsity:.4f} at step {self.steps_done} of {self.total_steps}",
                fix="Call step() after each optimiser step, or convert(early=True)",
            )
        self.method.convert(self.model)
        self._state = "converted"
        return self.model

    def state_dict(self) -> dict[str, Any]:
        """Return the position in the schedule, JSON-able.

        Weights and masks are in ``model.state_dict()``: save both, load both into a model that was
        prepared by a session made the same way.
        """
        return {
            "version": _VERSION,
            "method": self.method.name,
            "config": _plain(dataclasses.asdict(self.method.config)),
            "total_steps": self.total_steps,
            "steps_done": self.steps_done,
            "position": self.method.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go to a position that `state_dict` returned; load the model's own state dict too.

        Raises:
            FormatError: The state is of another method, other settings or a newer version.
        """
        self._require("prepared", "load_state_dict")
        mine = self.state_dict()
        for key in ("version", "method", "config", "total_steps"):
            if state.get(key) != mine[key]:
                raise FormatError(
                    "Session.load_state_dict",
                    f"{key} must be the session's own, {mine[key]}",
                    got=state.get(key),
                    fix="Make the session with the settings that the state was saved with",
                )
        self.steps_done = int(state["steps_done"])
        self.method.load_state_dict(state["position"])

    def _require(self, state: str, verb: str) -> None:
        if self._state != state:
            raise ValueDomainError(
                f"Session.{verb}",
                "calls must come in the order prepare, step, convert",
                got=f"a session that is {self._state}",
            )


def _shares(schedule: tuple[float, float, float]) -> tuple[float, float]:
    if len(schedule) != 3 or abs(sum(schedule) - 1.0) > 1e-6:
        raise ValueDomainError(
            "Session",
            "schedule must be three shares (before, ramp, after) whose sum is 1",
            got=schedule,
        )
    return schedule[0], schedule[1]


def _plain(config: dict[str, Any]) -> dict[str, Any]:
    """Return a config as JSON gives it back: tuples are lists."""
    return {key: list(v) if isinstance(v, tuple) else v for key, v in config.items()}
