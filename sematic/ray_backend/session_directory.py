"""Where a Ray of our own keeps its sockets, logs and spilled objects, and its removal."""

import fcntl
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from sematic.processes import end_all, load_psutil
from sematic.run_context import RUN_ID

_PREFIX = "sematic-ray-"
_LOCK = "lock"
SESSION = "SEMATIC_RAY_SESSION"
"""The directory of the Ray of our own that a process belongs to, in its environment."""
_FUNCTIONS = f"{RUN_ID}=".encode()
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
        # Systems that delete old files in directories like this one leave out those with a lock.
        self._directory: int | None = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.flock(self._directory, fcntl.LOCK_SH)

    def remove(self) -> None:
        """Delete it with all that is inside. Ray leaves its own where they are."""
        shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()
        if self._directory is not None:
            os.close(self._directory)
        self._directory = None


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
    for path in find_sessions():
        with suppress(OSError):  # somebody else is removing it
            _remove_if_abandoned(path, age=time.time() - path.lstat().st_mtime)


def find_sessions() -> Iterator[Path]:
    """The directories of this user's Rays, of processes that live and of others."""
    for path in _base().glob(f"{_PREFIX}*"):
        with suppress(OSError):  # somebody is removing it
            found = path.lstat()
            if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid():
                yield path


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
        end_processes_of(path, grace=0.0)
        shutil.rmtree(path, ignore_errors=True)


def end_processes_of(directory: Path, *, grace: float) -> None:
    """End Ray's processes that belong to a directory; ``grace`` seconds after SIGTERM at last."""
    end_found(lambda: find_processes(directory), grace=grace)


def end_found(find: Callable[[], Iterator[int]], *, grace: float) -> None:
    """End processes until ``find`` finds none; ``grace`` seconds after SIGTERM by SIGKILL."""
    if next(find(), None) is not None:  # else without psutil
        end_all(lambda: _load_processes(find()), grace=grace)


def _load_processes(pids: Iterable[int]) -> list[Any]:
    psutil, found = load_psutil(), []
    for pid in pids:
        with suppress(psutil.Error):  # it has ended
            found.append(psutil.Process(pid))
    return found


def find_processes(directory: Path) -> Iterator[int]:
    """Ray's processes that belong to a directory, whoever their parent is by now.

    By what Linux tells in /proc: those that were started for it, and those that have its files
    open. What functions have started is not Ray's.
    """
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is another user's
            if process.name == str(os.getpid()):
                continue
            if _was_started_for(directory, process) or _uses(directory, process):
                yield int(process.name)


def _was_started_for(directory: Path, process: Path) -> bool:
    environment = (process / "environ").read_bytes().split(b"\0")
    if os.fsencode(f"{SESSION}={directory}") not in environment:
        return False
    # Until it gives itself a name, an agent is a Python that executes a file of Ray's.
    command = (process / "cmdline").read_bytes()
    is_rays = command.startswith(b"ray::") or b"/ray/" in command
    return is_rays and not any(entry.startswith(_FUNCTIONS) for entry in environment)


def _uses(directory: Path, process: Path) -> bool:
    program = (process / "cmdline").read_bytes().partition(b"\0")[0]
    if not program.startswith(b"ray::") and b"/ray/core/" not in program:
        return False
    links = (os.readlink(entry.path) for entry in os.scandir(process / "fd"))
    return any(link.startswith(f"{directory}/") for link in links)
