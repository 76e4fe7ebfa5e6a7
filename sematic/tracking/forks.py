"""Connections and forks: a child has copies of its parent's connections, and must not touch them.

SQLite keeps in memory which locks its process holds, and PostgreSQL's driver a socket. A child
that is forked in the middle of a transaction would find the database locked for ever; one that
closes its copy of a connection would take the parent's log, or its session, away.
"""

import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# Somebody else may lock the database for as long as he likes; a fork is not held up for that.
_MOST_SECONDS = 5.0


class _Gate:
    """Lets either transactions through or forks."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._forking = 0
        self._own = threading.local()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        depth = getattr(self._own, "depth", 0)
        with self._changed:
            if not depth:
                self._changed.wait_for(lambda: not self._forking)
            self._inside += 1
        self._own.depth = depth + 1
        try:
            yield
        finally:
            self._own.depth = depth
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def before_fork(self) -> None:
        own = getattr(self._own, "depth", 0)
        with self._changed:
            self._forking += 1
            self._changed.wait_for(lambda: self._inside <= own, timeout=_MOST_SECONDS)

    def after_fork(self) -> None:
        with self._changed:
            self._forking -= 1
            self._changed.notify_all()


_gate = _Gate()
_connections: "weakref.WeakSet[Any]" = weakref.WeakSet()
# Kept for as long as the process lives: letting go of a connection closes it.
_of_parent: list[Any] = []


def keep_from_children(connection: Any) -> Any:
    """The same connection, which children that are forked from now on will not close."""
    _connections.add(connection)
    return connection


def is_of_parent(connection: Any) -> bool:
    """Whether a connection is a copy of the parent's; this process then needs one of its own."""
    return any(connection is one for one in _of_parent)


@contextmanager
def no_fork() -> Iterator[None]:
    """Forks wait until the block ends, for some seconds at most; blocks wait for forks."""
    gate = _gate
    with gate.transaction():
        yield


def _before() -> None:
    _gate.before_fork()


def _in_parent() -> None:
    _gate.after_fork()


def _in_child() -> None:
    global _gate  # noqa: PLW0603 - its lock may be held by a thread that is gone
    _gate = _Gate()
    _of_parent.extend(_connections)
    _connections.clear()


os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
