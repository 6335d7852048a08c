"""Mutated .onnx files through the reader, the compiler and the engine.

    python cpp/fuzz/fuzz_onnx.py FINDINGS COUNT [FIRST]      mutants FIRST .. FIRST + COUNT
    python cpp/fuzz/fuzz_onnx.py --file FILE                 one file, as it is

Seeds are the node models of the onnx package's own tests and a few small networks. A mutant
depends on its number alone. A finding is a crash, an exception that isn't a NiwakiError, bytes that
no protocol buffer holds and that aren't a FormatError, more than a second of CPU time, or more than
256 MiB. Its file is written to FINDINGS; the exit code is 1. The mutants run in a process of their
own, which is started again behind one that crashes it.
"""

from __future__ import annotations

import os
import random
import resource
import signal
import subprocess
import sys
import time
import traceback
import warnings
from collections import Counter
from pathlib import Path

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from mutate_onnx import mutant
from seeds_onnx import make_seeds

MOST_SECONDS = 1.0
MOST_BYTES = 256 << 20
HANG_SECONDS = 30
RUN_MACS = 3e6
"""What a mutant may cost to be run, too."""


class FindingError(Exception):
    """Report what a mutant did that no file may do."""


def try_file(path: Path) -> str:
    """Load, compile, pack and (where that is cheap) run a file; return what came of it."""
    from niwaki import graph
    from niwaki.errors import NiwakiError
    from niwaki.runtime import Engine, compile_graph

    try:
        program = compile_graph(graph.load(path))
        engine = Engine(program)
        values = program.header["values"]
        size = sum(int(np.prod(value["shape"])) for value in values)
        work = sum(layer["macs"] for layer in engine._core.layers)
        if size < 1 << 20 and work < RUN_MACS and len(program.header["inputs"]) == 1:
            x = np.random.default_rng(0).normal(size=(1, *engine.input_shape))
            engine(x.astype(np.float32))
    except NiwakiError as error:
        return type(error).__name__
    return "loaded"


def check_file(path: Path, data: bytes) -> str:
    """Return the outcome of one file.

    Raises:
        FindingError: It did what no file may do.
    """
    path.write_bytes(data)
    signal.alarm(HANG_SECONDS)
    begin = time.process_time()
    try:
        outcome = try_file(path)
    except Exception as error:
        lines = traceback.format_exception(error)
        raise FindingError(f"not a NiwakiError: {error!r}\n{''.join(lines[-3:])}") from error
    spent = time.process_time() - begin
    signal.alarm(0)
    if spent > MOST_SECONDS:
        raise FindingError(f"took {spent:.1f} s ({outcome})")
    if outcome != "FormatError" and not is_protobuf(data):
        raise FindingError(f"damage must be a FormatError, got {outcome}")
    return outcome


def is_protobuf(data: bytes) -> bool:
    """Tell whether the bytes are a model at all."""
    try:
        onnx.load_model_from_string(data)
    except DecodeError:
        return False
    return True


def peak_bytes() -> int:
    """Return the most memory that this process has had since the last reset."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM"):
            return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def reset_peak() -> int:
    """Start the peak anew; return where it starts."""
    Path("/proc/self/clear_refs").write_text("5")
    return peak_bytes()


def work(findings: Path, count: int, first: int) -> int:
    """Run mutants in this process; print the outcomes as one line of Python at the end."""
    warnings.simplefilter("ignore")  # of libraries, about mutants
    resource.setrlimit(resource.RLIMIT_AS, (12 << 30, 12 << 30))
    seeds = make_seeds()
    outcomes: Counter[str] = Counter()
    check_file(findings / "warm.onnx", seeds[0])  # imports don't count
    (findings / "warm.onnx").unlink()
    base = reset_peak()
    for number in range(first, first + count):
        data = mutant(seeds, random.Random(number))
        path = findings / f"mutant-{number}.onnx"
        (findings / "current").write_text(str(number))
        try:
            outcomes[check_file(path, data)] += 1
            peak = peak_bytes()
            if peak - base > MOST_BYTES:
                base = reset_peak()
                raise FindingError(f"took {(peak - base) >> 20} MiB")
            path.unlink()
        except FindingError as finding:
            outcomes["finding"] += 1
            print(f"mutant {number}: {finding}", flush=True)
    print(f"outcomes {dict(outcomes)!r}", flush=True)
    return 0


def main(words: list[str]) -> int:
    """Run all mutants; return 0 where none is a finding."""
    if words[0] == "--file":
        print(check_file(Path("current.onnx"), Path(words[1]).read_bytes()))
        return 0
    findings = Path(words[0])
    findings.mkdir(parents=True, exist_ok=True)
    if len(words) > 3:
        return work(findings, int(words[1]), int(words[2]))
    first = int(words[2]) if len(words) > 2 else 0
    end = first + int(words[1])
    total: Counter[str] = Counter()
    begin = time.monotonic()
    while first < end:
        count = min(2000, end - first)
        command = [sys.executable, __file__, str(findings), str(count), str(first), "worker"]
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
        for line in done.stdout.splitlines():
            if line.startswith("outcomes "):
                total.update(eval(line.removeprefix("outcomes "), {"__builtins__": {}}))
            else:
                print(line)
        first += count
        if done.returncode != 0:  # the file that did it lies in the folder
            crashed = int((findings / "current").read_text())
            print(f"mutant {crashed}: the process ended with {done.returncode}")
            total["finding"] += 1
            first = crashed + 1
    spent = time.monotonic() - begin
    print(f"{words[1]} mutants of .onnx files in {spent:.0f} s: {dict(total)}")
    return int(total["finding"] > 0)


if __name__ == "__main__":
    os.environ["OMP_NUM_THREADS"] = "1"
    raise SystemExit(main(sys.argv[1:]))
