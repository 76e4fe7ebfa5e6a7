"""What an inline function costs: tracked in SQLite, in memory, and beside bare ``sqlite3``."""

import gc
import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import sematic
from benchmarks.bare_sqlite import RecordedRows
from benchmarks.pipelines import SHAPES, chain
from benchmarks.places import temporary_record
from benchmarks.rows import Row, print_table

_MOST_MS = 0.4
_MOST_RATIO = 1.3
_SIZES = (100, 1_000, 10_000)
_ROUNDS = 5


def measure() -> Iterator[Row]:
    """One row per shape, then those for scale."""
    with temporary_record() as directory:
        sematic.LocalRunner().run(chain(100))
        for shape in SHAPES:
            yield _measure_shape(shape)
        for shape in ("chain", "fan-out"):
            cost = statistics.median(
                _cost(sematic.SilentRunner(), shape, 1_000) for _ in range(_ROUNDS)
            )
            yield Row(f"{shape} of 1,000 with SilentRunner", f"{cost:.3f} ms")
        sematic.LocalRunner().run(chain(1_000))
        yield from _measure_sqlite(directory)


def _measure_shape(shape: str) -> Row:
    """The sizes take turns: whatever else the machine does falls on all of them."""
    rounds = [
        [_cost(sematic.LocalRunner(), shape, size) for size in _SIZES] for _ in range(_ROUNDS)
    ]
    costs = [statistics.median(column) for column in zip(*rounds, strict=True)]
    ratio = costs[-1] / costs[0]
    asked = f"{shape} of 100, 1,000, 10,000, tracked: {_MOST_MS} ms, last/first {_MOST_RATIO}"
    measured = ", ".join(f"{cost:.3f}" for cost in costs)
    ok = max(costs) <= _MOST_MS and ratio <= _MOST_RATIO
    return Row(asked, f"{measured} ms, {ratio:.2f}", ok)


def _cost(runner: sematic.Runner, shape: str, size: int) -> float:
    """Milliseconds per function of one pipeline run."""
    gc.collect()
    start = time.perf_counter()
    runner.run(SHAPES[shape](size))
    return (time.perf_counter() - start) / size * 1000


def _measure_sqlite(directory: Path) -> Iterator[Row]:
    rows = RecordedRows(directory / "sematic.db")
    for per_commit in (1, 20):
        cost = statistics.median(
            rows.write_again(directory / f"bare-{per_commit}-{i}.db", per_commit=per_commit)
            for i in range(5)
        )
        yield Row(f"the same rows by bare sqlite3, {per_commit} per commit", f"{cost:.3f} ms")


if __name__ == "__main__":
    print_table(measure())
