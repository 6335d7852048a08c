"""A network that others pruned: SqueezeNet after Deep Compression, a third of its weights left.

    NIWAKI_DATA=... python examples/sparse_squeezenet.py photograph.jpg

Loads the trained weights, packs them for the engine, and prints the five best ImageNet classes.
"""

import sys
import tempfile
from pathlib import Path

import torch

from niwaki import Engine, models
from niwaki.capture import to_graph
from niwaki.preprocess import apply_preprocess, open_image
from niwaki.runtime import compile_graph, nwk


def classify(photograph: str) -> list[tuple[int, float]]:
    """Return the five best classes (0..999) with their logits."""
    trained = models.load_trained("squeezenet-deep-compression")
    found, _ = to_graph(trained.model, torch.zeros(1, 3, *trained.preprocess["size"]))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "squeezenet.nwk")
        nwk.write(path, compile_graph(found, preprocess=trained.preprocess))
        print(f"{path.stat().st_size / 1e6:.2f} MB packed")
        engine = Engine(path)
        logits = engine(apply_preprocess(open_image(photograph), trained.preprocess))[0]
    best = logits.argsort()[::-1][:5]
    return [(int(index) - trained.first_class, float(logits[index])) for index in best]


if __name__ == "__main__":
    for index, logit in classify(sys.argv[1]):
        print(f"class {index}: {logit:.2f}")
