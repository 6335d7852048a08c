"""From finished networks to a result: measure, report, verify, write."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from niwaki.artifact import Artifact
from niwaki.report import Report
from niwaki.runtime import Engine
from niwaki.targets import machine_info, versions
from niwaki.train._compress_measure import engine_confusion, latencies, result_of

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from niwaki.train._compress_job import Job
    from niwaki.train._compress_measure import Variant


@dataclass(frozen=True)
class CompressResult:
    """Hold what `compress` or `finish` made."""

    artifact: Artifact
    """The folder that was written."""
    report: Report = field(repr=False)
    """What was measured."""


def write_result(
    job: Job, out: Path, variants: list[Variant], kept: dict[str, Any], seconds: float
) -> CompressResult:
    """Measure the networks of a comparison, and write the last one's artifact.

    Args:
        job: What the networks were made from.
        out: The folder to write; an artifact that is there is replaced.
        variants: The networks, the one to deploy last; its accuracy becomes the engine's own.
        kept: Bound to what was ``asked`` and ``reached``.
        seconds: What the run took until here.

    Raises:
        VerificationError: torch, Graph and engine don't agree; nothing is written.
        InputError: The disk is full, or the path is in the way.
    """
    ours = variants[-1]
    # With the sparsity that the budget chose, the stored recipe gives the same network again.
    recipe = job.recipe.merged({"sparsity": ours.sparsity})
    threads = recipe.threads
    confusion = engine_confusion(Engine(ours.forms.program, threads=threads), job.data)
    ours.accuracy = float(confusion.diagonal().sum() / confusion.sum())
    image, batch = job.images("test", 1), job.images("test", recipe.bench.batch)
    with tempfile.TemporaryDirectory() as folder:
        timed = latencies(variants, Path(folder), batch, recipe.bench, threads)
    report = Report(
        title=f"{job.model_name} on {job.data.name}: {recipe.method.name}, {ours.form} form",
        model=job.model_name,
        data=job.data.name,
        method=recipe.method.name,
        form=ours.form,
        variants=[result_of(variant, timed[variant.name], image) for variant in variants],
        classes=list(job.data.classes),
        confusion=confusion.tolist(),
        recipe=recipe.to_yaml(),
        seeds=[recipe.train.seed],
        versions=versions(),
        machine=machine_info(),
        budget=kept,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(seconds, 1),
    )
    golden = job.images("test", recipe.golden_images)
    artifact = Artifact.write(
        out,
        model=ours.forms.graph,
        program=ours.forms.program,
        state=state_arrays(ours.forms.trained),
        recipe=recipe,
        report=report,
        golden_inputs=golden,
        golden_values=ours.forms.recorder(golden),
        force=True,  # asked for, or refused, before the work began
    )
    return CompressResult(artifact, report)


def state_arrays(network: nn.Module) -> dict[str, np.ndarray]:
    """Return a network's state dict as arrays, for ``model.safetensors``."""
    return {key: value.detach().cpu().numpy() for key, value in network.state_dict().items()}
