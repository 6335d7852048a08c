"""Real photographs through trained networks: the same answers as ONNX Runtime.

`benchmarks/bench_imagenet_sample.py` does it with all 1,000 photographs.
"""

import os
import runpy
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from niwaki import Engine, models

pytestmark = [pytest.mark.data, pytest.mark.slow]
PHOTOGRAPHS = 24


@pytest.fixture
def root():
    found = os.environ.get("NIWAKI_DATA")
    if not found:
        pytest.skip("NIWAKI_DATA names no folder of real data sets")
    return Path(found)


# How many of the first photographs are answered rightly was computed by this code; a tie may tip.
@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("mobilenet-v1-0.25-keras", 14),
        ("mobilenet-v1-0.5-uint8", 16),
        ("mobilenet-v2-uint8", 17),
        ("squeezenet-deep-compression", 16),
    ],
)
def test_answers_as_onnx_runtime(name, right, root, tmp_path):
    import bench_imagenet_sample as bench

    torch.set_num_threads(1)
    path, trained = bench.write_network(name, tmp_path)
    pictures = islice(bench.photographs(root), PHOTOGRAPHS)
    found = bench.compare(Engine(path), path, trained, pictures)
    assert found.photographs == PHOTOGRAPHS
    assert found.same == PHOTOGRAPHS
    assert found.largest < 1e-4
    assert abs(found.correct - right) <= 1


def test_a_third_of_the_compressed_squeezenet_is_left(root):
    model = models.load_trained("squeezenet-deep-compression").model
    weights = [m.weight.detach().numpy() for m in model.modules() if isinstance(m, torch.nn.Conv2d)]
    assert sum(w.size for w in weights) == 1_244_448
    share = sum(np.count_nonzero(w) for w in weights) / 1_244_448
    assert share == pytest.approx(0.334, abs=5e-4)


def test_the_example_sees_what_is_there(root, tmp_path, capsys):
    import bench_imagenet_sample as bench

    example = runpy.run_path(str(Path(__file__).parents[2] / "examples" / "sparse_squeezenet.py"))
    picture, label = next(bench.photographs(root))
    picture.save(tmp_path / "photograph.png")
    best = example["classify"](tmp_path / "photograph.png")
    assert label in [index for index, _ in best]
    assert "MB packed" in capsys.readouterr().out
