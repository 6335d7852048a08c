#!/usr/bin/env bash
# Install dist's wheel into a fresh environment without a compiler on PATH, and run an engine: on every
# instruction set of this CPU and, where qemu-user is there, on an emulated CPU without AVX-512 and one without
# AVX. The dependencies come from the package index.
#
#   PYTHON=python3 packaging/try_wheel.sh
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
PYTHON=$(command -v "$PYTHON")
where=$PWD/build/try-wheel
rm -rf "$where"
"$PYTHON" -m venv "$where"
clean() { env -i HOME="$where" PATH="$where/bin" LANG=C.UTF-8 "$@"; }
if clean sh -c 'command -v gcc g++ cc c++ clang' 2>/dev/null; then
  echo "a compiler is on the clean PATH"
  exit 1
fi
clean python -m pip install -q --disable-pip-version-check --only-binary :all: \
  ${CONSTRAINTS:+-c "$CONSTRAINTS"} "$PWD"/dist/niwaki-*.whl
cp packaging/try_engine.py "$where/try_engine.py"
cd "$where" # not the repository: its sources must not be imported
clean python try_engine.py
clean niwaki doctor >/dev/null
clean python -m niwaki.capi --include --lib
if command -v qemu-x86_64 >/dev/null && [[ $(uname -m) == x86_64 ]]; then
  for cpu in Haswell Nehalem; do # AVX2 without AVX-512; no AVX at all
    echo "-- emulated $cpu"
    clean "$(command -v qemu-x86_64)" -cpu $cpu "$where/bin/python" try_engine.py 2> >(grep -v "TCG doesn't support" >&2)
  done
fi
