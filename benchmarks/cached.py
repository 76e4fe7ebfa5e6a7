"""What is not computed twice: a cached rerun of many functions, and a rerun from one of many."""

import gc
import statistics
import time
from collections.abc import Iterator

import sematic
from benchmarks.places import temporary_record
from benchmarks.rows import Row, print_table
from sematic.client import open_record

_CALLS = 10_000
_MOST_MS = 0.15
_MOST_SECONDS = 2.0
_ROUNDS = 5


@sematic.func(cache=True)
def remembered(x: int) -> int:
    """Trivial on purpose: what is measured is what is around it."""
    return x + 1


@sematic.func
def remember_many(size: int) -> list[int]:
    """No function waits for another."""
    return [remembered(x) for x in range(size - 1)]


@sematic.func
def remember_each(size: int) -> int:
    """Each function waits for the one before."""
    x = 0
    for _ in range(size - 1):
        x = remembered(x)
    return x


@sematic.func
def note_time(numbers: list[int]) -> float:
    """The moment in which it executes."""
    return time.perf_counter()


@sematic.func
def many_and_the_time(size: int) -> float:
    """A fan-out, and a function that needs all of it."""
    return note_time([remembered(x) for x in range(size - 2)])


def measure() -> Iterator[Row]:
    """Rows for the cache in two shapes, and one for reruns."""
    with temporary_record():
        for shape, pipeline in (("fan-out", remember_many), ("chain", remember_each)):
            sematic.LocalRunner("bench").run(pipeline(_CALLS))
            cost = statistics.median(_rerun_cached(pipeline) for _ in range(_ROUNDS))
            asked = f"{shape} of {_CALLS:,}, all of it cached"
            if shape == "chain":  # where each answer is waited for, two threads take turns
                yield Row(asked, f"{cost:.3f} ms each")
            else:
                yield Row(f"{asked}: {_MOST_MS} ms each", f"{cost:.3f} ms", cost <= _MOST_MS)
        sematic.LocalRunner().run(future := many_and_the_time(_CALLS))
        (last,) = (run.id for run in open_record().runs(future.id) if run.name == "note_time")
        seconds = statistics.median(_rerun_from(last) for _ in range(_ROUNDS))
        asked = f"rerun_from, one of {_CALLS:,} runs: executes within {_MOST_SECONDS} s"
        yield Row(asked, f"{seconds:.2f} s", seconds <= _MOST_SECONDS)


def _rerun_cached(pipeline: sematic.Function[..., object]) -> float:
    """Milliseconds per function of one pipeline run."""
    gc.collect()
    start = time.perf_counter()
    sematic.LocalRunner("bench").run(pipeline(_CALLS))
    return (time.perf_counter() - start) / _CALLS * 1000


def _rerun_from(run_id: str) -> float:
    """Seconds until the first function executes."""
    gc.collect()
    start = time.perf_counter()
    executed: float = sematic.LocalRunner(rerun_from=run_id).run(many_and_the_time(_CALLS))
    return executed - start


if __name__ == "__main__":
    print_table(measure())
