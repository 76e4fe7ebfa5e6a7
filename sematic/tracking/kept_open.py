"""One connection stays open between the pipeline runs of a process, so that each is quicker.

When the last connection to a file is closed, SQLite moves its log into the file and removes it, and
the next one makes it anew. That takes longer than a dozen functions do.
"""

import atexit
import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from sematic.errors import RecordError
from sematic.tracking.connections import connect, is_sqlite, sqlite_path
from sematic.tracking.forks import is_of_parent, no_fork


class _Kept(NamedTuple):
    file: tuple[int, int]
    """Device and number: whoever removes the file and makes another has a new one."""
    connection: Any


_kept: _Kept | None = None
_lock = threading.Lock()


def keep_open(url: str) -> None:
    """Let SQLite tidy up a record when this process ends, or uses another one, and not before.

    Args:
        url: of a database that is open; of others than SQLite nothing is kept.
    """
    global _kept  # noqa: PLW0603 - there is one per process
    if not is_sqlite(url):
        return
    with no_fork(), _lock:  # a child would wait for the lock for ever
        file = _identify(sqlite_path(url))
        if _kept is not None and _kept.file == file and not is_of_parent(_kept.connection):
            return
        _close()
        if file is not None:
            with suppress(RecordError):  # then it takes longer: who writes to it is told
                _kept = _Kept(file, connect(url))


def close_kept() -> None:
    """Close what is kept, if anything is."""
    with no_fork(), _lock:
        _close()


def _close() -> None:
    global _kept  # noqa: PLW0603
    if _kept is not None and not is_of_parent(_kept.connection):
        _kept.connection.close()
    _kept = None


def _identify(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


atexit.register(close_kept)
