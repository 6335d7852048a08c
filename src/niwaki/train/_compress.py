"""`compress`: from a network, data and a budget to a verified, measured artifact.

resolve the recipe -> load data -> dense network (train, or load weights) -> for the method and
those compared: train a copy, convert -> Graph -> (integer form: calibrate, train with the integer
arithmetic) -> program -> measure -> report -> verify -> artifact, written whole or not at all.
"""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from niwaki.errors import InfeasibleError
from niwaki.report import Report
from niwaki.targets import machine_info, versions
from niwaki.train._compress_budget import keep_budget
from niwaki.train._compress_job import Job, prepare_job
from niwaki.train._compress_measure import Variant, engine_confusion, latencies, result_of
from niwaki.train._compress_stages import dense_variant, method_variant, state_arrays
from niwaki.train._compress_work import Work, check_same, work_folder

if TYPE_CHECKING:
    from torch import nn

    from niwaki.artifact import Artifact
    from niwaki.planner import Budget
    from niwaki.recipe import Recipe


@dataclass(frozen=True)
class CompressResult:
    """Hold what `compress` made."""

    artifact: Artifact
    """The folder that was written."""
    report: Report
    """What was measured."""


def compress(
    model: nn.Module | str | None = None,
    data: Any = None,
    recipe: Recipe | str | Path | dict[str, Any] | None = None,
    budget: Budget | None = None,
    out: str | Path = "out/",
    *,
    resume: bool = False,
    force: bool = False,
    progress: bool = True,
    **overrides: Any,
) -> CompressResult:
    """Compress a network and write a verified artifact.

    Args:
        model: A network (trained; a copy is worked on), the name of a known one, or
            ``file.py:function``; None takes the recipe's, else the data set's default.
        data: Anything that `niwaki.train.data.load` takes; None takes the recipe's, else digits.
        recipe: A recipe, its YAML file, or nested values.
        budget: Bounds; those that are set win over the recipe's.
        out: The folder to write; must be new or empty.
        resume: Go on where a stopped run of the same recipe was.
        force: Replace a result that ``out`` holds, or start a stopped run over.
        progress: Show progress on stderr.
        overrides: Settings that win over the recipe's, by their key: ``sparsity=0.9``, ``seed=1``,
            ``epochs=3``, ``method="magnitude"``, ``size_kb=60`` ...

    Returns:
        The artifact and its report.

    Raises:
        InputError, ValueDomainError, RegistryError, FormatError, ShapeError: Something given can't
            be used; nothing has been written.
        InfeasibleError: The budget can't be met: the bound that broke and the nearest value.
        VerificationError: torch, Graph and engine don't agree; nothing has been written.
    """
    begin = time.monotonic()
    out = Path(out)
    job = prepare_job(model, data, recipe, budget, overrides, out, replace=force or resume)
    if resume and (done := _finished(job, out)) is not None:
        return done
    work = Work.start(out, job.recipe, resume=resume, force=force)
    try:
        variants, kept = _train_all(job, work, progress)
        result = _finish(job, work, variants, kept, begin)
    except InfeasibleError:
        work.remove()  # training on wouldn't change the answer
        raise
    work.remove()
    return result


def _finished(job: Job, out: Path) -> CompressResult | None:
    """Return the result of a run that had ended already, if it was the same."""
    from niwaki.artifact import MANIFEST, Artifact

    if work_folder(out).exists() or not (out / MANIFEST).is_file():
        return None
    artifact = Artifact.open(out)
    chosen = {} if job.recipe.sparsity is not None else {"sparsity": artifact.recipe.sparsity}
    check_same(artifact.recipe, job.recipe.merged(chosen))
    return CompressResult(artifact, artifact.report)


def _train_all(job: Job, work: Work, progress: bool) -> tuple[list[Variant], dict[str, Any]]:
    """Train every network of the comparison; the method's comes last, its budget is kept."""
    dense = dense_variant(job, work, progress)
    ours, kept = keep_budget(job, work, dense, progress)
    dense.compressed = ours.compressed
    others = [
        method_variant(job, work, dense, name, ours.sparsity, progress)
        for name in job.compared(ours.sparsity)
    ]
    return [dense, *others, ours], kept


def _finish(
    job: Job, work: Work, variants: list[Variant], kept: dict[str, Any], begin: float
) -> CompressResult:
    """Measure, report, verify and write."""
    from niwaki.artifact import Artifact
    from niwaki.runtime import Engine

    ours = variants[-1]
    # With the sparsity that the budget chose, the stored recipe gives the same network again.
    recipe = job.recipe.merged({"sparsity": ours.sparsity})
    threads = job.recipe.threads
    image = job.images("test", 1)
    confusion = engine_confusion(Engine(ours.forms.program, threads=threads), job.data)
    ours.accuracy = confusion.diagonal().sum() / confusion.sum()
    batch = job.images("test", job.recipe.bench.batch)
    with tempfile.TemporaryDirectory() as folder:
        timed = latencies(variants, Path(folder), batch, job.recipe.bench, threads)
    report = Report(
        title=f"{job.model_name} on {job.data.name}: {job.recipe.method.name}, {ours.form} form",
        model=job.model_name,
        data=job.data.name,
        method=job.recipe.method.name,
        form=ours.form,
        variants=[result_of(variant, timed[variant.name], image) for variant in variants],
        classes=list(job.data.classes),
        confusion=confusion.tolist(),
        recipe=recipe.to_yaml(),
        seeds=[job.recipe.train.seed],
        versions=versions(),
        machine=machine_info(),
        budget=kept,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=round(time.monotonic() - begin, 1),
    )
    golden = job.images("test", job.recipe.golden_images)
    artifact = Artifact.write(
        work.out,
        model=ours.forms.graph,
        program=ours.forms.program,
        state=state_arrays(ours.forms.trained),
        recipe=recipe,
        report=report,
        golden_inputs=golden,
        golden_values=ours.forms.recorder(golden),
        force=True,  # asked for, or refused, before the work began
    )
    if work.stage("logs").is_dir():
        work.stage("logs").replace(artifact.folder / "logs")
    return CompressResult(artifact, report)
