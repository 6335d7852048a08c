#!/usr/bin/env bash
# Mutated small files: .nwk through the engine under ASan and UBSan, .onnx through the Python side. `make fuzz`
# runs 200,000; CI a few thousand. Mutants are numbered, a number makes the same mutant on any machine; files
# of findings stay in build/fuzz/findings.
#
#   cpp/fuzz/run.sh [files] [first]     a tenth of them .onnx, which are slower
set -euo pipefail
cd "$(dirname "$0")/../.."
files=${1:-200000}
first=${2:-0}
PYTHON=${PYTHON:-.venv/bin/python}
PYTHON=$(command -v "$PYTHON")
[[ $PYTHON == /* ]] || PYTHON=$PWD/$PYTHON
PATH=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("scripts"))'):$PATH
build=$PWD/build/sanitize # the build of `make sanitize`: most is compiled there already
out=$PWD/build/fuzz
mkdir -p "$build" "$out"
cmake -S . -B "$build" -G Ninja -DNIWAKI_SANITIZE=ON -DNIWAKI_TOOLS=ON -DCMAKE_BUILD_TYPE=None \
  -DPython_EXECUTABLE="$PYTHON" >"$out/configure.log" 2>&1 || { cat "$out/configure.log"; exit 1; }
cmake --build "$build" --target niwaki_fuzz --parallel "${JOBS:-$(nproc)}"
rm -rf "$out/findings"

onnx=$((files / 10))
nwk=$((files - onnx))
"$PYTHON" cpp/fuzz/collect_seeds.py "$out/seeds"
# A small quarantine: freed memory would count as used. No leak check: a crash's file matters more. A program
# may ask for more than this machine has: what isn't there is refused, and the engine must say so.
ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=4:allocator_may_return_null=1:max_allocation_size_mb=256 \
  UBSAN_OPTIONS=print_stacktrace=1 "$build/cpp/fuzz/niwaki_fuzz" "$out/seeds" "$out/findings" "$nwk" "$first"
"$PYTHON" cpp/fuzz/fuzz_onnx.py "$out/findings" "$onnx" "$first"
