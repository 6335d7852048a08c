"""The benchmarks' own folder on the path: they are scripts, not a package."""

import sys
from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def _scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    yield
    for name in ("networks", "bench_imagenet_sample", "_rows"):
        sys.modules.pop(name, None)
