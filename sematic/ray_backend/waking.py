"""Lets an interrupt reach a task that waits in C code: Ray's own is seen by Python code only."""

import os
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import FrameType

from sematic.ray_backend.worker_log import find_worker

# By default it is ignored: it does no harm to a process that is not what it is taken for.
_SIGNAL = signal.SIGURG
_listening = False


def listen(note_interrupt: Callable[[], None]) -> None:
    """Let this worker be woken, and tell when it was interrupted. Once is enough.

    Ray interrupts a task by letting Python believe that SIGINT has come, which ends no waiting. A
    signal does, whose handler does nothing: Python then runs that of SIGINT.
    """
    global _listening  # noqa: PLW0603 - so are the handlers
    if _listening or threading.current_thread() is not threading.main_thread():
        return
    _listening = True
    before = signal.getsignal(signal.SIGINT)

    def handle(number: int, frame: FrameType | None) -> None:
        note_interrupt()
        if callable(before):
            before(number, frame)

    signal.signal(signal.SIGINT, handle)
    signal.signal(_SIGNAL, lambda *_: None)


def wake(log: Path) -> bool:
    """Wake the worker that executes a call, if it is on this machine.

    Args:
        log: of the call.

    Returns:
        Whether the call has seen an interrupt: it is cleaning up, or does not care.
    """
    worker = find_worker(log)
    if worker is None:
        return False
    pid, interrupted = worker
    if not interrupted:
        with suppress(OSError):  # it has ended meanwhile
            os.kill(pid, _SIGNAL)
    return interrupted
