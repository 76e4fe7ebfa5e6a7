"""Ends the user code that a thread executes, from another thread or from a signal handler."""

import ctypes
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import CodeType, FrameType
from typing import Any, TypeAlias

from sematic.child_output import WAITING
from sematic.execution import CallInterrupted, execute_call
from sematic.function import Function

Key: TypeAlias = tuple[str, int]
"""Run id and attempt."""

# Between two interruptions of a call that swallows them, in seconds.
_FIRST_PAUSE = 0.05
_LONGEST_PAUSE = 1.0
# How long a call may take to clean up before that is interrupted too, in seconds.
_SECONDS_TO_CLEAN_UP = 2.0
# By default it is ignored, and hardly anybody uses it.
_SIGNAL = signal.SIGURG


class Interruption:
    """Raises CallInterrupted in the user code of a call that is to end, and nowhere else.

    One thread executes calls, one at a time: it tells which (:meth:`begin`, :meth:`end`), and when
    their user code runs (``with``). Any thread may ask for the end of one. If the thread that
    executes is the main one, it is a signal that carries the wish, so that sleeping, waiting for
    locks and system calls end too; any other thread sees it when it executes Python again. What
    is raised may be swallowed: it is raised again, with growing pauses, until the call is over.

    Args:
        loosen: called, from a thread of its own, for a call that is not over two seconds after
            the wish, and once more after each pause: it may wait for something that can be ended.
    """

    def __init__(self, loosen: Callable[[Key], object] = lambda _: None) -> None:
        self._loosen = loosen
        self._thread_id = 0
        self._by_signal = False
        # Written by the thread that executes calls.
        self._current: Key | None = None
        self._armed = False
        # Written by the threads that end them.
        self._unwanted: set[Key] = set()
        self._pursuit: _Pursuit | None = None
        self._sent = False
        self._first_sent_at: float | None = None
        # Held while something is sent: who disarms knows that nothing is on its way.
        self._lock = threading.Lock()

    # --- any thread --------------------------------------------------------------------------

    def stop(self, key: Key) -> None:
        """End a call, now or when it comes. Returns at once."""
        self._unwanted.add(key)
        self.send(key)
        with self._lock:
            if self._current == key and self._pursuit is None:
                self._pursuit = _Pursuit(self.send, self._loosen, key)

    def is_unwanted(self, key: Key) -> bool:
        """Whether :meth:`stop` was called for a call that is not over."""
        return key in self._unwanted

    def send(self, key: Key) -> None:
        """Interrupt a call once, if its user code runs and does not clean up already."""
        with self._lock:
            if not self._armed or self._current != key:
                return
            # Also where a signal has interrupted it already, and it cleans up.
            self._first_sent_at = self._first_sent_at or time.monotonic()
            if self._is_cleaning_up():
                return
            if self._by_signal:
                signal.pthread_kill(self._thread_id, _SIGNAL)
            elif _is_in_user_code(sys._current_frames().get(self._thread_id)):
                self._sent = True
                _raise_in_thread(self._thread_id, CallInterrupted)

    def _is_cleaning_up(self) -> bool:
        """Whether the call is handling an interruption, and may go on with that."""
        since = self._first_sent_at
        overdue = since is not None and time.monotonic() > since + _SECONDS_TO_CLEAN_UP
        return not overdue and _handles_interruption(self._thread_id)

    # --- the thread that executes calls ------------------------------------------------------

    @contextmanager
    def in_this_thread(self) -> Iterator[None]:
        """The calling thread executes the calls for as long as the block runs."""
        self._thread_id = threading.get_ident()
        before = signal.getsignal(_SIGNAL)
        is_main = threading.current_thread() is threading.main_thread()
        # A handler that Python does not know could not be put back.
        self._by_signal = is_main and before is not None
        if not self._by_signal:
            yield
            return

        def handle(number: int, frame: FrameType | None) -> None:
            if self._current in self._unwanted:
                self.interrupt(frame)
            elif callable(before):
                before(number, frame)

        signal.signal(_SIGNAL, handle)
        try:
            yield
        finally:
            signal.signal(_SIGNAL, before)

    def begin(self, key: Key) -> None:
        """A call is the one that is executed from now on."""
        self._current = key

    def end(self) -> None:
        """It is over, however it ended: nothing meant for it arrives any more."""
        self._disarm()
        key = self._current
        with self._lock:
            self._current = None
            pursuit, self._pursuit = self._pursuit, None
        if key in self._unwanted:
            self._unwanted.discard(key)
            self._first_sent_at = None
        if pursuit is not None:
            pursuit.end()

    def __enter__(self) -> None:
        if self._current in self._unwanted:
            raise CallInterrupted
        self._armed = True

    def __exit__(self, *exception: object) -> None:
        self._disarm()

    def interrupt(self, frame: FrameType | None) -> None:
        """End the call that executes now. Only from a signal handler, with the frame it was given.

        Raises:
            CallInterrupted: into the user code that the signal found, if it found any.
        """
        current = self._current
        if current is not None and self._armed and _is_in_user_code(frame):
            self._unwanted.add(current)
            raise _fitting(frame)  # still armed: it may be swallowed

    def may_raise_into(self, frame: FrameType | None) -> bool:
        """Whether what a handler of the user's raises into a frame is a failure of the call.

        So it is below the function, also in code of ours that this calls, and where its arguments
        and its output are made.
        """
        found, between = frame, False
        while found is not None and found.f_code not in (_EXECUTE, _EXECUTE_CALL):
            between = between or found.f_globals.get("__name__") in _UNBREAKABLE
            found = found.f_back
        if found is None or found.f_code is _EXECUTE:
            return found is not None
        return self._armed and found is not frame and not between

    def leave(self, frame: FrameType | None) -> None:
        """Break off the call that executes now. Only from a signal handler, with its frame.

        Raises:
            KeyboardInterrupt: into user code, or into what is around it where that does no harm.
        """
        current = self._current
        if current is not None:
            self._unwanted.add(current)
            if _may_break_off(frame):
                raise KeyboardInterrupt

    def _disarm(self) -> None:
        """Let nothing be raised from now on, and let what was sent arrive here at the latest.

        To take it back would be less: CPython 3.11 leaves a flag set then that slows every thread
        down, and stops those that are traced.
        """
        while True:
            try:
                with self._lock:
                    self._armed = False
                if self._sent:
                    for _ in range(2):
                        pass  # at the end of a round Python raises what is pending
                    self._sent = False
                return
            except CallInterrupted:
                pass  # too late: the user's code has ended


