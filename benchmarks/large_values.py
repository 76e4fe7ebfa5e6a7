"""A large value from one standalone function to another, beside Arrow writing the same bytes.

What is timed begins when the first function returns the value and ends when the second one has it:
hashing, writing, the record, Ray, and mapping the file. Beside it, in the same process and just
before, Arrow alone writes the value to a file of the same directory.
"""

import argparse
import os
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

import sematic
from benchmarks.places import temporary_record
from benchmarks.rows import Row, print_table

_MOST_RATIO = 1.5
_COLUMNS = 10
_ROUNDS = 3
_WARM_UP_BYTES = 8_000_000


@dataclass(frozen=True)
class Handover:
    """Seconds that it took, and that Arrow alone took; and whether the value is right."""

    seconds: float
    arrow_seconds: float
    is_intact: bool


@sematic.func(standalone=True)
def make_array(size: int, seed: int, after: list[float]) -> np.ndarray:
    """An array of ``size`` bytes; ``after`` is what must be done before."""
    array = np.random.default_rng(seed).random(size // 8)
    _write_alone(pa.record_batch([pa.array(array)], names=["value"]))
    return array


@sematic.func(standalone=True)
def make_frame(size: int, seed: int, after: list[float]) -> pd.DataFrame:
    """A frame of ``size`` bytes in ten columns."""
    columns = np.random.default_rng(seed).random(size // 8).reshape(_COLUMNS, -1)
    names = [f"column{index}" for index in range(_COLUMNS)]
    _write_alone(pa.record_batch([pa.array(column) for column in columns], names=names))
    return pd.DataFrame(columns.T, columns=names, copy=False)


@sematic.func(standalone=True)
def use_array(array: np.ndarray, seed: int) -> Handover:
    """The time is taken first: a pass over the data is the function's own business."""
    now = time.time()
    first = np.random.default_rng(seed).random(1000)
    return _handover(now, is_intact=bool((array[:1000] == first).all()))


@sematic.func(standalone=True)
def use_frame(frame: pd.DataFrame, seed: int) -> Handover:
    """The same for a frame."""
    now = time.time()
    first = np.random.default_rng(seed).random(1000)
    return _handover(now, is_intact=bool((frame["column0"].to_numpy()[:1000] == first).all()))


def _write_alone(batch: Any) -> None:
    """Write with Arrow, and leave a note of how long it took and when the function returned.

    Twice, and the second time counts: the first finds the pages that both then take.
    """
    path = _place() / "alone"
    taken = 0.0
    for _ in range(2):
        os.sync()
        start = time.perf_counter()
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
            writer.write_batch(batch)
        taken = time.perf_counter() - start
        path.unlink()
    os.sync()
    (_place() / "note").write_text(f"{taken} {time.time()}", encoding="utf-8")


def _handover(now: float, *, is_intact: bool) -> Handover:
    arrow_seconds, returned_at = map(float, (_place() / "note").read_text().split())
    return Handover(now - returned_at, arrow_seconds, is_intact)


def _place() -> Path:
    return Path(os.environ["SEMATIC_CONFIG_DIR"])


@sematic.func
def arrays(size: int) -> list[Handover]:
    """One handover after the other; the first one, of a small array, warms the workers up."""
    done: list[Any] = []
    for seed in range(_ROUNDS + 1):
        array = make_array(size if seed else _WARM_UP_BYTES, seed, [each.seconds for each in done])
        done.append(use_array(array, seed))
    return done


@sematic.func
def frames(size: int) -> list[Handover]:
    """The same for frames."""
    done: list[Any] = []
    for seed in range(_ROUNDS + 1):
        frame = make_frame(size if seed else _WARM_UP_BYTES, seed, [each.seconds for each in done])
        done.append(use_frame(frame, seed))
    return done


def measure(size_gb: float = 1.0) -> Iterator[Row]:
    """A row for arrays, and one for frames."""
    size = int(size_gb * 1e9) // (8 * _COLUMNS) * 8 * _COLUMNS
    for what, pipeline in (("numpy array", arrays), ("pandas frame", frames)):
        with temporary_record() as directory:
            directory.mkdir()
            handovers = sematic.LocalRunner().run(pipeline(size))[1:]
            written = sum(path.stat().st_size for path in directory.glob("artifacts/*/*"))
        yield _row(f"{what} of {size_gb:g} GB between standalone functions", handovers)
        copies = written / (size * _ROUNDS + _WARM_UP_BYTES)
        yield Row(f"{what}: written once", f"{copies:.3f} times its bytes", copies < 1.02)


def _row(what: str, handovers: list[Handover]) -> Row:
    assert all(each.is_intact for each in handovers)
    seconds = statistics.median(each.seconds for each in handovers)
    alone = statistics.median(each.arrow_seconds for each in handovers)
    ratio = statistics.median(each.seconds / each.arrow_seconds for each in handovers)
    measured = f"{seconds:.2f} s, Arrow {alone:.2f} s, {ratio:.2f}"
    return Row(f"{what}: {_MOST_RATIO} x Arrow", measured, ratio <= _MOST_RATIO)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size-gb", type=float, default=1.0, help="size of each value")
    print_table(measure(parser.parse_args().size_gb))
