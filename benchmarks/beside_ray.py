"""What an inline function costs while Ray and the tracker actor are up."""

import logging
import statistics
import subprocess
import time
from collections.abc import Iterator

import ray

import sematic
from benchmarks.pipelines import SHAPES
from benchmarks.places import temporary_record
from benchmarks.rows import Row, print_table
from sematic.client import open_record
from sematic.ray_backend import tracker_actor

_MOST_MS = 0.6
_SIZES = (100, 1_000, 10_000)
_ROUNDS = 5
_SECONDS_TO_SETTLE = 0.5


@sematic.func(standalone=True)
def call_for_ray() -> int:
    """Brings Ray in, and ends when the actor is there."""
    deadline = time.monotonic() + 60
    look = ["pgrep", "-f", "^ray::TrackerHost"]
    while subprocess.run(look, stdout=subprocess.DEVNULL, check=False).returncode:
        assert time.monotonic() < deadline, "no actor came"
        time.sleep(0.05)
    time.sleep(_SECONDS_TO_SETTLE)
    return 0


@sematic.func
def keep(first: int, result: int | list[int]) -> int:
    """The end of both, so that the pipeline has one output."""
    return first


@sematic.func
def after_ray(shape: str, size: int, first: int) -> int:
    """Runs when Ray is up: everything nested in here is inline."""
    return keep(first, SHAPES[shape](size)) if size else first


@sematic.func
def pipeline(shape: str, size: int) -> int:
    """A standalone function first, then as many inline ones as asked for."""
    result: int = after_ray(shape, size, call_for_ray())
    return result


def measure() -> Iterator[Row]:
    """One row per shape. Ray is started before: what it takes to start is not what is measured."""
    tracker_actor._SECONDS_BEFORE_START = 0.0  # not to wait for it in every round
    with temporary_record():
        ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level=logging.ERROR)
        try:
            _seconds("chain", 10)
            yield from map(_measure_shape, SHAPES)
        finally:
            ray.shutdown()


def _measure_shape(shape: str) -> Row:
    """The sizes take turns: whatever else the machine does falls on all of them."""
    rounds = [[_seconds(shape, size) for size in (0, *_SIZES)] for _ in range(_ROUNDS)]
    end, *times = (statistics.median(column) for column in zip(*rounds, strict=True))
    costs = [(taken - end) / size * 1000 for taken, size in zip(times, _SIZES, strict=True)]
    measured = ", ".join(f"{cost:.3f}" for cost in costs)
    asked = f"{shape} of 100, 1,000, 10,000 while Ray is up: {_MOST_MS} ms"
    return Row(asked, f"{measured} ms", max(costs) <= _MOST_MS)


def _seconds(shape: str, size: int) -> float:
    """From the moment in which Ray has done its part to the end of the pipeline run."""
    future = pipeline(shape, size)
    sematic.LocalRunner().run(future)
    ended_at = time.time()
    runs = open_record().runs(future.id)
    inline = next(run for run in runs if run.name == after_ray.__name__)
    assert inline.scheduled_at is not None
    return ended_at - inline.scheduled_at


if __name__ == "__main__":
    print_table(measure())
