"""What a report holds, as plain data. Its JSON form is exactly these fields, by these names."""

from __future__ import annotations

import base64
import dataclasses
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.errors import FormatError
from niwaki.targets import Timing

if TYPE_CHECKING:
    from collections.abc import Mapping

SCHEMA_VERSION = 1


@dataclass
class LayerResult:
    """Hold one layer of the packed network; a number that was not measured is None."""

    name: str
    """Torch's qualified name."""
    op: str
    """The engine's op: ``conv``, ``linear``, ``max_pool`` ..."""
    shape: list[int] = field(default_factory=list[int])
    """Weight shape (O, C/groups, kh, kw) or (O, K); empty for a layer without weights."""
    weights: int = 0
    """Weights of the multiplying branch, zeros included."""
    nonzeros: int = 0
    """Weights of the multiplying branch that are not zero."""
    binary_weights: int = 0
    """Weights of the binary branch (one bit each)."""
    format: str = ""
    """How the weights are stored: ``dense f32``, ``sparse s8 + binary`` ..."""
    kernel: str = ""
    """The engine's kernel on this machine."""
    bytes: int = 0
    """Packed bytes of the layer's tensors."""
    multiplications: int = 0
    """Non-zero weights times output pixels, for one image."""
    binary_operations: int = 0
    """Binary weights times output pixels, for one image (AND + popcount, 64 a machine word)."""
    ms: float | None = None
    """Median time in the engine, one image."""

    @property
    def density(self) -> float:
        """Share of kept weights in [0, 1]; 1 for a layer without weights."""
        return self.nonzeros / self.weights if self.weights else 1.0


@dataclass
class History:
    """Hold training curves: one number per epoch; lists equally long, or empty where unknown."""

    epoch: list[int] = field(default_factory=list[int])
    loss: list[float] = field(default_factory=list[float])
    """Mean training loss of the epoch."""
    accuracy: list[float] = field(default_factory=list[float])
    """Test accuracy behind the epoch, in [0, 1]."""
    sparsity: list[float] = field(default_factory=list[float])
    """Weight sparsity of the compressed layers behind the epoch, in [0, 1]."""


@dataclass
class Mosaic:
    """Hold the picture of one layer's mask: True where a weight is kept."""

    name: str
    rows: int
    columns: int
    bits: str
    """Base64 of ``numpy.packbits`` over the rows."""
    note: str = ""
    """What rows and columns are, and how much of the layer is shown."""

    @classmethod
    def of(cls, name: str, weight: np.ndarray, *, rows: int = 64, columns: int = 288) -> Mosaic:
        """Take the upper left corner of a weight, output channels as rows.

        Args:
            name: The layer.
            weight: Weights or mask. Shape (O, ...); non-zero is kept.
            rows: At most this many output channels.
            columns: At most this many inputs of each.
        """
        flat = np.asarray(weight).reshape(weight.shape[0], -1) != 0
        cut = flat[:rows, :columns]
        shown, whole = cut.shape, flat.shape
        note = f"{shown[0]} of {whole[0]} output channels, {shown[1]} of {whole[1]} inputs of each"
        packed = base64.b64encode(np.packbits(cut).tobytes()).decode("ascii")
        return cls(name, cut.shape[0], cut.shape[1], packed, note)

    def mask(self) -> np.ndarray:
        """Return the mask. Shape (rows, columns), bool."""
        packed = np.frombuffer(base64.b64decode(self.bits), np.uint8)
        count = self.rows * self.columns
        return np.unpackbits(packed, count=count).reshape(self.rows, self.columns).astype(bool)


@dataclass
class VariantResult:
    """Hold one network of the comparison: the dense one, the sparse-only one, or the method's."""

    name: str
    """Short and unique: ``dense``, ``sparse only``, ``bap`` ..."""
    accuracy: float | None = None
    """Top-1 on the test part, in [0, 1]."""
    weight_sparsity: float = 0.0
    """Zeros among the weights of the compressed layers, in [0, 1]."""
    size_bytes: int | None = None
    """Size of the packed file."""
    multiplications: int | None = None
    """Of one image."""
    binary_operations: int = 0
    """Of one image."""
    latency: dict[str, Timing] = field(default_factory=dict[str, Timing])
    """Runner (``torch``, ``onnxruntime``, ``niwaki``) to its timing; one image, same input."""
    layers: list[LayerResult] = field(default_factory=list[LayerResult])
    history: History = field(default_factory=History)
    mosaics: list[Mosaic] = field(default_factory=list[Mosaic])
    note: str = ""


@dataclass
class Report:
    """Hold everything that a report shows."""

    title: str
    """One line: network, data, method."""
    model: str = ""
    data: str = ""
    method: str = ""
    form: str = "float"
    """``float`` or ``integer``: the form of the deployed network."""
    variants: list[VariantResult] = field(default_factory=list[VariantResult])
    """Dense first, the method's network last."""
    classes: list[str] = field(default_factory=list[str])
    confusion: list[list[int]] = field(default_factory=list[list[int]])
    """Test images by (true class, answered class) for the last variant; empty when not counted."""
    recipe: str = ""
    """The resolved recipe, YAML text."""
    seeds: list[int] = field(default_factory=list[int])
    versions: dict[str, str] = field(default_factory=dict[str, str])
    """Library to version."""
    machine: dict[str, Any] = field(default_factory=dict[str, Any])
    """As `niwaki.targets.machine_info` gives it."""
    verification: dict[str, Any] = field(default_factory=dict[str, Any])
    """As `VerifyResult.to_dict` gives it; empty when not verified."""
    budget: dict[str, Any] = field(default_factory=dict[str, Any])
    """Bound to what was asked and reached, e.g. {"size_kb": {"asked": 60, "reached": 58.1}}."""
    created: str = ""
    """UTC, ISO 8601."""
    seconds: float | None = None
    """Wall time of the whole run."""
    schema_version: int = SCHEMA_VERSION

    def variant(self, name: str) -> VariantResult:
        """Return the variant of that name."""
        return next(variant for variant in self.variants if variant.name == name)

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts and lists, ready for JSON."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Report:
        """Rebuild a report from its JSON form.

        Raises:
            FormatError: A field is missing, unknown, or the schema is newer.
        """
        version = data.get("schema_version")
        if version != SCHEMA_VERSION:
            raise FormatError(
                "report",
                f"schema_version must be {SCHEMA_VERSION}",
                got=repr(version),
                fix="Read it with the niwaki that wrote it",
            )
        try:
            fields = dict(data)
            fields["variants"] = [_variant(item) for item in fields.get("variants", [])]
            return cls(**fields)
        except (TypeError, AttributeError) as error:
            raise FormatError(
                "report", "every field must be known and well formed", got=str(error)
            ) from error


def _variant(data: Mapping[str, Any]) -> VariantResult:
    fields = dict(data)
    fields["latency"] = {name: Timing(**item) for name, item in fields.get("latency", {}).items()}
    fields["layers"] = [LayerResult(**item) for item in fields.get("layers", [])]
    fields["history"] = History(**fields.get("history", {}))
    fields["mosaics"] = [Mosaic(**item) for item in fields.get("mosaics", [])]
    return VariantResult(**fields)
