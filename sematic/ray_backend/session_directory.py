"""Where a Ray of our own keeps its sockets, logs and spilled objects, and its removal."""

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from sematic.processes import end_all, load_psutil

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

    What is left of processes that were killed is removed too.
    """
    remove_abandoned_sessions()
    while True:
        path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=_base()))
        with suppress(FileNotFoundError):  # somebody took it for an abandoned one
            lock = (path / _LOCK).open("wb")
            fcntl.flock(lock, fcntl.LOCK_EX)
            if os.path.samestat(os.fstat(lock.fileno()), os.stat(path / _LOCK)):
                return SessionDirectory(path, lock)


def remove_abandoned_sessions() -> None:
    """Remove the directories of processes that were killed before they could do it themselves.

    Processes of their Ray that are left are ended: its agents would take a minute to notice, and
    its workers may go on with what they execute for some seconds. None is left on return.
    """
    for path in _base().glob(f"{_PREFIX}*"):
        with suppress(OSError):  # another user's, or somebody else is removing it
            found = path.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
                _remove_if_abandoned(path, age=time.time() - found.st_mtime)


def _base() -> Path:
    base = os.environ.get("RAY_TMPDIR") or tempfile.gettempdir()
    if len(os.fsencode(base)) > _LONGEST_BASE and os.access("/tmp", os.W_OK):
        return Path("/tmp")
    return Path(base).absolute()


def _remove_if_abandoned(path: Path, *, age: float) -> None:
    if not (path / _LOCK).exists():
        if age > _SECONDS_TO_LOCK:
            shutil.rmtree(path, ignore_errors=True)
        return
    with open(path / _LOCK, "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # BlockingIOError: its process lives
        if next(_users(path), None) is not None:
            end_all(lambda: _find_users(path), grace=0.0)
        shutil.rmtree(path, ignore_errors=True)


def _find_users(directory: Path) -> list[Any]:
    psutil, found = load_psutil(), []
    for pid in _users(directory):
        with suppress(psutil.Error):  # it has ended
            found.append(psutil.Process(pid))
    return found


def _users(directory: Path) -> Iterator[int]:
    """Ray's processes that have files of a directory open, by what Linux tells in /proc."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            program = (process / "cmdline").read_bytes().partition(b"\0")[0]
            if not program.startswith(b"ray::") and b"/ray/" not in program:
                continue
            links = (os.readlink(entry.path) for entry in os.scandir(process / "fd"))
            if any(link.startswith(f"{directory}/") for link in links):
                yield int(process.name)
