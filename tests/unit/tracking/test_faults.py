"""Full disks, locks, damage and missing permissions, on real files."""

import os
import pickle
import shutil
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from sematic.errors import FencedError, RecordError, RecordFullError, RecordUnavailableError
from sematic.events import CancelRequested, PipelineStarted, RunCreated, RunMoved
from sematic.ports import Batch
from sematic.state_machine import PipelineState
from sematic.states import PipelineRunStatus, RunState
from sematic.tracking import patience
from sematic.tracking.ballast import Ballast
from sematic.tracking.connections import connect, read_schema_version
from sematic.tracking.database import Database
from sematic.tracking.faults import LockedError, NoSpaceError, explain_sqlite, find_read_only
from sematic.tracking.queries import open_queries
from sematic.tracking.rows import RowBatch, RowBuilder
from sematic.tracking.settling import settle_broken
from sematic.tracking.sql_tracker import SqlTracker
from sematic.tracking.writer import SqlWriter
from tests.builders import ROOT, call, error, info
from tests.disks import SmallDisk


class Record:
    """A record with a pipeline run in it, and one who writes."""

    def __init__(self, path: Path, *, busy_seconds: float = 0.2) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"
        self.ballast = Ballast(path)
        Database(self.url).prepare()
        self.writer = SqlWriter(self.url, busy_seconds)
        self.writer.begin(info(), {})
        self._builder = RowBuilder()
        self._seq = 0

    def rows(self, *changes: Any) -> RowBatch:
        """The next batch."""
        rows = self._builder.build(
            Batch(ROOT, 1, self._seq, (CancelRequested(0.0, "x" * 10_000),), changes)
        )
        self._seq += 1
        return rows

    def write(self, *changes: Any) -> None:
        self.writer.write(self.rows(*changes))

    def write_until_full(self) -> int:
        """Returns how many batches are written."""
        for _ in range(10_000):
            try:
                self.write()
            except RecordFullError:
                return self._seq
            except NoSpaceError:
                return self._seq - 1
        raise AssertionError("the disk is endless")

    def numbers(self) -> list[int]:
        with closing(sqlite3.connect(self.path)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return [seq for (seq,) in connection.execute("SELECT seq FROM events ORDER BY seq")]


@contextmanager
def locked(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    made = Record(tmp_path / "record.db")
    yield made
    made.writer.close()


@pytest.fixture
def on_disk(small_disk: SmallDisk) -> Iterator[Record]:
    made = Record(small_disk.path / "record.db")
    yield made
    made.writer.close()


# --- a full disk


def test_the_batch_that_finds_the_disk_full_is_written(
    on_disk: Record, small_disk: SmallDisk
) -> None:
    assert on_disk.ballast.make()
    small_disk.fill(but=200_000)
    written = on_disk.write_until_full()
    assert written > 5
    assert not on_disk.ballast.path.exists()
    assert on_disk.numbers() == list(range(written))


def test_there_is_room_for_the_end_of_many_runs(on_disk: Record, small_disk: SmallDisk) -> None:
    on_disk.ballast.make()
    names = [f"{i:032x}" for i in range(10_000)]
    on_disk.write(*(RunCreated(1.0, call(name)) for name in names))
    small_disk.fill(but=200_000)
    on_disk.write_until_full()
    on_disk.write(*(RunMoved(1.0, n, RunState.CANCELED, reason="The disk is full.") for n in names))
    assert len(on_disk.numbers()) == on_disk._seq
    with closing(sqlite3.connect(on_disk.path)) as connection:
        states = connection.execute("SELECT state, COUNT(*) FROM runs GROUP BY state").fetchall()
    assert states == [("CANCELED", 10_000)]


def test_what_it_says(on_disk: Record, small_disk: SmallDisk) -> None:
    on_disk.writer.close()
    on_disk.ballast.make()
    small_disk.fill()
    with pytest.raises(RecordFullError) as caught:
        on_disk.write()
    assert str(caught.value) == (
        f"No space is left for the record at {on_disk.path}: the pipeline run was ended. Free some "
        "and begin anew: LocalRunner(rerun_from=<run id>) takes over what is recorded."
    )
    assert caught.value.recorded
    arrived = pickle.loads(pickle.dumps(caught.value))  # from an actor
    assert (str(arrived), arrived.recorded) == (str(caught.value), True)


def test_a_pipeline_run_can_be_ended_where_its_last_batch_has_no_room(
    on_disk: Record, small_disk: SmallDisk
) -> None:
    """Not even the ballast is enough: what is not recorded is given up, and not what is."""
    started = PipelineStarted(0.0, call(ROOT))
    instructions = PipelineState().handle(started)
    changes = tuple(i for i in instructions if isinstance(i, RunCreated | RunMoved))
    on_disk.writer.write(on_disk._builder.build(Batch(ROOT, 1, 0, (started,), changes)))
    on_disk.ballast.make()
    small_disk.fill()
    large = tuple(CancelRequested(0.0, "x" * 1_000_000) for _ in range(20))
    with pytest.raises(RecordFullError) as caught:
        on_disk.writer.write(on_disk._builder.build(Batch(ROOT, 1, 1, large, ())))
    assert not caught.value.recorded
    arrived = pickle.loads(pickle.dumps(caught.value))
    assert not arrived.recorded
    assert on_disk.numbers() == [0]
    settle_broken(on_disk.url, ROOT, 1, error("No space is left."))
    found = open_queries(on_disk.url).pipeline_run(ROOT)
    assert (found.status, found.reason) == (PipelineRunStatus.FAILED, "No space is left.")
    (run,) = open_queries(on_disk.url).runs(ROOT)
    assert run.state is RunState.FAILED
    with pytest.raises(FencedError):  # its driver has nothing more to say
        on_disk.writer.write(on_disk._builder.build(Batch(ROOT, 1, 1, large[:1], ())))


def test_somebody_may_have_made_room_while_it_was_locked(
    on_disk: Record, small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Then there is nothing to tell."""
    on_disk.writer.close()
    on_disk.ballast.make()
    small_disk.fill()
    empty_log = SqlWriter._empty_log

    def make_room(writer: SqlWriter) -> None:
        small_disk.make_room()
        empty_log(writer)

    monkeypatch.setattr(SqlWriter, "_empty_log", make_room)
    on_disk.write()
    assert on_disk.ballast.path.exists()
    assert on_disk.numbers() == [0]


def test_without_ballast_nothing_of_the_batch_is_written(
    on_disk: Record, small_disk: SmallDisk
) -> None:
    small_disk.fill()
    written = on_disk.write_until_full()
    assert on_disk.numbers() == list(range(written))
    rows = on_disk._builder.build(Batch(ROOT, 1, written, (CancelRequested(0.0, "x"),), ()))
    small_disk.make_room()
    on_disk.writer.write(rows)
    assert on_disk.numbers() == list(range(written + 1))


def test_a_disk_that_is_full_when_a_connection_is_opened(
    on_disk: Record, small_disk: SmallDisk
) -> None:
    """The shared memory file cannot grow: to SQLite an error of input and output."""
    on_disk.writer.close()
    on_disk.ballast.make()
    small_disk.fill()
    with pytest.raises(RecordFullError):
        on_disk.write()
    assert on_disk.numbers() == [0]


def test_a_lock_that_comes_between_is_no_reason_to_forget_it(
    on_disk: Record, small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_disk.writer.close()
    on_disk.ballast.make()
    small_disk.fill()
    free, rows = Ballast.free, on_disk.rows()
    with ExitStack() as stack:

        def free_and_lock(ballast: Ballast) -> bool:
            freed = free(ballast)
            stack.enter_context(locked(on_disk.path))
            return freed

        monkeypatch.setattr(Ballast, "free", free_and_lock)
        with pytest.raises(LockedError):
            on_disk.writer.write(rows)
    with pytest.raises(RecordFullError):
        on_disk.writer.write(rows)
    assert on_disk.numbers() == [0]


def test_a_tracker_makes_the_ballast_and_waits_for_room_where_there_is_none(
    small_disk: SmallDisk, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "_SECONDS_TO_TELL", 0.1)
    path = small_disk.path / "record.db"
    with closing(SqlTracker(f"sqlite:///{path}")) as tracker:
        epoch = tracker.begin(info())
        assert Ballast(path).free()
        small_disk.fill()
        timer = threading.Timer(1.0, small_disk.make_room)
        timer.start()
        for seq in range(20):
            event = CancelRequested(0.0, "x" * 100_000)
            tracker.record(Batch(ROOT, epoch, seq, (event,), ()))
        timer.join()
    told = capfd.readouterr().err
    assert f"No space left for the record at {path}. Free some" in told
    assert "can be used again" in told


def test_a_disk_that_is_full_from_the_start(small_disk: SmallDisk) -> None:
    small_disk.fill()
    path = small_disk.path / "record.db"
    with (
        closing(SqlTracker(f"sqlite:///{path}")) as tracker,
        pytest.raises(RecordError, match=f"No space left for the record at {path}. Free some"),
    ):
        tracker.begin(info())


def test_quotas_are_full_disks(small_disk: SmallDisk) -> None:
    fault = sqlite3.OperationalError("disk I/O error")
    path = small_disk.path / "record.db"
    assert not isinstance(explain_sqlite(fault, path), NoSpaceError)
    small_disk.fill()
    assert isinstance(explain_sqlite(fault, path), NoSpaceError)
    assert list(small_disk.path.glob("*.probe")) == []


# --- locks


def test_a_locked_record_is_told_as_such(record: Record) -> None:
    rows = record.rows()
    with locked(record.path):
        began = time.monotonic()
        with pytest.raises(LockedError, match=f"Another process has locked .* {record.path}"):
            record.writer.write(rows)
        assert time.monotonic() - began < 9  # by default it is waited for ten
    record.writer.write(rows)
    assert record.numbers() == [0]


def test_a_tracker_waits_for_who_has_locked_it(
    record: Record, capfd: pytest.CaptureFixture[str]
) -> None:
    with closing(SqlTracker(record.url)) as tracker, locked(record.path) as other:
        timer = threading.Timer(5.0, other.execute, ("ROLLBACK",))
        timer.start()
        epoch = tracker.begin(info("other"))
        tracker.record(Batch("other", epoch, 0, (CancelRequested(0.0, "x"),), ()))
    told = capfd.readouterr().err.splitlines()
    assert told == [
        f"sematic: Another process has locked the record at {record.path}. Waiting for it, for 10 "
        "minutes at most.",
        "sematic: The record can be used again.",
    ]
    assert record.numbers() == [0]


# --- damage and permissions

DAMAGE = {
    "text": lambda data: b"something else" * 1000,
    "header": lambda data: b"SQLite format 4" + data[15:],
    "first page": lambda data: data[:100] + b"\xff" * 3996 + data[4096:],
    "cut off": lambda data: data[:5000],
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_a_damaged_file_is_refused_and_not_changed(record: Record, kind: str) -> None:
    record.writer.close()
    damaged = DAMAGE[kind](record.path.read_bytes())
    record.path.write_bytes(damaged)
    with (
        closing(SqlTracker(record.url)) as tracker,
        pytest.raises(RecordError, match=rf"record at {record.path}: it is damaged.* move it away"),
    ):
        tracker.begin(info())
    assert record.path.read_bytes() == damaged


def test_a_read_only_disk(on_disk: Record, small_disk: SmallDisk) -> None:
    on_disk.writer.close()
    small_disk.make_read_only()
    with (
        closing(SqlTracker(on_disk.url)) as tracker,
        pytest.raises(RecordError, match=r"is read-only for this process.*SEMATIC_CONFIG_DIR"),
    ):
        tracker.begin(info())


def test_a_read_only_disk_without_a_record(small_disk: SmallDisk) -> None:
    small_disk.make_read_only()
    path = small_disk.path / "deep" / "er" / "record.db"
    with pytest.raises(RecordError, match=rf"{path}: {small_disk.path} is read-only for this"):
        SqlTracker(f"sqlite:///{path}").begin(info())


def test_a_record_on_a_read_only_disk_can_be_read(on_disk: Record, small_disk: SmallDisk) -> None:
    on_disk.write()
    on_disk.writer.close()
    small_disk.make_read_only()
    (row,) = open_queries(on_disk.url).pipeline_runs()
    assert row.root_id == ROOT
    with (
        closing(connect(on_disk.url, reading=True)) as connection,
        pytest.raises(sqlite3.OperationalError, match="readonly"),
    ):
        connection.execute("DELETE FROM events")


@pytest.mark.parametrize("endings", [("-wal", "-shm"), ("-wal",)])
def test_what_is_in_the_log_only_is_read_or_missed_aloud(
    record: Record, small_disk: SmallDisk, endings: tuple[str, ...]
) -> None:
    """A driver that was killed leaves a log: without it the file would be an older record."""
    record.write()
    copied = small_disk.path / "record.db"
    for ending in ("", *endings):
        shutil.copy(f"{record.path}{ending}", f"{copied}{ending}")
    small_disk.make_read_only()
    url = f"sqlite:///{copied}"
    if "-shm" in endings:
        with closing(connect(url, reading=True)) as connection:
            assert connection.execute("SELECT count(*) FROM events").fetchone() == (1,)
    else:
        with pytest.raises(RecordError, match=r"are in record\.db-wal, which only .* Copy both"):
            open_queries(url)


def as_nobody(function: Any) -> str:
    """What a function says in a process that is not root's: root may write everything."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            if os.geteuid() == 0:
                os.setuid(65534)
            function()
            os.write(writing, b"nothing")
        except BaseException as error:
            os.write(writing, f"{type(error).__name__}: {error}".encode())
        finally:
            os._exit(0)
    os.close(writing)
    with open(reading) as pipe:
        text = pipe.read()
    os.waitpid(child, 0)
    return text


def open_to_all(path: Path) -> None:
    """Let everyone come to a path of the test's own."""
    for parent in (path, *path.parents):
        if parent.stat().st_uid == os.geteuid() and parent.stat().st_mode & 0o005 != 0o005:
            parent.chmod(0o755)


@pytest.mark.parametrize("what", ["directory", "file"])
def test_what_may_not_be_written(record: Record, what: str) -> None:
    record.writer.close()
    open_to_all(record.path.parent)
    target = record.path.parent if what == "directory" else record.path
    if what == "file":
        record.path.parent.chmod(0o777)
    mode = target.stat().st_mode
    target.chmod(0o555 if what == "directory" else 0o444)
    try:
        said = as_nobody(lambda: SqlTracker(record.url).begin(info("other")))
    finally:
        target.chmod(mode)
    expected = f"RecordError: Cannot write the record at {record.path}: "
    assert said.startswith(expected), said
    with closing(connect(record.url)) as connection:
        assert len(connection.execute("SELECT * FROM pipeline_runs").fetchall()) == 1


def test_nothing_is_read_only_where_all_is_well(record: Record) -> None:
    assert find_read_only(record.path) is None
    assert read_schema_version(record.url) is not None


def test_descriptors_that_are_all_in_use_may_be_free_later(record: Record) -> None:
    fault = sqlite3.OperationalError("unable to open database file")
    explained = explain_sqlite(fault, record.path)
    assert type(explained) is RecordUnavailableError
