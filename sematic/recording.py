"""Recording: one batch of events on its way to the tracker while the next one gathers."""

import queue
import threading
import time
from collections.abc import Callable
from typing import TypeAlias

from sematic.errors import RecordFullError
from sematic.events import Change, Event
from sematic.ports import Batch, Tracker

# How long events gather. Long enough that the recording takes a tenth of the time at most, short
# enough that nobody sees it.
_LEAST_LINGER_SECONDS = 0.02
_MOST_LINGER_SECONDS = 0.2
_LINGER_PER_WRITE = 10
_SECONDS_PER_CHANGE = 20e-6
# How many events may wait in memory before the engine waits for the tracker.
_MOST_WAITING = 10_000

_Item: TypeAlias = tuple[Event, list[Change]] | threading.Event | None
"""An event, what is set when all before it is recorded, or the end."""


class Recording:
    """Sends the events of one driver to a tracker, from a thread of its own.

    Args:
        tracker: where they go.
        root_id: the pipeline run.
        epoch: the driver's.
        on_error: called from the recording thread: once with what made recording impossible, and
            before that, perhaps, with the RecordFullError that says that it soon will be.
    """

    def __init__(
        self,
        tracker: Tracker,
        root_id: str,
        *,
        epoch: int,
        on_error: Callable[[BaseException], None],
    ) -> None:
        self._tracker = tracker
        self._root_id = root_id
        self._epoch = epoch
        self._on_error = on_error
        self._next_seq = 0
        self._linger = _LEAST_LINGER_SECONDS
        self._error: BaseException | None = None
        self._items: queue.SimpleQueue[_Item] = queue.SimpleQueue()
        self._urgent = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sematic-recording", daemon=True)
        self._thread.start()

    @property
    def driver(self) -> tuple[str, int]:
        """The pipeline run, and the epoch of its driver."""
        return self._root_id, self._epoch

    @property
    def is_broken(self) -> bool:
        """Whether nothing is recorded any more."""
        return self._error is not None

    @property
    def is_behind(self) -> bool:
        """Whether the next :meth:`append` may wait until something is recorded."""
        return self._items.qsize() >= _MOST_WAITING

    def append(self, event: Event, changes: list[Change]) -> None:
        """Record an event and what it means, soon."""
        self._items.put((event, changes))
        if self._items.qsize() > _MOST_WAITING:
            self.flush()

    def flush(self) -> None:
        """Return when everything appended so far is recorded.

        Raises:
            BaseException: what the tracker raised, now or before.
        """
        done = threading.Event()
        self._items.put(done)
        self._urgent.set()
        done.wait()
        if self._error is not None:
            raise self._error

    def close(self) -> None:
        """End the thread; what is appended is still recorded. May be called twice."""
        self._items.put(None)
        self._urgent.set()
        self._thread.join()

    def _work(self) -> None:
        open_ = True
        while open_:
            items = [self._items.get()]
            self._urgent.wait(self._linger_over(items[0]))
            self._urgent.clear()
            while not self._items.empty():
                items.append(self._items.get())
            open_ = None not in items
            began = time.monotonic()
            self._record([item for item in items if isinstance(item, tuple)])
            wanted = _LINGER_PER_WRITE * (time.monotonic() - began)
            self._linger = min(max(wanted, _LEAST_LINGER_SECONDS), _MOST_LINGER_SECONDS)
            for item in items:
                if isinstance(item, threading.Event):
                    item.set()

    def _linger_over(self, first: _Item) -> float:
        """How long events gather, in seconds: longer where already the first takes a while.

        Many calls that one function makes: what comes of them at once, such as cached outputs,
        takes much less in the same batch than in one that changes their rows.
        """
        changes = len(first[1]) if isinstance(first, tuple) else 0
        wanted = max(self._linger, _LINGER_PER_WRITE * _SECONDS_PER_CHANGE * changes)
        return min(wanted, _MOST_LINGER_SECONDS)

    def _record(self, items: list[tuple[Event, list[Change]]]) -> None:
        if not items or self._error is not None:
            return
        batch = Batch(
            root_id=self._root_id,
            epoch=self._epoch,
            first_seq=self._next_seq,
            events=tuple(event for event, _ in items),
            changes=tuple(change for _, changes in items for change in changes),
        )
        try:
            self._tracker.record(batch)
        except BaseException as error:  # noqa: BLE001
            # Handed to the engine, which ends the pipeline run.
            if isinstance(error, RecordFullError) and error.recorded:
                self._next_seq += len(items)  # and the end can be recorded, too
            else:
                self._error = error
            self._on_error(error)
        else:
            self._next_seq += len(items)
