"""How long ``sematic why`` takes to answer, with a record of a hundred thousand runs."""

import statistics
import subprocess
import sys
import time
from collections.abc import Iterator

import sematic
from benchmarks.places import temporary_record
from benchmarks.rows import Row, print_table
from sematic.client import open_record

_RUNS = 100_000
_OF_EACH = 20_000
_MOST_SECONDS = 0.5
_ROUNDS = 5


@sematic.func(cache=True)
def measured(x: int, seed: int) -> int:
    """One of many calls that differ in their inputs only."""
    return x + seed


@sematic.func
def many(count: int, seed: int) -> int:
    """A fan-out of cached calls, and one that fails."""
    return last([measured(x, seed) for x in range(count)], seed)


@sematic.func
def last(values: list[int], seed: int) -> int:
    """Fails in the end."""
    if seed == _RUNS // _OF_EACH - 1:
        raise ValueError("the last one")
    return sum(values)


def measure() -> Iterator[Row]:
    """A row per kind of answer."""
    with temporary_record():
        for seed in range(_RUNS // _OF_EACH):
            try:
                sematic.LocalRunner("bench").run(many(_OF_EACH - 2, seed))
            except sematic.PipelineRunError as error:
                failed_id = error.run_id
        queries = open_record()
        (newest, *_) = queries.pipeline_runs(limit=1)
        runs = queries.runs(newest.root_id)
        asked = {
            "a miss": runs[_OF_EACH // 2].id,
            "a failure": failed_id,
            "a nested failure": newest.root_id,
        }
        del runs
        for what, run_id in asked.items():
            taken = statistics.median(_ask(str(run_id)) for _ in range(_ROUNDS))
            title = f"sematic why, {what} among {_RUNS:,} runs: under {_MOST_SECONDS} s"
            yield Row(title, f"{taken:.2f} s", taken < _MOST_SECONDS)


def _ask(run_id: str) -> float:
    """The whole command, from start to exit."""
    program = "from sematic.cli import main; main()"
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", program, "why", run_id], check=True, capture_output=True)
    return time.perf_counter() - start


if __name__ == "__main__":
    print_table(measure())
