"""The recipe: one schema for everything that a run needs, YAML on disk.

What is left out is filled from the defaults of the data set and the model
(``train._compress_defaults``); the resolved recipe is stored with every result, and gives the same
result again.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from niwaki.errors import InputError, ValueDomainError
from niwaki.planner import Budget

Share = Annotated[float, Field(ge=0.0, le=1.0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0.0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=0)]
Several = Annotated[int, Field(ge=1)]


def _policy(value: Any) -> Any:
    """Take YAML's ``augment: false`` and ``true`` for none and the data set's own."""
    return {False: "none", True: None}[value] if isinstance(value, bool) else value


class Part(BaseModel):
    """Be the base of the parts: unknown keys are refused, and values don't change afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


class ModelPart(Part):
    """Say which network: a known name, or a file and the function in it that makes one."""

    spec: Annotated[str, Field(min_length=1)] | None = None
    """A name of ``niwaki list models``, or ``file.py:function``; None is the data set's default."""
    weights: str | None = None
    """Trained weights to start from: a ``.safetensors`` or ``.npz`` file."""
    num_classes: Several | None = None
    """Number of outputs; the data set's number of classes when left out."""


class MethodPart(Part):
    """Say how the layers are compressed."""

    name: str = Field(default="bap", min_length=1)
    """A name of ``niwaki list methods``."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The method's own settings: the fields of its config."""


class BudgetPart(Part):
    """Bound the result; see ``niwaki.Budget``."""

    sparsity: Share | None = None
    size_kb: Positive | None = None
    max_accuracy_drop: Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)] | None = None

    def budget(self) -> Budget:
        """Return the bounds as the planner takes them."""
        return Budget(**self.model_dump())


class TrainPart(Part):
    """Set the training loop; None is filled from the defaults of the data set."""

    dense_epochs: Count | None = None
    """Epochs of the dense network, where it has to be trained first; 0 with given weights."""
    epochs: Count | None = None
    """Epochs of the compressed network."""
    batch_size: Several | None = None
    lr: Positive | None = None
    """The highest learning rate."""
    weight_decay: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    optimizer: Literal["adam", "adamw", "sgd"] | None = None
    schedule: Literal["cosine", "constant"] = "cosine"
    warmup: Share = 0.0
    """Share of the steps over which the learning rate rises from 0."""
    distill: Share = 0.0
    """Weight of the dense network's outputs in the loss; 0 is off."""
    augment: Annotated[str | None, BeforeValidator(_policy)] = None
    """``none``, ``flip``, ``shiftN``, ``shiftN+flip``; None is the data set's own."""
    seed: Count = 0
    threads: Several | None = None
    """Torch's threads; None is one per core. Sums depend on it, so results may too."""
    checkpoint_seconds: Positive = 15.0
    """Time between two checkpoints, for ``--resume``; one is written at the end too."""


class IntegerPart(Part):
    """Set the integer form."""

    calibration_images: Several = 512
    """Training images that the ranges of the activations are measured on."""
    qat_epochs: Count = 2
    """Epochs of training with the integer arithmetic imitated."""
    quantile: Annotated[float, Field(gt=0.5, le=1.0)] = 0.999
    """Share of a layer's activations that its 8 bits must reach."""


class BenchPart(Part):
    """Set the measurement of latency."""

    runs: Several = 60
    """Timed runs of each engine."""
    warmup: Count = 10
    """Runs before those, not timed."""
    batch: Several = 1


def _one_key(value: Any, key: str) -> Any:
    return {key: value} if isinstance(value, str) else value


