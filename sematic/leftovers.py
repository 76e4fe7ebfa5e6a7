"""The end of the processes that functions have started, where those are to end too."""

import threading
from collections.abc import Callable, Collection

from sematic.events import CallEnded, CallLost, Event, StopCall
from sematic.run_processes import end_processes


class Leftovers:
    """Lets no attempt that was stopped be over before the processes that it has started are.

    Stands between the executors and the engine: :meth:`report` is what executors report to.

    Args:
        root_id: the pipeline run.
        report: tells the engine what has happened; from any thread.
        warn: told one sentence where processes are left; must not raise.

    Attributes:
        here_only: whether only children of this process are ended: another driver has taken the
            pipeline run over, and starts processes by the same ids.
        is_ours: whether that is certainly not so; asked before anything else is ended.
    """

    def __init__(
        self, root_id: str, report: Callable[[Event], None], *, warn: Callable[[str], None]
    ) -> None:
        self.here_only = False
        self.is_ours: Callable[[], bool] = lambda: True
        self._warn = warn
        self._root_id = root_id
        self._report = report
        self._stopped: set[tuple[str, int]] = set()
        self._spared: set[str] = set()
        self._waiting: list[CallEnded | CallLost] = []
        self._lock = threading.Lock()

    def expect(self, stop: StopCall) -> None:
        """An attempt is going to be stopped."""
        self._stopped.add((stop.call.run_id, stop.attempt))

    def report(self, event: Event) -> None:
        """Report what has happened, or hold it back until nothing of a stopped attempt is left.

        Returns at once; from any thread.
        """
        if not isinstance(event, (CallEnded, CallLost)) or not self.is_expected(event):
            self._report(event)
            return
        with self._lock:  # one looks for all: that takes as long as looking for one
            self._waiting.append(event)
            if len(self._waiting) > 1:
                return
        threading.Thread(target=self._end_waiting, name="sematic-leftovers", daemon=True).start()

    def end_all(self) -> None:
        """End whatever the pipeline run has started. Takes seconds where SIGTERM does not help."""
        self._end(root_id=self._root_id)

    def end_spared(self) -> None:
        """End what was left while it was not certain whose it was: once nothing more executes."""
        spared, self._spared = self._spared, set()
        if spared and not self.here_only:
            self._end(run_ids=spared)

    def is_expected(self, event: CallEnded | CallLost) -> bool:
        """Whether an event is the end of an attempt that was going to be stopped."""
        return (event.run_id, event.attempt) in self._stopped

    def _end_waiting(self) -> None:
        done = 0
        while events := self._next_waiting(done):
            self._end(run_ids={event.run_id for event in events})
            done += len(events)
            for event in events:
                self._report(event)

    def _next_waiting(self, done: int) -> list[CallEnded | CallLost]:
        """Those that have come after so many; with none, this thread has ended for the others."""
        with self._lock:
            events = self._waiting[done:]
            if not events:
                self._waiting.clear()
            return events

    def _end(self, *, run_ids: Collection[str] = (), root_id: str | None = None) -> None:
        def is_here_only() -> bool:
            if self.here_only or self.is_ours():
                return self.here_only
            self._spared.update(run_ids, () if root_id is None else (root_id,))
            return True

        end_or_warn(run_ids=run_ids, root_id=root_id, here_only=is_here_only, warn=self._warn)


def end_or_warn(
    *,
    run_ids: Collection[str] = (),
    root_id: str | None = None,
    here_only: Callable[[], bool] = lambda: False,
    warn: Callable[[str], None],
) -> None:
    """:func:`sematic.run_processes.end_processes`; what goes wrong is told, and never raised."""
    try:
        left = end_processes(run_ids=run_ids, root_id=root_id, here_only=here_only, over=True)
    except Exception as error:  # noqa: BLE001 - what has happened is reported all the same
        warn(f"Processes could not be ended: {error!r}")
        return
    if left:
        warn(f"Processes that cannot be killed are left: {', '.join(map(str, left))}.")
