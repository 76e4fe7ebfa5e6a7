"""Garbage of places without renaming: who writes what is being deleted keeps it."""

import os
import threading
import time
from collections.abc import Callable, Collection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow.fs as pafs
import pytest

from sematic.artifacts import FileSystemStore, removal_marks
from sematic.artifacts.garbage import DAY_SECONDS
from sematic.artifacts.remote_garbage import collect_remote_garbage
from sematic.artifacts.remote_place import RemotePlace
from sematic.calls import ArtifactRef
from sematic.errors import ArtifactError

VALUE = np.arange(10)
NOBODY: Callable[[Collection[str]], Collection[str]] = lambda ids: ()  # noqa: E731


class _FileSystem:
    """This machine's files, as an object store has them; with something that happens in between."""

    type_name = "s3"

    def __init__(self) -> None:
        self._files = pafs.LocalFileSystem()
        self.before_delete: Callable[[str], None] = lambda path: None

    def get_file_info(self, what: Any) -> Any:
        return self._files.get_file_info(what)

    def open_input_stream(self, path: str, compression: str | None) -> Any:
        return self._files.open_input_stream(path, compression=compression)

    def open_output_stream(self, path: str) -> Any:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        return self._files.open_output_stream(path)

    def delete_file(self, path: str) -> None:
        self.before_delete(path)
        self._files.delete_file(path)


@pytest.fixture
def files() -> _FileSystem:
    return _FileSystem()


def _store(files: _FileSystem, folder: Path) -> FileSystemStore:
    store = FileSystemStore("s3://bucket/folder")
    store._opened = RemotePlace(files, str(folder), name="s3://bucket/folder")
    return store


def _path(folder: Path, ref: ArtifactRef) -> Path:
    return folder / ref.id[:2] / ref.id[2:]


def _age(path: Path) -> None:
    old = time.time() - 2 * DAY_SECONDS
    os.utime(path, (old, old))


def _put_old(store: FileSystemStore, folder: Path, value: object = VALUE) -> ArtifactRef:
    ref = store.put(value, object)
    _age(_path(folder, ref))
    return ref


def _collect(files: Any, folder: Path, **options: Any) -> list[str]:
    place = RemotePlace(files, str(folder), name="s3://bucket/folder")
    options = {"now": time.time, "older_than": DAY_SECONDS, "delete": True, **options}
    options = {"find_recorded": NOBODY, **options}
    return [found.name for found in collect_remote_garbage(place, **options)]


def test_old_objects_go_that_the_record_does_not_know(files: _FileSystem, folder: Path) -> None:
    store = _store(files, folder)
    old, kept = (_put_old(store, folder, np.arange(length)) for length in (10, 11))
    young = store.put(np.arange(12), object)
    foreign = _path(folder, old).with_name("notes.txt")
    foreign.write_text("of somebody else")
    _age(foreign)
    find: Any = {"find_recorded": lambda ids: {kept.id}}
    assert _collect(files, folder, delete=False, **find) == [old.id]
    assert store.exists(old)
    assert not (folder / ".removing").exists()
    assert _collect(files, folder, **find) == [old.id]
    assert [store.exists(ref) for ref in (old, kept, young)] == [False, True, True]
    assert foreign.exists()
    assert _collect(files, folder, **find) == []
    assert list((folder / ".removing").iterdir()) == []
    assert _collect(files, folder / "missing") == []


def test_where_files_are_renamed_unfinished_ones_go(folder: Path) -> None:
    place = RemotePlace(pafs.LocalFileSystem(), str(folder), name="remote")
    store = FileSystemStore("hdfs://host/folder")
    store._opened = place
    ref = _put_old(store, folder)
    for name in (".writing-1-abc", ".writing-1-young"):
        (folder / name).write_bytes(b"x")
    _age(folder / ".writing-1-abc")
    assert sorted(_collect(place.filesystem, folder)) == sorted([".writing-1-abc", ref.id])
    assert [path.name for path in folder.glob(".writing*")] == [".writing-1-young"]


def test_who_writes_before_the_last_look_keeps_the_value(files: _FileSystem, folder: Path) -> None:
    store = _store(files, folder)
    ref = _put_old(store, folder)

    def write(ids: Collection[str]) -> Collection[str]:
        store.put(VALUE, object)
        return ()

    assert _collect(files, folder, find_recorded=write) == []
    store.check(ref)


@pytest.mark.parametrize("is_young", [False, True])
def test_who_writes_after_the_last_look_writes_again(
    files: _FileSystem, folder: Path, is_young: bool
) -> None:
    """Between look and deletion: nothing but the mark can tell the writer."""
    store = _store(files, folder)
    ref = _put_old(store, folder)
    writers: list[threading.Thread] = []

    def write(path: str) -> None:
        if path != str(_path(folder, ref)) or writers:
            return
        if is_young:  # somebody else wrote it, who dies before seeing the mark
            os.utime(path)
        writers.append(threading.Thread(target=lambda: store.put(VALUE, object)))
        writers[0].start()
        writers[0].join(0.3)
        assert writers[0].is_alive()

    files.before_delete = write
    assert _collect(files, folder) == [ref.id]
    writers[0].join(60)
    store.check(ref)


def test_marks_of_killed_processes_are_waited_for_once_and_taken_away(
    files: _FileSystem, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(removal_marks, "_PATIENCE_SECONDS", 0.5)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        time.sleep(seconds)

    clocks = SimpleNamespace(monotonic=time.monotonic, time=time.time, sleep=sleep)
    monkeypatch.setattr(removal_marks, "time", clocks)
    store = _store(files, folder)
    ref = store.put(VALUE, object)
    mark = folder / ".removing" / f"{ref.id[:2]}-1-abc"
    mark.parent.mkdir()
    mark.touch()
    start = time.monotonic()
    store.put(VALUE, object)
    assert time.monotonic() - start >= 0.5
    assert pauses
    pauses.clear()
    store.put(VALUE, object)
    assert pauses == []
    _collect(files, folder)
    assert mark.exists()
    _age(mark)
    _store(files, folder).put(VALUE, object)
    assert pauses == []
    _collect(files, folder)
    assert not mark.exists()


def test_nothing_is_deleted_under_a_mark_that_is_old(
    files: _FileSystem, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The machine slept, for example: writers have stopped waiting."""
    monkeypatch.setattr(removal_marks, "_HOLD_SECONDS", -1.0)
    store = _store(files, folder)
    ref = _put_old(store, folder)
    assert _collect(files, folder) == []
    store.check(ref)


def test_an_object_that_something_removes_again_and_again_is_an_error(
    files: _FileSystem, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(RemotePlace, "has", lambda *arguments: False)
    with pytest.raises(ArtifactError, match="something removed it each time"):
        _store(files, folder).put(VALUE, object)
