"""The claims about accuracy: held on means over three seeds, and against the better rival."""

import json

import pytest

GOOD = {
    "si-bnn": [87.0, 88.0, 89.0],
    "signed": [87.4, 87.4, 87.4],
    "real": [91.9, 91.9, 91.9],
    "dense": [91.0, 91.0, 91.0],
    "sparse-only": [85.0, 85.0, 85.0],
    "bap": [89.1, 89.1, 89.1],
    "binary-only": [88.0, 88.0, 88.0],
    "binary-ramped": [87.0, 87.0, 87.0],
}
BITS = [[{"ones": 0.4, "threshold": 0.1, "least_scale": 0.8}]] * 3


def passed(scores, bits=BITS):
    import _accuracy_claims

    return [check.passed for check in _accuracy_claims.checks(scores, bits)]


def test_all_claims_are_kept_by_good_runs():
    assert passed(GOOD) == [True] * 9


@pytest.mark.parametrize(
    ("changed", "missed"),
    [
        ({"si-bnn": [86.9, 86.9, 86.9], "signed": [86.0] * 3, "real": [90.0] * 3}, 0),
        ({"signed": [87.6, 87.6, 87.6]}, 1),
        ({"real": [92.1, 92.1, 92.1]}, 2),
        ({"dense": [91.2, 91.2, 91.2]}, 3),
        ({"sparse-only": [85.2, 85.2, 85.2]}, 4),
        ({"binary-only": [88.2, 88.2, 88.2]}, 5),
        ({"binary-ramped": [88.2, 88.2, 88.2]}, 5),
    ],
)
def test_each_claim_can_be_missed(changed, missed):
    assert [place for place, kept in enumerate(passed(GOOD | changed)) if not kept] == [missed]


def test_bits_that_are_dense_or_did_not_move_miss_theirs():
    bad = {"ones": 0.51, "threshold": 0.0, "least_scale": 0.7}
    assert passed(GOOD, [*BITS[:2], [*BITS[2], bad]])[6:] == [False] * 3


def test_fewer_seeds_are_not_measured():
    found = passed({name: scores[:2] for name, scores in GOOD.items()}, BITS[:2])
    assert found == [None] * 9


def test_a_result_of_another_case_is_refused(tmp_path):
    import bench_binary_accuracy as bench

    (tmp_path / "result.json").write_text(json.dumps({"case": {"group": "bap"}, "accuracy": 0.9}))
    with pytest.raises(SystemExit, match="a run must be of the case"):
        bench.run("bap", 0, tmp_path)


def test_a_result_of_other_epochs_is_refused(tmp_path):
    import bench_binary_cifar10 as bench

    found = {"run": "bap", "seed": 0, "epochs": 10}
    (tmp_path / "result.json").write_text(json.dumps(found))
    assert bench.run("bap", 0, 10, tmp_path) == found
    with pytest.raises(SystemExit, match="a run must be"):
        bench.run("bap", 0, 20, tmp_path)


def test_runs_are_compared_over_the_seeds_that_both_have():
    import bench_binary_cifar10 as bench

    def runs(*scores):
        return [{"seed": seed, "test_accuracy": score} for seed, score in enumerate(scores)]

    assert bench.compare("a", runs(0.7), runs(0.6, 0.9)).value == pytest.approx(10)
    assert bench.compare("a", runs(0.5), runs(0.6)).passed is False
    assert bench.compare("a", [], runs(0.6)).passed is None


def test_the_table_of_cifar10_names_runs_of_the_example():
    import bench_binary_cifar10 as bench

    runs = bench.load_example().RUNS
    assert {name for _, *pair in bench.PAIRS for name in pair} == set(runs)
