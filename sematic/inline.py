"""InlineExecutor: executes calls one at a time in the thread that called ``runner.run``."""

import enum
import queue
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Thread
from types import FrameType
from typing import NamedTuple

from sematic.calls import ErrorRecord, Failed
from sematic.child_marks import marked_children
from sematic.events import (
    CallEnded,
    CallLost,
    DropCall,
    Event,
    PrepareCall,
    StartCall,
    StopCall,
)
from sematic.execution import CallInterrupted, execute_call
from sematic.foreign_signals import ForeignSignals
from sematic.interruption import Interruption
from sematic.ports import ArtifactStore, Clock
from sematic.run_processes import end_processes
from sematic.stop_signals import Parting, stop_on_signals

_INTERRUPTED = ErrorRecord(
    type="sematic.errors.CancellationError", message="The call was interrupted."
)
# How long a signal may go unseen that came at an unlucky moment, in seconds: most often it is when
# the wait begins.
_FIRST_WAIT = 0.02
_LONGEST_WAIT = 0.5


class _Started(NamedTuple):
    """A call that waits for the thread that executes."""

    start: StartCall
    report: Callable[[Event], None]


class _Wake(enum.Enum):
    """Makes the thread that executes look at what it has to."""

    UP = enum.auto()


class InlineExecutor:
    """Hands calls to the thread that runs :meth:`work`.

    That thread is the user's own, usually the main one, so signals, debuggers, notebooks and
    libraries that are bound to a thread work as in plain Python.

    Attributes:
        left: whether that thread was told to :meth:`leave`; no call executes any more.
        here_only: whether only children of this process may be ended with a call: another driver
            may execute the same one.
        is_ours: whether that is certainly not so; asked before anything else is ended.
    """

    def __init__(self, store: ArtifactStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._queue: queue.SimpleQueue[_Started | _Wake | None] = queue.SimpleQueue()
        self._interruption = Interruption(self._end_processes)
        self._signals = ForeignSignals(
            self._interruption.may_raise_into, wake=lambda: self._queue.put(_Wake.UP)
        )
        self.left = False
        self.here_only = False
        self.is_ours: Callable[[], bool] = lambda: True

    def start(self, start: StartCall, report: Callable[[Event], None]) -> None:
        """Queue a call for the working thread."""
        self._queue.put(_Started(start, report))
        if self.left:
            self._take_back_all()

    def stop(self, stop: StopCall) -> None:
        """Take a queued call back, or interrupt one that executes, until it is over.

        In the main thread whatever it waits for ends at once; in any other, and where C code runs,
        the call ends as soon as it executes Python again.
        """
        self._interruption.stop((stop.call.run_id, stop.attempt))

    def prepare(self, wish: PrepareCall | DropCall) -> None:
        """There is nothing to make ready."""

    def close(self) -> None:
        """Let :meth:`work` return."""
        self._queue.put(None)

    def work(self) -> None:
        """Execute calls in the calling thread until :meth:`close`.

        Raises:
            KeyboardInterrupt: after :meth:`leave`.
            BaseException: what a signal handler of the user's raises, elsewhere than in a function;
                it is to be called once more then, and raises nothing else.
        """
        try:
            with self._interruption.in_this_thread(), marked_children():
                while not self.left and (item := self._next()) is not None:
                    if isinstance(item, _Started):
                        self._work_on(*item)
                    self._signals.release()
        except KeyboardInterrupt:
            if not self.left:
                raise
        finally:
            if self.left:
                self._take_back_all()
        if self.left:
            raise KeyboardInterrupt(Parting("The pipeline run was left before it had ended."))

    def work_beside(self, thread: Thread, cancel: Callable[[str], None]) -> None:
        """As :meth:`work`; what a signal handler raises between functions cancels, and waits.

        Args:
            thread: is started before, and has ended after, except where this one was told to leave.
            cancel: asks for the end of the pipeline run, given the reason.
        """
        thread.start()
        try:
            self.work()
        except BaseException as error:  # a time limit of the user's, say
            if not self.left:
                cancel(f"Canceled because of {type(error).__name__}.")
                self.work()
            raise
        finally:
            if not self.left:
                thread.join()

    @contextmanager
    def answers_signals(self, cancel: Callable[[str], None]) -> Iterator[None]:
        """Let signals end the pipeline run, see :mod:`sematic.stop_signals`.

        The user's own handlers are called in functions, and between them by :meth:`work`.
        """
        stopping = stop_on_signals(cancel, interrupt=self.interrupt, leave=self.leave)
        with self._signals.held_back(), stopping:
            yield

    def _end_processes(self, key: tuple[str, int]) -> None:
        """C code may be waiting for one."""
        here_only = lambda: self.here_only or not self.is_ours()  # noqa: E731
        end_processes(run_ids=[key[0]], here_only=here_only)

    def _next(self) -> "_Started | _Wake | None":
        # A signal that comes just before the wait begins, while this thread waits for the GIL, say,
        # does not end it: a handler in Python would be called when the next call comes, and that
        # may depend on it.
        wait = _FIRST_WAIT
        while True:
            try:
                return self._queue.get(timeout=wait)
            except queue.Empty:
                wait = min(2 * wait, _LONGEST_WAIT)

    def _work_on(self, start: StartCall, report: Callable[[Event], None]) -> None:
        try:
            report(self._execute(start))
        except BaseException:  # e.g. no memory: nobody may wait for it
            report(self._lost(start))
            raise

    def interrupt(self, frame: FrameType | None) -> None:
        """End the call that executes now, if any. Only from a signal handler, with its frame.

        Raises:
            CallInterrupted: into the user code that the signal found.
        """
        self._interruption.interrupt(frame)

    def leave(self, frame: FrameType | None) -> None:
        """Let :meth:`work` raise KeyboardInterrupt. Only from a signal handler, with its frame.

        Raises:
            KeyboardInterrupt: into the call that executes, if any.
        """
        self.left = True
        self._queue.put(None)
        self._interruption.leave(frame)

    def _take_back_all(self) -> None:
        """Report every queued call as lost, so that nobody waits for it."""
        with suppress(queue.Empty):
            while True:
                item = self._queue.get_nowait()
                if isinstance(item, _Started):
                    item.report(self._lost(item.start))

    def _execute(self, start: StartCall) -> Event:
        call, attempt = start.call, start.attempt
        key = (call.run_id, attempt)
        interruption = self._interruption
        started_at: float | None = None
        interruption.begin(key)
        try:
            if self.left or interruption.is_unwanted(key):
                return self._lost(start)
            started_at = self._clock()
            outcome = execute_call(
                call,
                start.inputs,
                store=self._store,
                attempt=attempt,
                interruptible=interruption,
            )
            ended_at = self._clock()
            if isinstance(outcome, Failed) and interruption.is_unwanted(key):
                # User code made another exception of the interruption.
                return self._lost(start, started_at)
        except CallInterrupted:
            return self._lost(start, started_at)
        finally:
            interruption.end()
        return CallEnded(
            ended_at, call.run_id, attempt, outcome, started_at=started_at, ended_at=ended_at
        )

    def _lost(self, start: StartCall, started_at: float | None = None) -> CallLost:
        now = self._clock()
        ended_at = None if started_at is None else now
        return CallLost(
            *(now, start.call.run_id, start.attempt, _INTERRUPTED),
            started_at=started_at,
            ended_at=ended_at,
        )
