"""Turns: events on their way to an engine, which takes one at a time, in one of two threads."""

import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeAlias

from sematic.events import Event
from sematic.ports import Clock

Item: TypeAlias = Event | BaseException
"""What has happened, or what went wrong with us."""

# More in one turn would hold up who takes them.
_MOST_ANSWERS = 50


class Turns:
    """A queue of events for the engine's thread, past which another thread may take its own.

    Two threads that wake each other for every call take as long for that as for all else. So the
    thread that has executed a call takes the event itself, if nothing else is waiting.

    Args:
        next_due: when something is due though nothing happens, in seconds of ``clock``.
        clock: seconds since the epoch, UTC.
    """

    def __init__(self, next_due: Callable[[], float | None], clock: Clock) -> None:
        self._next_due = next_due
        self._clock = clock
        # ``None`` is no event: there is something else to look at.
        self._items: queue.SimpleQueue[Item | None] = queue.SimpleQueue()
        self._turn = threading.Lock()
        self._waits_until: float | None = None

    def put(self, item: Item) -> None:
        """Leave it to the engine's thread. Returns at once; from anywhere."""
        self._items.put(item)

    def get(self, timeout: float) -> Item | None:
        """The next one in the queue.

        Raises:
            queue.Empty: there is none within so many seconds.
        """
        return self._items.get(timeout=timeout)

    def wake(self) -> None:
        """Let :meth:`wait` return."""
        self._items.put(None)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Nobody else takes an event while the block runs. In the engine's thread only."""
        with self._turn:
            yield

    def take_with_answers(
        self, item: Item, take: Callable[[Item], list[Event]], is_quick: Callable[[], bool]
    ) -> None:
        """Take something, and what that leads to at once, in this turn. Only by who has the turn.

        Args:
            item: what has happened.
            take: takes it, and returns what that leads to.
            is_quick: whether to take more takes no time; else that is left to the engine's thread.
        """
        following: deque[Event] = deque(take(item))
        for _ in range(_MOST_ANSWERS):
            if not following or not is_quick():
                break
            following.extend(take(following.popleft()))
        for event in following:
            self.put(event)

    def wait(self, *, give_up_at: float | None = None) -> Item | None:
        """The next one in the queue, ``None`` if there is something else to look at.

        Args:
            give_up_at: seconds, monotonic.

        Raises:
            queue.Empty: nothing has happened before the next moment that counts.
        """
        with self._turn:
            due = self._waits_until = self._next_due()
        waits = [] if due is None else [due - self._clock()]
        if give_up_at is not None:
            waits.append(give_up_at - time.monotonic())
        return self._items.get(timeout=max(0.0, min(waits)) if waits else None)

    def take_here(self, event: Event, take: Callable[[Event], bool]) -> bool:
        """Take an event in this thread if the engine's own has nothing to do.

        Args:
            event: what has happened.
            take: takes it, or returns False to leave it to the engine's thread.

        Returns:
            Whether it was taken.
        """
        # Not in its own turn either: what it takes may have further events.
        if not self._items.empty() or not self._turn.acquire(blocking=False):
            return False
        try:
            if not take(event):
                return False
            due, until = self._next_due(), self._waits_until
            if due is not None and (until is None or due < until):
                self.wake()
            return True
        finally:
            self._turn.release()
