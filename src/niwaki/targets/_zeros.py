"""What would zeros bring? One network at several sparsities beside its dense form in the peers.

Every level is a copy of the user's network pruned by size, packed, tuned and loaded; then all of
them and the peers run in turn, one image (or batch) each, until time is up: neighbours, clock and
heat are the same for all. Accuracy isn't considered: this is the question before any training.
"""

from __future__ import annotations

import dataclasses
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from niwaki.errors import InputError, NiwakiError, ValueDomainError
from niwaki.targets._load import load_warning
from niwaki.targets._machine import machine_info
from niwaki.targets._openvino import openvino_runner
from niwaki.targets._prune import prunable, prune
from niwaki.targets._timing import Runner, Timing, check_one_input, interleave
from niwaki.targets._work import total, work

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from niwaki.runtime import Program

SCHEMA_VERSION = 1
LEVELS = (0.0, 0.8, 0.9, 0.95, 0.98)


@dataclass(frozen=True)
class Level:
    """Hold what one sparsity gave."""

    sparsity: float
    """Share of zeros asked for in each pruned layer."""
    weight_sparsity: float
    """Share of zeros among all weights, the stem and other dense layers included."""
    multiplications: int
    """By weights that aren't zero, for one image."""
    size_bytes: int
    """Of the packed file."""
    timing: Timing


@dataclass(frozen=True)
class Peer:
    """Hold what one peer, running the dense network, gave."""

    name: str
    timing: Timing


@dataclass(frozen=True)
class ZerosStudy:
    """Hold the answer: levels, peers, and from where on zeros pay."""

    file: str
    structure: str
    threads: int
    batch: int
    input_shape: tuple[int, ...]
    levels: tuple[Level, ...]
    """By rising sparsity."""
    peers: tuple[Peer, ...]
    left_out: tuple[str, ...]
    """Peers that didn't run, and why."""
    break_even: dict[str, float | None]
    """Peer -> the sparsity from which on the sparse network is faster; None: at none measured."""
    machine: dict[str, Any]
    warning: str
    """What casts doubt on the times; "" if nothing is known."""

    def to_dict(self) -> dict[str, Any]:
        """Return the study as JSON can hold it: `schema_version`, and every field by its name."""
        return {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(self)}


def study_zeros(
    path: str | Path,
    levels: Sequence[float] = LEVELS,
    *,
    structure: str = "unstructured",
    threads: int = 1,
    batch: int = 1,
    seconds: float = 20.0,
    runs: int = 200,
    input_shape: tuple[int, int, int] | None = None,
    peers: bool = True,
    progress: Callable[[str, float], None] = lambda label, share: None,
) -> ZerosStudy:
    """Measure a network at several sparsities beside its dense form in the peers installed.

    Args:
        path: The ``.onnx`` file; it isn't changed.
        levels: Shares of zeros, each in [0, 1); the order doesn't matter.
        structure: How zeros lie, as `prune` takes it.
        threads: Threads of every engine.
        batch: Images in one run.
        seconds: How long the timed rounds may take in all; at least 5 rounds are run.
        runs: Timed rounds at most.
        input_shape: (C, H, W) where the file leaves height or width open.
        peers: Whether ONNX Runtime and OpenVINO take part where they are installed.
        progress: Called with what is being done and the share of the whole that is done, [0, 1].

    Raises:
        InputError: The file is missing, is no ``.onnx``, holds nothing that can be pruned, or has
            several inputs.
        UnsupportedOpError: The network holds an op that the engine doesn't run; names op and node.
        ValueDomainError: A level, `threads`, `batch` or `runs` is out of its range.
        RegistryError: The structure is unknown.
    """
    wanted = check_levels(levels)
    if batch < 1:
        raise ValueDomainError("bench", "batch must be at least 1", got=batch)
    progress("reading the network", 0.0)
    program = _compile(Path(path), input_shape)
    check_one_input(len(program.header["inputs"]))
    prunable(program)  # before any work
    warning = load_warning(threads)
    source = program.values[program.header["inputs"][0]]["shape"]
    from niwaki.targets.cpu import engine_runner, noise

    x = noise(tuple(source), batch)
    runners: list[Runner] = []
    left_out: list[str] = []
    facts: list[tuple[float, dict[str, int], int]] = []
    with tempfile.TemporaryDirectory(prefix="niwaki-zeros-") as folder:
        for index, sparsity in enumerate(wanted):
            begin = 0.5 * index / len(wanted)
            progress(f"pruning to {100 * sparsity:g} %", begin)
            pruned = prune(program, sparsity, structure=structure)
            places = {
                layer["name"]: i / len(pruned.layers) for i, layer in enumerate(pruned.layers)
            }

            def tuning(layer: str, at: dict[str, float] = places, begin: float = begin) -> None:
                share = at.get(layer, 0.0) / len(wanted)
                progress(f"tuning {layer}", begin + 0.5 * share)

            engine, counts, size = _prepare(pruned, sparsity, threads, Path(folder), tuning)
            facts.append((sparsity, counts, size))
            runner = engine_runner(engine, x, threads=threads)
            runners.append(dataclasses.replace(runner, name=_label(sparsity)))
        del program
        if peers:
            progress("preparing the peers", 0.5)
            runners += _peers(Path(path), x, threads, left_out)
        timings = interleave(
            runners,
            runs=runs,
            warm_up=3,
            seconds=seconds,
            progress=lambda share: progress("measuring", 0.55 + 0.45 * share),
        )
    measured = tuple(
        Level(
            sparsity=sparsity,
            weight_sparsity=1 - counts["nonzeros"] / max(1, counts["weights"]),
            multiplications=counts["multiplications"],
            size_bytes=size,
            timing=timings[_label(sparsity)],
        )
        for sparsity, counts, size in facts
    )
    others = tuple(Peer(r.name, timings[r.name]) for r in runners[len(wanted) :])
    return ZerosStudy(
        file=str(path),
        structure=structure,
        threads=threads,
        batch=batch,
        input_shape=tuple(source),
        levels=measured,
        peers=others,
        left_out=tuple(left_out),
        break_even={peer.name: break_even(measured, peer.timing.median_ms) for peer in others},
        machine=machine_info(),
        warning=warning,
    )


