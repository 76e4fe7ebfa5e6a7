"""StartedCalls: which attempts an engine has started that have not reported."""

from sematic.events import CallEnded, CallLost, StartCall, StopCall


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

    def stops(self) -> list[StopCall]:
        """What it takes to end them all."""
        return [StopCall(start.call, start.attempt) for start in self._calls.values()]
