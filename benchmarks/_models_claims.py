"""What `bench_models.py` must show: ratios with their floors, and break-even sparsities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from _check import Check

CORE_A_BELOW = 90.0
"""GMAC/s of measured multiply-add peak, one thread; floors differ below (core A) and above (B)."""


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


# [ours] Largest |difference| of logits from ONNX Runtime's, over its largest |logit|: what "the
# same logits" means for float32 sums in another order; Winograd's are the farthest away.
SAME_LOGITS = 1e-4
# Engines that run the exported file itself, and so must give its logits.
EXACT = ("niwaki", "deepsparse")


def times(found: dict[str, Any], case: str, peer: str) -> float | None:
    """Return a median in milliseconds, None where it wasn't measured or the logits are wrong."""
    row = _row(found, case, peer)
    return None if "error" in row else row.get("median_ms")


def _record(found: dict[str, Any], case: str) -> dict[str, Any] | None:
    return next((record for record in found["cases"] if record["case"] == case), None)


def _row(found: dict[str, Any], case: str, peer: str) -> dict[str, Any]:
    record = _record(found, case)
    return {} if record is None else record["peers"].get(peer, {})


def _check(
    found: dict[str, Any],
    wanted: Sequence[tuple[str, str]],
    claim: str,
    value: float | None,
    floor: float | None,
    **more: Any,
) -> Check:
    """Return a claim about the cases and engines wanted, with what is lacking of them."""
    reasons: list[str] = []
    broken = False
    for case, peer in wanted:
        record = _record(found, case)
        if record is None:
            reasons.append(f"case {case} not run")
        elif peer not in record["peers"]:
            reasons.append(f"{peer} not run")
        elif "error" in record["peers"][peer]:
            reasons.append(f"{peer}: {record['peers'][peer]['error']}")
            broken |= peer == "niwaki"
    why = "; ".join(dict.fromkeys(reasons))
    return Check(claim, value, floor, why=why, broken=broken, **more)


def _claimed_cases(found: dict[str, Any]) -> list[str]:
    """Return every case that a claim is about or that was measured."""
    pairs = [case for pair in GAINS for case in pair]
    measured = [record["case"] for record in found["cases"]]
    return list(dict.fromkeys([*(case for case, _ in RATIOS), *pairs, *measured]))


def peak(found: dict[str, Any]) -> float | None:
    """Return the median over cases of the multiply-add peak, GMAC/s; None if never measured."""
    rates = sorted(
        record["roofline"]["fma_gmacs"]
        for record in found["cases"]
        if "fma_gmacs" in record.get("roofline", {})
    )
    return rates[len(rates) // 2] if rates else None


def checks(found: dict[str, Any]) -> list[Check]:
    """Return every claim with its floor on this core; what wasn't measured says why."""
    rate = peak(found)
    column = 0 if rate is None or rate < CORE_A_BELOW else 1
    results: list[Check] = []
    for (case, peer), floors in RATIOS.items():
        ours, theirs = times(found, case, "niwaki"), times(found, case, peer)
        ratio = theirs / ours if ours and theirs else None
        wanted = [(case, "niwaki"), (case, peer)]
        results.append(_check(found, wanted, f"{case}, {peer} / niwaki", ratio, floors[column]))
    for (before, after), (name, floor) in GAINS.items():
        slow, fast = times(found, before, "niwaki"), times(found, after, "niwaki")
        own = (_record(found, after) or {}).get("one_thread", {})
        slow = own.get("median_ms", slow)  # of the same run, where there is one
        images = int(after.split(":")[3]) / int(before.split(":")[3])
        gain = slow * images / fast if slow and fast else None
        compared = (after,) if own else (before, after)
        claim = f"{after}, gain of {name}{_commits(found, *compared)}"
        wanted = [(before, "niwaki"), (after, "niwaki")]
        results.append(_check(found, wanted, claim, gain, floor))
    return [*results, *_memory(found), *_limits(found), *_logits(found)]


def _commits(found: dict[str, Any], *cases: str) -> str:
    """Name the commits where the cases of one claim were measured at different ones."""
    commits = {record["commit"] for case in cases if (record := _record(found, case))}
    return "" if len(commits) < 2 else f" (of commits {', '.join(sorted(commits))})"


def _memory(found: dict[str, Any]) -> list[Check]:
    """Hold each case's peak memory against ONNX Runtime's."""
    results: list[Check] = []
    for case in _claimed_cases(found):
        wanted = [(case, "niwaki"), (case, "onnxruntime")]
        held = [_row(found, *one).get("peak_bytes") for one in wanted]
        ours, theirs = (None if one is None else one / 1e6 for one in held)
        claim = f"{case}, peak memory, niwaki (floor: ONNX Runtime's)"
        results.append(_check(found, wanted, claim, ours, theirs, unit="MB", at_most=True))
    return results


def _limits(found: dict[str, Any]) -> list[Check]:
    """Hold what is said about the file, compiling and loading of ResNet-50 at 98 %."""
    case, results = "resnet50:0.98:1:1", list[Check]()
    row = _row(found, case, "niwaki")
    for key, (what, factor, unit, limit) in LIMITS.items():
        value = row[key] * factor if key in row else None
        claim, wanted = f"{case}, {what}", [(case, "niwaki")]
        results.append(_check(found, wanted, claim, value, limit, unit=unit, at_most=True))
    return results


def _logits(found: dict[str, Any]) -> list[Check]:
    """Hold the logits of the exported files against ONNX Runtime's."""
    results: list[Check] = []
    for case in _claimed_cases(found):
        for name in EXACT:
            value = _row(found, case, name).get("max_difference")
            claim = f"{case}, logits, {name} from ONNX Runtime"
            wanted = [(case, name), (case, "onnxruntime")]
            results.append(_check(found, wanted, claim, value, SAME_LOGITS, unit="", at_most=True))
    return results


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
