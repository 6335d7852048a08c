"""The other end of `worker.py`: start one, ask it, end it."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


class WorkerError(RuntimeError):
    """Raised where a worker answers with an error, dies, or takes too long."""


class Worker:
    """Talk to one engine in a process of its own.

    Args:
        python: The interpreter that has the engine.
        backend: The file that drives it.
        timeout: Seconds that one answer may take.
        environment: Variables beside this process's.

    Example:
        with Worker(sys.executable, HERE / "backends" / "niwaki.py") as worker:
            worker.ask("load", path="net.nwk", threads=1, batch=1, x="x.npy")
            worker.ask("run", count=5)["ns"]
    """

    def __init__(
        self,
        python: str | Path,
        backend: str | Path,
        timeout: float = 600.0,
        environment: dict[str, str] | None = None,
    ) -> None:
        self.timeout = timeout
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        self._buffer = b""
        self._process = subprocess.Popen(
            [str(python), str(HERE / "worker.py"), str(backend)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env={**os.environ, "PYTHONWARNINGS": "ignore", **(environment or {})},
        )

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Send one request and return its answer.

        Raises:
            WorkerError: The engine failed, the process died, or the answer took too long.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps({"do": do, **request}).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise WorkerError(f"{do}: the process has ended: {self._last_words()}") from error
        answer = json.loads(self._line(do))
        if "error" in answer:
            raise WorkerError(f"{do}: {answer['error']}")
        return answer["ok"]

    def _line(self, do: str) -> bytes:
        """Read one line, at most until the time is up."""
        assert self._process.stdout is not None
        pipe = self._process.stdout.fileno()
        end = time.monotonic() + self.timeout
        while b"\n" not in self._buffer:
            left = end - time.monotonic()
            if left <= 0 or not select.select([pipe], [], [], left)[0]:
                self._process.kill()
                raise WorkerError(f"{do}: no answer within {self.timeout:g} s")
            piece = os.read(pipe, 1 << 16)
            if not piece:
                raise WorkerError(f"{do}: the process has ended: {self._last_words()}")
            self._buffer += piece
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _last_words(self) -> str:
        """Return the end of what the process wrote on stderr."""
        self._process.wait(10)
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return f"exit code {self._process.returncode}: {lines[-1] if lines else 'no message'}"

    def close(self) -> None:
        """End the process; it gets a moment to do so by itself."""
        if self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):  # it had ended already
                self._process.stdin.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._log.close()
