"""Which artifacts runs refer to: inputs, outputs, and what only expressions name."""

from pathlib import Path

import numpy as np

import sematic
from sematic.settings import load_settings
from sematic.tracking.deleting import delete_pipeline_run
from sematic.tracking.references import find_referenced, iter_referenced


@sematic.func
def number(value: int) -> int:
    return value


@sematic.func
def total(values: list[int]) -> int:
    return sum(values)


@sematic.func
def pipeline(base: int) -> int:
    return total([number(base) + 1000, 2000])


def test_all_that_a_run_names_and_nothing_else(config_directory: Path) -> None:
    future = pipeline(7)
    assert sematic.LocalRunner(progress="off").run(future) == 3007
    url = load_settings().database_url
    refs = {ref.payload: ref.id for ref in iter_referenced(url)}
    assert {"7", "1000", "3007"} <= refs.keys()
    assert list(refs.values()) == sorted(refs.values())
    unknown = ["0" * 40, "f" * 40]
    assert find_referenced(url, [*refs.values(), *unknown]) == set(refs.values())
    assert find_referenced(url, unknown) == set()
    assert find_referenced(url, []) == set()
    delete_pipeline_run(url, future.id)
    assert list(iter_referenced(url)) == []
    assert list(iter_referenced(None)) == []


def test_a_long_value_is_named_by_each_run_that_uses_it(config_directory: Path) -> None:
    @sematic.func
    def make() -> np.ndarray:
        return np.arange(5_000)

    @sematic.func
    def last(values: np.ndarray) -> int:
        return int(values[-1])

    @sematic.func
    def long() -> int:
        return last(make())

    sematic.LocalRunner(progress="off").run(long())
    files = [path for path in (config_directory / "artifacts").rglob("*") if path.is_file()]
    ids = {path.parent.name + path.name for path in files}
    assert len(ids) == 1
    assert find_referenced(load_settings().database_url, ids) == ids
