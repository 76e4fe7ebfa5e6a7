"""What a forked child inherits of its parent's connections: nothing that it could use or spoil."""

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from sematic import forks
from sematic.tracking.connections import connect, transaction
from sematic.tracking.writer import SqlWriter


@pytest.fixture
def url(tmp_path: Path) -> str:
    made = f"sqlite:///{tmp_path}/record.db"
    with closing(connect(made)) as connection:
        connection.execute("CREATE TABLE t (x)")
    return made


def in_child(work: Callable[[], object]) -> int:
    """The exit code of a forked child that does some work: 0 unless it raises or takes long."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(60)
            work()
            code = 0
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def insert(url: str) -> None:
    with closing(connect(url, busy_seconds=1)) as connection, transaction(connection) as cursor:
        cursor.execute("INSERT INTO t VALUES (1)")


def test_a_child_that_is_forked_beside_a_transaction_can_write(url) -> None:
    """Else SQLite in the child takes the file for locked, as long as the child lives."""
    begun, forking = threading.Event(), threading.Event()

    def write() -> None:
        with closing(connect(url)) as connection, transaction(connection) as cursor:
            cursor.execute("INSERT INTO t VALUES (2)")
            begun.set()
            forking.wait(60)
            time.sleep(0.2)

    thread = threading.Thread(target=write)
    thread.start()
    assert begun.wait(60)
    forking.set()
    assert in_child(lambda: insert(url)) == 0
    thread.join()
    insert(url)


def test_a_fork_is_not_held_up_for_ever(url, monkeypatch) -> None:
    monkeypatch.setattr(forks, "_MOST_SECONDS", 0.1)
    begun, done = threading.Event(), threading.Event()

    def write() -> None:
        with closing(connect(url)) as connection, transaction(connection):
            begun.set()
            done.wait(60)

    thread = threading.Thread(target=write)
    thread.start()
    assert begun.wait(60)
    assert in_child(lambda: None) == 0
    done.set()
    thread.join()
    insert(url)


def test_a_fork_inside_of_a_transaction_waits_for_nothing(url, monkeypatch) -> None:
    monkeypatch.setattr(forks, "_MOST_SECONDS", 60.0)
    with closing(connect(url)) as connection, transaction(connection):
        began = time.monotonic()
        assert in_child(lambda: None) == 0
        assert time.monotonic() - began < forks._MOST_SECONDS
    insert(url)


def test_a_child_does_not_close_what_its_parent_uses(url, tmp_path) -> None:
    """The last connection to a SQLite database takes its log away."""
    connection = connect(url)
    holder = [connection]
    del connection
    holder[0].execute("INSERT INTO t VALUES (1)")
    assert (tmp_path / "record.db-wal").stat().st_size
    assert in_child(holder.clear) == 0
    assert (tmp_path / "record.db-wal").stat().st_size
    with closing(sqlite3.connect(tmp_path / "record.db")) as other:
        assert other.execute("SELECT COUNT(*) FROM t").fetchone() == (1,)
    holder[0].close()


def test_a_writer_connects_anew_in_a_child(url) -> None:
    writer = SqlWriter(url)
    own = writer.open()

    def look() -> None:
        assert writer.open() is not own
        writer.close()

    assert in_child(look) == 0
    assert writer.open() is own
    writer.close()
