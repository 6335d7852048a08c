"""Collect small .nwk files for the fuzzer from what the engine's tests build.

    python cpp/fuzz/collect_seeds.py OUT

Every program that the tests write or load is seen; of each kind (op, what it reads, its tensors)
the smallest is kept. So a new op that has tests is fuzzed without anything to do here.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import Any

import pytest

from niwaki.errors import NiwakiError
from niwaki.runtime import engine, nwk

LARGEST = 12_000
"""Bytes: larger ones make few mutants a second."""
HALVES = 192
"""Pixels of a map from which on several threads may have a half each."""
TESTS = (
    "test_layers.py",
    "test_conv.py",
    "test_nwk.py",
    "test_compile.py",
    "test_tensor_ops.py",
    "test_halves.py",
)


def kind_of(layer: dict[str, Any], values: list[dict[str, Any]]) -> tuple[Any, ...]:
    """Return what makes a layer worth a seed of its own."""
    reads = []
    for role, ids in layer["inputs"].items():
        first = ids[0] if isinstance(ids, list) else ids
        reads.append((role, values[first]["dtype"], len(values[first]["shape"])))
    shape = values[layer["output"]]["shape"]
    return (
        layer["op"],
        len(shape) == 3 and shape[1] % 2 == 0 and shape[1] * shape[2] >= HALVES,
        tuple(reads),
        tuple(sorted(layer["tensors"])),
        tuple(sorted(layer["attrs"])),
    )


def collect(out: Path) -> int:
    """Run the tests, keep the seeds; return how many."""
    smallest: dict[tuple[Any, ...], bytes] = {}
    to_bytes = nwk.to_bytes

    def remember(program: Any, name: str = "program") -> bytes:
        data = to_bytes(program, name)
        if len(data) <= LARGEST:
            values = program.header["values"]
            for layer in program.header["layers"]:
                kind = kind_of(layer, values)
                if len(smallest.get(kind, bytes(LARGEST + 1))) > len(data):
                    smallest[kind] = data
        return data

    nwk.to_bytes = remember
    tests = Path(__file__).parents[2] / "tests/runtime"
    options = ["-q", "-p", "no:cacheprovider", "-n0", "--no-header", "-m", "not slow"]
    code = pytest.main([*options, *(str(tests / test) for test in TESTS)])
    nwk.to_bytes = to_bytes
    if code != 0:
        print("the tests must pass before their programs make seeds")
        return 1
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("*.nwk"):
        old.unlink()
    files = {hashlib.sha256(data).hexdigest()[:12]: data for data in smallest.values()}
    kept = 0
    for name, data in files.items():
        try:
            engine.Engine(nwk.from_bytes(data))
        except NiwakiError as error:  # a test of a refusal: not a seed
            print(f"left out: {error}")
            continue
        (out / f"{name}.nwk").write_bytes(data)
        kept += 1
    print(f"{kept} seeds of {len(smallest)} kinds of layers")
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(collect(Path(sys.argv[1])))