def _in_words(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
    """Take YAML's usual slip ``ignore: conv1`` for a list of one."""
    return handler([value] if isinstance(value, str) else value)


Names = Annotated[list[str], WrapValidator(_in_words)]


class Recipe(Part):
    """Hold everything a run needs.

    Example:
        >>> Recipe.of({"method": "magnitude", "train": {"epochs": 3}}).train.epochs
        3
        >>> try:
        ...     Recipe.of({"train": {"epochs": -1}})
        ... except ValueDomainError as error:
        ...     print(error)
        [recipe] train.epochs must be greater than or equal to 0, got -1.
    """

    model: Annotated[ModelPart, BeforeValidator(lambda v: _one_key(v, "spec"))] = Field(
        default_factory=lambda: ModelPart()
    )
    data: str = Field(default="digits", min_length=1)
    """A name of ``niwaki list data``, an ``.npz`` file, or a folder of idx files or of images."""
    method: Annotated[MethodPart, BeforeValidator(lambda v: _one_key(v, "name"))] = Field(
        default_factory=lambda: MethodPart()
    )
    sparsity: Share | None = None
    """Share of zeros in each compressed layer; None is 0.98, or what the budget asks for."""
    targets: Names = Field(default_factory=list[str])
    """Layers to compress, by name or ``re:pattern``; empty is the method's own choice."""
    ignore: Names | None = None
    """Layers to leave dense, by name or ``re:pattern``; None is the method's own choice."""
    budget: BudgetPart = Field(default_factory=lambda: BudgetPart())
    form: Literal["float", "integer"] = "float"
    train: TrainPart = Field(default_factory=lambda: TrainPart())
    integer: IntegerPart = Field(default_factory=lambda: IntegerPart())
    compare: Names = Field(default_factory=lambda: ["magnitude"])
    """Other methods trained alike at the same sparsity and shown beside, never instead."""
    golden_images: Several = 8
    """Test images whose values in every layer are stored for ``niwaki verify``."""
    bench: BenchPart = Field(default_factory=lambda: BenchPart())
    threads: Several = 1
    """Threads of the engine."""

    @classmethod
    def of(cls, values: dict[str, Any], *, where: str = "recipe") -> Self:
        """Return a recipe from nested plain values.

        Raises:
            ValueDomainError: A key is unknown or a value outside its range; the message names it.
        """
        try:
            return cls.model_validate(values)
        except ValidationError as error:
            raise _one_line(error, where) from None

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a recipe from a YAML file.

        Raises:
            InputError: The file is missing, or isn't YAML.
            ValueDomainError: As ``of``.
        """
        return cls.of(read_yaml(path), where=f"recipe {path}")

    def merged(self, changes: dict[str, Any]) -> Self:
        """Return a copy with nested ``changes`` laid over what was set.

        Example:
            >>> Recipe().merged({"train": {"seed": 3}}).train.seed
            3
        """
        return self.of(_lay_over(self.model_dump(exclude_unset=True), changes))

    def to_yaml(self) -> str:
        """Return the whole recipe as YAML, defaults included, keys in the schema's order."""
        return yaml.safe_dump(self.model_dump(), sort_keys=False, width=100)


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping.

    Raises:
        InputError: The file is missing, isn't text, isn't YAML or holds no mapping.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError("recipe", "the recipe must be a YAML file that exists", got=path)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InputError("recipe", f"{path} must be YAML ({reason})") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise InputError("recipe", f"{path} must hold keys and values", got=type(values).__name__)
    return values


def _lay_over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Merge nested mappings; a plain value replaces whatever was there."""
    out = dict(below)
    for key, value in above.items():
        old = out.get(key)
        if isinstance(value, dict) and isinstance(old, dict) and key != "options":
            out[key] = _lay_over(old, value)
        else:
            out[key] = value
    return out


def _one_line(error: ValidationError, where: str) -> ValueDomainError:
    """Turn pydantic's first complaint into one line: the key, the bound, the value."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"] if "[" not in str(part)) or "recipe"
    if first["type"] == "extra_forbidden":
        *parents, name = [str(part) for part in first["loc"]]
        known = ", ".join(_fields(parents))
        inside = f"keys of {'.'.join(parents)}" if parents else "keys"
        return ValueDomainError(where, f"the {inside} must be among {known}", got=name)
    message = first["msg"][0].lower() + first["msg"][1:]
    message = message.replace("input should be ", "must be ").replace("value error, ", "")
    got = first["input"]
    shown = repr(got) if isinstance(got, str) else got
    return ValueDomainError(where, f"{key} {message}", got=shown)


def _fields(parents: list[str]) -> list[str]:
    """Return the keys of the recipe, or of one of its parts."""
    parts: dict[str, type[Part]] = {
        "model": ModelPart,
        "method": MethodPart,
        "budget": BudgetPart,
        "train": TrainPart,
        "integer": IntegerPart,
        "bench": BenchPart,
    }
    schema = parts.get(parents[0], Recipe) if parents else Recipe
    return list(schema.model_fields)
