"""The benchmark of whole networks: cases, turns, claims and report, with made-up engines."""

import argparse
import json
import sys

import pytest

ENGINE = """
import time
import numpy as np
def load(path, threads, batch):
    def run(x):
        time.sleep({seconds})
        return np.full((len(x), 3), {answer})
    return run, "1.0"
"""


def record(case, ours, rest=None, sparsity=0.0, **more):
    peers = {name: {"median_ms": ms} for name, ms in {"niwaki": ours, **(rest or {})}.items()}
    network, _, _ = case.partition(":")
    base = {"threads": 1, "batch": 1, "structure": "unstructured", "load_average": 0.1}
    base |= {"case": case, "network": network, "sparsity": sparsity, "peers": peers}
    return {**base, "commit": "c0ffee", "roofline": {"fma_gmacs": 58.0}, **more}


def page(*cases):
    machine = {"cpu": "a CPU", "cores": 2, "isas": ["x86_avx2"]}
    return {"machine": machine, "cases": list(cases)}


def test_cases_read_back():
    from bench_models import Case, default_cases

    assert str(Case.parse("resnet50:0.98")) == "resnet50:0.98:1:1"
    assert Case.parse("resnet50:0.9:2:16:4x1") == Case("resnet50", 0.9, 2, 16, "4x1")
    assert [Case.parse(str(case)) for case in default_cases()] == default_cases()
    for text in ("resnet50", "resnet50:much", "a:1:1:1:4x1:b"):
        with pytest.raises(argparse.ArgumentTypeError, match="no case"):
            Case.parse(text)


def test_every_claim_is_about_a_case_that_is_measured():
    from _models_claims import GAINS, RATIOS
    from bench_models import default_cases

    measured = {str(case) for case in default_cases()}
    wanted = {case for case, _ in RATIOS} | {case for pair in GAINS for case in pair}
    assert wanted <= measured


def measured(found):
    """The claims of a page that were measured."""
    from _models_claims import checks

    return [check for check in checks(found) if check.value is not None]


def test_ratios_take_the_floor_of_the_core():
    found = page(record("resnet50:0.98:1:1", 10.0, {"deepsparse": 30.0}))
    (check,) = measured(found)
    assert (check.value, check.floor, check.passed) == (3.0, 2.3, True)
    found["cases"][0]["roofline"] = {"fma_gmacs": 121.0}
    (check,) = measured(found)
    assert (check.floor, check.passed) == (4, False)


def test_gains_count_images():
    found = page(record("resnet50:0.98:1:1", 10.0), record("resnet50:0.98:1:16", 128.0, batch=16))
    (check,) = measured(found)
    assert check.value == pytest.approx(1.25)
    assert check.passed
    assert "commits" not in check.claim
    found["cases"][1]["commit"] = "bead"
    (check,) = measured(found)
    assert check.claim.endswith("(of commits bead, c0ffee)")


def test_two_threads_are_held_against_one_of_the_same_run():
    two = record("resnet50:0.98:2:1", 5.0, threads=2, one_thread={"median_ms": 9.0})
    found = page(record("resnet50:0.98:1:1", 10.0), {**two, "commit": "bead"})
    (check,) = measured(found)
    assert check.value == pytest.approx(1.8)
    assert "commits" not in check.claim


def test_memory_limits_and_logits_are_at_most():
    case = record("resnet50:0.98:1:1", 10.0, {"onnxruntime": 90.0})
    case["peers"]["niwaki"] |= {"peak_bytes": 2e8, "bytes": 5e6, "load_s": 0.04}
    case["peers"]["niwaki"]["max_difference"] = 2e-4
    case["peers"]["onnxruntime"]["peak_bytes"] = 3e8
    kept = {(check.unit, check.floor): check.passed for check in measured(page(case))}
    assert kept == {("x", 8): True, ("MB", 300): True, ("MB", 4): False, ("ms", 50): True,
                    ("", 1e-4): False}  # fmt: skip


def test_a_claim_that_is_not_measured_stays_and_says_why():
    from _check import check_table
    from _models_claims import GAINS, LIMITS, RATIOS, checks

    nothing = checks(page())
    assert len(nothing) >= len(RATIOS) + len(GAINS) + len(LIMITS)
    assert {check.passed for check in nothing} == {None}
    assert all("not run" in check.why for check in nothing)
    found = page(record("resnet50:0.98:1:1", 10.0, {"deepsparse": 30.0}))
    found["cases"][0]["peers"]["deepsparse"] = {"error": "no wheel"}
    held = {check.claim: check for check in checks(found)}
    assert len(held) == len(nothing)
    rows = "\n".join(check_table(list(held.values())))
    assert (
        "resnet50:0.98:1:1, deepsparse / niwaki | not measured: deepsparse: no wheel | at least 2.3"
        " | ?" in rows
    )
    assert held["resnet50:0.98:1:1, onnxruntime / niwaki"].why == "onnxruntime not run"
    assert held["resnet50:0.95:1:1, onnxruntime / niwaki"].why == "case resnet50:0.95:1:1 not run"


