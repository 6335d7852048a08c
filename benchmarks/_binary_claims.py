"""What `bench_binary.py` must show: ratios of times and sizes, with their floors."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from _check import Check
from _models_claims import CORE_A_BELOW, SAME_LOGITS
from _rows import Row

SI_BNN, ALEXNET, BAP = "sibnn-resnet18 as si-bnn", "sibnn-alexnet as si-bnn", "resnet18 as bap"
RATIOS = {
    (SI_BNN, "onnxruntime"): 7.0,
    (SI_BNN, "openvino-int8"): 2.0,
    (SI_BNN, "larq"): 25.0,
    (ALEXNET, "onnxruntime"): 8.0,
    (BAP, "onnxruntime"): 4.5,
}
"""Network and engine: floor of that engine's time over niwaki's, one thread."""
STATED = {(SI_BNN, "larq-indirect"), (ALEXNET, "openvino-int8"), (BAP, "openvino-int8")}
"""Ratios to be stated that have no floor."""
BRANCH = 1.7
"""What BAP may take, in times of the sparse network alone."""
LAYER = "3x3, 256"
"""256 to 256 at 14x14."""
LAYERS = {
    "unit, x86_avx512": (13.0, 18.0),
    "chain, x86_avx512": (13.0, 18.0),
    "unit, x86_avx2": (4.0, 4.0),
    "chain, x86_avx2": (4.0, 4.0),
}
"""Floors of ONNX Runtime's float layer over the kernel, on core A and on core B."""
SIZES = {"packed": 4.3, "packed, 16-bit rest": 2.9}
"""Of Si-BNN ResNet-18, 1000 classes: at most, MB."""

LOGITS = "logits from ONNX Runtime"
"""Largest difference on the same file, over the largest logit; an instruction set each."""


@dataclass
class Found:
    """Hold what was measured, by case and engine, in one unit a case."""

    rate: float | None = None
    """GMAC/s of the multiply-add peak, one thread: which core this is."""
    values: dict[tuple[str, str], float] = field(default_factory=dict)
    why: dict[tuple[str, str], str] = field(default_factory=dict)
    """Why there is no value."""

    def add(self, case: str, engine: str, row: Row) -> None:
        """Take a row; one without runs has its reason as its note."""
        if row.runs:
            self.values[case, engine] = row.median
        else:
            self.why[case, engine] = row.note.removeprefix("not measured: ")

    def ratio(
        self,
        case: str,
        above: str,
        below: str,
        claim: str,
        floor: float | None,
        at_most: bool = False,
    ) -> Check:
        """Hold one engine's value over another's against a floor."""
        pair = (case, above), (case, below)
        lacking = [each for each in pair if each not in self.values]
        if lacking:
            why = "; ".join(self.why.get(each, f"{each[1]} not run") for each in lacking)
            return Check(claim, None, floor, at_most=at_most, why=why)
        return Check(claim, self.values[pair[0]] / self.values[pair[1]], floor, at_most=at_most)


def checks(found: Found) -> list[Check]:
    """Return every claim with its floor on this core; what wasn't measured says why."""
    core = 0 if found.rate is None or found.rate < CORE_A_BELOW else 1
    held = [
        found.ratio(case, peer, "niwaki", f"{case}, {peer} / niwaki", RATIOS.get((case, peer)))
        for case, peer in [*RATIOS, *sorted(STATED)]
    ]
    claim = f"{BAP}, with / without the binary branch"
    held.append(found.ratio(BAP, "niwaki", "sparse only", claim, BRANCH, at_most=True))
    for kernel, floors in LAYERS.items():
        claim = f"{LAYER} at 14x14, onnxruntime / {kernel} (core {'AB'[core]})"
        held.append(found.ratio(LAYER, "onnxruntime", kernel, claim, floors[core]))
    for (case, what), value in found.values.items():
        if what.startswith(LOGITS):
            held.append(Check(f"{case}, {what}", value, SAME_LOGITS, unit="", at_most=True))
    return [*held, *_sizes(found.values)]


def _sizes(values: Mapping[tuple[str, str], float]) -> Iterator[Check]:
    for what, limit in SIZES.items():
        value = values.get((SI_BNN, what))
        why = "" if value is not None else "networks not run"
        yield Check(f"{SI_BNN}, {what}", value, limit, unit="MB", at_most=True, why=why)


def verdict(check: Check) -> str:
    """Return one line: met, MISSED, or what was measured where there is no floor."""
    if check.value is None:
        return f"not measured: {check.claim}: {check.why}"
    word = {True: "met", False: "MISSED", None: "stated"}[check.passed]
    bound = "no floor"
    if check.floor is not None:
        bound = f"{'at most' if check.at_most else 'at least'} {check.floor:g}"
    return f"{word}: {check.claim}: {check.value:.4g} {check.unit} ({bound})"
