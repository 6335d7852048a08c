"""The benchmark of binary networks: turns, engines that can't be had, claims with their floors."""

from contextlib import ExitStack

import numpy as np
import pytest
import torch


class Scripted:
    """An engine whose runs take what a list says."""

    def __init__(self, *turns):
        self.turns, self.asked = list(turns), []

    def ask(self, do, **request):
        self.asked.append(request["count"])
        return {"ns": self.turns.pop(0)[: request["count"]]}


def test_the_first_run_of_a_turn_is_not_counted():
    from _turns import TURN, WARM_UP, take_turns

    turns = [[9e9] * WARM_UP, [9e9, 1e6, 2e6, 3e6], [9e9, 3e6, 4e6, 5e6], [9e9, 5e6, 6e6, 7e6]]
    engine = Scripted(*turns)
    found = take_turns({"a": engine}, rounds=9, seconds=0.0)["a"]  # three turns at least
    assert engine.asked == [WARM_UP, TURN, TURN, TURN]
    assert (found["runs"], found["median_ms"], found["min_ms"]) == (9, 4.0, 1.0)
    assert (found["low_ms"], found["high_ms"]) == (3.0, 5.0)
    engine = Scripted(*turns)
    assert take_turns({"a": engine}, rounds=2, seconds=60.0)["a"]["runs"] == 6


def test_runs_while_the_core_wakes_up_are_not_counted():
    from _turns import take_turns

    warm = [[4e6, 3e6, 2e6]]
    turns = [[9e9] * 5 + [1e6, 1e6, 1e6]] * 3  # 10 ms are five runs of 2 ms
    engine = Scripted(*warm, *turns)
    found = take_turns({"a": engine}, rounds=3, seconds=0.0, wake=0.01)["a"]
    assert engine.asked == [3, 8, 8, 8]
    assert (found["runs"], found["high_ms"]) == (9, 1.0)


def test_a_call_of_this_process_is_asked_as_a_worker():
    from _turns import Local

    calls = []
    engine = Local(lambda: calls.append(1))
    times = engine.ask("run", count=5)["ns"]
    assert len(times) == len(calls) == 5
    assert all(time >= 0 for time in times)
    with pytest.raises(ValueError, match="no such request here: memory"):
        engine.ask("memory")


def test_engines_start_or_leave_their_reason(tmp_path, monkeypatch):
    # `torch` and `niwaki` need no environment of their own.
    import _binary_peers as peers

    (tmp_path / "torch.py").write_text("def load(path, threads, batch): return abs, path + '!'")
    (tmp_path / "niwaki.py").write_text("def load(path, threads, batch): raise OSError('broken')")
    monkeypatch.setattr(peers, "BACKENDS", tmp_path)
    x = np.zeros((1, 2), np.float32)
    models = dict.fromkeys(("torch", "niwaki", "larq"), tmp_path / "net")
    with ExitStack() as stack:
        found = peers.start(models, tmp_path, tmp_path, x, stack)
        assert list(found.workers) == ["torch"]
        assert found.versions == {"torch": f"{tmp_path / 'net'}!"}
        assert len(found.workers["torch"].ask("run", count=2)["ns"]) == 2
    assert found.why["niwaki"] == "load: OSError: broken"
    assert found.why["larq"].startswith("no environment 'larq'")


def row(median, runs=5, note=""):
    from _rows import Row

    return Row("case", "runner", median, 0.0, runs, note=note)


def measured(rate):
    """A page on which everything was measured: niwaki 4 ms, BAP 6, the layer 100 us."""
    from _binary_claims import ALEXNET, BAP, LAYER, SI_BNN, Found

    found = Found(rate=rate)
    times = {
        SI_BNN: {"niwaki": 4.0, "onnxruntime": 32.0, "openvino-int8": 9.0, "larq": 120.0},
        ALEXNET: {"niwaki": 4.0, "onnxruntime": 31.0},
        BAP: {"niwaki": 6.0, "onnxruntime": 32.0, "sparse only": 3.0},
        LAYER: {"onnxruntime": 1500.0, "unit, x86_avx512": 100.0, "chain, x86_avx512": 80.0},
    }
    for case, engines in times.items():
        for engine, median in engines.items():
            found.add(case, engine, row(median))
    found.add(SI_BNN, "packed", row(4.23))
    return found


