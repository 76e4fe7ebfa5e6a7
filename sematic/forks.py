"""Forks wait for what must not be half done in a child: transactions, and imports beside functions.

A child has nothing but the thread that has forked it. What another one was doing stays as it is
there: a module that it imports is imported by nobody any more, and whoever needs it waits for ever.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager

# Somebody else may lock the database for as long as he likes; a fork is not held up for that.
_MOST_SECONDS = 5.0
# An import ends by itself, but takes its time on a busy machine.
_MOST_SECONDS_OF_IMPORT = 30.0


class _Gate:
    """Lets either through what forks wait for, or forks."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside = 0
        self._importing = 0
        self._forking = 0
        self._own = threading.local()

    @contextmanager
    def block(self, importing: bool) -> Iterator[None]:
        depth = getattr(self._own, "depth", 0)
        with self._changed:
            if not depth:
                self._changed.wait_for(lambda: not self._forking)
            self._inside += 1
            self._importing += importing
        self._own.depth = depth + 1
        try:
            yield
        finally:
            self._own.depth = depth
            with self._changed:
                self._inside -= 1
                self._importing -= importing
                self._changed.notify_all()

    def before_fork(self) -> None:
        own = getattr(self._own, "depth", 0)
        with self._changed:
            self._forking += 1
            is_free = self._changed.wait_for(lambda: self._inside <= own, timeout=_MOST_SECONDS)
            if not (is_free or own):
                self._changed.wait_for(lambda: not self._importing, timeout=_MOST_SECONDS_OF_IMPORT)

    def after_fork(self) -> None:
        with self._changed:
            self._forking -= 1
            self._changed.notify_all()


_gate = _Gate()


@contextmanager
def no_fork(*, importing: bool = False) -> Iterator[None]:
    """Forks wait until the block ends, for some seconds at most; blocks wait for forks.

    Args:
        importing: whether modules are imported in it: for that forks wait for half a minute.
    """
    gate = _gate
    with gate.block(importing):
        yield


def _before() -> None:
    _gate.before_fork()


def _in_parent() -> None:
    _gate.after_fork()


def _in_child() -> None:
    global _gate  # noqa: PLW0603 - its lock may be held by a thread that is gone
    _gate = _Gate()


os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
