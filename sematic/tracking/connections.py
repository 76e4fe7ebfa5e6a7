"""Connections of the drivers themselves, for SQLite and PostgreSQL. Loads no SQLAlchemy.

The recorder writes through these: statements are compiled once, and a process that only writes
(the tracker actor) starts a quarter of a second sooner.
"""

import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from sematic.credentials import hide_credentials
from sematic.errors import RecordError
from sematic.forks import no_fork
from sematic.tracking.faults import explain_postgres, explain_sqlite, find_read_only
from sematic.tracking.forks import keep_from_children

HEAD = "0005"
"""The migration that makes the tables that this version uses; a test compares the two."""

BUSY_SECONDS = 30.0
"""How long a statement waits where another process writes to a SQLite database."""

_RETRY_SECONDS = 0.05
_SQLITE = "sqlite:///"
# A server that is gone without a word is missed within half a minute, not in hours.
_POSTGRES_OPTIONS = {
    "connect_timeout": 10,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
# Where SQLite's locks cannot be relied upon; as /proc/self/mounts names them.
_NETWORK_FILE_SYSTEMS = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph")


def is_sqlite(url: str) -> bool:
    """Whether a database URL is of SQLite rather than PostgreSQL."""
    return url.startswith("sqlite:")


def sqlite_path(url: str) -> Path:
    """The file of a SQLite URL: ``sqlite:////absolute/path``, in which ``%3F`` is a ``?``.

    Raises:
        RecordError: the URL names no file, or one that depends on the current directory.
    """
    path = unquote(url.removeprefix(_SQLITE).partition("?")[0])
    if not url.startswith(_SQLITE) or not os.path.isabs(path):
        raise RecordError(
            f"{url!r} names no absolute path. Write sqlite:////absolute/path/to/file.db, with four "
            "slashes."
        )
    return Path(path)


def display_url(url: str) -> str:
    """A database URL without its password."""
    return hide_credentials(url)


def connect(url: str, *, busy_seconds: float = BUSY_SECONDS, reading: bool = False) -> Any:
    """A new connection in autocommit mode; :func:`transaction` opens transactions on it.

    Args:
        url: of the database.
        busy_seconds: how long a statement waits for another process, SQLite only.
        reading: whether nothing is going to be written: then a SQLite file may be read-only.

    Raises:
        RecordUnavailableError: it is locked, or cannot be reached now.
        RecordError: it must not, or cannot, be used as it is.
    """
    with errors_explained(url), no_fork():
        if is_sqlite(url):
            path = sqlite_path(url)
            if reading and find_read_only(path) is not None:
                return keep_from_children(_connect_read_only(path, busy_seconds))
            return keep_from_children(_connect_sqlite(path, busy_seconds))
        return keep_from_children(_connect_postgres(url))


@contextmanager
def errors_explained(url: str) -> Iterator[None]:
    """What the driver raises becomes a RecordError that says what to do."""
    try:
        yield
    except (driver_error(url), OSError) as error:
        raise explain(error, url) from error


def explain(error: Exception, url: str) -> RecordError:
    """An error of the driver's, or of the file system's, as one that says what to do."""
    if is_sqlite(url):
        return explain_sqlite(error, sqlite_path(url))
    return explain_postgres(error, _psycopg(), display_url(url))


def driver_error(url: str) -> type[Exception]:
    """The root of what the driver raises."""
    return sqlite3.Error if is_sqlite(url) else _psycopg().Error


def read_schema_version(url: str, *, reading: bool = False) -> str | None:
    """The schema version of a database's tables, ``None`` where there are none.

    Args:
        url: of the database.
        reading: see :func:`connect`.

    Raises:
        RecordError: the database cannot be reached.
    """
    connection = connect(url, reading=reading)
    with errors_explained(url), closing(connection):
        return schema_version(connection)


def schema_version(connection: Any) -> str | None:
    """The schema version of a connection's database, ``None`` where it has no tables."""
    if isinstance(connection, sqlite3.Connection):
        query = "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
    else:
        query = (
            "SELECT 1 FROM information_schema.tables WHERE table_name = 'alembic_version' "
            "AND table_schema = current_schema()"
        )
    if connection.execute(query).fetchone() is None:
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return str(row[0]) if row else None


def driver_errors(connection: Any) -> type[Exception]:
    """The root of what a connection raises."""
    if isinstance(connection, sqlite3.Connection):
        return sqlite3.Error
    return _psycopg().Error  # type: ignore[no-any-return]


@contextmanager
def transaction(connection: Any) -> Iterator[Any]:
    """All or nothing, with a cursor to do it with.

    ``BEGIN IMMEDIATE`` takes SQLite's write lock at once: a transaction that reads first and
    writes then would fail, without waiting, where another one wrote in between.
    """
    with no_fork():
        yield from _transact(connection)


def _transact(connection: Any) -> Iterator[Any]:
    immediate = isinstance(connection, sqlite3.Connection)
    cursor = connection.cursor()
    cursor.execute("BEGIN IMMEDIATE" if immediate else "BEGIN")
    try:
        yield cursor
        cursor.execute("COMMIT")
    except BaseException:
        with suppress(driver_errors(connection)):  # a connection that is lost cannot roll back
            if not immediate or connection.in_transaction:
                cursor.execute("ROLLBACK")
        raise
    finally:
        cursor.close()


def prepare_sqlite(connection: sqlite3.Connection, *, busy_seconds: float = BUSY_SECONDS) -> None:
    """Make a connection safe for several processes at once, and surviving the death of any."""
    connection.isolation_level = None  # transactions are written out, see transaction()
    _switch_to_wal(connection, busy_seconds)
    connection.execute("PRAGMA synchronous = NORMAL")


def _switch_to_wal(connection: sqlite3.Connection, busy_seconds: float) -> None:
    """The first connections to a new file change it, and SQLite does not let the others wait."""
    deadline = time.monotonic() + busy_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > deadline:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return


def check_place(path: Path) -> None:
    """Make the directory of a SQLite file.

    Raises:
        RecordError: it cannot be made, or is where SQLite can lose data.
    """
    directory = path.resolve().parent  # a link may lead to another file system
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise explain_sqlite(error, path) from error
    kind = file_system_type(directory)
    if kind in _NETWORK_FILE_SYSTEMS:
        raise RecordError(
            f"{directory} is on a network file system ({kind}), where SQLite can lose data. Set "
            "SEMATIC_CONFIG_DIR to a local directory, or SEMATIC_DATABASE_URL to a PostgreSQL "
            "database."
        )


@lru_cache(maxsize=64)  # every connection asks
def file_system_type(directory: Path) -> str | None:
    """What kind of file system a directory is on; ``None`` where the system does not tell."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None  # not Linux
    kinds = {}
    for line in mounts.splitlines():
        _, mounted, kind, *_ = line.split(" ")
        kinds[mounted.replace("\\040", " ")] = kind
    for place in (directory, *directory.parents):
        if str(place) in kinds:
            return kinds[str(place)]
    return None


class SqliteConnection(sqlite3.Connection):
    """One whose process is not forked while it holds a lock; it can be referred to weakly.

    Attributes:
        file: what its file was when it was opened, ``None`` where that is not certain.
    """

    file: tuple[int, int] | None = None

    def is_of(self, path: Path) -> bool:
        """Whether a path leads to its file: whoever removes it and makes another has a new one."""
        return self.file is not None and self.file == identify(path)

    def is_lost(self, path: Path) -> bool:
        """Whether a path certainly leads to its file no more."""
        return self.file is not None and self.file != identify(path)

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        """As sqlite3 has it."""
        with no_fork():
            return super().execute(*arguments)

    def close(self) -> None:
        """As sqlite3 has it."""
        with no_fork():
            super().close()


def identify(path: Path) -> tuple[int, int] | None:
    """Device and number of a file; nobody else has them for as long as it is open."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _connect_sqlite(path: Path, busy_seconds: float) -> sqlite3.Connection:
    check_place(path)
    before = identify(path)
    connection = sqlite3.connect(
        path, timeout=busy_seconds, check_same_thread=False, factory=SqliteConnection
    )
    try:
        prepare_sqlite(connection, busy_seconds=busy_seconds)
    except BaseException:
        connection.close()
        raise
    after = identify(path)
    connection.file = after if before in (None, after) else None
    return connection


def _connect_read_only(path: Path, busy_seconds: float) -> sqlite3.Connection:
    """A connection to a file that this process cannot write to, or whose directory it cannot.

    Where there is no log, the file alone is the record, and nobody here changes it. Where there is
    one, SQLite needs the index of the log beside it, which it can only read here, not make.
    """
    check_place(path)
    has_log = path.with_name(f"{path.name}-wal").exists()
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=ro{'' if has_log else '&immutable=1'}",
        uri=True,
        timeout=busy_seconds,
        check_same_thread=False,
        factory=SqliteConnection,
    )
    connection.isolation_level = None
    try:
        connection.execute("PRAGMA schema_version").fetchone()
    except sqlite3.OperationalError as error:
        connection.close()
        if has_log and ("unable to open" in str(error) or "readonly" in str(error)):
            raise RecordError(
                f"Cannot read the record at {path}: its last changes are in {path.name}-wal, which "
                f"only a process that may write to {path.parent} can open. Copy both files to a "
                "directory that you may write to, and set SEMATIC_CONFIG_DIR to that."
            ) from error
        raise
    except BaseException:
        connection.close()
        raise
    return connection


def _connect_postgres(url: str) -> Any:
    address = re.sub(r"^postgres(ql)?(\+psycopg)?://", "postgresql://", url)
    psycopg = _psycopg()
    given = psycopg.conninfo.conninfo_to_dict(address)
    return psycopg.connect(**{**_POSTGRES_OPTIONS, **given}, autocommit=True)


def _psycopg() -> Any:
    try:
        import psycopg  # only where there is PostgreSQL
    except ImportError as error:
        raise RecordError(
            "The record is in PostgreSQL, whose driver is not installed. Install it: "
            "pip install 'sematic[postgres]'"
        ) from error
    return psycopg
