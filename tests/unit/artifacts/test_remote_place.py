"""Other file systems through Arrow: the same behaviour, and nothing half-written is ever there."""

import gc
import os
import time
import weakref
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.fs as pafs
import pytest

from sematic.artifacts import FileSystemStore
from sematic.artifacts.identity import Hashing
from sematic.artifacts.remote_place import RemotePlace, open_remote_place
from sematic.errors import ArtifactError, CorruptArtifactError, MissingArtifactError

VALUES: dict[str, Any] = {"small": np.arange(10), "large": np.arange(300_000)}


@pytest.fixture
def place(folder: Path) -> RemotePlace:
    return RemotePlace(pafs.LocalFileSystem(), str(folder), name="remote")


@pytest.fixture
def remote_store(place: RemotePlace) -> FileSystemStore:
    store = FileSystemStore("s3://bucket/folder")
    store._opened = place
    return store


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("name", VALUES)
def test_values_come_back(remote_store: FileSystemStore, folder: Path, name: str) -> None:
    value = VALUES[name]
    ref = remote_store.put(value, np.ndarray)
    read = remote_store.get(ref, verify=True)
    assert isinstance(read, np.ndarray)
    np.testing.assert_array_equal(read, value)
    read[:] = 0
    remote_store.check(ref)
    assert remote_store.exists(ref)
    assert _files(folder) == [folder / ref.id[:2] / ref.id[2:]]
    assert FileSystemStore(folder).put(value, np.ndarray) == ref


def test_a_young_object_is_not_written_again_and_an_old_one_is(
    remote_store: FileSystemStore, folder: Path
) -> None:
    remote_store.put(VALUES["small"], np.ndarray)
    (path,) = _files(folder)
    young = path.stat()
    remote_store.put(VALUES["small"], np.ndarray)
    assert path.stat().st_mtime_ns == young.st_mtime_ns
    os.utime(path, (1, 1))
    remote_store.put(VALUES["small"], np.ndarray)
    assert time.time() - path.stat().st_mtime < 60


def test_missing_and_damaged_objects_are_reported(
    remote_store: FileSystemStore, folder: Path
) -> None:
    ref = remote_store.put(VALUES["small"], np.ndarray)
    (path,) = _files(folder)
    path.write_bytes(path.read_bytes()[:-1])
    assert not remote_store.exists(ref)
    with pytest.raises(CorruptArtifactError, match=ref.id):
        remote_store.get(ref)
    path.unlink()
    with pytest.raises(MissingArtifactError, match=f"{ref.id} is not in remote"):
        remote_store.get(ref)


class _Stream:
    """An object store's stream whose connection drops."""

    def __init__(self) -> None:
        self.written = 0
        self.closed = False

    def write(self, data: Any) -> None:
        self.written += len(data)
        raise OSError("connection reset")

    def close(self) -> None:
        self.closed = True


class _ObjectStore:
    type_name = "s3"

    def __init__(self) -> None:
        self.streams: list[_Stream] = []

    def get_file_info(self, path: str) -> pafs.FileInfo:
        return pafs.FileInfo(path, pafs.FileType.NotFound)

    def open_output_stream(self, path: str) -> _Stream:
        self.streams.append(_Stream())
        return self.streams[-1]


def test_an_object_that_failed_half_way_is_never_closed() -> None:
    objects = _ObjectStore()
    place = RemotePlace(objects, "bucket/folder", name="s3://bucket/folder")
    segments = [memoryview(b"x" * 10), memoryview(b"y" * 10)]
    with pytest.raises(ArtifactError, match="s3://bucket/folder: connection reset"):
        place.write(segments, Hashing("array", "object", segments))
    stream = objects.streams.pop()
    assert stream.written == 10
    assert not stream.closed
    kept = weakref.ref(stream)
    del stream, objects, place
    gc.collect()
    assert kept() is not None


def test_a_failed_write_leaves_nothing_on_file_systems_that_can_rename(folder: Path) -> None:
    place = RemotePlace(pafs.LocalFileSystem(), str(folder), name="remote")
    segments: Any = [memoryview(b"x" * 10), "this is not bytes"]
    hashing = Hashing("array", "object", segments[:1])
    with pytest.raises(TypeError):
        place.write(segments, hashing)
    assert _files(folder) == []


def test_stores_are_opened_by_uri() -> None:
    store = FileSystemStore("mock://folder")
    ref = store.put(VALUES["small"], np.ndarray)
    np.testing.assert_array_equal(store.get(ref), VALUES["small"])


@pytest.mark.parametrize("uri", ["gopher://nowhere/x", "s3://"])
def test_a_uri_that_arrow_does_not_know_is_reported(uri: str) -> None:
    with pytest.raises(ArtifactError, match="Cannot use"):
        FileSystemStore(uri).put(VALUES["small"], np.ndarray)


def test_credentials_are_in_no_name() -> None:
    place = open_remote_place("s3://key:secret@bucket/folder?region=nowhere")
    assert place.name == "s3://key:**********@bucket/folder?region=nowhere"
