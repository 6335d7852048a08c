#!/usr/bin/env bash
# Build niwaki_check without Python and run it: on this CPU, under an emulated x86 without AVX and one with
# AVX2 only, or cross-compiled for 64-bit ARM under emulation. With it runs the example of the C API on the
# emulated CPUs, so that loading and running a whole file is covered too.
#
#   cpp/check/run.sh native|x86|arm [cases]
#
# x86 and arm need qemu-user, arm needs g++-aarch64-linux-gnu; the example needs PYTHON with niwaki.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${1:?native, x86 or arm}
cases=${2:-100}
PYTHON=${PYTHON:-.venv/bin/python}
PATH=$("$PYTHON" -c 'import sysconfig; print(sysconfig.get_path("scripts"))'):$PATH
build=$PWD/build/check
toolchain=()
compiler=gcc
if [[ $target == arm ]]; then
  build=$PWD/build/check-arm
  toolchain=(-DCMAKE_TOOLCHAIN_FILE="$PWD/cpp/toolchain-aarch64.cmake")
  compiler=aarch64-linux-gnu-gcc
fi
mkdir -p "$build"
cmake -S . -B "$build" -G Ninja -DNIWAKI_PYTHON=OFF -DNIWAKI_TOOLS=ON -DCMAKE_BUILD_TYPE=Release \
  "${toolchain[@]}" >"$build/configure.log" || { cat "$build/configure.log"; exit 1; }
cmake --build "$build" --parallel "${JOBS:-$(nproc)}"
check=$build/cpp/check/niwaki_check

example() { # the emulator's words: the example's answer must be Python's
  "$compiler" -std=c11 -Wall -Wextra -Werror -Icpp/capi examples/c/classify.c -L"$build/cpp/capi" \
    -Wl,-rpath,"$build/cpp/capi" -lniwaki -o "$build/classify"
  "$PYTHON" cpp/check/example.py "$build" "$@"
}

# What a source of an instruction set shares with others (a template, an inline function) would be merged by the
# linker, and an AVX copy could end up in code for any CPU.
shared=$(find "$build/cpp/kernels" -name '*x86_avx*.o' -exec nm -C {} + | grep -E ' [WVu] ' || true)
if [[ -n $shared ]]; then
  echo "kernels of an instruction set must share no symbols (put templates into anonymous namespaces), got:"
  echo "$shared"
  exit 1
fi

case $target in
  native) "$check" --cases "$cases" ;;
  x86)
    for cpu in Westmere Haswell; do # no AVX; AVX2 and FMA, no AVX-512
      echo "-- $cpu"
      qemu-x86_64 -cpu $cpu "$check" --cases "$cases" 2> >(grep -v "TCG doesn't support" >&2)
      example qemu-x86_64 -cpu $cpu
    done
    ;;
  arm)
    qemu-aarch64 -L /usr/aarch64-linux-gnu "$check" --cases "$cases"
    example qemu-aarch64 -L /usr/aarch64-linux-gnu
    ;;
  *) echo "native, x86 or arm, got $target"; exit 2 ;;
esac
