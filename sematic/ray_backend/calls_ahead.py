"""Calls that are with Ray before they are started: the driver's side of it."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from sematic.ray_backend.go_ahead import MOST_BYTES, NOT_HEARD, Place, Words

OnResult: TypeAlias = Callable[[Any], None]
"""Told what the task of a call returned, or the exception that Ray has in its place."""


@dataclass(slots=True)
class _Ahead:
    """One of them. ``on_result`` is there from its start, ``is_over`` from its end."""

    number: int
    ref: Any = None
    on_result: OnResult | None = None
    is_over: bool = False


class CallsAhead:
    """Calls whose tasks wait in their workers for the word to begin.

    From any thread.

    Raises:
        OSError, AttributeError: workers cannot be told to begin.
    """

    def __init__(self) -> None:
        self._words = Words()
        self._calls: dict[str, _Ahead] = {}
        self._lock = threading.Lock()
        self._is_closed = False

    @property
    def place(self) -> Place:
        """Where workers hear whether to begin."""
        return self._words.place

    def submit(self, run_id: str, submit: Callable[[int], Any]) -> None:
        """Submit the first attempt of a run ahead, if there is room for one more.

        One that went ahead before, for an earlier attempt of the call before it, is dropped.

        Args:
            run_id: of the run.
            submit: submits it, to wait for the word with a number; returns the task's reference.
        """
        self.drop(run_id)
        with self._lock:
            number = None if self._is_closed else self._words.reserve()
        if number is None:
            return
        ahead = _Ahead(number)
        try:
            ahead.ref = submit(number)
        except BaseException:
            with self._lock:
                self._words.free(number)
            raise
        ahead.ref._on_completed(lambda result: self._take_result(ahead, result))
        with self._lock:
            if not self._is_closed:
                self._calls[run_id] = ahead

    def begin(self, run_id: str, packed: bytes, register: Callable[[Any], OnResult]) -> bool:
        """Let a call begin that was submitted ahead. Returns whether it was, and still waits.

        Args:
            run_id: of the run.
            packed: the call, see :mod:`sematic.shipping`.
            register: given the reference of its task before it can begin; returns who is told of
                its result.
        """
        with self._lock:
            ahead = self._calls.pop(run_id, None)
            if ahead is None or ahead.is_over:  # it has waited too long, or its worker died
                return False
            if len(packed) > MOST_BYTES:
                self._words.drop(ahead.number)
                return False
            ahead.on_result = register(ahead.ref)
            self._words.go(ahead.number, packed)
            return True

    def drop(self, run_id: str) -> None:
        """Let the task of a call end that does not begin now."""
        with self._lock:
            ahead = self._calls.pop(run_id, None)
            if ahead is not None and not ahead.is_over:
                self._words.drop(ahead.number)

    def knows(self, run_id: str) -> bool:
        """Whether a call was submitted ahead."""
        return run_id in self._calls

    def close(self) -> None:
        """Let all end that have not begun. May be called twice."""
        with self._lock:
            if not self._is_closed:
                self._is_closed = True
                self._calls.clear()
                self._words.close()

    def _take_result(self, ahead: _Ahead, result: Any) -> None:
        with self._lock:
            ahead.is_over = True
            ahead.ref = None  # here, in a thread of Ray's: elsewhere Ray may be shut down just then
            if not self._is_closed:
                self._words.free(ahead.number)
            on_result = ahead.on_result
        if result == NOT_HEARD:
            self.close()
        if on_result is not None:
            on_result(result)
