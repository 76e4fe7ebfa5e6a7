"""The database of the record: made where it is needed, refused where it cannot be."""

import os
import sqlite3
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy

from sematic.errors import RecordError, UnknownSchemaError
from sematic.settings import load_settings
from sematic.tracking import connections
from sematic.tracking.connections import (
    HEAD,
    check_place,
    connect,
    display_url,
    file_system_type,
    is_sqlite,
    read_schema_version,
    sqlite_path,
    transaction,
)
from sematic.tracking.database import Database
from sematic.tracking.tables import metadata


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/deep/er/record.db"


# --- preparing


def test_nothing_is_made_before_it_is_needed(url, tmp_path) -> None:
    assert Database(url).display_name == url
    assert list(tmp_path.iterdir()) == []


def test_tables_and_directories_are_made(url) -> None:
    database = Database(url)
    database.prepare()
    tables = set(sqlalchemy.inspect(database.engine).get_table_names())
    assert tables == set(metadata.tables)
    assert read_schema_version(url) == HEAD
    directory = sqlite_path(url).parent
    assert stat.S_IMODE(directory.stat().st_mode) & 0o077 == 0


def test_preparing_twice_changes_nothing(url) -> None:
    Database(url).prepare()
    before = sqlite_path(url).read_bytes()
    Database(url).prepare()
    assert sqlite_path(url).read_bytes() == before


def test_several_may_prepare_at_once(url) -> None:
    with ThreadPoolExecutor(4) as threads:
        list(threads.map(lambda _: Database(url).prepare(), range(8)))
    with connect(url) as connection:
        versions = connection.execute("SELECT version_num FROM alembic_version").fetchall()
    assert versions == [(HEAD,)]


def test_several_processes_may_prepare_at_once(url) -> None:
    code = (
        "import sys; from sematic.tracking.database import Database; "
        "Database(sys.argv[1]).prepare()"
    )
    children = [subprocess.Popen([sys.executable, "-c", code, url]) for _ in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    assert read_schema_version(url) == HEAD


def test_a_record_of_a_newer_version_is_refused(url) -> None:
    Database(url).prepare()
    connection = connect(url)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    with pytest.raises(UnknownSchemaError) as caught:
        Database(url).prepare()
    assert f"schema 9999, this version knows {HEAD}" in str(caught.value)
    assert "pip install -U sematic" in str(caught.value)


def test_an_engine_does_not_survive_a_fork(url) -> None:
    database = Database(url)
    database.prepare()
    engine = database.engine
    assert database.engine is engine
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"new" if database.engine is not engine else b"old")
        os._exit(0)
    os.waitpid(child, 0)
    assert os.read(reading, 3) == b"new"
    os.close(reading)
    os.close(writing)


# --- connections


def test_connections_are_safe_for_several_processes(url) -> None:
    connection = connect(url)
    assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert connection.execute("PRAGMA synchronous").fetchone() == (1,)  # NORMAL
    assert connection.execute("PRAGMA busy_timeout").fetchone()[0] >= 10_000
    assert connection.isolation_level is None
    connection.close()


def test_a_transaction_is_all_or_nothing(url) -> None:
    connection = connect(url)
    connection.execute("CREATE TABLE t (x)")
    with transaction(connection) as cursor:
        cursor.execute("INSERT INTO t VALUES (1)")
    with pytest.raises(sqlite3.OperationalError), transaction(connection) as cursor:
        cursor.execute("INSERT INTO t VALUES (2)").execute("INSERT INTO missing VALUES (3)")
    assert connection.execute("SELECT x FROM t").fetchall() == [(1,)]
    assert not connection.in_transaction
    connection.close()


def test_a_transaction_that_sqlite_rolled_back_itself(url) -> None:
    connection = connect(url)
    with pytest.raises(sqlite3.OperationalError, match="disk"), transaction(connection) as cursor:
        roll_back_for_a_full_disk(cursor)
    connection.close()


