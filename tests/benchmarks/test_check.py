"""Claims: the floors that photographs are held against."""


def test_claims_hold_the_floors_and_stay_when_not_measured():
    import bench_imagenet_sample as bench
    from niwaki.targets import Timing

    name = bench.SPARSE
    times = {"niwaki": Timing(10.0, 0.1, 5), "onnxruntime": Timing(16.0, 0.1, 5)}
    good = bench.Comparison(photographs=1000, same=999, largest=5e-5)
    bad = bench.Comparison(photographs=1000, same=998, largest=2e-4)
    held = {check.claim: check for check in bench.checks({name: (good, times)})}
    assert held[f"{name}, same top-1 of 1000"].floor == 999
    assert [check.passed for check in held.values() if check.claim.startswith(name)] == [True] * 3
    lacking = [check for check in held.values() if not check.claim.startswith(name)]
    assert len(lacking) == 2 * (len(bench.STATED) - 1)
    assert {(check.passed, check.why) for check in lacking} == {(None, "the network wasn't run")}
    slow = {"niwaki": times["onnxruntime"], "onnxruntime": times["niwaki"]}
    lost = bench.checks({name: (bad, slow)})
    assert [check.passed for check in lost if check.claim.startswith(name)] == [False] * 3