@pytest.mark.parametrize(("rate", "unit", "floor"), [(58.0, True, 13), (121.0, False, 18)])
def test_claims_take_the_floor_of_the_core(rate, unit, floor):
    from _binary_claims import checks

    held = {check.claim.partition(" (core")[0]: check for check in checks(measured(rate))}
    passed = {claim: check.passed for claim, check in held.items() if check.value is not None}
    layer = "3x3, 256 at 14x14, onnxruntime /"
    assert passed == {
        "sibnn-resnet18 as si-bnn, onnxruntime / niwaki": True,
        "sibnn-resnet18 as si-bnn, openvino-int8 / niwaki": True,
        "sibnn-resnet18 as si-bnn, larq / niwaki": True,
        "sibnn-alexnet as si-bnn, onnxruntime / niwaki": False,  # 7.75
        "resnet18 as bap, onnxruntime / niwaki": True,
        "resnet18 as bap, with / without the binary branch": False,  # 2 times
        f"{layer} unit, x86_avx512": unit,
        f"{layer} chain, x86_avx512": True,
        "sibnn-resnet18 as si-bnn, packed": True,
    }
    assert held[f"{layer} unit, x86_avx512"].floor == floor
    assert held[f"{layer} unit, x86_avx2"].why == "unit, x86_avx2 not run"


def test_what_was_not_measured_says_why_and_fails_nothing():
    from _binary_claims import SI_BNN, Found, checks, verdict

    found = Found()
    found.add(SI_BNN, "niwaki", row(4.0))
    found.add(SI_BNN, "larq", row(0.0, runs=0, note="not measured: no wheel"))
    found.add(SI_BNN, "larq-indirect", row(24.0))
    lines = [verdict(check) for check in checks(found)]
    assert not any(check.passed is False for check in checks(found))
    assert f"not measured: {SI_BNN}, larq / niwaki: no wheel" in lines
    assert f"stated: {SI_BNN}, larq-indirect / niwaki: 6 x (no floor)" in lines
    found.add(SI_BNN, "larq", row(80.0))
    lines = [verdict(check) for check in checks(found)]
    assert f"MISSED: {SI_BNN}, larq / niwaki: 20 x (at least 25)" in lines
    assert len(checks(found)) == len(lines) == 15


@pytest.mark.parametrize(("error", "kept"), [(7e-7, True), (2e-4, False)])
def test_a_network_with_other_logits_keeps_no_claim(error, kept):
    from _binary_claims import LOGITS, SI_BNN, Found, checks

    found = Found()
    found.add(SI_BNN, f"{LOGITS}, x86_avx2", row(error))
    held = {check.claim: check.passed for check in checks(found) if check.value is not None}
    assert held == {f"{SI_BNN}, {LOGITS}, x86_avx2": kept}


def test_sparse_and_bap_prune_the_same_layers():
    # Else the difference of their times would not be the branch's.
    from niwaki import methods, models

    found = {}
    for form in ("magnitude", "bap"):
        model = models.create("resnet18", seed=0)
        method = methods.create(form, sparsity=0.98)
        method.prepare(model, torch.zeros(2, 3, 32, 32))
        found[form] = {choice.name for choice in method.layers() if choice.compressed}
    assert found["magnitude"] == found["bap"]
    assert len(found["bap"]) == 16  # the 3x3 convolutions of the blocks


def test_a_network_that_does_not_exist_is_refused(tmp_path):
    import binary_networks

    with pytest.raises(ValueError, match="no such network: resnet18 as ternary"):
        binary_networks.make("resnet18", "ternary", tmp_path)
