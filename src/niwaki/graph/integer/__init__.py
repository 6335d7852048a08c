"""The integer form: calibrate a float Graph, and write it in 8-bit integers with one rule.

``y = clip((sum_j m_j * acc_j + bias + 2^(k-1)) >> k, lo, hi)``, per output channel, everywhere;
what follows from it is in docs/design/integers.md. NumPy only: `niwaki.train.integer` trains
through the same numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.errors import InputError
from niwaki.graph.evaluate import Evaluator
from niwaki.graph.integer._emit import Emitter
from niwaki.graph.integer._plan import Plan as Plan, Steps as Steps, make_plan as make_plan
from niwaki.graph.integer._rule import (
    MAX_MULTIPLIER as MAX_MULTIPLIER,
    IntegerParameters as IntegerParameters,
    LogitParameters as LogitParameters,
    integer_parameters as integer_parameters,
    logit_parameters as logit_parameters,
    rescaling as rescaling,
)
from niwaki.graph.layers import view

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    import onnx_ir as ir
    from numpy.typing import NDArray

QUANTILE = 0.999
"""Share of an activation's values that its range holds; the rest saturates."""


def calibrate(
    model: ir.Model,
    batches: Iterable[NDArray[Any]],
    *,
    record: Callable[[NDArray[Any]], Mapping[str, NDArray[Any]]] | None = None,
    quantile: float = QUANTILE,
) -> dict[str, float]:
    """Find how large every value of a float Graph gets.

    Args:
        model: The float Graph, with one input.
        batches: Inputs like the real ones. Shape (N, C, H, W) each, float32.
        record: What runs the network and returns value name -> array, e.g. `capture`'s recorder;
            the NumPy
            reference if not given.
        quantile: Share of an activation's values that its range holds, in (0, 1].

    Returns:
        Value name -> magnitude: of the input the largest seen, of activations the quantile
        of the absolute values (mean over batches; the largest where that is 0).

    Raises:
        InputError: There are no batches.

    Source: niwaki (docs/design/integers.md).
    """
    seen = view(model)
    (image,) = seen.inputs
    known = {value.name for node in model.graph for value in node.outputs}
    outputs = [layer.output for layer in seen.layers if layer.dtype == "f32"]
    names = [name for name in outputs if name in known]
    run = record or _reference(model, image, names)
    found: dict[str, list[float]] = {}
    for batch in batches:
        x = np.asarray(batch, np.float32)
        values = {**run(x), image: x}
        for name in (image, *names):
            found.setdefault(name, []).append(
                _magnitude(values[name], 1.0 if name == image else quantile)
            )
    if not found:
        raise InputError(
            "calibrate", "there must be at least one batch", got="none", fix="Give more inputs"
        )
    ranges = {name: float(np.mean(peaks)) for name, peaks in found.items()}
    ranges[image] = max(found[image])
    return ranges


def quantize(model: ir.Model, ranges: Mapping[str, float]) -> ir.Model:
    """Write a float Graph in the integer dialect.

    Args:
        model: The float Graph, its passes run; unchanged.
        ranges: Value name -> magnitude, from `calibrate`.

    Returns:
        The integer Graph. A value of the float Graph that survives keeps its name (with `.q`
        behind it where the network's float output has that name).

    Raises:
        UnsupportedOpError: A layer has no integer form (activations but ReLU and clips); names it.
        InputError: A value's range is missing.

    Source: niwaki (docs/design/integers.md).
    """
    return emit(make_plan(view(model), ranges), model.graph.name)


def emit(plan: Plan, name: str | None = None) -> ir.Model:
    """Write a plan as an integer Graph called `name`."""
    return Emitter(plan).emit(name)


def _reference(
    model: ir.Model, image: str, names: list[str]
) -> Callable[[NDArray[Any]], Mapping[str, NDArray[Any]]]:
    evaluator = Evaluator(model)
    return lambda x: evaluator({image: x}, keep=names)


def _magnitude(array: NDArray[Any], quantile: float) -> float:
    """Return the largest magnitude, or the quantile of an activation's."""
    flat = np.abs(array).reshape(-1)
    peak = float(flat.max(initial=0.0))
    if quantile == 1.0 or not flat.size:
        return peak
    rank = min(flat.size - 1, int(np.ceil(quantile * flat.size)) - 1)
    return float(np.partition(flat, rank)[rank]) or peak
