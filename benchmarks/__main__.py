"""``python -m benchmarks [part ...]``: everything that is measured, in one table."""

import argparse
import os
import sys
import time

from benchmarks.parts import ON_REQUEST, PARTS, iter_rows
from benchmarks.rows import print_table


def main() -> int:
    """Measure, print, and tell by the exit code whether every limit was kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parts = parser.parse_args().parts or [part for part in PARTS if part not in ON_REQUEST]
    if unknown := [part for part in parts if part not in PARTS]:
        parser.error(f"there is no part {unknown[0]!r}; there are {', '.join(PARTS)}")
    load = os.getloadavg()[0]
    print(f"{os.cpu_count()} CPUs, load {load:.1f}, Python {sys.version.split()[0]}\n", flush=True)
    start = time.monotonic()
    missed = print_table(iter_rows(parts))
    print(f"\n{missed or 'no'} limit{'' if missed == 1 else 's'} missed, ", end="")
    print(f"{time.monotonic() - start:.0f} s")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
