"""How long `import niwaki` and `niwaki --help` take in fresh processes, warm.

The bounds are 0.3 s and 0.6 s, median of 5; exits with 1 where one is missed.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import niwaki
from _rows import Row, write_rows

CASES = {
    "import niwaki": ("import niwaki", 300.0),
    "import niwaki.runtime": ("import niwaki.runtime; niwaki.runtime.Engine", 300.0),
    "niwaki --help": (
        "import sys; sys.argv = ['niwaki', '--help']; import niwaki.cli as c; c.main()",
        600.0,
    ),
    "python alone": ("pass", float("inf")),
}
RUNS = 5


def milliseconds(code: str) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], stdout=subprocess.DEVNULL, check=True)
    return 1000 * (time.perf_counter() - begin)


def main() -> int:
    samples: dict[str, list[float]] = {name: [] for name in CASES}
    for code, _ in CASES.values():
        milliseconds(code)  # warm: byte code and the disk's cache
    for _ in range(RUNS):
        for name, (code, _) in CASES.items():
            samples[name].append(milliseconds(code))
    rows: list[Row] = []
    missed = 0
    for name, (_, bound) in CASES.items():
        low, _, high = statistics.quantiles(samples[name], n=4, method="inclusive")
        median = statistics.median(samples[name])
        is_met = median < bound
        missed += not is_met
        note = (
            "" if bound == float("inf") else f"{'met' if is_met else 'MISSED'}: below {bound:g} ms"
        )
        rows.append(
            Row(name, "python", median, high - low, RUNS, version=niwaki.__version__, note=note)
        )
        print(f"{name:24} {median:6.0f} ms  {note}")
    write_rows("import", rows, title="Time to import niwaki and to print its help, fresh processes")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
