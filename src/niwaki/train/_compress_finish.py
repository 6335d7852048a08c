"""`finish`: from the end of the user's own training loop to a verified artifact."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from niwaki import _files
from niwaki.artifact import MANIFEST
from niwaki.recipe import Recipe
from niwaki.train._compress_forms import float_forms, integer_forms, integer_network
from niwaki.train._compress_job import Job, check_network
from niwaki.train._compress_measure import Variant
from niwaki.train._compress_result import CompressResult, write_result
from niwaki.train._compress_stages import layers_of
from niwaki.train.data import load
from niwaki.train.loop import evaluate
from niwaki.train.session import Session

if TYPE_CHECKING:
    import numpy as np
    from torch import nn


def finish(
    model: nn.Module | Session,
    data: Any,
    out: str | Path = "out/",
    *,
    form: Literal["float", "integer"] = "float",
    golden_images: int = 8,
    threads: int = 1,
    name: str | None = None,
    force: bool = False,
) -> CompressResult:
    """Turn a network from a training loop of the user's own into a verified artifact.

    Args:
        model: A session (converted here, in place, if it isn't yet), or any network as it is to be
            deployed.
        data: What `niwaki.train.data.load` takes: the test part is evaluated and gives the golden
            images, the training part calibrates the integer form. It says how a picture becomes
            the network's input, so the loop must have used the same (`DataSet.batches` does).
        out: The folder to write; must be new or empty.
        form: ``float``, or ``integer``: calibrated, without further training.
        golden_images: Test images whose values in every layer are stored for `niwaki verify`.
        threads: Threads of the engine.
        name: What the report calls the network; its class's name when None.
        force: Replace a result that ``out`` holds.

    Returns:
        The artifact and its report.

    Raises:
        InputError, ValueDomainError, ShapeError: Something given can't be used.
        VerificationError: torch, Graph and engine don't agree; nothing has been written.
    """
    begin = time.monotonic()
    out = Path(out)
    _files.check_out_dir(out, MANIFEST, force=force)
    values: dict[str, Any] = {"form": form, "golden_images": golden_images, "threads": threads}
    compressed: frozenset[str] = frozenset()
    masks: dict[str, np.ndarray] = {}
    sparsity = 0.0
    if isinstance(model, Session):
        session, network = model, model.model
        sparsity = session.method.target_sparsity
        values |= {"method": session.method.name, "sparsity": sparsity}
        compressed, masks = layers_of(session)
        if session.is_prepared:
            session.convert()
        label = session.method.name
    else:
        network, label = model, "network"
    dataset = load(data)
    title = type(network).__name__ if name is None else name
    recipe = Recipe.of({"data": dataset.name, **values})
    network.eval()
    check_network(network, dataset, title)
    job = Job(recipe, dataset, network, title)
    forms = float_forms(network, job)
    if form == "integer":
        forms = integer_forms(forms, integer_network(forms, job), job)
    variant = Variant(
        name=label,
        forms=forms,
        accuracy=evaluate(forms.trained, dataset)[0],
        sparsity=sparsity,
        compressed=compressed,
        masks=masks,
    )
    return write_result(job, out, [variant], {}, time.monotonic() - begin)
