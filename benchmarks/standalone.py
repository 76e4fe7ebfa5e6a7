"""What standalone functions cost, beside the same functions as plain Ray tasks.

Both use one Ray that is up, with warm workers, and take turns. What is timed of a pipeline run is
all of it: from ``LocalRunner().run`` to the value, with the record and the artifacts. It is over
before its tracker actor would start.
"""

import logging
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import ray

import sematic
from benchmarks.places import temporary_record
from benchmarks.rows import Row, print_table

_ROUNDS = 5
_FAN_OUT = 2_000
_CHAIN = 500
_LEAST_THROUGHPUT = 0.5
_MOST_TIME = 1.7


@sematic.func(standalone=True)
def increase(x: int) -> int:
    """Trivial on purpose: what is measured is what is around it."""
    return x + 1


@sematic.func
def fan_out(size: int) -> list[int]:
    """No function waits for another."""
    return [increase(i) for i in range(size)]


@sematic.func
def chain(size: int) -> int:
    """Each function waits for the one before."""
    x = 0
    for _ in range(size):
        x = increase(x)
    return x


def measure() -> Iterator[Row]:
    """A row for the fan-out, and one for the chain."""
    with temporary_record():
        ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level=logging.ERROR)
        try:
            yield _measure_fan_out()
            yield _measure_chain()
        finally:
            ray.shutdown()


def _measure_fan_out() -> Row:
    ours, raw = _take_turns(
        lambda size: _check(sematic.LocalRunner().run(fan_out(size)), [*range(1, size + 1)]),
        lambda size: _check(ray.get(_raw_fan_out(size)), [*range(1, size + 1)]),
        _FAN_OUT,
    )
    ratio = statistics.median(b / a for a, b in zip(ours, raw, strict=True))
    asked = f"standalone fan-out of {_FAN_OUT:,}: {_LEAST_THROUGHPUT} of Ray's throughput"
    return Row(asked, _describe(ours, raw, ratio), ratio >= _LEAST_THROUGHPUT)


def _measure_chain() -> Row:
    ours, raw = _take_turns(
        lambda size: _check(sematic.LocalRunner().run(chain(size)), size),
        lambda size: _check(ray.get(_raw_chain(size)), size),
        _CHAIN,
    )
    ratio = statistics.median(a / b for a, b in zip(ours, raw, strict=True))
    asked = f"standalone chain of {_CHAIN}: {_MOST_TIME} x Ray's time"
    return Row(asked, _describe(ours, raw, ratio), ratio <= _MOST_TIME)


def _raw_fan_out(size: int) -> Any:
    task = _raw_task()
    return [task.remote(i) for i in range(size)]


def _raw_chain(size: int) -> Any:
    task = _raw_task()
    x: Any = 0
    for _ in range(size):
        x = task.remote(x)
    return x


def _raw_task() -> Any:
    def raw_increase(x: int) -> int:
        return x + 1

    return ray.remote(max_retries=0)(raw_increase)


def _take_turns(
    ours: Callable[[int], None], raw: Callable[[int], None], size: int
) -> tuple[list[float], list[float]]:
    """Seconds of each round, after one that does not count."""
    rounds = [(_seconds(raw, size), _seconds(ours, size)) for _ in range(_ROUNDS + 1)][1:]
    return [mine for _, mine in rounds], [its for its, _ in rounds]


def _seconds(work: Callable[[int], None], size: int) -> float:
    start = time.perf_counter()
    work(size)
    return time.perf_counter() - start


def _check(value: object, expected: object) -> None:
    assert value == expected


def _describe(ours: list[float], raw: list[float], ratio: float) -> str:
    return f"{statistics.median(ours):.2f} s, Ray {statistics.median(raw):.2f} s, {ratio:.2f}"


if __name__ == "__main__":
    print_table(measure())