def roll_back_for_a_full_disk(cursor: sqlite3.Cursor) -> None:
    cursor.execute("ROLLBACK")
    raise sqlite3.OperationalError("database or disk is full")


def test_a_transaction_that_reads_first_takes_the_lock(url) -> None:
    """Else two that read and then write would fail, one of them without having waited."""
    connect(url).execute("CREATE TABLE t (x)")

    def count(_: int) -> None:
        connection = connect(url)
        for _ in range(10):
            with transaction(connection) as cursor:
                (number,) = cursor.execute("SELECT COUNT(*) FROM t").fetchone()
                cursor.execute("INSERT INTO t VALUES (?)", (number,))
        connection.close()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count, range(4)))
    numbers = connect(url).execute("SELECT x FROM t ORDER BY x").fetchall()
    assert numbers == [(i,) for i in range(40)]


# --- places


@pytest.mark.parametrize(
    "bad", ["sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:x.db", "sqlite:///x.db"]
)
def test_a_url_without_an_absolute_path_is_refused(bad) -> None:
    """A relative one would be another database in every directory, and in every worker."""
    with pytest.raises(RecordError, match=r"names no absolute path\. Write sqlite:////absolute"):
        connect(bad)


def test_urls() -> None:
    assert is_sqlite("sqlite:////a/b.db")
    assert not is_sqlite("postgresql://h/n")
    assert sqlite_path("sqlite:////a/b.db?mode=ro") == Path("/a/b.db")
    assert (
        display_url("postgresql://me:se@cret@host/name") == "postgresql://me:**********@host/name"
    )
    assert display_url("sqlite:////a/b.db") == "sqlite:////a/b.db"


@pytest.mark.parametrize("name", ["what?", "100%", "%41", "a b#c"])
def test_a_config_directory_may_have_any_name(tmp_path, monkeypatch, name) -> None:
    directory = tmp_path / name
    monkeypatch.setenv("SEMATIC_CONFIG_DIR", str(directory))
    url = load_settings().database_url
    Database(url).prepare()
    assert sqlite_path(url) == directory / "sematic.db"
    assert read_schema_version(url) == HEAD
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (directory / "sematic.db").is_file()


def test_a_directory_that_cannot_be_made(tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RecordError, match=r"Cannot keep the record at .*/file is no directory"):
        connect(f"sqlite:///{tmp_path}/file/record.db")


def test_a_file_that_is_no_database(tmp_path) -> None:
    (tmp_path / "record.db").write_bytes(b"something else" * 100)
    with pytest.raises(
        RecordError, match=r"record\.db: it is damaged.*not a database.* move it away"
    ):
        connect(f"sqlite:///{tmp_path}/record.db")


def test_network_file_systems_are_refused(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(connections, "file_system_type", lambda directory: "nfs4")
    with pytest.raises(RecordError) as caught:
        check_place(tmp_path / "record.db")
    assert "on a network file system (nfs4), where SQLite can lose data" in str(caught.value)
    assert "SEMATIC_CONFIG_DIR" in str(caught.value)


@pytest.mark.skipif(not Path("/proc/self/mounts").exists(), reason="tells of Linux only")
def test_the_file_system_of_a_directory() -> None:
    assert file_system_type(Path("/proc/self")) == "proc"
    assert file_system_type(Path("/proc/self/no/such/directory")) == "proc"


def test_an_unreachable_postgres_is_named_without_its_password() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(RecordError) as caught:
        connect("postgresql://me:secret@127.0.0.1:1/name")
    assert "postgresql://me:**********@127.0.0.1:1/name" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_no_sqlalchemy_to_write() -> None:
    code = (
        "import sys; from sematic.tracking import connections, writer; "
        "assert 'sqlalchemy' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_driver_of_sqlite_raises_what_is_translated() -> None:
    assert connections.driver_error("sqlite:////x") is sqlite3.Error
