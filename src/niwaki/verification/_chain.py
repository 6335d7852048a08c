"""Hold the Graph and the engine against torch's values: layer by layer, then end to end."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from niwaki.errors import ValueDomainError
from niwaki.verification._compare import (
    TOLERANCE,
    Threshold,
    excused_images,
    is_off,
    match_shape,
    rounded_values,
    thresholds,
)
from niwaki.verification._result import EndCheck, LayerCheck

if TYPE_CHECKING:
    from collections.abc import Mapping

    from niwaki.runtime import Engine, Program
    from niwaki.verification._parts import Parts

_Check = tuple[float, LayerCheck]


def check_chain(
    parts: Parts,
    x: np.ndarray,
    golden: Mapping[str, np.ndarray],
    *,
    exact: bool,
) -> tuple[list[LayerCheck], list[EndCheck]]:
    """Check the parts against torch.

    Args:
        parts: The Graph's values and the engine, either of which may be left out.
        x: The golden images. Shape (G, C, H, W), float32.
        golden: Value name to torch's value for them.
        exact: Ask for equality (integer form).

    Returns:
        One check per layer and part, in the network's order; one per output and part.
    """
    program, values, engine = parts.program, parts.values, parts.engine
    if program is None:
        return [], []
    chain = thresholds(program)
    rounded = rounded_values(program)
    by_bits = {threshold.bits: threshold for threshold in chain}
    inputs, outputs = (
        [program.values[index]["name"] for index in program.header[key]]
        for key in ("inputs", "outputs")
    )
    if values is not None:
        inputs, outputs = values.inputs, values.outputs
    fed = {} if values is None else values.fed
    place = {name: index for index, name in enumerate(values.layer if values else ())}
    # What each layer is fed: torch's value, else what the Graph makes of torch's values.
    reference: dict[str, np.ndarray] = {**fed, **golden, **dict.fromkeys(inputs, x)}
    strict = exact and not rounded.intersection(outputs)
    checks: list[_Check] = []
    ends: list[EndCheck] = []
    if values is not None:
        for name, layer in values.layer.items():
            if name in golden:
                same = exact and name not in rounded
                check = _compare(
                    layer, name, "graph", fed[name], golden[name], same, by_bits, reference
                )
                checks.append((place[name], check))
        ends += _end_checks("graph", values.end_to_end, outputs, golden, chain, exact=strict)
    if engine is not None:
        checks += _engine_checks(engine, reference, place, rounded if exact else None, by_bits)
        ends += _end_checks("engine", engine.values(x), outputs, golden, chain, exact=strict)
    checks.sort(key=lambda item: item[0])  # stable: the graph's before the engine's
    return [check for _, check in checks], ends


def _engine_checks(
    engine: Engine,
    reference: dict[str, np.ndarray],
    place: Mapping[str, int],
    rounded: set[str] | None,
    by_bits: Mapping[str, Threshold],
) -> list[_Check]:
    """Run each layer of the engine on the reference's values.

    `rounded` names the values that may differ by rounding; None: all of them (float form).
    """
    program = engine.program
    known = dict(reference)
    checks: list[_Check] = []
    here = -1.0
    for index, layer in enumerate(program.layers):
        name = program.values[layer["output"]]["name"]
        here = place.get(name, here + 0.5)
        inputs = _layer_inputs(program, layer, known)
        got = None if inputs is None else _run_layer(engine, index, inputs)
        if got is None:
            worst = LayerCheck(layer["name"], name, "engine", False, float("inf"), 0)
            checks.append((here, worst))
            continue
        if name in reference:
            same = rounded is not None and name not in rounded
            check = _compare(
                layer["name"], name, "engine", got, reference[name], same, by_bits, reference
            )
            checks.append((here, check))
        else:
            # A value that only the engine has (a conversion): its reader is held instead.
            known[name] = got
    return checks


def _run_layer(engine: Engine, index: int, inputs: list[np.ndarray]) -> np.ndarray | None:
    """Return a layer's output; None where it takes other numbers (another network's layer)."""
    try:
        return engine.run_layer(index, inputs)[0]
    except ValueDomainError:
        return None


def _layer_inputs(
    program: Program, layer: dict[str, Any], known: Mapping[str, np.ndarray]
) -> list[np.ndarray] | None:
    """Return a layer's inputs in the shapes that it takes; None where the Graph has other values.

    (That happens where the program was compiled from another network.)
    """
    indices: list[int] = []
    for source in layer["inputs"].values():
        indices += source if isinstance(source, list) else [source]
    inputs: list[np.ndarray] = []
    for value in (program.values[index] for index in indices):
        array = known.get(value["name"])
        if array is None or array.size != len(array) * math.prod(value["shape"]):
            return None
        inputs.append(array.reshape(len(array), *value["shape"]))
    return inputs


def _compare(
    layer: str,
    name: str,
    part: str,
    got: np.ndarray,
    want: np.ndarray,
    exact: bool,
    by_bits: Mapping[str, Threshold],
    reference: Mapping[str, np.ndarray],
) -> LayerCheck:
    fitting = match_shape(got, want)
    if fitting is None:
        return LayerCheck(layer, name, part, False, float("inf"), int(got.size))
    threshold = by_bits.get(name)
    off, difference = is_off(got, fitting, exact=exact or threshold is not None)
    bits = 0
    if threshold is not None and not exact and threshold.source in reference:
        distance = threshold.distance(np.asarray(reference[threshold.source]))
        near = off & (distance <= TOLERANCE).reshape(off.shape)
        bits = int(near.sum())
        off &= ~near
    worst = float(difference.max()) if difference.size else 0.0
    return LayerCheck(layer, name, part, not off.any(), worst, int(off.sum()), bits)


def _end_checks(
    part: str,
    got: Mapping[str, np.ndarray],
    outputs: list[str],
    golden: Mapping[str, np.ndarray],
    chain: list[Threshold],
    *,
    exact: bool,
) -> list[EndCheck]:
    """Compare the outputs of a run from the images alone."""
    checks: list[EndCheck] = []
    for name in outputs:
        want = golden.get(name)
        have = got.get(name)
        fitting = match_shape(have, want) if have is not None and want is not None else None
        if have is None or fitting is None:
            checks.append(EndCheck(name, part, False, float("inf"), 0, 0))
            continue
        images = len(have)
        differs, difference = is_off(have, fitting, exact=True)
        if not exact:
            differs = ~(difference <= TOLERANCE)  # absolute here: 1e-4 of a logit
        off = differs.reshape(images, -1).any(axis=1)
        excused = np.zeros(images, bool)
        if not exact and off.any():
            excused = off & excused_images(chain, got, golden)
        worst = float(difference.max())
        ok = bool((~off | excused).all())
        checks.append(EndCheck(name, part, ok, worst, int(off.sum()), int(excused.sum())))
    return checks
