"""The parts of the benchmarks, each measured in a process of its own."""

import importlib
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from benchmarks.rows import Row

PARTS = ("startup", "inline", "beside_ray", "memory", "standalone", "artifacts", "large_values")
"""Modules of this package; each has a function ``measure`` that yields rows."""


def iter_rows(parts: Sequence[str]) -> Iterator[Row]:
    """The rows of some parts, a part at a time: nothing of one is left when the next begins."""
    context = multiprocessing.get_context("spawn")
    for part in parts:
        with ProcessPoolExecutor(1, mp_context=context) as process:
            yield from process.submit(_measure, part).result()


def _measure(part: str) -> list[Row]:
    return list(importlib.import_module(f"benchmarks.{part}").measure())
