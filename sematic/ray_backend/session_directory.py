"""Where a Ray of our own keeps its sockets, logs and spilled objects, and its removal."""

import fcntl
import os
import shutil
import stat
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import IO

_PREFIX = "sematic-ray-"
_LOCK = "lock"
# A socket's path has at most 103 bytes (macOS), and Ray needs some 66 below this directory.
_LONGEST_BASE = 16
# A directory this young may not have its lock yet.
_SECONDS_TO_LOCK = 60.0


class SessionDirectory:
    """A directory for one Ray, locked as long as its process lives.

    Attributes:
        path: absolute; for the user alone.
    """

    def __init__(self, path: Path, lock: IO[bytes]) -> None:
        self.path = path
        self._lock = lock

    def remove(self) -> None:
        """Delete it with all that is inside. Ray leaves its own where they are."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def create_session_directory() -> SessionDirectory:
    """Make a directory below ``RAY_TMPDIR``, or the system's directory for temporary files.

    Directories of processes that were killed before they could remove them are removed too.
    """
    base = _base()
    _remove_abandoned(base)
    path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=base))
    lock = (path / _LOCK).open("wb")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return SessionDirectory(path, lock)


def _base() -> Path:
    base = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    if len(os.fsencode(base)) > _LONGEST_BASE and os.access("/tmp", os.W_OK):
        return Path("/tmp")
    return Path(base).absolute()


def _remove_abandoned(base: Path) -> None:
    for path in base.glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another user's, or somebody else is removing it
            found = path.lstat()
            ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()
            if ours and time.time() - found.st_mtime > _SECONDS_TO_LOCK:
                _remove_if_abandoned(path)


def _remove_if_abandoned(path: Path) -> None:
    with open(path / _LOCK, "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: its process lives
        shutil.rmtree(path, ignore_errors=True)
