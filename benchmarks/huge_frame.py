"""A frame of 5 GB from one standalone function to another: what it takes of memory, and of time.

The memory is what the driver and all its child processes have of their own, several times a
second: mapped files are not counted, for the system takes their pages back when it needs them.
"""

import argparse
import resource
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
import psutil

import sematic
from benchmarks.places import temporary_record
from benchmarks.rows import Row, print_table

_MOST_COPIES = 1.5
_COLUMNS = 10
_EVERY_SECONDS = 0.2
_OWN = ("RssAnon:", "RssShmem:")


@dataclass(frozen=True)
class Seen:
    """The sums of the first and of the last column, and the peak of the process in bytes."""

    first: float
    last: float
    peak: int


@sematic.func(standalone=True)
def make_frame(size: int) -> pd.DataFrame:
    """A frame of ``size`` bytes, in which no column is like another."""
    columns = np.empty((_COLUMNS, size // 8 // _COLUMNS))
    for index, column in enumerate(columns):
        np.random.default_rng(index).random(out=column)
    names = [f"column{index}" for index in range(_COLUMNS)]
    return pd.DataFrame(columns.T, columns=names, copy=False)


@sematic.func(standalone=True)
def use_frame(frame: pd.DataFrame) -> Seen:
    """Look at all of it."""
    sums = frame.sum()
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return Seen(float(sums.iloc[0]), float(sums.iloc[-1]), peak)


@sematic.func
def pipeline(size: int) -> Seen:
    """From one to the other."""
    return use_frame(make_frame(size))


@dataclass
class Memory:
    """The most bytes that this process and its children had of their own at a time."""

    peak: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def watch(self) -> None:
        """Look until it is over."""
        while not self.ended.wait(_EVERY_SECONDS):
            processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
            self.peak = max(self.peak, sum(_own_bytes(process.pid) for process in processes))


def _own_bytes(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0  # it has just ended
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(_OWN))


@contextmanager
def _watching() -> Iterator[Memory]:
    memory = Memory()
    thread = threading.Thread(target=memory.watch)
    thread.start()
    try:
        yield memory
    finally:
        memory.ended.set()
        thread.join()


def measure(size_gb: float = 5.0) -> Iterator[Row]:
    """The rows; one that says why where the machine is too small."""
    size = int(size_gb * 1e9) // (8 * _COLUMNS) * 8 * _COLUMNS
    what = f"pandas frame of {size_gb:g} GB between standalone functions"
    with temporary_record() as directory:
        directory.mkdir()
        free, space = psutil.virtual_memory().available, shutil.disk_usage(directory).free
        if min(free / 3, space / 2) < size or not sys.platform.startswith("linux"):
            yield Row(what, f"not here: {free / 1e9:.0f} GB free, disk {space / 1e9:.0f}")
            return
        with _watching() as memory:
            start = time.monotonic()
            seen = sematic.LocalRunner().run(pipeline(size))
            seconds = time.monotonic() - start
    expected = [_column_sum(index, size) for index in (0, _COLUMNS - 1)]
    is_intact = np.allclose([seen.first, seen.last], expected)
    yield Row(f"{what}: intact", f"{seconds:.0f} s, made and looked at", bool(is_intact))
    yield Row(
        f"memory of all processes beside files: {_MOST_COPIES} x the frame",
        f"{memory.peak / 1e9:.1f} GB at most",
        memory.peak < _MOST_COPIES * size,
    )
    yield Row(
        "memory of the second function, its mapped file included", f"{seen.peak / 1e9:.1f} GB"
    )


def _column_sum(index: int, size: int) -> float:
    return float(np.random.default_rng(index).random(size // 8 // _COLUMNS).sum())


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size-gb", type=float, default=5.0, help="size of the frame")
    print_table(measure(parser.parse_args().size_gb))
