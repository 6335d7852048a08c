"""Pictures to classes: preprocessed as stored, best first, every wrong path told."""

from __future__ import annotations

import numpy as np
import onnx.parser
import pytest
from PIL import Image

from niwaki import graph
from niwaki.artifact import Artifact
from niwaki.errors import FormatError, InputError
from niwaki.predict import list_pictures, predict
from niwaki.preprocess import make_preprocess
from niwaki.report import Report, VariantResult
from niwaki.runtime import compile_graph

# Logits: the mean's multiples 1, 2, 3 of a 2x2 grey picture that is -1 (black) to 1 (white).
NET = """
<ir_version: 8, opset_import: ["" : 18]>
grey (float[N, 1, 2, 2] x) => (float[N, 3] y)
<float[4, 3] w = {1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3}> { f = Flatten(x) y = MatMul(f, w) }
"""


@pytest.fixture
def artifact(tmp_path):
    model = graph.from_proto(graph.to_proto(graph.from_proto(onnx.parser.parse_model(NET))))
    preprocess = make_preprocess((2, 2), [0.5], [0.5])
    names = ["dark", "grey", "bright"]
    return Artifact.write(
        tmp_path / "out",
        model=model,
        program=compile_graph(model, preprocess=preprocess, classes=names),
        state={},
        recipe="data: digits\n",
        report=Report("grey", variants=[VariantResult("dense")]),
        golden_inputs=np.ones((1, 1, 2, 2), np.float32),
        golden_values={"y": np.array([[4, 8, 12]], np.float32)},
    )


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.new("L", (2, 2), 255).save(folder / "b_white.png")
    Image.new("RGB", (9, 5), (0, 0, 0)).save(folder / "a_black.jpg")
    (folder / "notes.txt").write_text("no picture")
    return folder


def test_the_best_classes_come_first(artifact, pictures):
    black, white = predict(artifact, [pictures], top=2)
    assert [name for name, _ in white.best] == ["bright", "grey"]
    assert [name for name, _ in black.best] == ["dark", "grey"]
    weights = np.exp([12.0, 8.0, 4.0])
    np.testing.assert_allclose([p for _, p in white.best], (weights / weights.sum())[:2], rtol=1e-5)


def test_pictures_come_in_the_order_of_their_names(artifact, pictures):
    found = predict(artifact, [pictures / "b_white.png", pictures])
    assert [one.path.name for one in found] == ["b_white.png", "a_black.jpg", "b_white.png"]
    assert all(len(one.best) == 3 for one in found)


def test_wrong_paths_are_refused(artifact, pictures, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="must be a file that exists"):
        list_pictures([tmp_path / "none.png"])
    with pytest.raises(InputError, match="the folder must hold pictures"):
        list_pictures([tmp_path / "empty"])
    with pytest.raises(InputError, match="there must be a picture"):
        list_pictures([])
    with pytest.raises(FormatError, match="must be a picture"):
        predict(artifact, [pictures / "notes.txt"])
