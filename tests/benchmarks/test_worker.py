"""The processes that engines are timed in, with engines that misbehave."""

import sys
from pathlib import Path

import numpy as np
import pytest

GOOD = """
import ctypes, os
print("an engine's greeting")
def prepare(path, folder, threads):
    target = os.path.join(folder, f"made-{threads}")
    open(target, "w").write("12345")
    return target, {"more": 7}
def load(path, threads, batch):
    os.write(1, b"a greeting from C\\n")
    return (lambda x: x * threads), "3.1"
"""


@pytest.fixture
def start(tmp_path):
    from _client import Worker

    started = []

    def make(text, **more):
        backend = tmp_path / "torch.py"  # called as a package: must not hide it
        backend.write_text(text)
        worker = Worker(sys.executable, backend, **{"timeout": 60, **more})
        started.append(worker)
        return worker

    yield make
    for worker in started:
        worker.close()


@pytest.fixture
def x(tmp_path):
    path = tmp_path / "x.npy"
    np.save(path, np.float32([[1, 2]]))
    return str(path)


def refuse(worker, match, do, **request):
    from _client import WorkerError

    with pytest.raises(WorkerError, match=match):
        worker.ask(do, **request)


def test_prepares_loads_runs_and_tells(start, x, tmp_path):
    worker = start(GOOD)
    made = worker.ask("prepare", path="net", folder=str(tmp_path), threads=2)
    assert made["path"] == str(tmp_path / "made-2")
    assert (made["bytes"], made["more"]) == (5, 7)
    loaded = worker.ask("load", path=made["path"], threads=3, batch=1, x=x)
    assert loaded["version"] == "3.1"
    assert loaded["load_s"] >= 0
    times = worker.ask("run", count=5)["ns"]
    assert len(times) == 5
    assert min(times) > 0
    assert worker.ask("output", path=str(tmp_path / "y.npy")) == {"shape": [1, 2]}
    np.testing.assert_array_equal(np.load(tmp_path / "y.npy"), [[3, 6]])
    assert worker.ask("memory")["peak_bytes"] > 1e6


def test_a_backend_without_prepare_takes_the_file_as_it_is(start):
    worker = start("def load(path, threads, batch): ...")
    assert worker.ask("prepare", path="net", folder="", threads=1) == {"path": "net"}


def test_errors_come_back_and_the_worker_goes_on(start, x):
    worker = start("def load(path, threads, batch): return (lambda x: x), str(1 // threads)")
    refuse(worker, "load: ZeroDivisionError", "load", path="", threads=0, batch=1, x=x)
    assert worker.ask("load", path="", threads=1, batch=1, x=x)["version"] == "1"


def test_an_engine_that_is_not_installed_says_so(start):
    refuse(start("import an_engine"), "No module named 'an_engine'", "prepare", path="", folder="")


def test_a_death_tells_its_last_words(start, x):
    worker = start(
        "import os, sys\n"
        "def load(path, threads, batch):\n"
        "    print('illegal instruction', file=sys.stderr, flush=True)\n"
        "    os._exit(7)\n"
    )
    match = "load: the process has ended: exit code 7: illegal instruction"
    refuse(worker, match, "load", path="", threads=1, batch=1, x=x)
    refuse(worker, "the process has ended", "memory")


def test_an_answer_that_takes_too_long_ends_the_worker(start, x):
    worker = start("import time\ndef load(*_): time.sleep(60)", timeout=3)
    refuse(worker, "load: no answer within 3 s", "load", path="", threads=1, batch=1, x=x)


def test_every_peer_has_a_backend_that_loads():
    import ast

    from peers import BACKENDS, ENVIRONMENTS, PEERS

    for peer in PEERS.values():
        tree = ast.parse((BACKENDS / f"{peer.backend}.py").read_text())
        functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        assert "load" in functions
        assert not peer.environment or peer.environment in ENVIRONMENTS


def test_an_environment_that_cannot_be_made_leaves_its_reason(tmp_path, monkeypatch):
    import peers

    monkeypatch.setitem(peers.PYTHONS, "deepsparse", "9.9")
    assert not peers.setup(tmp_path, ["deepsparse"])
    with pytest.raises(peers.PeerMissingError, match=r"not installed: it needs Python 9\.9"):
        peers.interpreter("deepsparse", tmp_path)
    with pytest.raises(peers.PeerMissingError, match="no environment 'openvino'"):
        peers.interpreter("openvino-int8", tmp_path)
    with pytest.raises(peers.PeerMissingError, match=r"peers\.py setup"):
        peers.interpreter("onnxruntime", None)
    assert Path(peers.interpreter("niwaki", None)) == Path(sys.executable)
