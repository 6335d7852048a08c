"""`compress`: from a network, data and a budget to a verified, measured artifact.

resolve the recipe -> load data -> try every form on an untrained copy -> dense network (train, or
load weights) -> for the method and those compared: train a copy, convert -> Graph -> (integer form:
calibrate, train with the integer arithmetic) -> program -> measure -> report -> verify -> artifact,
written whole or not at all.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from niwaki.errors import InfeasibleError, NiwakiError
from niwaki.train._compress_budget import keep_budget
from niwaki.train._compress_job import Job, prepare_job
from niwaki.train._compress_measure import torch_threads
from niwaki.train._compress_result import CompressResult as CompressResult, write_result
from niwaki.train._compress_stages import dense_variant, method_variant
from niwaki.train._compress_trial import try_forms
from niwaki.train._compress_work import Work, check_same, work_folder

if TYPE_CHECKING:
    from torch import nn

    from niwaki.artifact import Artifact
    from niwaki.planner import Budget
    from niwaki.recipe import Recipe
    from niwaki.train._compress_measure import Variant


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
        UnsupportedOpError: The engine doesn't run an op of the network, or the form doesn't have
            it: found before training, on an untrained copy; nothing has been written.
        InfeasibleError: The budget can't be met: the bound that broke and the nearest value.
        VerificationError: torch, Graph and engine don't agree; nothing has been written.
    """
    begin = time.monotonic()
    out = Path(out)
    job = prepare_job(model, data, recipe, budget, overrides, out, replace=force or resume)
    if resume and (done := _finished(job, out)) is not None:
        return done
    if not (resume and work_folder(out).exists()):  # else it was tried when the run began
        try_forms(job)
    work = Work.start(out, job.recipe, resume=resume, force=force)
    try:
        with torch_threads(job.recipe.train.threads):
            variants, kept = _train_all(job, work, progress)
        seconds = time.monotonic() - begin
        result = write_result(job, out, variants, kept, seconds)
        _keep_logs(work, result.artifact)
    except InfeasibleError:
        work.remove()  # training on wouldn't change the answer
        raise
    except NiwakiError:
        work.abandon()
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


def _keep_logs(work: Work, artifact: Artifact) -> None:
    """Move the TensorBoard logs into the result."""
    if work.stage("logs").is_dir():
        work.stage("logs").replace(artifact.folder / "logs")
