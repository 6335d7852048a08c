"""Binary networks and their float twins to time, as ONNX files in a cache; random weights.

`make` returns a file's path; torch is needed only where it isn't there yet. Batch norm statistics
are measured on noise, so that bits are about as often 1 as after training starts. Accuracies mean
nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

SIDES = {"sibnn-resnet18": 224, "sibnn-alexnet": 227, "vgg-small": 32, "resnet18": 224}
"""Networks and the side of their pictures."""
FORMS = ("si-bnn", "bap", "sparse", "float")
SPARSITY = 0.98


def make(name: str, form: str, folder: str | Path) -> Path:
    """Return the path of a network's file, made where it isn't there yet.

    Args:
        name: One of `SIDES`.
        form: ``si-bnn``, ``bap`` (98 % zeros and the binary branch), ``sparse`` (the same layers
            with their 98 % zeros alone), or ``float`` for the twin.
        folder: The cache; files in it are trusted by their names.

    Raises:
        ValueError: There is no such network or form.
    """
    if name not in SIDES or form not in FORMS:
        raise ValueError(f"no such network: {name} as {form}")
    path = Path(folder) / f"{name}-{form}.onnx"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        _export(name, form, path)
    return path


def _export(name: str, form: str, path: Path) -> None:
    import torch

    import niwaki
    from niwaki import capture, graph, methods

    torch.manual_seed(0)
    side = SIDES[name]
    x = torch.randn(1, 3, side, side)
    model: Any = niwaki.models.create(name)
    if form == "float":
        _measure(model, side)
        model.eval()
    else:
        settings = {} if form == "si-bnn" else {"sparsity": SPARSITY}
        method = methods.create("magnitude" if form == "sparse" else form, **settings)
        method.prepare(model, x)
        method.step(1.0)
        _measure(model, side)
        method.convert(model.eval())
    found, _ = capture.to_graph(model, x)
    graph.save(found, path)


def _measure(model: torch.nn.Module, side: int) -> None:
    """Let batch norms see noise."""
    import torch

    model.train()
    with torch.no_grad():
        for _ in range(2):
            model(torch.randn(4, 3, side, side))
