"""Artifacts in object stores, over their protocols: whole or not there.

Also where connections drop, and processes are killed.
"""

import os
import pickle
import signal
import subprocess
import sys
import textwrap
from typing import Any

import numpy as np
import pandas as pd
import pytest

import sematic
from sematic.artifacts import FileSystemStore
from sematic.errors import ArtifactError, CorruptArtifactError, MissingArtifactError
from tests.integration.object_stores.buckets import Bucket
from tests.integration.object_stores.lossy_proxy import LossyProxy

SMALL = np.arange(100)
LARGE = np.arange(4_000_000)  # 32 MB: several parts of an upload
MB = 1_000_000


@pytest.mark.parametrize(
    "value",
    [SMALL, LARGE, pd.DataFrame({"a": [1, None], "s": ["x", "y"]}), {"a": object}, ["x"] * 20_000],
    ids=["small", "large", "frame", "pickle", "list"],
)
def test_values_come_back(bucket: Bucket, value: Any) -> None:
    store = FileSystemStore(bucket.uri())
    ref = store.put(value, object)
    assert bucket.keys() == [f"artifacts/{ref.id[:2]}/{ref.id[2:]}"]
    read = store.get(ref)
    assert repr(read) == repr(value)
    assert store.exists(ref)
    store.check(ref)
    assert len(bucket.read(bucket.keys()[0])) == ref.size


def test_nothing_is_asked_of_it_before_it_is_needed() -> None:
    store = FileSystemStore("s3://key:secret@bucket/x?endpoint_override=127.0.0.1%3A1&scheme=http")
    ref = store.put(3, int)
    assert store.get(pickle.loads(pickle.dumps(ref))) == 3


def test_a_bucket_that_is_not_there_is_reported_without_the_key(bucket: Bucket) -> None:
    store = FileSystemStore(bucket.uri().replace(bucket.name, "missing"))
    with pytest.raises(ArtifactError, match="Cannot write to the artifact store") as seen:
        store.put(SMALL, object)
    assert "secret" not in str(seen.value)


def test_what_is_not_there_is_missed(bucket: Bucket) -> None:
    store = FileSystemStore(bucket.uri())
    ref = store.put(SMALL, object)
    bucket.delete(bucket.keys()[0])
    assert not store.exists(ref)
    with pytest.raises(MissingArtifactError, match=ref.id):
        store.get(ref)


