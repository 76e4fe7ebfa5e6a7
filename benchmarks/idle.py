"""What a pipeline run costs that waits: its lease, its heartbeat and its record."""

import time
from collections.abc import Iterator

import sematic
from benchmarks.places import temporary_record
from benchmarks.rows import Row, print_table

_SECONDS = 20.0
_MOST_PERCENT = 2.0


@sematic.func
def wait(seconds: float) -> float:
    """Waits, and returns the percentage of a processor that this process took meanwhile."""
    before, start = time.process_time(), time.perf_counter()
    time.sleep(seconds)
    return (time.process_time() - before) / (time.perf_counter() - start) * 100


def measure() -> Iterator[Row]:
    """One row: the whole process, while its only function sleeps."""
    with temporary_record():
        sematic.LocalRunner().run(wait(0.1))
        percent = sematic.LocalRunner().run(wait(_SECONDS))
    asked = f"an idle pipeline run: under {_MOST_PERCENT:g} % of a processor"
    yield Row(asked, f"{percent:.2f} %", percent < _MOST_PERCENT)


if __name__ == "__main__":
    print_table(measure())
