"""What a function takes of memory: as a future, and while and after it is run."""

import gc
import multiprocessing
import multiprocessing.connection
import resource
import sys
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass

import sematic
from benchmarks.pipelines import SHAPES, chain, increase
from benchmarks.places import temporary_record
from benchmarks.rows import Row, print_table

_SIZES = (5_000, 10_000, 20_000)
_MOST_GROWTH = 1.3


@dataclass(frozen=True)
class Peak:
    """Most bytes of memory: what Python allocated for the run, and all that the process had."""

    python: int
    process: int


def measure() -> Iterator[Row]:
    """The rows of the table; each size is run in a process of its own, for its peak."""
    yield Row("a future", f"{_bytes_per_future():,.0f} bytes")
    for shape in ("chain", "fan-out"):
        with temporary_record():
            peaks = [_in_new_process(shape, size) for size in _SIZES]
        yield _shape_row(shape, peaks)


def _bytes_per_future(count: int = 10_000) -> float:
    """Of futures that depend on each other, as Python counts its own objects."""
    increase(increase(0))
    gc.collect()
    tracemalloc.start()
    x = increase(0)
    for _ in range(count):
        x = increase(x)
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return taken / count


def _shape_row(shape: str, peaks: list[Peak]) -> Row:
    """Linear: a run takes as much with twenty thousand as with five thousand."""
    per_run = [peak.python / size for peak, size in zip(peaks, _SIZES, strict=True)]
    listed = ", ".join(f"{taken / 1024:.1f}" for taken in per_run)
    asked = f"{shape} of 5,000, 10,000, 20,000, tracked: linear; KiB per run"
    measured = f"{listed}; process {peaks[-1].process / 2**20:.0f} MiB"
    return Row(asked, measured, per_run[-1] <= per_run[0] * _MOST_GROWTH)


def _in_new_process(shape: str, size: int) -> Peak:
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_send_peak, args=(shape, size, sender))
    process.start()
    sender.close()
    peak: Peak = receiver.recv()
    process.join()
    return peak


def _send_peak(shape: str, size: int, sender: multiprocessing.connection.Connection) -> None:
    sematic.LocalRunner().run(chain(100))  # what is needed once is not what is measured
    gc.collect()
    tracemalloc.start()
    sematic.LocalRunner().run(SHAPES[shape](size))
    _, python = tracemalloc.get_traced_memory()
    unit = 1 if sys.platform == "darwin" else 1024
    process = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    sender.send(Peak(python, process))


if __name__ == "__main__":
    print_table(measure())
