"""What storing and reading values costs, beside what Arrow alone needs for the same bytes.

Times of large values are the median of three rounds;
each round writes with Arrow and with the store, one after the other, each to a disk that has
nothing else to do. Every large value is measured in a process of its own, for its peak memory.
"""

import argparse
import multiprocessing
import os
import resource
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.rows import Row, print_table
from sematic.artifacts import FileSystemStore
from sematic.calls import ArtifactRef

MOST_RATIO = 1.3
MOST_MICROSECONDS = 20
MOST_READ_MS = 10
ROUNDS = 3
COLUMNS = 10


def measure(size_gb: float = 1.0, location: str | None = None) -> Iterator[Row]:
    """The rows of the table.

    Args:
        size_gb: size of the large values.
        location: folder to write to; a temporary one by default.
    """
    folder = Path(tempfile.mkdtemp(prefix="artifacts-", dir=location))
    try:
        yield from _measure_small(FileSystemStore(folder / "small"))
        for kind in ("numpy array", "pandas frame"):
            yield from _measure_large(kind, folder, size_gb)
    finally:
        shutil.rmtree(folder)


def _measure_small(store: FileSystemStore) -> Iterator[Row]:
    for name, value, type_ in [
        ("an int", 3, int),
        ("a short text", "a short text", str),
        ("a list of 10 ints", list(range(10)), list[int]),
        ("a dict of 5 floats", {f"key{i}": i / 3 for i in range(5)}, dict[str, float]),
    ]:
        ref = store.put(value, type_)
        put = _microseconds(partial(store.put, value, type_))
        get = _microseconds(partial(store.get, ref))
        yield Row(
            f"store and read {name}: under {MOST_MICROSECONDS} microseconds",
            f"{put:.1f}, {get:.1f} microseconds",
            max(put, get) < MOST_MICROSECONDS,
        )


def _microseconds(action: Callable[[], object], times: int = 5_000) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(times):
            action()
        best = min(best, time.perf_counter() - start)
    return best / times * 1e6


def _measure_large(kind: str, folder: Path, size_gb: float) -> Iterator[Row]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=context) as own_process:
        row = own_process.submit(_measure, kind, folder, size_gb).result()
    what = f"{kind} of {size_gb:g} GB"
    yield Row(
        f"store a {what}: {MOST_RATIO} x Arrow",
        f"{row['put']:.2f} s, Arrow {row['arrow']:.2f} s, {row['ratio']:.2f}",
        row["ratio"] <= MOST_RATIO,
    )
    yield Row(f"store a {what} again", f"{row['again']:.2f} s")
    yield Row(
        f"hash a {what}: faster than Arrow writes it",
        f"{row['hash']:.2f} s",
        row["hash"] < row["arrow"],
    )
    yield Row(
        f"read a {what}: under {MOST_READ_MS} ms; and look at all of it",
        f"{row['read'] * 1e3:.1f} ms; {row['pass']:.2f} s",
        row["read"] * 1e3 < MOST_READ_MS,
    )
    yield Row(f"store a {what}: peak of memory beside it", f"{row['peak']:+.0f} MB")


def _measure(kind: str, folder: Path, size_gb: float) -> dict[str, float]:
    store = FileSystemStore(folder / "large")
    _warm_up(store, kind)
    row, ref = _measure_writing(store, folder, *_build_value(kind, size_gb))
    row["read"] = statistics.median(_seconds(lambda: store.get(ref)) for _ in range(ROUNDS))
    read: Any = store.get(ref)
    row["pass"] = _seconds(read.sum)
    row["hash"] = _seconds(lambda: store.check(ref))
    _remove(folder, ref)
    return row


def _measure_writing(
    store: FileSystemStore, folder: Path, value: Any, batch: Any
) -> tuple[dict[str, float], ArtifactRef]:
    before = _peak_mb()
    ref = store.put(value, type(value))
    peak = _peak_mb() - before
    actions: dict[str, Callable[[], object]] = {
        "arrow": lambda: _write_with_arrow(folder, batch),
        "put": lambda: store.put(value, type(value)),
    }
    times: dict[str, list[float]] = {name: [] for name in actions}
    for number in range(ROUNDS):
        for name in sorted(actions, reverse=number % 2 == 1):  # neither is always the first
            _remove(folder, ref)
            times[name].append(_seconds(actions[name]))
    os.sync()
    return {
        **{name: statistics.median(found) for name, found in times.items()},
        "ratio": statistics.median(
            p / a for p, a in zip(times["put"], times["arrow"], strict=True)
        ),
        "again": _seconds(lambda: store.put(value, type(value))),
        "peak": peak,
    }, ref


def _build_value(kind: str, size_gb: float) -> tuple[Any, Any]:
    """A value, and the same data as Arrow sees it without a copy."""
    import numpy as np
    import pyarrow as pa

    numbers = np.random.default_rng(0).random(int(size_gb * 1e9 / 8) // COLUMNS * COLUMNS)
    if kind == "numpy array":
        return numbers, pa.record_batch([pa.array(numbers)], names=["value"])
    import pandas as pd

    columns = numbers.reshape(COLUMNS, -1)
    names = [f"column{i}" for i in range(COLUMNS)]
    frame = pd.DataFrame(columns.T, columns=names, copy=False)
    return frame, pa.record_batch([pa.array(column) for column in columns], names=names)


def _warm_up(store: FileSystemStore, kind: str) -> None:
    value, _ = _build_value(kind, 1e-4)
    store.get(store.put(value, type(value)))


def _write_with_arrow(folder: Path, batch: Any) -> None:
    import pyarrow as pa

    path = folder / "arrow"
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def _remove(folder: Path, ref: ArtifactRef) -> None:
    """Leave the disk as it was, with nothing to write: each write starts from there."""
    (folder / "arrow").unlink(missing_ok=True)
    (folder / "large" / ref.id[:2] / ref.id[2:]).unlink(missing_ok=True)
    os.sync()


def _seconds(action: Callable[[], object]) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def _peak_mb() -> float:
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size-gb", type=float, default=1.0, help="size of the large values")
    parser.add_argument("--location", help="folder to write to; a temporary one by default")
    options = parser.parse_args()
    print_table(measure(options.size_gb, options.location))
