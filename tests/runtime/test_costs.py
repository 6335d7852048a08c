"""The cost table: kept whole whatever happens to the file, found by the nearest density."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import warnings

import pytest
from hypothesis import given, strategies as st

from niwaki.runtime import costs
from niwaki.runtime.costs import CostTable, CostTableWarning, Measured, density_step, step_density

KEY = "conv 64x8x8>64 k3x3 t1 x86_avx512@23"
TIMES = [Measured("direct", 0.5), Measured("sparse", 0.1, {"tile": 8}), Measured("sparse", 0.2)]
BEST = (Measured("sparse", 0.1, {"tile": 8}), Measured("direct", 0.5))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "costs.json"


def test_the_best_of_each_algorithm_is_kept_fastest_first(path):
    CostTable(path).add({KEY: TIMES, "nothing@3": []})
    table = CostTable(path)
    assert table.exact(KEY) == BEST
    assert list(table) == [KEY]
    assert table.exact("nothing@3") == ()


def test_a_later_measurement_replaces_the_earlier(path):
    table = CostTable(path)
    table.add({KEY: TIMES})
    table.add({KEY: [Measured("direct", 0.4)], "other@0": TIMES})
    assert table.exact(KEY) == (Measured("direct", 0.4),)
    assert len(CostTable(path)) == 2


def test_another_tables_writes_are_seen_and_kept(path):
    one, two = CostTable(path), CostTable(path)
    one.add({"a@1": TIMES})
    assert two.exact("a@1") == BEST
    two.add({"b@1": TIMES})
    one.add({"c@1": TIMES})
    assert set(CostTable(path)) == {"a@1", "b@1", "c@1"}


@pytest.mark.parametrize(
    "content",
    [
        b"", b"{", b"\xff\xfe", b"[]", b'{"format": "other"}', b"[" * 5000,
        b'{"format": "niwaki-costs", "version": 99, "layers": {}}',
        b'{"format": "niwaki-costs", "version": 1, "layers": {"a@1": 3}}',
        b'{"format": "niwaki-costs", "version": 1, "layers": {"a@1": [{"algorithm": "x"}]}}',
        b'{"format": "niwaki-costs", "version": 1, "layers": {"a@1": '
        b'[{"algorithm": "x", "tuning": {}, "ms": NaN}]}}',
        b'{"format": "niwaki-costs", "version": 1, "layers": {"a@1": '
        b'[{"algorithm": "x", "tuning": {"tile": "8"}, "ms": 1}]}}',
    ],
)  # fmt: skip
def test_a_damaged_file_is_one_warning_and_measured_anew(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    table = CostTable(path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert table.exact(KEY) == ()
        assert table.nearest(KEY) == ()
        table.add({KEY: TIMES})
    assert [warning.category for warning in caught] == [CostTableWarning]
    assert "must be a table that niwaki wrote" in str(caught[0].message)
    assert CostTable(path).exact(KEY) == BEST


def test_a_folder_that_cant_be_written_keeps_times_in_memory(tmp_path):
    (tmp_path / "file").write_text("in the way")
    table = CostTable(tmp_path / "file" / "costs.json")
    with pytest.warns(CostTableWarning, match="can't be kept"):
        table.add({KEY: TIMES})
    assert table.exact(KEY) == BEST


def test_the_nearest_density_decides_within_the_tolerance(path):
    table = CostTable(path)
    table.add({"p@10": [Measured("ten", 1)], "p@13": [Measured("thirteen", 1)]})
    found = {step: [t.algorithm for t in table.nearest(f"p@{step}")] for step in range(7, 17)}
    assert found == {
        7: [], 8: ["ten"], 9: ["ten"], 10: ["ten"], 11: ["ten"], 12: ["thirteen"],
        13: ["thirteen"], 14: ["thirteen"], 15: ["thirteen"], 16: [],
    }  # fmt: skip
    assert table.nearest("q@10") == ()


@given(st.integers(0, costs.LAST_STEP))
def test_a_steps_density_lies_in_the_step(step):
    assert density_step(step_density(step)) == step


@given(st.floats(1e-6, 1), st.floats(1e-6, 1))
def test_steps_follow_densities(one, two):
    if one < two:
        assert density_step(one) >= density_step(two)


def test_threads_lose_nothing(path):
    tables = [CostTable(path), CostTable(path)]

    def write(first):
        for number in range(first, 40, 4):
            tables[number % 2].add({f"k{number}@1": TIMES})

    threads = [threading.Thread(target=write, args=(first,)) for first in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(CostTable(path)) == 40


def test_processes_lose_nothing_and_readers_see_whole_files(path):
    script = (
        "import sys; from niwaki.runtime.costs import CostTable, Measured\n"
        "table = CostTable(sys.argv[1])\n"
        "for i in range(15): table.add({f'{sys.argv[2]}-{i}@1': [Measured('x', 1)]})"
    )
    command = [sys.executable, "-W", "error", "-c", script, str(path)]
    writers = [subprocess.Popen([*command, name]) for name in "ab"]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        while any(writer.poll() is None for writer in writers):
            list(CostTable(path))
    assert [writer.returncode for writer in writers] == [0, 0]
    assert len(CostTable(path)) == 30


def test_the_machines_table_lies_in_the_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("NIWAKI_CACHE_DIR", str(tmp_path))
    table = CostTable.of_this_machine()
    assert table.path == tmp_path / f"costs-{costs.fingerprint()}.json"
    assert CostTable.of_this_machine() is table
    table.add({KEY: TIMES})
    assert json.loads(table.path.read_text())["machine"] == costs.machine()
    monkeypatch.delenv("NIWAKI_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    if sys.platform == "linux":
        assert costs.cache_folder() == tmp_path / "xdg" / "niwaki"
