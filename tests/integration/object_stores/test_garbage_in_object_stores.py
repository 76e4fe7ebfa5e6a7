"""``sematic gc`` in object stores, while pipelines write what is about to go."""

import time
from functools import partial
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import sematic
from sematic.artifacts import FileSystemStore
from sematic.artifacts.garbage import DAY_SECONDS
from sematic.artifacts.remote_garbage import collect_remote_garbage
from sematic.artifacts.remote_place import RemotePlace, open_remote_place
from sematic.calls import ArtifactRef
from sematic.cli import main
from tests.integration.object_stores.buckets import Bucket
from tests.waiting import repeated


def _key(ref: ArtifactRef) -> str:
    return f"artifacts/{ref.id[:2]}/{ref.id[2:]}"


def _artifacts(bucket: Bucket) -> set[str]:
    """Without the folders that Arrow makes where an object goes."""
    keys = bucket.keys()
    return {key for key in keys if not key.endswith("/")}


def _collect(place: RemotePlace, **options: Any) -> list[str]:
    options = {"now": time.time, "older_than": DAY_SECONDS, "delete": True, **options}
    return [found.name for found in collect_remote_garbage(place, **options)]


def test_old_objects_go_and_marks_too(bucket: Bucket) -> None:
    store = FileSystemStore(bucket.uri())
    old, kept, young = (store.put(np.arange(length), object) for length in (10, 11, 12))
    bucket.age(_key(old))
    bucket.age(_key(kept))
    place = open_remote_place(bucket.uri())
    find: Any = {"find_recorded": lambda ids: {kept.id}}
    assert _collect(place, delete=False, **find) == [old.id]
    assert _artifacts(bucket) == {_key(old), _key(kept), _key(young)}
    assert _collect(place, **find) == [old.id]
    assert _artifacts(bucket) == {_key(kept), _key(young)}
    assert _collect(place, **find) == []


def test_the_command_collects_there(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMATIC_ARTIFACTS_URI", bucket.uri())
    assert sematic.LocalRunner(progress="off").run(pipeline(3)) == 50_025_000
    kept = _artifacts(bucket)
    ref = FileSystemStore(bucket.uri()).put(np.arange(10), object)
    bucket.age(_key(ref))
    name, last = CliRunner().invoke(main, ["gc"], catch_exceptions=False).stdout.splitlines()
    assert (name, last.startswith("Deleted 1 file, ")) == (ref.id, True)
    assert _artifacts(bucket) == kept


@sematic.func
def make(number: int) -> np.ndarray:
    return np.arange(10_000) + number


@sematic.func
def total(values: np.ndarray) -> int:
    return int(values.sum())


@sematic.func
def pipeline(number: int) -> int:
    return total(make(number))


class _Slow:
    """A file system with a long while between the last look and the deletion."""

    def __init__(self, filesystem: Any) -> None:
        self._filesystem = filesystem

    def __getattr__(self, name: str) -> Any:
        return getattr(self._filesystem, name)

    def delete_file(self, path: str) -> None:
        time.sleep(0.02)
        self._filesystem.delete_file(path)


@pytest.mark.slow
def test_pipelines_that_write_what_is_about_to_go_lose_nothing(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """80 of them: the value of each is there already, old and unknown, when it begins."""
    from sematic.settings import load_settings
    from sematic.tracking.references import find_referenced, iter_referenced

    monkeypatch.setenv("SEMATIC_ARTIFACTS_URI", bucket.uri())
    store = FileSystemStore(bucket.uri())
    runner = sematic.LocalRunner(progress="off")
    runner.run(pipeline(-1))
    url = load_settings().database_url
    place = open_remote_place(bucket.uri())
    refs = [store.put(np.arange(10_000) + number, np.ndarray) for number in range(80)]
    slow = RemotePlace(_Slow(place.filesystem), place.root, name=place.name)
    looked_at: list[str] = []  # the folder of the value in question only: they meet more often
    monkeypatch.setattr("sematic.artifacts.remote_garbage._FOLDERS", looked_at)
    deleted: list[str] = []

    def collect() -> None:
        deleted.extend(_collect(slow, find_recorded=partial(find_referenced, url)))

    with repeated(collect):
        for number, ref in enumerate(refs):
            future = pipeline(number)
            bucket.age(_key(ref))
            looked_at[:] = [ref.id[:2]]
            time.sleep(number % 20 / 1000)
            runner.run(future)
    assert deleted
    referenced = [ref for ref in iter_referenced(url) if ref.payload is None]
    assert len({ref.id for ref in referenced}) == 81
    for ref in referenced:
        store.check(ref)
