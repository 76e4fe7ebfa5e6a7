"""InlineExecutor: executes calls one at a time in the thread that called ``runner.run``."""

import queue
from collections.abc import Callable

from sematic.calls import ErrorRecord
from sematic.events import CallEnded, CallLost, Event, StartCall, StopCall
from sematic.execution import CallInterrupted, execute_call
from sematic.ports import ArtifactStore, Clock

_INTERRUPTED = ErrorRecord(
    type="sematic.errors.CancellationError", message="The call was interrupted."
)


class InlineExecutor:
    """Hands calls to the thread that runs :meth:`work`.

    That thread is the user's own, usually the main one, so signals, debuggers, notebooks and
    libraries that are bound to a thread work as in plain Python.
    """

    def __init__(self, store: ArtifactStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._queue: queue.SimpleQueue[tuple[StartCall, Callable[[Event], None]] | None] = (
            queue.SimpleQueue()
        )
        self._interruptible = _Interruptible()
        # Written by the engine's thread, read by the working one.
        self._stopped: set[tuple[str, int]] = set()

    def start(self, start: StartCall, report: Callable[[Event], None]) -> None:
        """Queue a call for the working thread."""
        self._queue.put((start, report))

    def stop(self, stop: StopCall) -> None:
        """Take a queued call back. One that executes is left to finish, see :meth:`interrupt`."""
        self._stopped.add((stop.call.run_id, stop.attempt))

    def close(self) -> None:
        """Let :meth:`work` return."""
        self._queue.put(None)

    def work(self) -> None:
        """Execute calls in the calling thread until :meth:`close`."""
        while (item := self._queue.get()) is not None:
            start, report = item
            try:
                stopped = (start.call.run_id, start.attempt) in self._stopped
                event = self._lost(start) if stopped else self._execute(start)
            except BaseException:  # a signal handler of the user's; nobody may wait for the call
                report(self._lost(start))
                raise
            report(event)

    def interrupt(self) -> None:
        """End the call that executes now, if any. Only from the working thread: a signal handler.

        Raises:
            CallInterrupted: into the user code that the signal found.
        """
        self._interruptible.interrupt()

    def _execute(self, start: StartCall) -> Event:
        call, attempt = start.call, start.attempt
        started_at = self._clock()
        try:
            outcome = execute_call(
                call,
                start.inputs,
                store=self._store,
                attempt=attempt,
                interruptible=self._interruptible,
            )
        except CallInterrupted:
            return self._lost(start)
        ended_at = self._clock()
        return CallEnded(
            ended_at, call.run_id, attempt, outcome, started_at=started_at, ended_at=ended_at
        )

    def _lost(self, start: StartCall) -> CallLost:
        return CallLost(self._clock(), start.call.run_id, start.attempt, _INTERRUPTED)


class _Interruptible:
    """Armed for as long as user code runs, so that nothing of ours is interrupted half-way."""

    def __init__(self) -> None:
        self._armed = False

    def __enter__(self) -> None:
        self._armed = True

    def __exit__(self, *exception: object) -> None:
        self._armed = False

    def interrupt(self) -> None:
        if self._armed:  # and stays so: user code may swallow the first one
            raise CallInterrupted
