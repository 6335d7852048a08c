"""`niwaki bench`: what zeros bring and profiles, on a tiny network."""

from __future__ import annotations

import json
import sys

import onnx.parser
import pytest


def test_zeros_as_table_picture_and_page(niwaki, small_two_layers, tmp_path):
    words = ("bench", small_two_layers, "--sparsity", "0,90%", "--runs", 2)
    shown = niwaki(*words, "--out", tmp_path / "deep" / "z.svg")
    assert shown.code == 0, shown.err
    assert "What zeros bring to small.onnx" in shown.out
    assert "onnxruntime" in shown.out
    assert "accuracy isn't considered here" in shown.out
    assert (tmp_path / "deep" / "z.svg").read_text().startswith("<svg")
    assert niwaki(*words, "--out", tmp_path / "z.html").code == 0
    assert "<table>" in (tmp_path / "z.html").read_text()


def test_zeros_as_json(niwaki, small_two_layers, tmp_path):
    out = tmp_path / "z.json"
    shown = niwaki("bench", small_two_layers, "--sparsity", "0.5", "--runs", 2, "--json",
                   "--threads", 2, "--batch", 3, "--out", out)  # fmt: skip
    found = json.loads(shown.out)
    assert (found["threads"], found["batch"]) == (2, 3)
    assert [level["sparsity"] for level in found["levels"]] == [0.5]
    assert json.loads(out.read_text()) == found


def test_zeros_without_onnxruntime_says_how_to_get_it(niwaki, small_two_layers, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    shown = niwaki("bench", small_two_layers, "--sparsity", "0,0.9", "--runs", 1)
    assert shown.code == 0
    assert "onnxruntime must be installed. pip install 'niwaki[peers]'" in shown.out
    assert "No other engine took part" in shown.out or "openvino" in shown.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--sparsity", "a"), "the levels must be numbers"),
        (("--sparsity", "1"), "must be shares of zeros in [0, 1)"),
        (("--sparsity", "0.5", "--profile"), "must not be given together"),
        (("--sparsity", "0.5", "--out", "z.png"), "must be .svg or .html or .json"),
        (("--sparsity", "0.5", "--structure", "stripes"), "got 'stripes'"),
        (("--profile", "--out", "z.txt"), "must be .svg or .html or .json"),
        (("--profile", "--batch", 4), "[--batch] the option must not be given with --profile"),
        (("--profile", "--seconds", 5), "[--seconds] the option is for --sparsity only, got 5"),
        (("--structure", "4x1"), "[--structure] the option is for --sparsity only"),
        (("--seconds", 0), "[--seconds] the option is for --sparsity only"),
        (("--out", "z.svg"), "must be .json without --sparsity or --profile"),
        (("--out", "z.txt"), "the file must be .json"),
    ],
)
def test_senseless_wishes_are_refused(refused, small_two_layers, words, said):
    assert said in refused("bench", small_two_layers, *words)


def test_zeros_of_a_packed_file_are_refused(refused, small_nwk, tmp_path):
    target = tmp_path / "m.nwk"
    small_nwk(target)
    assert "must be an .onnx file" in refused("bench", target, "--sparsity", "0.5")


def test_an_unsupported_op_is_named(refused, small_onnx, tmp_path):
    model = small_onnx(tmp_path / "m.onnx", op="Bernoulli")
    line = refused("bench", model, "--sparsity", "0.5")
    assert "Bernoulli" in line
    assert "after" in line


def test_a_profile_as_table_page_and_json(niwaki, small_two_layers, tmp_path):
    words = ("bench", small_two_layers, "--profile", "--runs", 2)
    shown = niwaki(*words, "--out", tmp_path / "p.svg")
    assert shown.code == 0, shown.err
    assert "conv2" in shown.out
    assert "GMAC/s" in shown.out
    assert "conv2" in (tmp_path / "p.svg").read_text()
    assert niwaki(*words, "--out", tmp_path / "p.html").code == 0
    found = json.loads(niwaki(*words, "--json").out)
    assert found["schema_version"] == 1
    assert set(found) == {
        "schema_version", "file", "input_shape", "threads", "isa", "total_ms", "spread_ms",
        "layers", "roofs", "machine", "warning",
    }  # fmt: skip
    layer = next(layer for layer in found["layers"] if layer["name"] == "conv2")
    assert layer["macs"] == 6 * 6 * 2 * 2 * 9
    assert layer["gmacs_per_s"] == pytest.approx(layer["macs"] / layer["ms"] / 1e6)
    assert layer["bytes"] >= 4 * 2 * (2 * 36) + 4 * 36
    assert sum(each["share"] for each in found["layers"]) == pytest.approx(1)
    for each in found["layers"]:
        assert (each["roof"] == "") == (each["roof_share"] is None)


def test_a_folder_as_output_is_refused_before_any_work(refused, small_two_layers, tmp_path):
    (tmp_path / "folder.json").mkdir()
    line = refused("bench", small_two_layers, "--out", tmp_path / "folder.json")
    assert "must be a file, not a folder" in line


@pytest.mark.parametrize("words", [("bench",), ("bench", "--profile"), ("inspect",), ("compile",)])
def test_an_open_size_names_the_option(refused, tmp_path, words):
    text = """
    <ir_version: 8, opset_import: ["" : 18]>
    open (float[N, 1, H, W] x) => (float[N, 1, P, Q] y) { y = Relu(x) }
    """
    onnx.save(onnx.parser.parse_model(text), tmp_path / "open.onnx")
    line = refused(words[0], tmp_path / "open.onnx", *words[1:])
    assert "must have a known shape" in line
    assert "--input-shape C,H,W" in line


@pytest.mark.parametrize("more", [(), ("--profile",), ("--sparsity", "0.5")])
def test_networks_of_two_inputs_are_refused_before_any_work(refused, tmp_path, more):
    text = """
    <ir_version: 8, opset_import: ["" : 18]>
    two (float[N, 3, 4, 4] x, float[N, 3, 4, 4] z) => (float[N, 2, 4, 4] y)
    <float[2, 3, 1, 1] w = {1, 2, 3, 4, 5, 6}> { a = Add(x, z) y = Conv(a, w) }
    """
    onnx.save(onnx.parser.parse_model(text), tmp_path / "two.onnx")
    assert "the network must have one input, got 2" in refused(
        "bench", tmp_path / "two.onnx", *more
    )
