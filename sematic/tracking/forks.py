"""Connections and forks: a child has copies of its parent's connections, and must not touch them.

SQLite keeps in memory which locks its process holds, and PostgreSQL's driver a socket. A child
that is forked in the middle of a transaction would find the database locked for ever; one that
closes its copy of a connection would take the parent's log, or its session, away.
"""

import os
import weakref
from typing import Any

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


def _in_child() -> None:
    _of_parent.extend(_connections)
    _connections.clear()


os.register_at_fork(after_in_child=_in_child)
