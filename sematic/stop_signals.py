"""SIGINT, SIGTERM and SIGHUP while a pipeline runs: the first cancels, a second Ctrl-C leaves.

Whoever asked for the end needs no traceback of it: where nobody catches what is raised then, Python
ends with one line.
"""

import _thread
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType, TracebackType
from typing import Any

from sematic.errors import CancellationError

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Act = Callable[[FrameType | None], None]
"""What a signal does; with the frame that it found. May raise."""


class Parting(str):
    """The message of the KeyboardInterrupt that a second Ctrl-C raises. It says all."""


def parting_of(error: BaseException) -> Parting | None:
    """What is to be said in place of a traceback; ``None`` where it was not a second Ctrl-C."""
    match error:
        case KeyboardInterrupt(args=(Parting() as text, *_)):
            return text
    return None


def end_in_one_line() -> None:
    """Let the process end with a line where nobody catches what the wish to end it raises.

    Only where it is Python that would print the traceback. To be called in the main thread.
    """
    if sys.excepthook is sys.__excepthook__:
        sys.excepthook = _print_line


def _print_line(
    kind: type[BaseException], error: BaseException, traceback: TracebackType | None
) -> None:
    text: str | None = parting_of(error)
    if isinstance(error, CancellationError) and error.__cause__ is error.__context__ is None:
        text = f"{kind.__module__}.{kind.__qualname__}: {error}"
    if text is None:
        sys.__excepthook__(kind, error, traceback)
    else:
        _write(f"{text}\n")


@contextmanager
def stop_on_signals(cancel: Callable[[str], None], *, interrupt: Act, leave: Act) -> Iterator[None]:
    """Let signals end a pipeline run while the block runs, if this is the main thread.

    Args:
        cancel: given the reason at the first signal; called in the main thread.
        interrupt: called after it, and at every further SIGTERM or SIGHUP.
        leave: called at a SIGINT that is not the first signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handler = _Handler(cancel, interrupt=interrupt, leave=leave)
    # Signals that are ignored stay so (nohup, jobs in the background of a shell); a handler that
    # Python does not know could not be put back.
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    ours: dict[int, Any] = {
        n: old for n, old in before.items() if old not in (signal.SIG_IGN, None)
    }
    try:
        for number in ours:
            signal.signal(number, handler)
        yield
    finally:
        handler.ended = True
        for number, old in ours.items():
            signal.signal(number, old)
        for number in handler.missed:
            signal.raise_signal(number)


class _Handler:
    """Counts signals.

    Attributes:
        ended: set when the pipeline run has ended: from then on signals are only noted.
        missed: those that were noted.
    """

    def __init__(self, cancel: Callable[[str], None], *, interrupt: Act, leave: Act) -> None:
        self._cancel = cancel
        self._interrupt = interrupt
        self._leave = leave
        self._owner = os.getpid()
        self._canceled = False
        self.ended = False
        self.missed: list[int] = []

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._owner:  # a child that user code forked: as if we were not here
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        elif self.ended:
            self.missed.append(number)
        elif not self._canceled:
            self._canceled = True
            self._cancel(f"Canceled by {signal.Signals(number).name}.")
            _say(_CANCELING[number])
            self._interrupt(frame)
        elif number == signal.SIGINT:
            self._leave(frame)
        else:
            self._interrupt(frame)


_CANCELING: dict[int, str] = {
    int(signal.SIGINT): "Canceling the pipeline run. A second Ctrl-C leaves at once.",
    int(signal.SIGTERM): "Canceling the pipeline run (SIGTERM). Ctrl-C leaves at once.",
    int(signal.SIGHUP): "Canceling the pipeline run (SIGHUP). Ctrl-C leaves at once.",
}


def _say(sentence: str) -> None:
    """Write a line to standard error, from a thread: the signal may have come amid a write.

    A bare one, because :class:`threading.Thread` takes a lock that the main thread may hold.
    """
    with suppress(RuntimeError):  # no more threads can be started
        _thread.start_new_thread(_write, (f"{sentence}\n",))


def _write(line: str) -> None:
    with suppress(OSError, ValueError):  # nobody reads, or closed
        if sys.stderr is not None:
            sys.stderr.write(line)
            sys.stderr.flush()
