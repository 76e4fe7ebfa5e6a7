"""How long the runs of a pipeline run may take. Pure."""

from collections.abc import Iterator

from sematic.calls import Call, ErrorRecord
from sematic.deadlines import Deadlines
from sematic.errors import TimeoutError
from sematic.states import RunState

_TYPE = f"{TimeoutError.__module__}.{TimeoutError.__qualname__}"
_ANCESTORS = tuple(f"{kind.__module__}.{kind.__qualname__}" for kind in TimeoutError.__mro__[1:-1])


class TimeLimits:
    """The moments at which runs will have taken too long.

    A limit begins when its run is SCHEDULED, anew after each failure, and ends with the run; what
    is nested in it counts.
    """

    def __init__(self) -> None:
        self._deadlines = Deadlines()

    @property
    def earliest(self) -> float | None:
        """When the next limit is reached, ``None`` if there is none."""
        return self._deadlines.earliest

    def moved(
        self, run_id: str, seconds: float, state: RunState, at: float, *, failed: bool
    ) -> None:
        """Take notice of a run's new state.

        Args:
            run_id: a run that has a limit.
            seconds: the limit.
            state: its new state.
            at: since when.
            failed: whether an attempt of its failed; RETRYING comes without one too.
        """
        if state is RunState.SCHEDULED:
            if run_id not in self._deadlines:
                self._deadlines.set(run_id, at + seconds)
        elif state.is_terminal or failed:
            self._deadlines.clear(run_id)

    def postpone(self, seconds: float) -> None:
        """Let so much time not have counted."""
        self._deadlines.postpone(seconds)

    def take_reached(self, now: float) -> Iterator[str]:
        """The runs that have taken too long, each once."""
        return self._deadlines.take_due(now)


def own_limit_error(call: Call) -> ErrorRecord:
    """Why a run failed that took longer than its own limit."""
    name = call.function.__name__
    return _error(
        f"The Sematic function {name} did not complete in time to satisfy its "
        f"{_in_words(call)} timeout."
    )


def ancestor_limit_error(ancestor: Call) -> ErrorRecord:
    """Why runs failed that were active when the limit of their ancestor was reached."""
    return _error(
        f"The call did not complete in time to satisfy the {_in_words(ancestor)} timeout "
        f"specified by its ancestor {ancestor.function.__name__}."
    )


def _in_words(call: Call) -> str:
    options = call.options
    if options.timeout_mins is not None:
        return f"{options.timeout_mins} minute"
    return f"{options.timeout_seconds:.12g} second"


def _error(message: str) -> ErrorRecord:
    return ErrorRecord(_TYPE, message, _ANCESTORS)