@pytest.mark.parametrize("damage", ["truncated", "changed", "empty"])
def test_damaged_objects_are_reported_by_name(bucket: Bucket, damage: str) -> None:
    store = FileSystemStore(bucket.uri())
    ref = store.put(SMALL, object)
    (key,) = bucket.keys()
    content = bytearray(bucket.read(key))
    if damage == "changed":
        content[len(content) // 2] ^= 1
    bucket.write(
        key, b"" if damage == "empty" else bytes(content[: -(damage == "truncated") or None])
    )
    for action in (store.get, store.check):
        with pytest.raises(CorruptArtifactError, match=f"Cannot read artifact {ref.id}"):
            action(ref)
    assert store.exists(ref) is (damage == "changed")


def test_a_truncated_object_is_replaced_by_the_next_write(bucket: Bucket) -> None:
    store = FileSystemStore(bucket.uri())
    ref = store.put(SMALL, object)
    (key,) = bucket.keys()
    bucket.write(key, bucket.read(key)[:-1])
    assert store.put(SMALL, object) == ref
    store.check(ref)


@pytest.mark.parametrize("megabytes", [0.1, 6, 20])
def test_a_connection_that_drops_in_mid_write_leaves_nothing(
    bucket: Bucket, proxy: LossyProxy, megabytes: float
) -> None:
    store = FileSystemStore(bucket.uri(proxy.port))
    proxy.drop_upload_after = int(megabytes * MB)
    with pytest.raises(ArtifactError, match="Cannot write to the artifact store"):
        store.put(LARGE, object)
    assert proxy.dropped
    assert bucket.keys() == []
    proxy.heal()
    ref = store.put(LARGE, object)
    np.testing.assert_array_equal(FileSystemStore(bucket.uri()).get(ref), LARGE)


BROKEN_OFF = """
    import gc, sys
    from sematic.artifacts.identity import Hashing
    from sematic.artifacts.remote_place import open_remote_place

    segments = [memoryview(bytes(12_000_000)), "this is not bytes"]
    place = open_remote_place(sys.argv[1])
    try:
        place.write(segments, Hashing("array", "object", segments[:1]))
    except TypeError:
        print("failed", flush=True)
    gc.collect()
"""


def test_a_write_that_is_broken_off_between_two_parts_leaves_nothing(bucket: Bucket) -> None:
    """Every connection is fine: closing what was written so far would make an object of it."""
    process = _start(BROKEN_OFF, bucket.uri())
    assert process.stdout is not None
    assert process.stdout.readline() == "failed\n"
    assert bucket.keys() == []
    assert process.wait(60) == 0
    assert bucket.keys() == []


PROGRAM = """
    import gc, sys
    import numpy as np
    from sematic.artifacts import FileSystemStore
    from sematic.errors import ArtifactError

    store = FileSystemStore(sys.argv[1])
    print("writing", flush=True)
    try:
        store.put(np.arange(4_000_000), object)
    except ArtifactError:
        print("failed", flush=True)
    del store
    gc.collect()
"""


def _start(program: str, uri: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-c", textwrap.dedent(program), uri]
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)


def test_what_failed_does_not_appear_when_its_process_ends(
    bucket: Bucket, proxy: LossyProxy
) -> None:
    """The server is reachable again when the process ends: nothing may be completed then."""
    proxy.drop_upload_after = 12 * MB
    process = _start(PROGRAM, bucket.uri(proxy.port))
    assert process.stdout is not None
    assert process.stdout.readline() == "writing\n"
    assert process.stdout.readline() == "failed\n"
    proxy.heal()
    assert process.wait(60) == 0
    assert bucket.keys() == []


def test_a_process_that_is_killed_in_mid_write_leaves_nothing(
    bucket: Bucket, proxy: LossyProxy
) -> None:
    proxy.hold_upload_after = 12 * MB
    process = _start(PROGRAM, bucket.uri(proxy.port))
    assert proxy.held.wait(60)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert proxy.uploaded < LARGE.nbytes
    proxy.heal()
    assert bucket.keys() == []


@pytest.mark.parametrize("way", ["up", "down"])
def test_a_connection_that_drops_once_is_tried_again(
    bucket: Bucket, proxy: LossyProxy, way: str
) -> None:
    store = FileSystemStore(bucket.uri(proxy.port, seconds=60))
    proxy.most_drops = 1
    if way == "up":
        proxy.drop_upload_after = 12 * MB
    ref = store.put(LARGE, object)
    proxy.drop_download_after = 5 * MB
    np.testing.assert_array_equal(store.get(ref), LARGE)
    assert proxy.dropped == 1


@pytest.mark.slow  # the client tries again for a minute or two
def test_connections_that_drop_in_mid_read_are_an_error(bucket: Bucket, proxy: LossyProxy) -> None:
    ref = FileSystemStore(bucket.uri()).put(LARGE, object)
    store = FileSystemStore(bucket.uri(proxy.port))
    proxy.drop_download_after = 5 * MB
    with pytest.raises(ArtifactError, match=f"Cannot read artifact {ref.id}"):
        store.get(ref)
    assert proxy.dropped
    proxy.heal()
    np.testing.assert_array_equal(store.get(ref), LARGE)


FRUGAL = """
    import resource, sys
    import numpy as np
    from sematic.artifacts import FileSystemStore

    unit = 1 if sys.platform == "darwin" else 1024

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit

    store = FileSystemStore(sys.argv[1])
    store.put(np.arange(100), object)
    value = np.ones(30_000_000)
    before = peak()
    store.put(value, object)
    print((peak() - before) / value.nbytes)
"""


def test_a_large_value_is_not_copied_to_be_written(bucket: Bucket) -> None:
    process = _start(FRUGAL, bucket.uri())
    output, _ = process.communicate(timeout=120)
    assert float(output) < 0.6


@sematic.func
def make() -> np.ndarray:
    return np.arange(10_000)


@sematic.func
def total(values: np.ndarray) -> int:
    return int(values.sum())


@sematic.func
def pipeline() -> int:
    return total(make())


def test_one_setting_moves_a_pipelines_artifacts_there(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMATIC_ARTIFACTS_URI", bucket.uri())
    assert sematic.LocalRunner(progress="off").run(pipeline()) == 49_995_000
    assert len(bucket.keys()) == 1
