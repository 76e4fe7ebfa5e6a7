"""What storing and reading values costs, beside what Arrow alone needs for the same bytes.

Run as ``python benchmarks/artifacts.py``. Times of large values are the median of three rounds;
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
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from sematic.artifacts import FileSystemStore
from sematic.calls import ArtifactRef

ROUNDS = 3
COLUMNS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size-gb", type=float, default=1.0, help="size of the large values")
    parser.add_argument("--location", help="folder to write to; a temporary one by default")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="artifacts-", dir=options.location))
    try:
        _print_small(FileSystemStore(folder / "small"))
        _print_large(folder, options.size_gb)
    finally:
        shutil.rmtree(folder)


def _print_small(store: FileSystemStore) -> None:
    print(f"{'small values':28}{'put':>12}{'get':>12}   microseconds")
    for name, value, type_ in [
        ("int", 3, int),
        ("str", "a short text", str),
        ("list of 10 ints", list(range(10)), list[int]),
        ("dict of 5 floats", {f"key{i}": i / 3 for i in range(5)}, dict[str, float]),
    ]:
        ref = store.put(value, type_)
        put = _microseconds(partial(store.put, value, type_))
        get = _microseconds(partial(store.get, ref))
        print(f"{name:28}{put:12.1f}{get:12.1f}")


def _microseconds(action: Callable[[], object], times: int = 5_000) -> float:
    best = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for _ in range(times):
            action()
        best = min(best, time.perf_counter() - start)
    return best / times * 1e6


def _print_large(folder: Path, size_gb: float) -> None:
    print()
    print(
        f"{size_gb:g} GB{'':22}{'arrow':>9}{'put':>9}{'ratio':>8}{'put again':>11}"
        f"{'read':>10}{'one pass':>10}{'peak of put':>14}"
    )
    context = multiprocessing.get_context("spawn")
    for kind in ("numpy array", "pandas frame"):
        with ProcessPoolExecutor(1, mp_context=context) as own_process:
            row = own_process.submit(_measure, kind, folder, size_gb).result()
        print(
            f"{kind:28}{row['arrow']:8.2f}s{row['put']:8.2f}s{row['ratio']:8.2f}"
            f"{row['again']:10.2f}s{row['read'] * 1e3:8.1f}ms{row['pass']:9.2f}s"
            f"{row['peak']:+11.0f} MB"
        )
    print("ratio: median of put / arrow per round; peak of put: beyond the value itself.")


def _measure(kind: str, folder: Path, size_gb: float) -> dict[str, float]:
    store = FileSystemStore(folder / "large")
    _warm_up(store, kind)
    row, ref = _measure_writing(store, folder, *_build_value(kind, size_gb))
    row["read"] = statistics.median(_seconds(lambda: store.get(ref)) for _ in range(ROUNDS))
    read: Any = store.get(ref)
    row["pass"] = _seconds(read.sum)
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
    main()
