"""``niwaki bench --sparsity``: what zeros would bring, as table, picture, page or JSON."""

from __future__ import annotations

from pathlib import Path

from niwaki.cli._app import echo, emit_json, note, show
from niwaki.cli._output import check_output, progress_bar, write_result
from niwaki.cli._target import parse_shape
from niwaki.errors import InputError


def bench_zeros(
    target: Path,
    sparsity: str,
    *,
    structure: str,
    runs: int,
    seconds: float,
    batch: int,
    threads: int,
    input_shape: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Run and show the study of `niwaki.targets.study_zeros`.

    Raises:
        InputError: The target is no ``.onnx`` file (or folder with one), the levels aren't
            numbers, or the output can't be written; others as `study_zeros`.
    """
    levels = parse_levels(sparsity)
    check_output(out, (".svg", ".html", ".json"))
    path = onnx_file(target)
    from niwaki.report import zeros
    from niwaki.targets import study_zeros

    with progress_bar() as progress:
        study = study_zeros(
            path,
            levels,
            structure=structure,
            threads=threads,
            batch=batch,
            seconds=seconds,
            runs=runs,
            input_shape=parse_shape(input_shape),
            progress=progress,
        )
    data = study.to_dict()
    if out is not None:
        write_result(
            out, data=data, svg=lambda: zeros.picture(study), html=lambda: zeros.html(study)
        )
    if as_json:
        emit_json(data)
        return
    if study.warning:
        note(study.warning)
    echo(
        f"What zeros bring to {path.name}: {study.machine['cpu']}, {threads} "
        f"thread{'s' * (threads > 1)}, batch {batch}, {structure} zeros"
    )
    show(zeros.table(study))
    for sentence in zeros.sentences(study):
        echo(sentence)
    for text in study.left_out:
        echo(f"left out  {text}")
    if out is not None:
        echo(f"written   {out}")


def parse_levels(text: str) -> list[float]:
    """Return ``0,0.8,98%`` as shares of zeros: numbers in [0, 1), or percents with a ``%``.

    Raises:
        InputError: One isn't a number.
    """
    found: list[float] = []
    for word in text.split(","):
        number = word.strip()
        try:
            found.append(float(number[:-1]) / 100 if number.endswith("%") else float(number))
        except ValueError:
            raise InputError(
                "--sparsity",
                "the levels must be numbers with commas between",
                got=repr(text),
                fix="Give e.g. 0,0.8,0.9,0.95,0.98",
            ) from None
    return found


def onnx_file(target: Path) -> Path:
    """Return the ``.onnx`` file of a target.

    Raises:
        InputError: There is none.
    """
    path = target / "model.onnx" if target.is_dir() else target
    if path.suffix != ".onnx":
        raise InputError(
            "bench",
            "the target must be an .onnx file, or a result's folder",
            got=target,
            fix="The network is pruned anew and the peers run it: a .nwk can't serve for that",
        )
    if not path.is_file():
        raise InputError("bench", "the target must be a file that exists", got=path)
    return path
