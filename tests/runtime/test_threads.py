"""Threads that the system refuses, that a fork leaves behind, that others have the CPU of."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

from niwaki.runtime import Engine

from .test_layouts import Network

START = """
import os, resource, signal
import numpy as np
from niwaki.errors import ValueDomainError
from niwaki.runtime import Engine
path, x = {path!r}, np.ones((1, 4, 12, 12), np.float32)
signal.alarm(60)
"""


@pytest.fixture
def program(rng):
    network = Network((4, 12, 12), 1, rng)
    x = network.conv(0, 8, (3, 3), (1, 1), (1,) * 4, density=0.3)
    network.conv(x, 8, (3, 3), (1, 1), (1,) * 4, density=0.3)
    return network.builder.program()


def run(code, program, tmp_path):
    """Run code in a process of its own, which hangs for a minute at most."""
    from niwaki.runtime import nwk

    nwk.write(tmp_path / "net.nwk", program)
    code = START.format(path=str(tmp_path / "net.nwk")) + textwrap.dedent(code)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.measures_memory  # limits it: ASan's own would not fit
def test_more_threads_than_the_system_gives(program, tmp_path):
    code = """
        expected = Engine(path)(x)
        size = int(open("/proc/self/statm").read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (size + 2**29,) * 2)  # stacks of 8 MiB
        try:
            Engine(path, threads=1000)
        except ValueDomainError as error:
            print(error)
        assert (Engine(path, threads=2)(x) == expected).all()
    """
    found = run(code, program, tmp_path)
    assert found.startswith("[Engine] the system must give 999 threads, got ")
    assert found.endswith("Ask for fewer threads.\n")


def test_a_child_of_a_fork_runs_alone_and_ends(program, tmp_path):
    code = """
        engine = Engine(path, threads=2)
        expected = engine(x)
        child = os.fork()
        if child == 0:
            signal.alarm(20)
            cpus = os.sched_getaffinity(0)
            assert (engine(x) == expected).all()
            assert (engine(np.repeat(x, 5, 0)) == expected).all()
            assert os.sched_getaffinity(0) == cpus
            del engine
            assert (Engine(path, threads=2)(x) == expected).all()
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert (engine(x) == expected).all()
    """
    run(code, program, tmp_path)


def test_several_engines_and_callers_at_once(program):
    engines = [Engine(program, threads=n, pin=pin) for n in (1, 2, 3) for pin in (False, True)]
    x = np.random.default_rng(0).standard_normal((5, 4, 12, 12)).astype(np.float32)
    expected = engines[0](x)
    wrong = []

    def call(first):
        for turn in range(40):
            engine, images = engines[(first + turn) % len(engines)], 1 + (first + turn) % 5
            if not np.array_equal(engine(x[:images]), expected[:images]):
                wrong.append(engine)

    callers = [threading.Thread(target=call, args=(first,)) for first in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert wrong == []
