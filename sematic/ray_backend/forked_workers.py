"""Keeps a child that a worker forks from hiding the worker's death from Ray."""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress

_sockets: dict[int, int] | None = None  # inode by descriptor


def note_sockets() -> None:
    """Take the sockets that this worker has for Ray's. To be called before user code runs."""
    global _sockets  # noqa: PLW0603 - there is one Ray per process
    if _sockets is None:
        _sockets = dict(_open_sockets())
        os.register_at_fork(after_in_child=_close_sockets)


def _open_sockets() -> Iterator[tuple[int, int]]:
    for name in os.listdir("/dev/fd"):
        with suppress(OSError):
            found = os.fstat(int(name))
            if stat.S_ISSOCK(found.st_mode):
                yield int(name), found.st_ino


def _close_sockets() -> None:
    """Ray takes a worker for dead when its connections end; in a child they would stay open."""
    for descriptor, inode in (_sockets or {}).items():
        with suppress(OSError):  # closed meanwhile
            if os.fstat(descriptor).st_ino == inode:
                os.close(descriptor)
