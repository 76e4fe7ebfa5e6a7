"""Values that belong to their process are refused by every store, with what to do instead."""

import asyncio
import io
import socket
import sqlite3
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sematic.artifacts.store import FileSystemStore
from sematic.errors import UnserializableValueError
from sematic.ports import ArtifactStore
from sematic.testing import MemoryStore

STORES: dict[str, Callable[[Path], ArtifactStore]] = {
    "memory": lambda path: MemoryStore(),
    "files": lambda path: FileSystemStore(path / "artifacts"),
}


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ArtifactStore:
    return STORES[request.param](tmp_path)


class Reader:
    def __init__(self, path: Path) -> None:
        self.file = path.open(encoding="utf-8")


def _count() -> Iterator[int]:
    yield 1


async def _wait() -> int:
    await asyncio.sleep(0)
    return 1


A_PATH = "Return its path, as a pathlib.Path, or what is in it"
PLAIN = "Return plain data, and make such things where they are used"
VALUES: dict[str, tuple[Callable[[Path], Any], str]] = {
    "text": (lambda path: path.open(encoding="utf-8"), A_PATH),
    "written": (lambda path: path.open("w", encoding="utf-8"), A_PATH),
    "bytes": (lambda path: path.open("rb"), A_PATH),
    "named": (lambda path: tempfile.NamedTemporaryFile(dir=path.parent), "Return "),  # noqa: SIM115
    "socket": (lambda path: socket.socket(), PLAIN),
    "lock": (lambda path: threading.Lock(), PLAIN),
    "generator": (lambda path: _count(), "Return a list of what it yields"),
    "connection": (lambda path: sqlite3.connect(":memory:"), "open it where it is used"),
    "cursor": (lambda path: sqlite3.connect(":memory:").cursor(), "open it where it is used"),
}


@pytest.mark.parametrize("name", VALUES)
def test_it_is_refused(store: ArtifactStore, tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.txt"
    path.write_text("hello")
    build, advice = VALUES[name]
    value = build(path)
    with pytest.raises(UnserializableValueError, match=advice):
        store.put(value, object)
    value.close() if hasattr(value, "close") else None


def test_a_coroutine_is_refused(store: ArtifactStore) -> None:
    value = _wait()
    with pytest.raises(UnserializableValueError, match="Wait for it"):
        store.put(value, object)
    value.close()


@pytest.mark.parametrize("build", [lambda file: {"a": [file.file]}, lambda file: file])
def test_a_file_inside_of_a_value_is_refused(
    store: ArtifactStore, tmp_path: Path, build: Callable[[Reader], Any]
) -> None:
    (tmp_path / "a.txt").write_text("hello")
    reader = Reader(tmp_path / "a.txt")
    with pytest.raises(UnserializableValueError):
        store.put(build(reader), object)
    reader.file.close()


def test_a_folder_that_is_deleted_with_its_owner_is_refused(tmp_path: Path) -> None:
    with (
        tempfile.TemporaryDirectory() as path,
        pytest.raises(UnserializableValueError, match="make one that stays"),
    ):
        FileSystemStore(tmp_path).put(tempfile.TemporaryDirectory(dir=path), object)


def test_files_in_memory_and_standard_streams_are_values(store: ArtifactStore) -> None:
    read: Any = store.get(store.put(io.StringIO("hello"), object))
    assert read.read() == "hello"
    assert store.get(store.put(print_to_standard_output, object)) is not None


def print_to_standard_output(stream: Any = sys.__stdout__) -> None:
    stream.write("")


@pytest.mark.parametrize(
    "value",
    [
        memoryview(b"abc"),
        memoryview(b"abcdefgh").cast("I"),
        memoryview(bytes(8)).cast("B", (2, 4)),
        memoryview(b""),
    ],
)
def test_views_of_memory_come_back(tmp_path: Path, value: memoryview) -> None:
    store = FileSystemStore(tmp_path)
    read: Any = store.get(store.put(value, object))
    assert type(read) is memoryview
    assert (read.format, read.shape, read.tolist()) == (value.format, value.shape, value.tolist())
