"""StartedCalls: which attempts an engine has started that have not reported."""

import queue
import time
from collections.abc import Callable

from sematic.events import CallEnded, CallLost, StartCall, StopCall

SECONDS_TO_END = 30.0
"""For calls that were asked to be over, after an error of ours."""

NOT_OVER = f"It did not end within {SECONDS_TO_END:g} seconds of being asked to."


class StartedCalls:
    """Attempts from their start to their report."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, int], StartCall] = {}

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
