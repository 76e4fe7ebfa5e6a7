"""Files: complete or not there, written once, private to whoever reads, checked."""

import contextlib
import dataclasses
import errno
import os
import pickle
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sematic.artifacts import FileSystemStore, files, local_place
from sematic.errors import (
    ArtifactError,
    CorruptArtifactError,
    MissingArtifactError,
)
from tests.disks import SmallDisk

SMALL = np.arange(10)
LARGE = np.arange(200_000)  # hashed in a thread, mapped when read
HUGE = np.arange(2_000_000)  # written in several pieces
VALUES = {"small": SMALL, "large": LARGE, "huge": HUGE}


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.fixture(params=VALUES)
def value(request: pytest.FixtureRequest) -> Any:
    return VALUES[request.param]


def test_the_file_is_named_by_the_id_and_has_the_size_of_the_reference(
    store: FileSystemStore, folder: Path, value: Any
) -> None:
    assert not folder.exists()
    ref = store.put(value, np.ndarray)
    assert _files(folder) == [folder / ref.id[:2] / ref.id[2:]]
    assert _files(folder)[0].stat().st_size == ref.size
    assert ref.payload is None
    assert ref.summary is not None
    assert store.exists(ref)


def test_the_same_value_is_written_once_and_its_age_renewed(
    store: FileSystemStore, folder: Path, value: Any
) -> None:
    ref = store.put(value, np.ndarray)
    (path,) = _files(folder)
    inode = path.stat().st_ino
    os.utime(path, (1, 1))
    assert store.put(value.copy(), np.ndarray) == ref
    assert _files(folder) == [path]
    assert path.stat().st_ino == inode
    assert time.time() - path.stat().st_mtime < 60


def test_a_damaged_file_is_replaced_by_the_next_write(
    store: FileSystemStore, folder: Path, value: Any
) -> None:
    ref = store.put(value, np.ndarray)
    (path,) = _files(folder)
    path.write_bytes(path.read_bytes()[:-1])
    assert not store.exists(ref)
    assert store.put(value, np.ndarray) == ref
    assert store.exists(ref)
    store.check(ref)


