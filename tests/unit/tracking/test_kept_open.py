"""The connection that stays open between pipeline runs: quicker, and in nobody's way."""

import os
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

import sematic
from sematic.tracking import kept_open, writer
from sematic.tracking.connections import connect
from sematic.tracking.database import Database
from sematic.tracking.kept_open import close_kept, keep_open, take_kept


@pytest.fixture(autouse=True)
def _new_keeper(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """One that keeps for long, and whose thread does not sleep for another test."""
    monkeypatch.setattr(kept_open, "_keeper", kept_open._Keeper())
    monkeypatch.setattr(kept_open, "_SECONDS_TO_KEEP", 60.0)
    yield
    close_kept()


@sematic.func
def identity(x: int) -> int:
    return x


def make(directory: Path) -> tuple[str, Path]:
    """URL and log of a new record."""
    directory.mkdir(exist_ok=True)
    url = f"sqlite:///{directory}/record.db"
    Database(url).prepare()
    return url, directory / "record.db-wal"


def use(url: str) -> None:
    with closing(connect(url)) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS mine (x)")
        connection.execute("INSERT INTO mine VALUES (1)")


def keep(url: str) -> None:
    keep_open(url, take_kept(url, busy_seconds=1.0) or connect(url))


def test_the_log_stays_until_it_is_closed(tmp_path: Path) -> None:
    url, log = make(tmp_path)
    use(url)
    assert not log.exists()
    keep(url)
    use(url)
    assert log.exists()
    close_kept()
    assert not log.exists()


def test_whoever_comes_next_goes_on_with_it(tmp_path: Path) -> None:
    url, _ = make(tmp_path)
    connection = connect(url, busy_seconds=1.0)
    keep_open(url, connection)
    taken = take_kept(url, busy_seconds=2.5)
    assert taken is connection
    assert taken.execute("PRAGMA busy_timeout").fetchone() == (2500,)
    assert take_kept(url, busy_seconds=2.5) is None
    taken.close()


def test_a_pipeline_run_goes_on_with_the_connection_of_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEMATIC_CONFIG_DIR", str(tmp_path))
    opened = []
    monkeypatch.setattr(writer, "connect", lambda *a, **k: opened.append(1) or connect(*a, **k))
    for value in 1, 2:
        assert sematic.LocalRunner(progress="off").run(identity(value)) == value
    assert opened == [1]


def test_two_of_one_record_are_not_kept(tmp_path: Path) -> None:
    url, log = make(tmp_path)
    first, second = connect(url), connect(url)
    keep_open(url, first)
    keep_open(url, second)
    assert take_kept(url, busy_seconds=1.0) is second
    with pytest.raises(sqlite3.ProgrammingError):
        first.execute("SELECT 1")
    second.close()
    assert not log.exists()


def test_one_in_a_transaction_is_closed(tmp_path: Path) -> None:
    url, _ = make(tmp_path)
    connection = connect(url)
    connection.execute("BEGIN IMMEDIATE")
    keep_open(url, connection)
    assert take_kept(url, busy_seconds=1.0) is None
    use(url)  # it holds no lock any more


def test_there_may_be_no_more_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    url, log = make(tmp_path)
    monkeypatch.setattr(threading.Thread, "start", start)
    keep(url)
    assert not log.exists()
    monkeypatch.undo()
    keep(url)
    assert log.exists()


def test_another_record_takes_its_place(tmp_path: Path) -> None:
    (first, first_log), (second, second_log) = make(tmp_path / "1"), make(tmp_path / "2")
    for url in first, second, second:
        keep(url)
        use(url)
    assert not first_log.exists()
    assert second_log.exists()


def test_a_record_that_was_replaced_is_noticed(tmp_path: Path) -> None:
    url, log = make(tmp_path)
    keep(url)
    for path in tmp_path.iterdir():
        path.unlink()
    assert take_kept(url, busy_seconds=1.0) is None
    make(tmp_path)
    assert take_kept(url, busy_seconds=1.0) is None
    keep(url)
    use(url)
    assert log.exists()
    close_kept()
    with closing(sqlite3.connect(tmp_path / "record.db")) as connection:
        assert connection.execute("SELECT count(*) FROM mine").fetchone() == (1,)


def test_one_of_a_record_that_is_gone_is_not_kept(tmp_path: Path) -> None:
    url, _ = make(tmp_path)
    connection = connect(url)
    for path in tmp_path.iterdir():
        path.unlink()
    make(tmp_path)
    keep_open(url, connection)
    assert take_kept(url, busy_seconds=1.0) is None


def test_it_is_closed_a_while_after_its_last_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_open, "_SECONDS_TO_KEEP", 0.4)
    url, log = make(tmp_path)
    for _ in range(3):
        asked_for = time.monotonic()
        keep(url)
        use(url)
        time.sleep(0.2)
        there = log.exists()
        assert there or time.monotonic() - asked_for > 0.4
    deadline = time.monotonic() + 60
    while log.exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_child_process_can_use_the_record_longer_than_its_parent(tmp_path: Path) -> None:
    """SQLite would take the parent's locks for its own, and lose its log when that closes it."""
    url, _ = make(tmp_path)
    keep(url)
    use(url)
    go_on, parent_is_done = os.pipe()
    child = os.fork()
    if child == 0:
        with closing(connect(url)) as connection:
            connection.execute("INSERT INTO mine VALUES (2)")
            os.read(go_on, 1)
            connection.execute("INSERT INTO mine VALUES (3)")
        os._exit(0)
    close_kept()
    os.write(parent_is_done, b"x")
    assert os.waitpid(child, 0)[1] == 0
    with closing(connect(url)) as connection:
        assert connection.execute("SELECT count(*) FROM mine").fetchone() == (3,)


def test_it_is_closed_when_the_process_ends(tmp_path: Path) -> None:
    program = (
        "import sematic\n"
        "@sematic.func\n"
        "def one() -> int: return 1\n"
        "for _ in range(2): print(sematic.LocalRunner(progress='off').run(one()))\n"
    )
    command = [sys.executable, "-c", program]
    environment = {**os.environ, "SEMATIC_CONFIG_DIR": str(tmp_path)}
    subprocess.run(command, env=environment, check=True)
    assert (tmp_path / "sematic.db").exists()
    assert not list(tmp_path.glob("*-wal"))


def test_a_long_log_is_tidied_up_at_once(tmp_path: Path) -> None:
    url, log = make(tmp_path)
    connection = connect(url)
    connection.execute("CREATE TABLE mine (x)")
    connection.execute("INSERT INTO mine VALUES (zeroblob(5000000))")
    assert log.stat().st_size > 5_000_000
    keep_open(url, connection)
    assert log.stat().st_size == 0
    assert take_kept(url, busy_seconds=1.0) is connection
    keep_open(url, connection)


def test_nobody_waits_for_those_who_use_a_long_log(tmp_path: Path) -> None:
    url, log = make(tmp_path)
    connection = connect(url, busy_seconds=60.0)
    connection.execute("CREATE TABLE mine (x)")
    connection.execute("INSERT INTO mine VALUES (zeroblob(5000000))")
    with closing(connect(url)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        keep_open(url, connection)
        assert time.monotonic() - began < 30.0
    assert log.exists()
