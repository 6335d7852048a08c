"""ResNet-20 on CIFAR-10 from its trained weights: binary networks and binary augmented pruning.

    NIWAKI_DATA=... python examples/binary_cifar10.py --run si-bnn --epochs 10 --out out/si-bnn

Four runs with one recipe, to be held against each other in pairs:

    si-bnn         activations {0, 1}, weights {-1, +1}, thresholds and windows trained
    si-bnn-signed  the same units and weights with activations {-1, +1}
    bap            98 % of the weights zero, a binary branch beside them
    sparse-only    98 % of the weights zero, nothing beside them

Each can be stopped and started again: the same command goes on from the last checkpoint. In the
folder, `result.json` holds every epoch, `model.onnx` and `model.nwk` the network that came out.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path

import torch

import niwaki
from niwaki import models
from niwaki.targets import machine_info
from niwaki.train import data
from niwaki.train.loop import TrainSettings, evaluate, fit, total_steps

RUNS = {
    "si-bnn": ("si-bnn", {}),
    "si-bnn-signed": ("si-bnn", {"activations": "signed"}),
    "bap": ("bap", {"sparsity": 0.98}),
    "sparse-only": ("magnitude", {"sparsity": 0.98}),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", choices=RUNS, required=True)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)

    model = trained_resnet20(binary=arguments.run.startswith("si-bnn"))
    pictures = data.load("cifar10", **(models.normalization(model) or {}))
    # Adam, 1e-3, cosine to 0 and weight decay 1e-5 as the authors have them. Ours: batches of 128
    # (256), from trained weights (from scratch), and no decay on batch norms and biases either.
    settings = TrainSettings(epochs=arguments.epochs, lr=arguments.lr, seed=arguments.seed)
    method, options = RUNS[arguments.run]
    example = next(iter(pictures.batches("test", 2)))[0]
    session = niwaki.Session(
        model,
        method,
        total_steps=total_steps(pictures, settings),
        example_inputs=example,
        **options,
    )
    arguments.out.mkdir(parents=True, exist_ok=True)
    history = fit(
        model,
        pictures,
        settings,
        session=session,
        checkpoint_dir=arguments.out / "checkpoints",
        label=arguments.run,
    )
    session.convert()
    accuracy, _ = evaluate(model, pictures)
    result = {
        "run": arguments.run,
        "seed": arguments.seed,
        "epochs": arguments.epochs,
        "lr": arguments.lr,
        "commit": machine_info()["commit"],
        "test_accuracy": accuracy,
        "history": history.to_list(),
    }
    (arguments.out / "result.json").write_text(json.dumps(result, indent=1) + "\n")
    for name in ("model.onnx", "model.nwk"):
        niwaki.export(model, arguments.out / name, example)
    print(
        f"{arguments.run}: {100 * accuracy:.2f} % of the test set after {arguments.epochs} epochs"
    )


def trained_resnet20(*, binary: bool) -> torch.nn.Module:
    """Return ResNet-20 with its trained weights; for Si-BNN with a shortcut a convolution.

    That one has two batch norms a convolution: those in front are new.
    """
    folder = os.environ.get("NIWAKI_DATA")
    if folder is None:
        raise SystemExit("Set NIWAKI_DATA to a folder with cifar10/ and weights/")
    trained = models.create("resnet20", seed=0)
    models.load_weights(trained, Path(folder, "weights/resnet20_cifar10.npz"))
    if not binary:
        return trained
    twin = models.create("sibnn-resnet20", seed=0)
    missing, unexpected = twin.load_state_dict(trained.state_dict(), strict=False)
    assert not unexpected, unexpected
    assert all(".norm1." in key or ".norm2." in key for key in missing), missing
    return twin


if __name__ == "__main__":
    main()