def _damage(path: Path) -> None:
    """Change one byte of the data, in place; the structure stays as it is."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def test_bytes_that_changed_are_never_read_and_replaced_by_the_next_write(
    store: FileSystemStore, folder: Path, value: Any
) -> None:
    ref = store.put(value, np.ndarray)
    store.get(ref)
    _damage(*_files(folder))
    for action in (store.get, store.check, FileSystemStore(folder).get):
        with pytest.raises(CorruptArtifactError, match=ref.id):
            action(ref)
    assert store.put(value, np.ndarray) == ref
    np.testing.assert_array_equal(store.get(ref), value)


def test_long_files_of_the_same_pipeline_run_are_not_read_to_be_compared(folder: Path) -> None:
    began = time.time()
    store = FileSystemStore(folder, trusted_from=began)
    ref, small = store.put(HUGE, np.ndarray), store.put(SMALL, np.ndarray)
    for path in _files(folder):
        _damage(path)
    other = pickle.loads(pickle.dumps(store))
    assert other.get(ref).shape == HUGE.shape
    with pytest.raises(CorruptArtifactError):
        other.get(small)
    for path in _files(folder):
        os.utime(path, (began - 1, began - 1))
    with pytest.raises(CorruptArtifactError):
        other.get(ref)


def test_a_long_file_is_compared_once(
    store: FileSystemStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ref = store.put(HUGE, np.ndarray)
    other, counted = FileSystemStore(folder), []
    monkeypatch.setattr(files, "build_id", lambda *parts: counted.append(parts) or ref.id)
    for _ in range(3):
        other.get(ref)
        store.get(ref)
    assert len(counted) == 1


def test_stores_can_be_pickled_and_share_their_files(folder: Path, value: Any) -> None:
    store = FileSystemStore(folder)
    ref = store.put(value, np.ndarray)
    copy = pickle.loads(pickle.dumps(store))
    np.testing.assert_array_equal(copy.get(ref), value)
    np.testing.assert_array_equal(FileSystemStore(folder.as_uri()).get(ref), value)


def test_a_relative_location_does_not_follow_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = FileSystemStore("relative")
    ref = store.put(SMALL, np.ndarray)
    monkeypatch.chdir("/")
    np.testing.assert_array_equal(store.get(ref), SMALL)


def test_threads_and_processes_write_the_same_value_at_once(
    store: FileSystemStore, folder: Path
) -> None:
    code = (
        "import sys, numpy as np\n"
        "from sematic.artifacts import FileSystemStore\n"
        "for _ in range(5):\n"
        "    FileSystemStore(sys.argv[1]).put(np.arange(200_000), np.ndarray)\n"
    )
    other = subprocess.Popen([sys.executable, "-c", code, str(folder)])
    with ThreadPoolExecutor(4) as pool:
        refs = list(pool.map(lambda _: store.put(LARGE, np.ndarray), range(12)))
    assert other.wait(60) == 0
    assert len(set(refs)) == 1
    assert len(_files(folder)) == 1
    store.check(refs[0])


def test_a_missing_file_is_reported_with_id_and_place(
    store: FileSystemStore, folder: Path, value: Any
) -> None:
    ref = store.put(value, np.ndarray)
    _files(folder)[0].unlink()
    assert not store.exists(ref)
    for action in (store.get, store.check):
        with pytest.raises(MissingArtifactError, match=ref.id) as caught:
            action(ref)
        assert str(folder) in str(caught.value)


def test_a_store_that_never_was_has_nothing(tmp_path: Path, store: FileSystemStore) -> None:
    ref = store.put(SMALL, np.ndarray)
    elsewhere = FileSystemStore(tmp_path / "elsewhere")
    assert not elsewhere.exists(ref)
    with pytest.raises(MissingArtifactError):
        elsewhere.get(ref)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("left", [0, 5, 100, -1])
def test_truncated_files_are_reported(
    store: FileSystemStore, folder: Path, value: Any, left: int
) -> None:
    ref = store.put(value, np.ndarray)
    (path,) = _files(folder)
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(CorruptArtifactError, match=ref.id) as caught:
        store.get(ref)
    assert str(folder) in str(caught.value)


@pytest.mark.parametrize(
    "damaged",
    [
        SMALL,
        LARGE,
        {"a": [SMALL]},
        [str(i) for i in range(10_000)],
        {str(i): i for i in range(5_000)},
        dict.fromkeys(range(2), LARGE),
        pd.DataFrame({"a": [1, 2], "s": ["x", None], "k": pd.Categorical(["a", "b"])}),
        pd.Series([[1], {"a"}], dtype=object, index=[0.5, 1.5]),
    ],
    ids=["small", "large", "pickle", "sequence", "plain", "large pickle", "frame", "series"],
)
def test_damage_anywhere_is_an_error_or_another_value_and_found_by_the_check(
    store: FileSystemStore, folder: Path, damaged: object
) -> None:
    ref = store.put(damaged, object)
    (path,) = _files(folder)
    content = path.read_bytes()
    random = np.random.default_rng(0)
    places = [0, 9, 100, len(content) // 2, len(content) - 20, len(content) - 8]
    for place in [*places, *random.integers(0, min(len(content), 2000), 20)]:
        broken = bytearray(content)
        broken[place : place + 4] = bytes(b ^ 0xFF for b in broken[place : place + 4])
        path.write_bytes(broken)
        with contextlib.suppress(ArtifactError):  # unless it is data that still makes a value
            store.get(ref, verify=False)
        with pytest.raises(CorruptArtifactError, match=ref.id):
            store.check(ref)
        with pytest.raises(CorruptArtifactError, match=ref.id):
            store.get(ref)


def test_a_file_of_something_else_is_reported(store: FileSystemStore, folder: Path) -> None:
    ref = store.put(SMALL, np.ndarray)
    other = store.put([1.5] * 20_000, list[float])
    forged = dataclasses.replace(ref, id=other.id, size=other.size)
    with pytest.raises(CorruptArtifactError, match="codec 'sequence', not 'array'"):
        store.get(forged, verify=False)
    (path,) = (path for path in _files(folder) if path.stat().st_size == ref.size)
    path.write_bytes(b"x" * ref.size)
    with pytest.raises(CorruptArtifactError, match="not an Arrow file"):
        store.get(ref, verify=False)


def test_a_codec_from_the_future_is_no_corruption(store: FileSystemStore) -> None:
    ref = dataclasses.replace(store.put(SMALL, np.ndarray), codec="hologram")
    with pytest.raises(ArtifactError, match=r"'hologram'.*Upgrade") as caught:
        store.get(ref)
    assert not isinstance(caught.value, CorruptArtifactError)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_reported_and_leaves_nothing(
    store: FileSystemStore,
    folder: Path,
    value: Any,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
) -> None:
    def write(descriptor: int, data: memoryview) -> int:
        raise OSError(code, os.strerror(code))

    with monkeypatch.context() as patch:
        patch.setattr(local_place.os, "write", write)
        with pytest.raises(ArtifactError, match="no space left") as caught:
            store.put(value, np.ndarray)
    assert isinstance(caught.value.__cause__, OSError)
    assert _files(folder) == []
    assert store.exists(store.put(value, np.ndarray))


_LIMITED = """
import resource, sys
import numpy as np
from sematic.artifacts import FileSystemStore
from sematic.errors import ArtifactError
resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))
try:
    FileSystemStore(sys.argv[1]).put(np.arange(2_000_000), np.ndarray)
