"""What `bench_models.py` must show: ratios with their floors, and break-even sparsities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

CORE_A_BELOW = 90.0
"""GMAC/s of measured multiply-add peak, one thread; floors differ below (core A) and above (B)."""


@dataclass(frozen=True)
class Check:
    """Hold one claim and what was measured."""

    claim: str
    value: float
    floor: float
    unit: str = "x"
    at_most: bool = False

    @property
    def passed(self) -> bool:
        """Tell whether the measured value keeps the claim."""
        return self.value <= self.floor if self.at_most else self.value >= self.floor


# Case, peer: floor of the peer's time over niwaki's on core A, on core B.
RATIOS: dict[tuple[str, str], tuple[float, float]] = {
    ("resnet50:0.98:1:1", "onnxruntime"): (8, 7.5),
    ("resnet50:0.95:1:1", "onnxruntime"): (5, 4.5),
    ("resnet50:0.9:1:1", "onnxruntime"): (3, 3),
    ("resnet50:0.8:1:1", "onnxruntime"): (1.7, 1.7),
    ("resnet50:0:1:1", "onnxruntime"): (0.85, 0.85),
    ("resnet50:0.98:1:1", "deepsparse"): (2.3, 4),
    ("resnet50:0.95:1:1", "deepsparse"): (1.7, 3.2),
    ("resnet50:0.9:1:1", "deepsparse"): (1.2, 2.6),
    ("resnet50:0.8:1:1", "deepsparse"): (1, 2),
    ("resnet50:0.98:1:1", "openvino-int8"): (2.2, 2.2),
    ("vgg16:0.98:1:1", "onnxruntime"): (10, 10),
    ("vgg16:0.98:1:1", "deepsparse"): (2.5, 3.8),
    ("vgg16:0.9:1:1", "onnxruntime"): (4, 4),
    ("vgg16:0.9:1:1", "deepsparse"): (1.2, 1.8),
    ("resnet18:0.98:1:1", "onnxruntime"): (6, 6),
    ("resnet18:0.98:1:1", "deepsparse"): (1.7, 3.3),
    ("resnet18:0.98:1:1", "openvino-int8"): (1.7, 1.7),
    ("mobilenet-v2:0.98:1:1", "onnxruntime"): (3, 3),
    ("mobilenet-v2:0.98:1:1", "deepsparse"): (1.7, 2.8),
    ("mobilenet-v2:0.98:1:1", "openvino-int8"): (1.2, 1.2),
}
# Slower case, faster case of niwaki's own: floor of images per second gained.
GAINS: dict[tuple[str, str], tuple[str, float]] = {
    ("resnet50:0.98:1:1", "resnet50:0.98:2:1"): ("two threads", 1.7),
    ("resnet50:0.9:1:1", "resnet50:0.9:2:1"): ("two threads", 1.7),
    ("resnet50:0.98:1:1", "resnet50:0.98:1:16"): ("batch 16", 1.15),
    ("resnet50:0.9:1:1", "resnet50:0.9:1:16"): ("batch 16", 1.15),
    ("resnet50:0.9:1:1", "resnet50:0.9:1:1:4x1"): ("4x1 blocks", 1.5),
}
# Of ResNet-50 at 98 %: what niwaki's row holds, in which unit, at most.
LIMITS = {
    "bytes": (".nwk file", 1e-6, "MB", 4.0),
    "compile_s": ("compiling from ONNX", 1.0, "s", 15.0),
    "compile_cached_s": ("compiling from cached tables", 1.0, "s", 4.0),
    "load_s": ("loading", 1e3, "ms", 50.0),
}


def times(found: dict[str, Any], case: str, peer: str) -> float | None:
    """Return a median in milliseconds, None where it wasn't measured."""
    for record in found["cases"]:
        if record["case"] == case:
            return record["peers"].get(peer, {}).get("median_ms")
    return None


def peak(found: dict[str, Any]) -> float | None:
    """Return the median over cases of the multiply-add peak, GMAC/s; None if never measured."""
    rates = sorted(
        record["roofline"]["fma_gmacs"]
        for record in found["cases"]
        if "fma_gmacs" in record.get("roofline", {})
    )
    return rates[len(rates) // 2] if rates else None


def checks(found: dict[str, Any]) -> list[Check]:
    """Return every claim that was measured, with its floor on this core."""
    rate = peak(found)
    column = 0 if rate is None or rate < CORE_A_BELOW else 1
    results: list[Check] = []
    for (case, peer), floors in RATIOS.items():
        ours, theirs = times(found, case, "niwaki"), times(found, case, peer)
        if ours and theirs:
            results.append(Check(f"{case}, {peer} / niwaki", theirs / ours, floors[column]))
    for (before, after), (name, floor) in GAINS.items():
        slow, fast = times(found, before, "niwaki"), times(found, after, "niwaki")
        if slow and fast:
            images = int(after.split(":")[3]) / int(before.split(":")[3])
            results.append(Check(f"{after}, gain of {name}", slow * images / fast, floor))
    return results + _memory(found) + _limits(found)


def _memory(found: dict[str, Any]) -> list[Check]:
    """Hold each one-thread case's peak memory against ONNX Runtime's."""
    results: list[Check] = []
    for record in found["cases"]:
        peaks = {name: row.get("peak_bytes") for name, row in record["peers"].items()}
        ours, theirs = peaks.get("niwaki"), peaks.get("onnxruntime")
        if ours and theirs:
            claim = f"{record['case']}, peak memory, niwaki (floor: ONNX Runtime's)"
            results.append(Check(claim, ours / 1e6, theirs / 1e6, "MB", at_most=True))
    return results


def _limits(found: dict[str, Any]) -> list[Check]:
    for record in found["cases"]:
        row = record["peers"].get("niwaki", {})
        if record["case"] == "resnet50:0.98:1:1":
            return [
                Check(f"{record['case']}, {what}", row[key] * factor, limit, unit, at_most=True)
                for key, (what, factor, unit, limit) in LIMITS.items()
                if key in row
            ]
    return []


def break_even(found: dict[str, Any], network: str, peer: str = "openvino-int8") -> str:
    """Return the sparsity from which niwaki beats a peer on the dense network, as text.

    One thread, one image. Between the two levels measured around it the times are taken as straight
    lines; the peer's time is its own at each level, as measured beside niwaki's there.
    """
    points = sorted(
        (record["sparsity"], ours, theirs)
        for record in found["cases"]
        if record["network"] == network
        and (record["threads"], record["batch"], record["structure"]) == (1, 1, "unstructured")
        and (ours := record["peers"].get("niwaki", {}).get("median_ms"))
        and (theirs := record["peers"].get(peer, {}).get("median_ms"))
    )
    if not points:
        return "not measured"
    gaps = [ours - theirs for _, ours, theirs in points]
    if gaps[-1] > 0:
        return f"above {points[-1][0]:.0%}"
    if all(gap <= 0 for gap in gaps):
        return f"at or below {points[0][0]:.0%}"
    last = max(i for i, gap in enumerate(gaps) if gap > 0)
    low, high = points[last][0], points[last + 1][0]
    share = gaps[last] / (gaps[last] - gaps[last + 1])
    return f"{low + share * (high - low):.1%}"
