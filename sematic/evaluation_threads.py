"""Threads beside the engine in which user code can be broken off."""

import queue
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import TypeAlias

from sematic.calls import Call
from sematic.interruption import Interruption, Key
from sematic.run_processes import end_processes, end_thread_children

Work: TypeAlias = Callable[[AbstractContextManager[object]], Callable[[], None] | None]
"""Given what to enter for as long as CallInterrupted may be raised; called in a thread.

What it returns is called when the thread has let go of the call: whoever is told that it is done
may stop the threads at once, and shall not find any busy with it.
"""

SECONDS_TO_END = 3.0
"""For user code that was asked to: it has two to clean up, and then is interrupted again."""

_POLL_SECONDS = 0.01


class EvaluationThreads:
    """Threads for work that may run user code, started when there is something to do.

    Unlike those of :mod:`concurrent.futures` they do not keep the process from ending: where user
    code waits in C code nothing can break it off.

    Args:
        most: how many threads.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._workers: list[_Worker] = []
        self._unfinished = 0
        self._lock = threading.Lock()  # guards the number, and the list
        self._stopped = False

    def submit(self, work: Work, *, call: Call | None = None, attempt: int = 0) -> None:
        """Let a thread work. From any thread; after :meth:`close` nothing is done.

        Args:
            work: what to do; must not raise.
            call: whose user code runs in it; ``None`` if none does.
            attempt: of that call.
        """
        self._jobs.put((work, call, attempt))
        with self._lock:
            self._unfinished += 1
            if len(self._workers) < min(self._unfinished, self._most):
                self._workers.append(_Worker(self._take_up))

    def stop(self) -> list[Call]:
        """Break off what runs user code, drop what would, and wait for it for some seconds.

        Returns:
            The calls whose user code has not ended even so: C code keeps it.
        """
        if self._stopped:
            return []
        self._stopped = True  # before looking who is busy: who begins now sees it
        for worker in self._workers:
            worker.interrupt()
        deadline = time.monotonic() + SECONDS_TO_END
        while (left := self._busy()) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)
        return left

    def close(self) -> None:
        """End the threads, and what they have begun; what waits is dropped."""
        self.stop()
        with suppress(queue.Empty):
            while True:
                self._jobs.get_nowait()
        self._jobs.put(None)
        for worker in self._workers[:]:
            if worker.call is None:  # else it ends when user code does
                worker.thread.join()

    def _busy(self) -> list[Call]:
        calls = [worker.call for worker in self._workers]
        return [call for call in calls if call is not None]

    def _take_up(self, worker: "_Worker") -> bool:
        """Do the next piece of work, in the worker's thread. Returns whether there was one."""
        job = self._jobs.get()
        if job is None:
            self._jobs.put(None)  # for the next one
            return False
        work, call, attempt = job
        then = None
        if call is None:
            then = work(nullcontext())
        else:
            worker.begin(call, attempt)
            try:
                if not self._stopped:
                    then = work(worker.interruption)
            finally:
                worker.end()
        if then is not None:
            then()
        with self._lock:
            self._unfinished -= 1
        return True


_Job: TypeAlias = tuple[Work, Call | None, int]


class _Worker:
    """One of the threads.

    Attributes:
        call: whose user code may be running.
        interruption: of that user code.
    """

    def __init__(self, take_up: "Callable[[_Worker], bool]") -> None:
        self.call: Call | None = None
        self.interruption = Interruption(self._end_processes)
        self._take_up = take_up
        self._attempt = 0
        self.thread = threading.Thread(target=self._work, name="sematic-evaluation", daemon=True)
        self.thread.start()

    def begin(self, call: Call, attempt: int) -> None:
        """User code of a call may run from now on."""
        self.interruption.begin((call.run_id, attempt))
        self._attempt, self.call = attempt, call

    def end(self) -> None:
        """No user code of it runs any more."""
        self.interruption.end()
        self.call = None

    def interrupt(self) -> None:
        """Break off the user code that runs, if any. From another thread; returns at once."""
        call = self.call
        if call is not None:
            self.interruption.stop((call.run_id, self._attempt))

    def _end_processes(self, key: Key) -> None:
        """C code may be waiting for one. What is not forked does not carry the ids of the run."""
        end_processes(run_ids=[key[0]], here_only=lambda: True)  # it may be another driver's
        if self.thread.native_id is not None:
            end_thread_children(self.thread.native_id)

    def _work(self) -> None:
        with self.interruption.in_this_thread():
            while self._take_up(self):
                pass
