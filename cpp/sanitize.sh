#!/usr/bin/env bash
# Build niwaki._core with AddressSanitizer and UndefinedBehaviorSanitizer, in a folder of its own, and run
# the tests of kernels and engine with it. Fails on the first report. Called by `make sanitize`.
#
#   PYTHON=.venv/bin/python cpp/sanitize.sh [pytest arguments]
set -euo pipefail
cd "$(dirname "$0")/.."

PYTHON=${PYTHON:-.venv/bin/python}
PYTHON=$(command -v "$PYTHON")
[[ $PYTHON == /* ]] || PYTHON=$PWD/$PYTHON  # not resolved: a venv's python is a link
build=$PWD/build/sanitize
site=$build/site
scripts=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("scripts"))')
packages=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
mkdir -p "$build"
export PATH=$scripts:$PATH  # cmake and ninja, where pip put them

cmake -S . -B "$build" -G Ninja -DNIWAKI_SANITIZE=ON -DNIWAKI_TOOLS=ON -DCMAKE_BUILD_TYPE=None \
  -DPython_EXECUTABLE="$PYTHON" >"$build.log" 2>&1 || { cat "$build.log"; exit 1; }
cmake --build "$build" --parallel "${JOBS:-$(nproc)}"

# Kernels and convolution algorithms on arrays of exact sizes: any read behind an end is seen.
ASAN_OPTIONS=detect_leaks=1 "$build/cpp/check/niwaki_check" --cases 30

rm -rf "$site"
mkdir -p "$site"
cp -r src/niwaki "$site/niwaki"
cmake --install "$build" --prefix "$site" >/dev/null

# Python itself isn't instrumented, so the runtimes are loaded before it; libstdc++ too, or ASan finds
# nothing to wrap when it looks for __cxa_throw.
LD_PRELOAD=$(g++ -print-file-name=libasan.so):$(g++ -print-file-name=libubsan.so)
LD_PRELOAD=$LD_PRELOAD:$(g++ -print-file-name=libstdc++.so)
export LD_PRELOAD
# detect_leaks=0: CPython and NumPy keep memory until exit on purpose, which drowns any leak of ours.
export ASAN_OPTIONS=detect_leaks=0:strict_string_checks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
# -S keeps an editable install of niwaki from taking precedence over the sanitized one.
export PYTHONPATH=$site:$packages
export PYTHONDONTWRITEBYTECODE=1

"$PYTHON" -S - <<'CHECK'
from pathlib import Path

from niwaki import _core

assert b"__asan_init" in Path(_core.__file__).read_bytes(), f"{_core.__file__} isn't sanitized"
print("sanitized:", _core.__file__)
CHECK
[[ $# -gt 0 ]] || set -- tests/kernels tests/runtime
# --capture=sys: a report goes past Python to stderr itself, and must be seen.
"$PYTHON" -S -m pytest -q --capture=sys -p no:cacheprovider -m "not slow and not measures_memory" "$@"
echo "no report from ASan and UBSan"
