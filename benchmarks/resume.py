"""How long it takes to go on with a large pipeline run whose driver died."""

import multiprocessing
import os
import statistics
import time
from collections.abc import Iterator

import sematic
from benchmarks.pipelines import chain, fan_out
from benchmarks.places import temporary_record
from benchmarks.rows import Row, print_table
from sematic.client import open_record

_CALLS = 10_000
_MOST_SECONDS = 3.0
_ROUNDS = 3


@sematic.func
def die_once(last: int | list[int], driver: int) -> int:
    """Kills the process that began the pipeline run, once everything before is recorded."""
    if os.getpid() == driver:
        time.sleep(1.0)  # what has happened so far is recorded within a fifth of that
        os._exit(1)
    return 0


@sematic.func
def chain_and_die(driver: int) -> int:
    """A chain, and the end of the driver."""
    return die_once(chain(_CALLS), driver)


@sematic.func
def fan_out_and_die(driver: int) -> int:
    """A fan-out, and the end of the driver."""
    return die_once(fan_out(_CALLS), driver)


def measure() -> Iterator[Row]:
    """A row per shape."""
    for shape, pipeline in (("chain", chain_and_die), ("fan-out", fan_out_and_die)):
        seconds = statistics.median(_measure_once(pipeline) for _ in range(_ROUNDS))
        asked = f"resume of a {shape} of {_CALLS:,} recorded calls: under {_MOST_SECONDS} s"
        yield Row(asked, f"{seconds:.2f} s", seconds < _MOST_SECONDS)


def _measure_once(pipeline: sematic.Function[..., int]) -> float:
    with temporary_record():
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_run, args=(pipeline.__name__,))
        process.start()
        process.join()
        (run,) = open_record().pipeline_runs(limit=None)
        assert run.driver_lost, run
        assert process.pid is not None
        start = time.perf_counter()
        sematic.LocalRunner(resume=run.root_id).run(pipeline(process.pid))
        return time.perf_counter() - start


def _run(name: str) -> None:
    pipeline = {"chain_and_die": chain_and_die, "fan_out_and_die": fan_out_and_die}[name]
    sematic.LocalRunner().run(pipeline(os.getpid()))


if __name__ == "__main__":
    print_table(measure())
