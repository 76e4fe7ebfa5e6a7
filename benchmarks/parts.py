"""The parts of the benchmarks, each measured in a process of its own."""

import importlib
import multiprocessing
import pkgutil
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

import benchmarks
from benchmarks.rows import Row

_SHARED = frozenset({"__main__", "bare_sqlite", "parts", "pipelines", "places", "rows"})
PARTS = sorted(m.name for m in pkgutil.iter_modules(benchmarks.__path__) if m.name not in _SHARED)
"""Modules of this package; each has a function ``measure`` that yields rows."""

ON_REQUEST = frozenset({"huge_frame"})
"""Parts that are measured only if they are named: they take much of the machine."""


def iter_rows(parts: Sequence[str]) -> Iterator[Row]:
    """The rows of some parts, a part at a time: nothing of one is left when the next begins."""
    context = multiprocessing.get_context("spawn")
    for part in parts:
        with ProcessPoolExecutor(1, mp_context=context) as process:
            yield from process.submit(_measure, part).result()


def _measure(part: str) -> list[Row]:
    return list(importlib.import_module(f"benchmarks.{part}").measure())
