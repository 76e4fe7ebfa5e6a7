"""StartedCalls: which attempts an engine has started that have not reported."""

import queue
import time
from collections.abc import Callable
from typing import Protocol

from sematic.events import CallEnded, CallLost, StartCall, StopCall

SECONDS_TO_END = 30.0
"""For calls that were asked to be over, after an error of ours."""

NOT_OVER = f"It did not end within {SECONDS_TO_END:g} seconds of being asked to."


class Certainty(Protocol):
    """Whether nobody else drives; see :class:`sematic.heartbeat.Heartbeat`."""

    def is_fresh(self) -> bool: ...

    def confirm_beside(
        self, on_certain: Callable[[], None], on_error: Callable[[BaseException], None]
    ) -> None: ...


class Bell(Protocol):
    """How an engine is told something; see :class:`sematic.turns.Turns`."""

    def put(self, item: BaseException) -> None: ...

    def wake(self) -> None: ...


class StartedCalls:
    """Attempts from their start to their report, and those that are held before it.

    Only who has the turn calls it.
    """

    def __init__(self) -> None:
        self._calls: dict[tuple[str, int], StartCall] = {}
        self._held: dict[tuple[str, int], StartCall] = {}
        self._certainty: Certainty | None = None
        self._bell: Bell | None = None

    def hold_unless_certain(self, certainty: Certainty, bell: Bell) -> None:
        """Let :meth:`hold` hold attempts for as long as it is not certain that nobody else drives.

        Args:
            certainty: asked beside the engine: events are taken meanwhile.
            bell: woken when :meth:`take_held` may have some, told if that is not to be expected.
        """
        self._certainty, self._bell = certainty, bell

    def hold(self, start: StartCall) -> bool:
        """Keep an attempt, if it must not be started now, and return whether that is so."""
        if self._certainty is None or self._certainty.is_fresh():
            return False
        self._held[start.call.run_id, start.attempt] = start
        self._ask()
        return True

    def take_held(self) -> list[StartCall]:
        """The attempts that may be started now after all."""
        if not self._held or self._certainty is None:
            return []
        if not self._certainty.is_fresh():
            self._ask()
            return []
        taken = [*self._held.values()]
        self._held.clear()
        return taken

    def drop(self, stop: StopCall) -> None:
        """Forget an attempt if it is held."""
        self._held.pop((stop.call.run_id, stop.attempt), None)

    def _ask(self) -> None:
        """Find out, beside the engine, whether nobody else drives."""
        if self._certainty is not None and self._bell is not None:
            self._certainty.confirm_beside(self._bell.wake, self._bell.put)

    def __contains__(self, stop: StopCall) -> bool:
        return (stop.call.run_id, stop.attempt) in self._calls

    def __bool__(self) -> bool:
        return bool(self._calls)

    def add(self, start: StartCall) -> None:
        """An attempt is about to be started."""
        self._calls[start.call.run_id, start.attempt] = start

    def ended(self, event: CallEnded | CallLost) -> None:
        """An attempt has reported."""
        self._calls.pop((event.run_id, event.attempt), None)

    def wait_for_all(self, next_event: Callable[[float], object], *, seconds: float) -> None:
        """Return when all attempts have reported, or after some time.

        Args:
            next_event: given the seconds to wait at most; raises :class:`queue.Empty` after them.
            seconds: how long to wait in all.
        """
        deadline = time.monotonic() + seconds
        while self:
            try:
                event = next_event(max(0.0, deadline - time.monotonic()))
            except queue.Empty:
                return
            if isinstance(event, CallEnded | CallLost):
                self.ended(event)

    def stops(self) -> list[StopCall]:
        """What it takes to end them all."""
        return [StopCall(start.call, start.attempt) for start in self._calls.values()]
