"""What no record refers to goes; what somebody is writing stays, whenever they write it."""

import os
import time
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import sematic
from sematic.artifacts import FileSystemStore
from sematic.artifacts.collection import collect_garbage
from sematic.artifacts.garbage import DAY_SECONDS
from sematic.artifacts.local_place import aside
from sematic.calls import ArtifactRef
from sematic.errors import MissingArtifactError
from tests.waiting import repeated

NOBODY: Callable[[Collection[str]], Collection[str]] = lambda ids: ()  # noqa: E731


def _path(folder: Path, ref: ArtifactRef) -> Path:
    return folder / ref.id[:2] / ref.id[2:]


def _age(path: Path) -> None:
    old = time.time() - 2 * DAY_SECONDS
    os.utime(path, (old, old))


def _put_old(store: FileSystemStore, folder: Path, value: object) -> ArtifactRef:
    ref = store.put(value, object)
    _age(_path(folder, ref))
    return ref


def _collect(folder: Path, **options: Any) -> list[str]:
    options = {"find_recorded": NOBODY, "now": time.time, **options}
    return [found.name for found in collect_garbage(folder, **options)]


def test_old_files_go_that_the_record_does_not_know(store: FileSystemStore, folder: Path) -> None:
    old, kept = (_put_old(store, folder, np.arange(length)) for length in (10, 11))
    young = store.put(np.arange(12), object)
    leftover = folder / ".writing-1-abc"
    leftover.write_bytes(b"x")
    _age(leftover)
    foreign = _path(folder, old).with_name("notes.txt")
    foreign.write_text("of somebody else")
    _age(foreign)
    find: Any = {"find_recorded": lambda ids: {kept.id}}
    expected = sorted([old.id, leftover.name])
    assert sorted(_collect(folder, delete=False, **find)) == expected
    assert store.exists(old)
    assert sorted(_collect(folder, **find)) == expected
    assert [store.exists(ref) for ref in (old, kept, young)] == [False, True, True]
    assert foreign.exists()
    assert not leftover.exists()
    assert _collect(folder, **find) == []
    assert _collect(folder / "missing") == []


def test_writing_a_value_again_keeps_it(store: FileSystemStore, folder: Path) -> None:
    ref = _put_old(store, folder, np.arange(10))
    store.put(np.arange(10), object)
    assert _collect(folder) == []
    store.check(ref)


def test_who_writes_between_look_and_deletion_keeps_the_value(
    store: FileSystemStore, folder: Path
) -> None:
    ref = _put_old(store, folder, np.arange(10))

    def write(ids: Collection[str]) -> Collection[str]:
        store.put(np.arange(10), object)
        return ()

    assert _collect(folder, find_recorded=write) == []
    store.check(ref)
    assert not aside(_path(folder, ref)).exists()


def test_who_renews_what_is_deleted_at_that_moment_writes_it_anew(
    store: FileSystemStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system has found the file by its name, and gives it an age when it has none any more."""
    ref = _put_old(store, folder, np.arange(10))

    def change_age(path: Path) -> None:
        assert _collect(folder) == [ref.id]

    monkeypatch.setattr(os, "utime", change_age)
    assert store.put(np.arange(10), object) == ref
    store.check(ref)


def test_what_is_aside_can_be_read_and_written_anew(store: FileSystemStore, folder: Path) -> None:
    ref = _put_old(store, folder, np.arange(10))
    path = _path(folder, ref)
    path.rename(aside(path))
    store.check(ref)
    assert store.put(np.arange(10), object) == ref
    assert path.exists()
    assert _collect(folder) == []
    store.check(ref)
    assert not aside(path).exists()


@pytest.mark.parametrize("is_recorded", [True, False])
def test_what_a_killed_process_left_aside_is_put_back_or_goes(
    store: FileSystemStore, folder: Path, is_recorded: bool
) -> None:
    ref = _put_old(store, folder, np.arange(10))
    path = _path(folder, ref)
    path.rename(aside(path))
    found = _collect(folder, find_recorded=lambda ids: {ref.id} if is_recorded else ())
    assert found == ([] if is_recorded else [ref.id])
    assert path.exists() is is_recorded
    assert not aside(path).exists()
    if not is_recorded:
        with pytest.raises(MissingArtifactError):
            store.get(ref)


@sematic.func
def make(number: int) -> np.ndarray:
    return np.arange(10_000) + number


@sematic.func
def total(values: np.ndarray) -> int:
    return int(values.sum())


@sematic.func
def pipeline(number: int) -> int:
    return total(make(number))


@pytest.mark.slow
def test_pipelines_that_write_what_is_about_to_go_lose_nothing(config_directory: Path) -> None:
    """200 of them: the value of each is there already, old and unknown, when it begins."""
    from sematic.settings import load_settings
    from sematic.tracking.references import find_referenced, iter_referenced

    folder = config_directory / "artifacts"
    store = FileSystemStore(folder)
    runner = sematic.LocalRunner(progress="off")
    assert runner.run(pipeline(-1)) == 49_985_000
    url = load_settings().database_url
    with repeated(lambda: _collect(folder, find_recorded=partial(find_referenced, url))):
        for number in range(200):
            runner.run(_ageing(store, folder, number))
    refs = list(iter_referenced(url))
    assert len({ref.id for ref in refs if ref.payload is None}) == 201
    for ref in refs:
        store.check(ref)


def _ageing(store: FileSystemStore, folder: Path, number: int) -> sematic.Future:
    """The pipeline, whose value ages just before it begins."""
    path = _path(folder, store.put(np.arange(10_000) + number, np.ndarray))
    future = pipeline(number)
    _age(path)
    return future
