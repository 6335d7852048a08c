"""The claims about sparse 3x3 convolutions: by the least time, over the rate of the same run."""


def row(runner, median, shape="", note=""):
    from _rows import Row

    case = "convolution" if shape else "roof"
    return Row(case, runner, median, 0.0, 2, unit="GMAC/s", shape=shape, note=note)


def test_shares_of_the_load_rate():
    from _roofline_claims import checks

    rows = [
        row("load_gmacs", 34.0),
        row("fma_gmacs", 59.0),
        row("sparse", 90.0, "3x3, 64 to 64, 56x56, 98% zeros", "at best 18.7 GMAC/s, 55% of load"),
        row("sparse", 95.0, "3x3, 512 to 512, 7x7, 98% zeros", "at best 18.6 GMAC/s, 40% of l3"),
        row("sparse", 400.0, "3x3, 64 to 64, 56x56, 90% zeros", "at best 25.5 GMAC/s, 75% of load"),
        row("sparse", 1.0, "3x3, 64 to 64, 56x56, stride 2, 90% zeros", "at best 1 GMAC/s"),
        row("sparse", 1.0, "1x1, 256 to 64, 56x56, 98% zeros", "at best 1 GMAC/s"),
        row("sparse4", 1.0, "3x3, 64 to 64, 56x56, 90% zeros", "at best 1 GMAC/s"),
    ]
    found = [(round(check.value, 1), check.floor, check.passed) for check in checks(rows)]
    assert found == [(55.0, 55.0, True), (54.7, 55.0, False), (75.0, 75.0, True)]
