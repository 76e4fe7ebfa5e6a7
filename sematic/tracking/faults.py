"""What is wrong with a database: the drivers' errors as this package's, with what to do."""

import errno
import os
import sqlite3
from pathlib import Path
from typing import Any

from sematic.credentials import hide_all_credentials
from sematic.errors import RecordError, RecordUnavailableError

_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_PROBE_BYTES = 64 * 1024
_ELSEWHERE = "set SEMATIC_CONFIG_DIR to a directory that you may write to"


class LockedError(RecordUnavailableError):
    """Another process writes to a SQLite record, or has forgotten to end what it had begun."""


class NoSpaceError(RecordUnavailableError):
    """The disk of a SQLite record is full; nothing was written."""


def explain_sqlite(error: Exception, path: Path) -> RecordError:
    """What an error of SQLite's, or of the file system's, means for the record at ``path``.

    SQLite's sentences are looked at rather than its codes, which Python 3.10 does not tell.
    """
    text = str(error)
    where = f"the record at {path}"
    if "is locked" in text:
        return LockedError(f"Another process has locked {where}.")
    if is_full(error, path):
        return NoSpaceError(
            f"No space left for {where}. Free some, or {_ELSEWHERE} on a disk with more."
        )
    if "is malformed" in text or "is not a database" in text:
        name = path.name
        return RecordError(
            f"Cannot use {where}: it is damaged, or is no SQLite file ({text}). Nothing was "
            f"changed. Put a copy of it back; or move it away, together with {name}-wal and "
            f"{name}-shm if they are there, and a new record begins."
        )
    if isinstance(error, FileExistsError | NotADirectoryError):
        return RecordError(
            f"Cannot keep {where}: {error.filename} is no directory. Move it away, or set "
            "SEMATIC_CONFIG_DIR to a directory."
        )
    read_only = find_read_only(path)
    if read_only is not None:
        return RecordError(
            f"Cannot write {where}: {read_only} is read-only for this process. Get the permission "
            f"to write, or {_ELSEWHERE}."
        )
    if "unable to open" in text:  # e.g. because all of the process's descriptors are in use
        return RecordUnavailableError(f"Cannot open {where}: {text}.")
    return RecordError(f"Cannot use {where}: {text}")


def is_full(error: Exception, path: Path) -> bool:
    """Whether an error means that the disk, or what one may use of it, is full."""
    text = str(error)
    if "is full" in text or getattr(error, "errno", None) in _NO_SPACE:
        return True
    # A quota, and a shared memory file that cannot grow, are to SQLite errors like any other.
    vague = isinstance(error, sqlite3.Error) and ("disk I/O" in text or "unable to open" in text)
    return vague and not _takes_more(path.parent)


def find_read_only(path: Path) -> Path | None:
    """What keeps a file from being written: itself, or the directory that it is in or would be."""
    if path.exists() and not os.access(path, os.W_OK):
        return path
    directory = path.parent
    while not directory.exists() and directory != directory.parent:
        directory = directory.parent
    return None if os.access(directory, os.W_OK | os.X_OK) else directory


def explain_postgres(error: Exception, driver: Any, url: str) -> RecordError:
    """What an error of PostgreSQL's driver means.

    Args:
        error: what it raised.
        driver: the module ``psycopg``.
        url: of the database, without its password.
    """
    # Lost connections, restarts, deadlocks, and disks of the server's that are full.
    passing = (driver.OperationalError, driver.errors.IdleInTransactionSessionTimeout)
    kind = RecordUnavailableError if isinstance(error, passing) else RecordError
    told = " ".join(hide_all_credentials(str(error)).split())  # one line
    return kind(f"Cannot use the record at {url}: {told}")


def _takes_more(directory: Path) -> bool:
    """Whether a directory takes another few bytes; only trying tells, where there are quotas."""
    probe = directory / f".sematic-{os.getpid()}.probe"
    try:
        descriptor = os.open(probe, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    except OSError as error:
        return error.errno not in _NO_SPACE
    try:
        os.write(descriptor, bytes(_PROBE_BYTES))
        os.fsync(descriptor)  # some file systems find out late
    except OSError as error:
        return error.errno not in _NO_SPACE
    finally:
        os.close(descriptor)
        probe.unlink(missing_ok=True)
    return True
