"""``niwaki bench --profile``: what each layer costs, as table, picture, page or JSON."""

from __future__ import annotations

from pathlib import Path

from niwaki.cli._app import echo, emit_json, note, show
from niwaki.cli._output import check_output, write_result
from niwaki.cli._target import model_file, open_engine


def bench_profile(
    target: Path,
    *,
    runs: int,
    threads: int,
    input_shape: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Run and show `niwaki.targets.profile`.

    Raises:
        InputError, FormatError, UnsupportedOpError: The target can't be loaded, or the output
        can't be written.
    """
    check_output(out, (".svg", ".html", ".json"))
    engine = open_engine(target, threads=threads, input_shape=input_shape)
    from niwaki.report import profile as pictures
    from niwaki.targets import profile

    found = profile(engine, file=str(model_file(target)), runs=runs)
    data = found.to_dict()
    if out is not None:
        write_result(
            out,
            data=data,
            svg=lambda: pictures.picture(found),
            html=lambda: pictures.html(found),
        )
    if as_json:
        emit_json(data)
        return
    if found.warning:
        note(found.warning)
    echo(f"Profile of {found.file}: {found.machine['cpu']}")
    show(pictures.table(found))
    for sentence in pictures.sentences(found):
        echo(sentence)
    if out is not None:
        echo(f"written   {out}")
