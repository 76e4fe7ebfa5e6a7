"""The user's own signal handlers: what they raise goes into user code, never into ours."""

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

# Those that programs handle: time limits, profilers, child processes, terminals.
_NAMES = (
    *("SIGALRM", "SIGVTALRM", "SIGPROF", "SIGUSR1", "SIGUSR2", "SIGCHLD", "SIGIO"),
    *("SIGQUIT", "SIGWINCH", "SIGTSTP", "SIGCONT"),
)
_SIGNALS = tuple(getattr(signal, name) for name in _NAMES if hasattr(signal, name))

IsBelowUserCode = Callable[[FrameType | None], bool]


class ForeignSignals:
    """Holds signals back that come while the calling thread executes code of ours.

    A handler that raises, as that of a time limit does, would leave a half-done step behind.

    Args:
        is_below_user_code: whether a handler may raise into a frame.
        wake: called for a signal that is held back; :meth:`release` is to follow soon.
    """

    def __init__(self, is_below_user_code: IsBelowUserCode, wake: Callable[[], None]) -> None:
        self._is_below_user_code = is_below_user_code
        self._wake = wake
        self._owner = os.getpid()
        self._before: dict[int, Any] = {}
        self._held: deque[int] = deque()
        self._raised = False

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Hold signals back while the block runs, if this is the main thread, then release them."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._before = {n: old for n in _SIGNALS if callable(old := signal.getsignal(n))}
        try:
            for number in self._before:
                signal.signal(number, self._handle)
            yield
        finally:
            for number, old in self._before.items():
                if signal.getsignal(number) == self._handle:  # else user code has put its own there
                    signal.signal(number, old)
            self._raised = False
            self.release()

    def release(self) -> None:
        """Call the handlers of what was held back. Once one has raised, the others wait longer."""
        while self._held and not self._raised:
            number = self._held.popleft()
            self._raised = True
            self._before[number](number, sys._getframe())
            self._raised = False

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._owner or self._is_below_user_code(frame):
            self._before[number](number, frame)
        else:
            self._held.append(number)
            self._wake()
