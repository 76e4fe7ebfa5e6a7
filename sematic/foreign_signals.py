"""The user's own signal handlers: what they raise goes into user code, never into ours."""

import _thread
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

# Those that programs handle: time limits, profilers, child processes, terminals.
_NAMES = (
    *("SIGALRM", "SIGVTALRM", "SIGPROF", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGIO"),
    *("SIGQUIT", "SIGWINCH", "SIGTSTP", "SIGCONT"),
)
_SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))

# How soon one that is held back is tried again: user code may have begun meanwhile.
_SECONDS_TO_TRY_AGAIN = 0.02

MayRaiseInto = Callable[[FrameType | None], bool]


class ForeignSignals:
    """Holds signals back that come while the calling thread executes code of ours.

    A handler that raises, as that of a time limit does, would leave a half-done step behind.

    Args:
        may_raise_into: whether a handler may raise into a frame.
        wake: called for a signal that is held back; :meth:`release` is to follow soon.
    """

    def __init__(self, may_raise_into: MayRaiseInto, wake: Callable[[], None]) -> None:
        self._may_raise_into = may_raise_into
        self._wake = wake
        self._owner = os.getpid()
        self._before: dict[int, Any] = {}
        self._thread_id = 0
        self._held: list[int] = []  # each signal once
        self._raised = False
        self._ended = False
        self._tries_again = False
        self._sent_again: set[int] = set()
        self._lock = threading.Lock()  # held while something is sent again

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Hold signals back while the block runs, if this is the main thread, then release them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._thread_id = threading.get_ident()
        self._before = {n: old for n in _SIGNALS if callable(old := signal.getsignal(n))}
        try:
            for number in self._before:
                signal.signal(number, self._handle)
            yield
        finally:
            with self._lock:
                self._ended = True
            for number, old in self._before.items():
                if signal.getsignal(number) == self._handle:  # else user code has put its own there
                    signal.signal(number, old)
            self._raised = False
            self.release()

    def release(self) -> None:
        """Call the handlers of what was held back. Once one has raised, the others wait longer."""
        while self._held and not self._raised:
            number = self._held.pop(0)
            self._raised = True
            self._before[number](number, sys._getframe())
            self._raised = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        again = number in self._sent_again
        self._sent_again.discard(number)
        if again and number not in self._held:
            return  # its handler was called meanwhile
        if os.getpid() != self._owner or self._may_raise_into(frame):
            if number in self._held:
                self._held.remove(number)
            self._before[number](number, frame)
        elif number not in self._held:
            self._held.append(number)
            self._wake()
            if not self._tries_again:
                self._tries_again = True
                with suppress(RuntimeError):  # no more threads can be started
                    # Bare: threading.Thread takes a lock that this thread may hold.
                    _thread.start_new_thread(self._try_again, ())

    def _try_again(self) -> None:
        while self._held and not self._raised:
            time.sleep(_SECONDS_TO_TRY_AGAIN)
            with self._lock:
                if self._ended:
                    return
                for number in self._held[:]:
                    # User code may have put its own handler there for a while, or none at all.
                    if signal.getsignal(number) == self._handle:
                        self._sent_again.add(number)
                        signal.pthread_kill(self._thread_id, number)
        self._tries_again = False
