"""The engines that niwaki is measured beside, each in an environment of its own.

    python benchmarks/peers.py setup DIR      # outside the repository; about 4 GB, minutes
    python benchmarks/peers.py list DIR

An environment that can't be made leaves its reason in DIR/<name>.failed, and the benchmark's rows
say so. torch and niwaki run from the interpreter that runs the benchmark, in their own processes.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

BACKENDS = Path(__file__).resolve().parent / "backends"


@dataclass(frozen=True)
class Peer:
    """Say how one engine is installed and driven."""

    backend: str
    """File in `backends`."""
    environment: str = ""
    """Folder of its environment; "" for the interpreter that runs the benchmark."""
    dense_only: bool = False
    """It always gets the dense network: zeros don't help it, or it can't be given them."""
    binary: bool = False
    """It runs a binary network of its own making; `bench_binary.py` asks it, the others don't."""


PEERS = {
    "niwaki": Peer("niwaki"),
    "onnxruntime": Peer("onnxruntime", "onnxruntime"),
    "openvino": Peer("openvino", "openvino"),
    "openvino-int8": Peer("openvino_int8", "openvino", dense_only=True),
    "deepsparse": Peer("deepsparse", "deepsparse"),
    "torch": Peer("torch", dense_only=True),
    "larq": Peer("larq", "larq", binary=True),
    "larq-indirect": Peer("larq_indirect", "larq", binary=True),
}
"""Name to peer, in the order of the table."""
FLOAT_PEERS = [name for name, peer in PEERS.items() if not peer.binary]
"""Those that run the file they are given."""

ENVIRONMENTS = {
    "onnxruntime": ["onnxruntime"],
    "openvino": ["openvino", "nncf", "onnx"],
    # Its own pins bring numpy 1 and onnx 1.14; there is no wheel for Python 3.12.
    "deepsparse": ["deepsparse==1.8.0"],
    # The last release (2024); it converts from TensorFlow 2.16 with Keras 2 only.
    "larq": ["larq-compute-engine==0.16.0", "larq", "tensorflow==2.16.*", "tf-keras==2.16.*"],
}
PYTHONS = {"deepsparse": "3.11", "larq": "3.11"}
"""Environments that need a Python of their own."""


class PeerMissingError(RuntimeError):
    """Raised where a peer's environment isn't there; says why."""


def interpreter(name: str, folder: Path | None) -> str:
    """Return the Python that has a peer.

    Raises:
        PeerMissingError: Its environment wasn't made, or couldn't be.
    """
    environment = PEERS[name].environment
    if not environment:
        return sys.executable
    if folder is None:
        raise PeerMissingError("no environments: python benchmarks/peers.py setup DIR")
    failed = folder / f"{environment}.failed"
    if failed.exists():
        raise PeerMissingError(f"not installed: {failed.read_text(encoding='utf-8').strip()}")
    python = folder / environment / "bin" / "python"
    if not python.exists():
        raise PeerMissingError(f"no environment {environment!r} in {folder.name}/")
    return str(python)


def setup(folder: Path, names: list[str]) -> bool:
    """Make environments; return whether all could be made."""
    folder.mkdir(parents=True, exist_ok=True)
    complete = True
    for name in names:
        failed = folder / f"{name}.failed"
        failed.unlink(missing_ok=True)
        try:
            _make(folder / name, ENVIRONMENTS[name], PYTHONS.get(name))
        except (PeerMissingError, subprocess.CalledProcessError) as error:
            output = getattr(error, "output", None) or str(error)
            reason = output.strip().splitlines()[-1] if output.strip() else str(error)
            failed.write_text(reason + "\n", encoding="utf-8")
            complete = False
        print(f"{name}: {'ready' if not failed.exists() else failed.read_text().strip()}")
    return complete


def _make(folder: Path, requirements: list[str], version: str | None) -> None:
    python = sys.executable
    if version is not None and version != f"{sys.version_info[0]}.{sys.version_info[1]}":
        found = shutil.which(f"python{version}")
        if found is None:
            raise PeerMissingError(f"it needs Python {version}, which isn't on the path")
        python = found
    if not (folder / "bin" / "python").exists():
        _call(python, "-m", "venv", str(folder))
    _call(str(folder / "bin" / "python"), "-m", "pip", "install", "-q", *requirements)


def _call(*command: str) -> None:
    subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["setup", "list"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", nargs="+", choices=list(ENVIRONMENTS), default=list(ENVIRONMENTS))
    arguments = parser.parse_args()
    if arguments.what == "setup":
        return 0 if setup(arguments.folder, arguments.only) else 1
    for name in PEERS:
        try:
            print(f"{name}: {interpreter(name, arguments.folder)}")
        except PeerMissingError as error:
            print(f"{name}: {error}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
