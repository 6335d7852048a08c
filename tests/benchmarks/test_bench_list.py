"""Every benchmark is run by `make bench` and listed on the page of benchmarks."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(path.name for path in (ROOT / "benchmarks").glob("bench_*.py"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_benchmark_is_run_and_listed(name):
    makefile = (ROOT / "Makefile").read_text()
    recipe = makefile.partition("\nbench:\n")[2].partition("\n\n")[0]
    assert f"benchmarks/{name}" in recipe, f"add {name} to `bench` in the Makefile"
    page = (ROOT / "benchmarks" / "README.md").read_text()
    assert f"| `{name}" in page, f"add {name} to benchmarks/README.md"


def test_only_scripts_that_exist_are_named():
    recipe = (ROOT / "Makefile").read_text().partition("\nbench:\n")[2].partition("\n\n")[0]
    assert set(re.findall(r"benchmarks/(\w+\.py)", recipe)) == {*SCRIPTS, "readme.py"}
