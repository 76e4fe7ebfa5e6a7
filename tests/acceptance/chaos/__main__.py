"""``python -m tests.acceptance.chaos``: many cases, one line each, and the seeds to repeat them."""

import argparse
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from tests.acceptance.chaos.cases import KINDS, Kind, choose_kind, enter_world, run_case
from tests.postgres import PostgresServer, run_server

_NAMES = {kind.name: kind for kind in KINDS}
_MOST_PROBLEMS = 8


def main() -> int:
    """Run the cases; returns how many had a problem."""
    parser = argparse.ArgumentParser(prog="python -m tests.acceptance.chaos")
    parser.add_argument("--count", type=int, default=100, help="how many cases")
    parser.add_argument("--seed", type=int, default=0, help="of the first case; the next follow")
    parser.add_argument("--kind", choices=_NAMES, help="only this kind")
    parser.add_argument("--minutes", type=float, default=30, help="begin no case after these")
    arguments = parser.parse_args()
    began = time.monotonic()
    failed = passed = 0
    with ExitStack() as stack:
        server = stack.enter_context(run_server())
        for seed in range(arguments.seed, arguments.seed + arguments.count):
            if time.monotonic() - began > 60 * arguments.minutes:
                print(f"The time is over: {passed + failed} of {arguments.count} cases were run.")
                failed += 1
                break
            kind = _NAMES[arguments.kind] if arguments.kind else choose_kind(seed)
            if _is_well(kind, seed, server):
                passed += 1
            else:
                failed += 1
    print(f"{passed} passed, {failed} failed, {time.monotonic() - began:.0f} s")
    return min(failed, 1)


def _is_well(kind: Kind, seed: int, server: PostgresServer) -> bool:
    with tempfile.TemporaryDirectory(prefix="chaos") as directory:
        try:
            with enter_world(kind, Path(directory), server) as world:
                report, problems = run_case(kind, seed, world)
        except PermissionError as error:
            print(f"skip  {kind.name:<20} {error}", flush=True)
            return True
    print(f"{'FAIL' if problems else 'ok  '}  {kind.name:<20} {report}", flush=True)
    for problem in problems[:_MOST_PROBLEMS]:
        print(f"      {problem}", flush=True)
    if problems:
        print(f"      again: make chaos SEED={seed} COUNT=1 KIND={kind.name}", flush=True)
    return not problems


if __name__ == "__main__":
    sys.exit(main())