def check_levels(levels: Sequence[float]) -> list[float]:
    """Return the levels in order, each once.

    Raises:
        ValueDomainError: There are none, one is outside [0, 1), or two are all but the same.
    """
    if not levels or not all(0.0 <= level < 1.0 for level in levels):  # NaN fails too
        raise ValueDomainError(
            "bench",
            "sparsities must be shares of zeros in [0, 1), at least one",
            got=", ".join(f"{level:g}" for level in levels) or "none",
            fix="Give e.g. --sparsity 0,0.8,0.9,0.95,0.98",
        )
    wanted = sorted(set(levels))
    if len({_label(level) for level in wanted}) < len(wanted):
        raise ValueDomainError(
            "bench",
            "sparsities must differ by more than 1e-9",
            got=", ".join(repr(level) for level in wanted),
        )
    return wanted


def break_even(levels: Sequence[Level], peer_ms: float) -> float | None:
    """Return the sparsity from which on every level measured is faster than a peer.

    Between the last level that is slower and the first that is faster, time is taken as a straight
    line over sparsity.

    Args:
        levels: By rising sparsity.
        peer_ms: The peer's time on the dense network, milliseconds.

    Returns:
        A share of zeros; the lowest level measured where all are faster; None where the sparsest
        is slower.
    """
    slower = [i for i, level in enumerate(levels) if level.timing.median_ms >= peer_ms]
    if not slower:
        return levels[0].sparsity
    last = slower[-1]
    if last + 1 == len(levels):
        return None
    before, after = levels[last], levels[last + 1]
    fall = before.timing.median_ms - after.timing.median_ms
    share = (before.timing.median_ms - peer_ms) / fall
    return before.sparsity + share * (after.sparsity - before.sparsity)


def _compile(path: Path, input_shape: tuple[int, int, int] | None) -> Program:
    from niwaki.graph import load
    from niwaki.runtime import compile_graph

    if path.suffix != ".onnx":
        raise InputError(
            "bench",
            "the network must be an .onnx file, to be pruned and to be run by the peers",
            got=path,
        )
    return compile_graph(load(path), input_shape=input_shape, name=path.stem)


def _prepare(
    pruned: Program, sparsity: float, threads: int, folder: Path, tuning: Callable[[str], None]
) -> tuple[Any, dict[str, int], int]:
    """Return the tuned engine of one level, what it multiplies, and its file's size."""
    from niwaki.runtime import Engine, nwk

    file = folder / f"{sparsity!r}.nwk"
    nwk.write(file, pruned)
    engine = Engine(file, threads=threads, tune=True, on_tune=tuning)
    return engine, total(work(pruned)), file.stat().st_size


def _peers(path: Path, x: Any, threads: int, left_out: list[str]) -> list[Runner]:
    from niwaki.targets.cpu import onnxruntime_runner

    found: list[Runner] = []
    offers: list[tuple[str, Callable[[], Runner]]] = [
        ("onnxruntime", lambda: onnxruntime_runner(path, x, threads=threads)),
        ("openvino", lambda: openvino_runner(path, x, threads=threads)),
        ("openvino int8", lambda: openvino_runner(path, x, threads=threads, form="int8")),
    ]
    for name, offer in offers:
        try:
            found.append(offer())
        except NiwakiError as error:  # not installed, or it doesn't take the file
            left_out.append(f"{name}: {error}")
    return found


def _label(sparsity: float) -> str:
    return f"niwaki {100 * sparsity:.10g} %"