except ArtifactError as error:
    print(type(error.__cause__).__name__)
"""


def test_a_write_that_the_kernel_ends_half_way_leaves_nothing(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(folder)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "OSError"
    assert _files(folder) == []


def test_an_interrupted_write_leaves_nothing(
    store: FileSystemStore, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write(descriptor: int, data: memoryview) -> int:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(local_place.os, "write", write)
        with pytest.raises(KeyboardInterrupt):
            store.put(HUGE, np.ndarray)
    assert _files(folder) == []
    assert not any(thread.name == "sematic-hash" for thread in threading.enumerate())


@contextlib.contextmanager
def _nobody() -> Iterator[None]:
    """As a user who is not root, to whom permissions apply."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_read_only_store_can_be_read_and_says_that_it_cannot_be_written() -> None:
    with tempfile.TemporaryDirectory() as folder:
        store = FileSystemStore(folder)
        ref = store.put(SMALL, np.ndarray)
        for path in (Path(folder), Path(folder) / ref.id[:2]):
            path.chmod(0o555)
        try:
            with _nobody():
                np.testing.assert_array_equal(store.get(ref), SMALL)
                assert store.put(SMALL, np.ndarray) == ref  # it is there: nothing to write
                with pytest.raises(ArtifactError, match=r"Permission denied.*another location"):
                    store.put(LARGE, np.ndarray)
        finally:
            for path in (Path(folder), Path(folder) / ref.id[:2]):
                path.chmod(0o755)


def test_a_location_that_is_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match=str(tmp_path / "file")):
        FileSystemStore(tmp_path / "file").put(SMALL, np.ndarray)


def test_many_mapped_values_can_live_at_once(store: FileSystemStore) -> None:
    value = np.zeros(100_000)
    ref = store.put(value, np.ndarray)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        read = [store.get(ref) for _ in range(150)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert all(np.array_equal(array, value) for array in read)  # type: ignore[arg-type]


def test_synced_writes_come_back(folder: Path, value: Any) -> None:
    store = FileSystemStore(folder, fsync=True)
    np.testing.assert_array_equal(store.get(store.put(value, np.ndarray), verify=True), value)


def test_writing_takes_no_second_copy_in_memory(folder: Path) -> None:
    code = (
        "import resource, sys, numpy as np\n"
        "from sematic.artifacts import FileSystemStore\n"
        "store = FileSystemStore(sys.argv[1])\n"
        "store.put(np.ones(10), np.ndarray)\n"
        "value = np.ones(8_000_000)\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = peak()\n"
        "store.put(value, np.ndarray)\n"
        "print((peak() - before) * (1 if sys.platform == 'darwin' else 1024))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    assert int(done.stdout) < 16_000_000  # the value has 64 MB


# --- full and read-only disks


def test_a_full_disk_names_the_directory_and_leaves_nothing(small_disk: SmallDisk) -> None:
    folder = small_disk.path / "artifacts"
    store = FileSystemStore(folder)
    small = store.put(SMALL, np.ndarray)
    before = _files(folder)
    small_disk.fill(but=100_000)
    with pytest.raises(ArtifactError) as caught:
        store.put(LARGE, np.ndarray)
    assert str(caught.value) == (
        f"Cannot write to the artifact store {folder}: no space left. Free some, or set "
        "SEMATIC_ARTIFACTS_URI to another location."
    )
    assert _files(folder) == before
    np.testing.assert_array_equal(store.get(small), SMALL)
    small_disk.make_room()
    assert store.exists(store.put(LARGE, np.ndarray))


def test_what_can_be_written_to_is_known_before_anything_is(small_disk: SmallDisk) -> None:
    folder = small_disk.path / "deep" / "er"
    FileSystemStore(folder).check_writable()
    FileSystemStore("s3://bucket/folder").check_writable()
    assert not folder.parent.exists()
    small_disk.make_read_only()
    with pytest.raises(
        ArtifactError, match=rf"store {folder}: {small_disk.path} is read-only.*SEMATIC_ARTIFACTS"
    ):
        FileSystemStore(folder).check_writable()


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match=rf"{tmp_path}/file is no directory"):
        FileSystemStore(tmp_path / "file" / "artifacts").check_writable()
