"""The report: data, page and table say the same, and the page needs nothing beside it."""

from __future__ import annotations

import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from rich.console import Console

from niwaki import report as reports
from niwaki.errors import FormatError, InputError
from niwaki.report import History, LayerResult, Mosaic, Report, VariantResult
from niwaki.report._words import bytes_text, count_text, percent_text

VOID = {"meta", "img", "br", "path", "use", "rect", "link", "input", "hr"}


class Balanced(HTMLParser):
    """Notes tags that are closed by another, and every address the page refers to."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.addresses, self.ids = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.note(attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.note(attrs)

    def handle_endtag(self, tag):
        if tag not in VOID and (not self.open or self.open.pop() != tag):
            self.wrong.append(tag)

    def note(self, attrs):
        for key, value in attrs:
            if key in ("src", "href", "xlink:href"):
                self.addresses.append(value)
            if key == "id":
                self.ids.append(value)


def test_json_gives_the_same_report_back(tmp_path, report):
    reports.write(report, tmp_path)
    assert reports.read(tmp_path / "report.json") == report


def test_numpy_numbers_become_plain_ones(tmp_path):
    report = Report("t", variants=[VariantResult("dense", accuracy=np.float32(0.5))])
    reports.write(report, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["variants"][0]["accuracy"] == 0.5


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("{", "must be JSON"),
        ("[]", "must hold fields, got list"),
        ('{"schema_version": 2, "title": "x"}', "schema_version must be 1, got 2"),
        ('{"schema_version": 1, "title": "x", "colour": 1}', "every field must be known"),
        ('{"schema_version": 1, "title": "x", "variants": [{"name": "a", "layers": 3}]}', "field"),
    ],
)
def test_a_damaged_report_is_refused(tmp_path, text, match):
    path = tmp_path / "report.json"
    path.write_text(text)
    with pytest.raises(FormatError, match=re.escape(match)):
        reports.read(path)


def test_a_missing_report_is_refused(tmp_path):
    with pytest.raises(InputError, match="must be a file that exists"):
        reports.read(tmp_path / "report.json")


def test_the_page_is_whole_and_needs_nothing_beside_it(report):
    parser = Balanced()
    text = reports.page(report)
    parser.feed(text)
    assert parser.wrong == []
    assert parser.open == []
    outside = [a for a in parser.addresses if not a.startswith(("#", "data:image/png;base64,"))]
    assert outside == []
    assert any(a.startswith("data:") for a in parser.addresses)
    assert len(parser.ids) == len(set(parser.ids))
    inside = [a[1:] for a in parser.addresses if a.startswith("#")]
    assert set(inside) <= set(parser.ids)
    assert text.count("<svg") == 3
    assert "@import" not in text
    assert "<script" not in text


def test_the_page_says_what_the_report_holds(report):
    text = reports.page(report)
    for shown in ("98.71 %", "118 kB", "0.058", "conv_sparse_binary", "-0.41 points against dense"):
        assert shown in text
    assert "A &lt;fast&gt; CPU" in text
    assert "#010203" not in text
    assert "sparsity: 0.98" in text


def test_the_page_is_the_same_each_time(report):
    assert reports.page(report) == reports.page(report)


def test_a_bare_report_has_a_page():
    text = reports.page(Report("nothing yet"))
    assert "nothing yet" in text
    assert "<svg" not in text
    one = reports.page(Report("one", variants=[VariantResult("dense", accuracy=0.5)]))
    assert "50.00 %" in one
    assert "points against" not in one


def test_curves_of_unknown_lengths_are_drawn():
    history = History(epoch=[1, 2], loss=[1.0, 0.5])
    assert "<svg" in reports.page(Report("t", variants=[VariantResult("a", history=history)]))


def test_the_table_has_one_row_per_network(report):
    console = Console(file=io.StringIO(), width=200)
    console.print(reports.summary_table(report))
    rows = [line for line in console.file.getvalue().splitlines() if "%" in line][1:]
    assert [row.split("│")[1].strip() for row in rows] == ["dense", "sparse only", "bap"]
    assert "0.058 ± 0.003" in rows[2]
    assert "330 k" in rows[2]


def test_a_mosaic_gives_its_mask_back():
    weight = np.random.default_rng(1).standard_normal((70, 3, 11, 11))
    weight[weight < 0.5] = 0
    mosaic = Mosaic.of("layer", weight)
    np.testing.assert_array_equal(mosaic.mask(), weight.reshape(70, -1)[:64, :288] != 0)
    assert mosaic.note == "64 of 70 output channels, 288 of 363 inputs of each"


def test_density_of_a_layer_without_weights_is_one():
    assert LayerResult("pool", "max_pool").density == 1
    assert LayerResult("conv", "conv", weights=100, nonzeros=2).density == 0.02


@pytest.mark.parametrize(
    ("text", "want"),
    [
        (bytes_text(999), "999 B"),
        (bytes_text(1_000), "1 kB"),
        (bytes_text(118_400), "118 kB"),
        (bytes_text(1_726_000), "1.73 MB"),
        (bytes_text(2_500_000_000), "2.5 GB"),
        (bytes_text(None), "-"),
        (count_text(0), "-"),
        (count_text(12), "12"),
        (count_text(1_676_000_000), "1.68 G"),
        (percent_text(None), "-"),
        (percent_text(0.12345, 2), "12.35 %"),
    ],
)
def test_numbers_as_people_read_them(text, want):
    assert text == want
