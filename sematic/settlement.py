"""How a pipeline run ends whose driver is gone: decided by the same machine as any other. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from sematic.calls import ErrorRecord
from sematic.errors import InfrastructureError
from sematic.events import (
    CallLost,
    CancelRequested,
    Change,
    Event,
    PipelineAborted,
    PipelineMoved,
    RunCreated,
    RunMoved,
)
from sematic.replay import replay
from sematic.state_machine import PipelineState
from sematic.states import PipelineRunStatus
from sematic.wording import say_driver_lost

_TYPE = f"{InfrastructureError.__module__}.{InfrastructureError.__qualname__}"
_ANCESTORS = tuple(
    f"{kind.__module__}.{kind.__qualname__}" for kind in InfrastructureError.__mro__[1:-1]
)


@dataclass(frozen=True, slots=True)
class Settlement:
    """What is to be recorded so that a pipeline run has ended."""

    events: tuple[Event, ...] = ()
    changes: tuple[Change, ...] = ()


def cancel_lost(
    root_id: str, history: Iterable[Event], *, reason: str, lost_because: str, at: float
) -> Settlement:
    """End a pipeline run as CANCELED. The calls that executed are lost with their driver.

    Args:
        root_id: of the pipeline run.
        history: everything that was recorded of it; nobody may add to it any more.
        reason: why, one sentence for people; that the driver was lost is added.
        lost_because: see :func:`sematic.tracking.liveness.why_lost`.
        at: now.
    """
    lost = say_driver_lost(lost_because)
    verdict = CancelRequested(at, f"{reason} {lost[0].upper()}{lost[1:]}.")
    return _settle(root_id, history, verdict, driver_lost_error(lost_because))


def fail_lost(
    root_id: str, history: Iterable[Event], *, lost_because: str, at: float
) -> Settlement:
    """End a pipeline run as FAILED, because its driver is lost; see :func:`cancel_lost`."""
    error = driver_lost_error(lost_because)
    return _settle(root_id, history, PipelineAborted(at, error), error)


def fail_broken(
    root_id: str, history: Iterable[Event], *, error: ErrorRecord, at: float
) -> Settlement:
    """End a pipeline run as FAILED, because its driver cannot; see :func:`cancel_lost`."""
    return _settle(root_id, history, PipelineAborted(at, error), error)


def driver_lost_error(lost_because: str) -> ErrorRecord:
    """What calls failed of that were executing when their driver was lost."""
    return ErrorRecord(_TYPE, say_driver_lost(lost_because), _ANCESTORS)


def _settle(
    root_id: str,
    history: Iterable[Event],
    verdict: CancelRequested | PipelineAborted,
    error: ErrorRecord,
) -> Settlement:
    state = PipelineState()
    replayed = replay(state, history)
    if replayed.latest is None:  # its driver did not even come to record that it began
        return Settlement((verdict,), (_end_of_nothing(root_id, verdict),))
    # Clocks of two machines may differ: nothing happens before what has happened.
    verdict = replace(verdict, at=max(verdict.at, replayed.latest.at))
    if state.ended:  # all but that is recorded: it was decided before
        return Settlement((verdict,), tuple(map(_without_cache_key, replayed.missing)))
    events: list[Event] = [verdict]
    instructions = state.handle(verdict)
    for stop in state.active_calls():
        gone = CallLost(verdict.at, stop.call.run_id, stop.attempt, error)
        events.append(gone)
        instructions += state.handle(gone)
    assert state.ended, "something is still active"
    changes = (i for i in instructions if isinstance(i, RunCreated | RunMoved | PipelineMoved))
    return Settlement(tuple(events), tuple(map(_without_cache_key, changes)))


def _end_of_nothing(root_id: str, verdict: CancelRequested | PipelineAborted) -> PipelineMoved:
    if isinstance(verdict, CancelRequested):
        reason = f"{verdict.reason} Nothing was recorded of it."
        return PipelineMoved(verdict.at, root_id, PipelineRunStatus.CANCELED, reason)
    reason = f"{verdict.error.message.rstrip('.')}; nothing was recorded of it, so run it again"
    return PipelineMoved(verdict.at, root_id, PipelineRunStatus.FAILED, reason)


def _without_cache_key(change: Change) -> Change:
    """The record keeps the key that it has; without the functions' code it can be another one."""
    return replace(change, cache_key=None) if isinstance(change, RunMoved) else change