def test_an_engine_that_fails_keeps_no_claim():
    found = page(record("vgg16:0.98:1:1", 10.0, {"onnxruntime": 200.0}))
    found["cases"][0]["peers"]["niwaki"]["error"] = "logits of shape (1, 3), not (1, 1000)"
    from _models_claims import checks

    (check,) = [c for c in checks(found) if c.claim == "vgg16:0.98:1:1, onnxruntime / niwaki"]
    assert (check.value, check.passed, check.verdict) == (None, False, "**no**")


def test_break_even_lies_between_the_levels_around_it():
    from _models_claims import break_even

    def at(sparsity, ours):
        return record("net", ours, {"openvino-int8": 10.0}, sparsity)

    assert break_even(page(at(0.8, 20.0), at(0.9, 12.0), at(0.95, 8.0)), "net") == "92.5%"
    assert break_even(page(at(0.8, 20.0), at(0.9, 12.0)), "net") == "above 90%"
    assert break_even(page(at(0.8, 9.0), at(0.9, 5.0)), "net") == "at or below 80%"
    assert break_even(page(record("net", 1.0)), "net") == "not measured"


@pytest.fixture
def bench(monkeypatch, tmp_path):
    """The benchmark with three made-up engines: two agree, the third can't be had."""
    import bench_models
    import networks
    import peers

    engines = {"niwaki": (0.001, 2.0), "onnxruntime": (0.004, 2.0), "deepsparse": (0.0, 0.0)}
    for name, (seconds, answer) in engines.items():
        text = ENGINE.format(seconds=seconds, answer=answer)
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setattr(bench_models, "BACKENDS", tmp_path)

    def interpreter(name, _):
        if name == "deepsparse":
            raise peers.PeerMissingError("not installed: no wheel")
        return sys.executable

    monkeypatch.setattr(bench_models, "interpreter", interpreter)
    monkeypatch.setattr(networks, "make", lambda *_: tmp_path / "net.onnx")
    monkeypatch.setattr(networks, "count", lambda _: (100, 2))
    monkeypatch.setattr(bench_models.targets, "rooflines", lambda: {"fma_gmacs": 58.0})

    def run(*more):
        arguments = ["bench_models.py", "--out", str(tmp_path / "out"), "--cache", str(tmp_path)]
        arguments += ["--only", *engines, "--rounds", "4", "--cases", *more]
        monkeypatch.setattr(sys, "argv", arguments)
        bench_models.main()
        return json.loads((tmp_path / "out" / "models.json").read_text())

    return run


def test_a_run_measures_compares_reports_and_resumes(bench, tmp_path):
    found = bench("resnet50:0.98")
    (case,) = found["cases"]
    assert case["case"] == "resnet50:0.98:1:1"
    assert (case["weights"], case["nonzeros"]) == (100, 2)
    ours, peer = case["peers"]["niwaki"], case["peers"]["onnxruntime"]
    assert ours["runs"] == 4 * 3  # the first run of each turn isn't counted
    assert ours["low_ms"] <= ours["median_ms"] <= ours["high_ms"]
    assert 1 <= ours["median_ms"] < peer["median_ms"]
    assert ours["max_difference"] == 0
    assert ours["peak_bytes"] > 1e6
    assert case["peers"]["deepsparse"] == {"error": "not installed: no wheel"}
    text = (tmp_path / "out" / "models.md").read_text()
    assert "resnet50:0.98:1:1, onnxruntime / niwaki" in text
    assert "resnet50:0.98:1:1, deepsparse: not installed: no wheel" in text
    assert "58 GMAC/s (core A)" in text
    assert (tmp_path / "out" / "models.svg").read_text().startswith("<?xml")

    again = bench("resnet50:0.98", "resnet50:0.9", "--resume")
    assert [item["case"] for item in again["cases"]] == ["resnet50:0.98:1:1", "resnet50:0.9:1:1"]
    assert again["cases"][0] == case


def test_logits_that_differ_are_noted(bench, tmp_path):
    text = ENGINE.format(seconds=0.001, answer=2.5)
    (tmp_path / "niwaki.py").write_text(text)
    row = bench("resnet50:0.98")["cases"][0]["peers"]["niwaki"]
    assert row["max_difference"] == pytest.approx(0.25)
    page = (tmp_path / "out" / "models.md").read_text()
    claim = "resnet50:0.98:1:1, logits, niwaki from ONNX Runtime"
    assert f"| {claim} | 0.25 | at most 0.0001 | **no** |" in page


def test_the_dense_file_tells_what_torch_makes():
    import networks

    assert networks.parse_dense("cache/mobilenet-v2-seed3-dense.onnx") == ("mobilenet-v2", 3)
    with pytest.raises(ValueError, match="no name of a dense"):
        networks.parse_dense("resnet50-seed0-4x1-0.9000.onnx")
