"""Whether what was executed fits what is recorded."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sematic.states import RunState
from sematic.testing.chaos.executions import Execution
from sematic.tracking.event_rows import EventRow
from sematic.tracking.views import RunRow

_OUTCOMES = ("CallEnded", "CallLost")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What there is to compare, of one pipeline run.

    Attributes:
        executions: as the executing processes noted them.
        events: as they are recorded.
        driver_times: when each driver was started; the first one is driver 1.
    """

    runs: Sequence[RunRow]
    executions: Sequence[Execution]
    events: Sequence[EventRow]
    driver_times: Sequence[float]


def find_broken_promises(evidence: Evidence) -> list[str]:
    """Sentences, one for each thing that must not be; none where all is well."""
    return [
        *_unended(evidence),
        *_repeated(evidence),
        *_without_reason(evidence),
        *_never_executed(evidence),
    ]


def _unended(evidence: Evidence) -> Iterator[str]:
    for run in evidence.runs:
        if not run.state.is_terminal:
            yield f"Run {run.id} of {run.function_path} is left in state {run.state.value}."


def _repeated(evidence: Evidence) -> Iterator[str]:
    """What was recorded by one driver must not be executed by a later one."""
    epoch_of = _epochs(evidence)
    recorded = {
        event.payload["run_id"]: event.epoch
        for event in evidence.events
        if event.kind == "CallEnded" and "error" not in event.payload
    }
    for execution in evidence.executions:
        epoch = recorded.get(execution.run_id)
        if epoch is not None and epoch_of.get(execution.driver, epoch) > epoch:
            yield (
                f"Run {execution.run_id} of {execution.function} was executed again by driver "
                f"{execution.driver}, though epoch {epoch} had recorded how it ended."
            )


def _without_reason(evidence: Evidence) -> Iterator[str]:
    """Each driver executes a call once for each outcome, and once more where it was cut off.

    What fails may be retried before it is recorded that it failed.
    """
    epoch_of = _epochs(evidence)
    last = max((event.epoch for event in evidence.events), default=0)
    outcomes = Counter(
        (event.payload["run_id"], event.epoch)
        for event in evidence.events
        if event.kind in _OUTCOMES
    )
    counts = Counter((e.run_id, e.function, e.driver) for e in evidence.executions)
    failures = Counter((e.run_id, e.driver) for e in evidence.executions if e.failed)
    for (run_id, function, driver), count in counts.items():
        epoch = epoch_of.get(driver)
        recorded = outcomes[run_id, epoch or 0]
        # It was cut off: one more may have begun, after any number of failures.
        allowed = recorded if epoch == last else max(recorded, failures[run_id, driver]) + 1
        if count > allowed:
            yield (
                f"Run {run_id} of {function} was executed {count} times by driver {driver} (epoch "
                f"{epoch} of {last}), which had recorded {recorded} outcomes."
            )


def _never_executed(evidence: Evidence) -> Iterator[str]:
    """What is said to have ended well by itself has been executed to its end."""
    completed = {e.run_id for e in evidence.executions if e.ended_at is not None}
    by_itself = {
        event.payload["run_id"]
        for event in evidence.events
        if event.kind == "CallEnded" and "error" not in event.payload
    }
    for run in evidence.runs:
        ran = run.state in (RunState.RESOLVED, RunState.RAN) and run.id in by_itself
        if ran and run.id not in completed:
            yield f"Run {run.id} of {run.function_path} is {run.state.value}, but never executed."


def _epochs(evidence: Evidence) -> dict[int, int]:
    """The epoch of each driver that had one: its first event is not older than the driver."""
    began: dict[int, float] = {}
    for event in evidence.events:
        began.setdefault(event.epoch, event.at)
    drivers: dict[int, int] = {}
    for epoch, at in sorted(began.items()):
        started = [n for n, time in enumerate(evidence.driver_times, 1) if time <= at]
        if started:
            drivers[started[-1]] = epoch
    return drivers
