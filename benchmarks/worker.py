"""Run one engine in a process of its own, on orders that come by line.

    python worker.py backends/onnxruntime.py

Each line on stdin is a request, a JSON object; each line on stdout its answer, {"ok": {...}} or
{"error": "..."}. What an engine prints goes to stderr. A backend is a file that defines

    load(path, threads, batch) -> (run, version)        # run(x) -> logits
    prepare(path, folder, threads) -> path | (path, more)   # optional: makes the file load takes

Requests: prepare {path, folder, threads}; load {path, threads, batch, x: .npy file}; run {count} ->
times in nanoseconds; output {path} writes the logits as .npy; memory -> the process's peak, bytes.
Only numpy and the engine are needed, nothing of niwaki.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np


class Server:
    """Hold the engine between requests."""

    def __init__(self, backend: str) -> None:
        self.backend = _import(backend)
        self.run_once: Any = None
        self.x: Any = None

    def prepare(self, path: str, folder: str, threads: int) -> dict[str, Any]:
        """Make the file that the engine loads, where it wants one of its own."""
        make = getattr(self.backend, "prepare", None)
        if make is None:
            return {"path": path}
        started = time.perf_counter()
        made = make(path, folder, threads)
        found, more = made if isinstance(made, tuple) else (made, {})
        return {
            "path": found,
            "prepare_s": time.perf_counter() - started,
            "bytes": Path(found).stat().st_size,
            **more,
        }

    def load(self, path: str, threads: int, batch: int, x: str) -> dict[str, Any]:
        """Load the model and the input."""
        self.x = np.load(x)
        started = time.perf_counter()
        self.run_once, version = self.backend.load(path, threads, batch)
        return {"load_s": time.perf_counter() - started, "version": version}

    def run(self, count: int) -> dict[str, Any]:
        """Run the input some times; return each run's nanoseconds."""
        run, x, clock = self.run_once, self.x, time.perf_counter_ns
        times: list[int] = []
        for _ in range(count):
            started = clock()
            run(x)
            times.append(clock() - started)
        return {"ns": times}

    def output(self, path: str) -> dict[str, Any]:
        """Write the logits of the input."""
        logits = np.asarray(self.run_once(self.x))
        np.save(path, logits)
        return {"shape": list(logits.shape)}

    def memory(self) -> dict[str, Any]:
        """Return the most memory that this process ever had resident."""
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return {"peak_bytes": int(line.split()[1]) * 1024}
        raise RuntimeError("this system tells no peak of resident memory")


def _import(path: str) -> Any:
    # Backends are called as their engines, so they go by another name here.
    spec = importlib.util.spec_from_file_location(f"backend_{Path(path).stem}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"no Python file: {path}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main() -> int:
    # Answers get a descriptor of their own: engines greet, warn and log on stdout, from C++ too.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    # The script's folder would shadow packages; `backends/torch.py` is not torch.
    sys.path[:] = [item for item in sys.path if Path(item or ".").resolve() != _HERE]
    server: Server | None = None
    for line in sys.stdin:
        request: dict[str, Any] = json.loads(line)
        name = request.pop("do")
        try:
            server = server or Server(sys.argv[1])
            answer = {"ok": getattr(server, name)(**request)}
        except Exception as error:  # whatever an engine raises is its row in the table
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)
    return 0


_HERE = Path(__file__).resolve().parent

if __name__ == "__main__":
    raise SystemExit(main())