class _Pursuit:
    """Interrupts a call again and again until it is over, from a thread of its own."""

    def __init__(
        self, send: Callable[[Key], None], loosen: Callable[[Key], object], key: Key
    ) -> None:
        self._send = send
        self._loosen = loosen
        self._key = key
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._work, name="sematic-interrupt", daemon=True)
        self._thread.start()

    def end(self) -> None:
        """The call is over."""
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        patience = time.monotonic() + _SECONDS_TO_CLEAN_UP
        pause = _FIRST_PAUSE
        while not self._over.wait(pause):
            if time.monotonic() > patience:
                self._loosen(self._key)
            self._send(self._key)
            pause = min(2 * pause, _LONGEST_PAUSE)


class _InRay(CallInterrupted, KeyboardInterrupt):
    """Interrupts ``ray.get`` and the like, whose C code ignores all but what Ctrl-C raises."""


def _fitting(frame: FrameType | None) -> type[CallInterrupted]:
    name = "" if frame is None else frame.f_globals.get("__name__")
    return _InRay if isinstance(name, str) and name.startswith("ray.") else CallInterrupted


_raise_in_thread: Any = ctypes.pythonapi.PyThreadState_SetAsyncExc
_raise_in_thread.argtypes = (ctypes.c_ulong, ctypes.py_object)
_EXECUTE = Function.execute.__code__
_EXECUTE_CALL = execute_call.__code__
# Besides Function.execute, what calls the operators, casts and pickling hooks of values. What else
# may do so, or calls other code that is not ours, keeps order in the process.
_ENTRANCES = frozenset(
    f"sematic.{name}" for name in ("expressions", "binding", "nesting", "containers", "in_memory")
)
_ENTRANCE_PACKAGES = ("sematic.types.", "sematic.artifacts.codecs.")
# They keep order in the process: which call executes, and what is armed.
_UNBREAKABLE = frozenset({"contextlib", "sematic.run_context", __name__})


_kept_whole: set[CodeType] = set()


def keep_whole(code: CodeType) -> None:
    """Interrupt no call while it executes this code: what is half-done then could harm the process.

    Once it has returned, the call is interrupted.
    """
    _kept_whole.add(code)


def _is_in_user_code(frame: FrameType | None) -> bool:
    """Whether a frame is below one that enters user code, without any of ours in between.

    User code calls ours, to print into its log or to make a future, and that must not break off
    half-way.
    """
    found = frame
    while found is not None:
        if found.f_code in _kept_whole:
            return False
        if found.f_code not in WAITING and _is_ours(found.f_globals.get("__name__")):
            return found is not frame and _enters_user_code(found)
        found = found.f_back
    return False


def _enters_user_code(frame: FrameType) -> bool:
    name = frame.f_globals.get("__name__", "")
    return frame.f_code is _EXECUTE or name in _ENTRANCES or name.startswith(_ENTRANCE_PACKAGES)


def _may_break_off(frame: FrameType | None) -> bool:
    """Whether a frame is below a user's function, or loads its arguments or stores its output."""
    found = frame
    while found is not None:
        if found.f_code is _EXECUTE:
            return True
        if found.f_code is _EXECUTE_CALL:
            return found is not frame
        if found.f_globals.get("__name__") in _UNBREAKABLE:
            return False
        found = found.f_back
    return False


def _is_ours(module: object) -> bool:
    return (
        isinstance(module, str)
        and module.startswith("sematic.")
        and not module.startswith("sematic.examples.")
    )


def _handles_interruption(thread_id: int) -> bool:
    """Whether a thread is in an ``except`` or ``finally`` that an interruption led to."""
    active: Any = sys._current_exceptions().get(thread_id)
    error = active[1] if isinstance(active, tuple) else active  # before Python 3.12
    for _ in range(100):  # somebody may have tied a knot
        if error is None or isinstance(error, CallInterrupted | KeyboardInterrupt):
            return error is not None  # Ray makes the latter of an interruption
        error = error.__context__
    return False
