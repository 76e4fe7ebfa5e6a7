"""One connection stays open for a second after a pipeline run: the next one goes on with it.

When the last connection to a file is closed, SQLite moves its log into the file and removes it, and
the next one makes it anew, and reads the tables and the statements. That takes longer than a dozen
functions do.
"""

import atexit
import os
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from sematic.forks import no_fork
from sematic.tracking.connections import SqliteConnection, is_sqlite, sqlite_path

# Not for long: as long as there is a log, the file alone is not all of the record.
_SECONDS_TO_KEEP = 1.0
# What is more is tidied up at once, so that it does not hold up the next pipeline run: about where
# SQLite would do so after its next commit.
_MOST_BYTES_OF_LOG = 4 * 1024 * 1024


class _Keeper:
    """Keeps one connection of this process, and closes it when nobody has asked for it any more."""

    def __init__(self) -> None:
        self._kept: SqliteConnection | None = None
        self._until = 0.0  # monotonic
        self._lock = threading.Lock()
        self._closing: threading.Thread | None = None

    def keep(self, connection: SqliteConnection, path: Path) -> None:
        with no_fork(), self._lock:
            self._close()
            if connection.in_transaction or not connection.is_of(path):
                connection.close()
                return
            if _is_log_long(path) and not _tidy_up(connection):
                return
            self._kept = connection
            self._until = time.monotonic() + _SECONDS_TO_KEEP
            if self._closing is None:
                self._close_later()

    def take(self, path: Path) -> SqliteConnection | None:
        with no_fork(), self._lock:
            kept = self._kept
            if kept is None or not kept.is_of(path):
                return None
            self._kept = None
            return kept

    def close(self) -> None:
        with no_fork(), self._lock:
            self._close()

    def _close_later(self) -> None:
        thread = threading.Thread(target=self._work, name="sematic-kept-open", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # there can be no more of them
            self._close()
        else:
            self._closing = thread

    def _close(self) -> None:
        if self._kept is not None:
            self._kept.close()
        self._kept = None

    def _work(self) -> None:
        while not self._close_in_time():
            time.sleep(max(0.0, self._until - time.monotonic()))

    def _close_in_time(self) -> bool:
        with no_fork(), self._lock:
            if time.monotonic() < self._until:
                return False
            self._close()
            self._closing = None
            return True


_keeper = _Keeper()


def keep_open(url: str, connection: Any) -> None:
    """Close a connection, in a second where it is SQLite's and nobody has taken it by then.

    Args:
        url: of its database.
        connection: nobody else uses it, and it is in no transaction.
    """
    if isinstance(connection, SqliteConnection) and is_sqlite(url):
        _keeper.keep(connection, sqlite_path(url))
    else:
        connection.close()


def take_kept(url: str, *, busy_seconds: float) -> Any:
    """The connection that was kept open to a database, ``None`` if there is none.

    Args:
        url: of the database; that of SQLite may be another file now, which counts as another one.
        busy_seconds: how long a statement waits for another process from now on.
    """
    connection = _keeper.take(sqlite_path(url)) if is_sqlite(url) else None
    if connection is not None:
        connection.execute(f"PRAGMA busy_timeout = {round(busy_seconds * 1000)}")
    return connection


def close_kept() -> None:
    """Close what is kept, if anything is."""
    _keeper.close()


def _tidy_up(connection: SqliteConnection) -> bool:
    """Move the log into the file, as far as nobody else is using it; false if that goes wrong."""
    try:
        connection.execute("PRAGMA busy_timeout = 0")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error:  # a full disk, say: whoever writes next is told
        connection.close()
        return False
    return True


def _is_log_long(path: Path) -> bool:
    try:
        return os.stat(f"{path}-wal").st_size > _MOST_BYTES_OF_LOG
    except OSError:
        return False


def _begin_anew_in_child() -> None:
    global _keeper  # noqa: PLW0603 - its lock may be held by a thread that is gone
    _keeper = _Keeper()


def _close_at_exit() -> None:
    with suppress(KeyboardInterrupt):  # the process ends; whoever comes next tidies up
        close_kept()


atexit.register(_close_at_exit)
# SQLite would take the locks of the parent's connection for the child's own, and lose the child's
# log when the parent closes it.
os.register_at_fork(before=close_kept, after_in_child=_begin_anew_in_child)
