"""One connection stays open for a second after a pipeline run, so that the next one is quicker.

When the last connection to a file is closed, SQLite moves its log into the file and removes it, and
the next one makes it anew. That takes longer than a dozen functions do.
"""

import atexit
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from sematic.errors import RecordError
from sematic.tracking.connections import connect, is_sqlite, sqlite_path
from sematic.tracking.forks import no_fork

# Not for long: as long as there is a log, the file alone is not all of the record.
_SECONDS_TO_KEEP = 1.0
# Nor where there is much to tidy up, which would hold up the next pipeline run.
_MOST_BYTES_OF_LOG = 1024 * 1024


class _Kept(NamedTuple):
    file: tuple[int, int]
    """Device and number: whoever removes the file and makes another has a new one."""
    connection: Any


class _Keeper:
    """Keeps one connection of this process, and closes it when nobody has asked for it any more."""

    def __init__(self) -> None:
        self._kept: _Kept | None = None
        self._until = 0.0  # monotonic
        self._lock = threading.Lock()
        self._closing: threading.Thread | None = None

    def keep(self, url: str) -> None:
        with no_fork(), self._lock:
            file = _identify(sqlite_path(url))
            if file is not None and _is_log_long(sqlite_path(url)):
                file = None
            if self._kept is None or self._kept.file != file:
                self._close()
                if file is not None:
                    with suppress(RecordError):  # then it takes longer, and who writes is told
                        self._kept = _Kept(file, connect(url, busy_seconds=0.0))
            self._until = time.monotonic() + _SECONDS_TO_KEEP
            if self._kept is not None and self._closing is None:
                name = "sematic-kept-open"
                self._closing = threading.Thread(target=self._work, name=name, daemon=True)
                self._closing.start()

    def close(self) -> None:
        with no_fork(), self._lock:
            self._close()

    def _close(self) -> None:
        if self._kept is not None:
            self._kept.connection.close()
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


def keep_open(url: str) -> None:
    """Let SQLite tidy up a record in a second, unless it is used again by then.

    Args:
        url: of a database that is open; of others than SQLite nothing is kept.
    """
    if is_sqlite(url):
        _keeper.keep(url)


def close_kept() -> None:
    """Close what is kept, if anything is."""
    _keeper.close()


def _is_log_long(path: Path) -> bool:
    try:
        return os.stat(f"{path}-wal").st_size > _MOST_BYTES_OF_LOG
    except OSError:
        return False


def _identify(path: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


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
