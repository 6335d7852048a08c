"""A new kernel is one file and one line: in a copy of the tree it is built, listed and tested."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FAMILY = Path("cpp/kernels/pad_planes")
NAME = "pad_words_u1_rowwise_portable"
LINE = f"NIWAKI_KERNEL(PadWords, portable, {NAME})\n"
SOURCE = """
#include <cstring>

#include "pad_planes/pad_planes.h"

namespace niwaki::kernels {

void pad_words_u1_rowwise_portable(const PadWordsArgs& args) {
  const std::int64_t columns = args.pad_left + args.width + args.pad_right;
  const std::int64_t rows = args.pad_top + args.height + args.pad_bottom;
  for (std::int64_t k = 0; k < rows * columns * args.words; ++k) {
    args.output[k] = 0;
  }
  for (std::int64_t y = 0; y < args.height; ++y) {
    const std::int64_t first = (args.pad_top + y) * columns + args.pad_left;
    for (std::int64_t k = 0; k < args.width * args.words; ++k) {
      args.output[first * args.words + k] = args.input[y * args.width * args.words + k];
    }
  }
}

}  // namespace niwaki::kernels
"""

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for part in ("CMakeLists.txt", "cpp", "src", "tests/kernels"):
        source, copy = ROOT / part, tmp_path / part
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__", "*.so"))
        else:
            shutil.copy(source, copy)
    return tmp_path


@pytest.fixture
def run(tree: Path) -> Run:
    # -S and an explicit path: an editable install of niwaki would take precedence over the copy.
    # All folders of packages: an environment may stand on another one.
    packages = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
    environment = {
        **os.environ,
        "PATH": os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]]),
        "PYTHONPATH": os.pathsep.join([str(tree / "site"), *packages]),
    }

    def call(*command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=tree, env=environment, text=True, capture_output=True, check=False
        )

    return call


def _build(tree: Path, run: Run) -> None:
    built = run("cmake", "--build", "build", "--target", "_core", "--parallel", "2")
    assert built.returncode == 0, built.stdout + built.stderr
    shutil.rmtree(tree / "site", ignore_errors=True)
    shutil.copytree(tree / "src/niwaki", tree / "site/niwaki")
    (module,) = (tree / "build").glob("_core*.so")
    shutil.copy(module, tree / "site/niwaki")


def _test_kernel(run: Run) -> subprocess.CompletedProcess[str]:
    options = ["-q", "-p", "no:cacheprovider", "--import-mode=importlib", f"--rootdir={os.curdir}"]
    return run(
        sys.executable, "-S", "-m", "pytest", *options, "tests/kernels/test_kernels.py", "-k", NAME
    )


@pytest.mark.slow
def test_a_new_kernel_is_one_file_and_one_line(tree: Path, run: Run) -> None:
    source = tree / FAMILY / "rowwise_portable.cc"
    source.write_text(SOURCE)
    listed = tree / FAMILY / "kernels.inc"
    listed.write_text(LINE + listed.read_text())

    configure = ("cmake", "-G", "Ninja", "-S", ".", "-B", "build", "-DCMAKE_BUILD_TYPE=None")
    configured = run(*configure, f"-DPython_EXECUTABLE={sys.executable}")
    assert configured.returncode == 0, configured.stdout + configured.stderr
    _build(tree, run)

    kernels = run(
        sys.executable, "-S", "-c", "from niwaki import _core; print(*map(repr, _core.kernels()))"
    )
    assert f"KernelInfo({NAME})" in kernels.stdout
    tested = _test_kernel(run)
    assert "1 passed" in tested.stdout, tested.stdout

    # The test means something: one broken line fails it, and it alone.
    source.write_text(SOURCE.replace("(args.pad_top + y)", "(args.pad_bottom + y)"))
    _build(tree, run)
    tested = _test_kernel(run)
    assert "1 failed" in tested.stdout, tested.stdout

    # A name that doesn't end with an instruction set stops the build before it starts.
    source.rename(source.with_name("rowwise.cc"))
    refused = run("cmake", "-B", "build")
    message = " ".join(refused.stderr.split())
    assert refused.returncode != 0
    assert "a kernel's file name must end with its instruction set (reference," in message
    assert "got pad_planes/rowwise.cc" in message
