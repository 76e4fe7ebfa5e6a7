"""The states of runs and pipeline runs, and which may follow which.

``docs/states.md`` draws them. Everything else in the package asks this module.
"""

from enum import Enum, unique

from sematic.errors import IllegalStateTransitionError


@unique
class RunState(str, Enum):
    """What is known of one run, the execution of one call."""

    CREATED = "CREATED"
    """The call exists; it waits for its inputs, or for a slot."""
    SCHEDULED = "SCHEDULED"
    """It was handed to an executor: queued there, or running."""
    RAN = "RAN"
    """Its function returned futures; it waits for the calls nested in it."""
    RESOLVED = "RESOLVED"
    """Its output is known."""
    RETRYING = "RETRYING"
    """An attempt failed, or was lost with its driver, and another one will follow."""
    FAILED = "FAILED"
    """Its own code, its worker or its time limit failed it."""
    NESTED_FAILED = "NESTED_FAILED"
    """A call nested in it failed."""
    CANCELED = "CANCELED"
    """It was ended, or never started, because the pipeline run was ending."""

    @property
    def is_terminal(self) -> bool:
        """Whether no state can follow."""
        return self in TERMINAL_STATES


@unique
class PipelineRunStatus(str, Enum):
    """What is known of a whole pipeline run."""

    CREATED = "CREATED"
    """It is recorded, and no driver has been asked for."""
    SCHEDULED = "SCHEDULED"
    """A driver was asked for and has not reported yet."""
    RUNNING = "RUNNING"
    """A driver is executing it."""
    COMPLETE = "COMPLETE"
    """The root run is RESOLVED."""
    FAILED = "FAILED"
    """The root run is FAILED or NESTED_FAILED."""
    CANCELED = "CANCELED"
    """Somebody cancelled it."""

    @property
    def is_terminal(self) -> bool:
        """Whether no status can follow."""
        return self in TERMINAL_STATUSES


TERMINAL_STATES = frozenset(
    {RunState.RESOLVED, RunState.FAILED, RunState.NESTED_FAILED, RunState.CANCELED}
)
TERMINAL_STATUSES = frozenset(
    {PipelineRunStatus.COMPLETE, PipelineRunStatus.FAILED, PipelineRunStatus.CANCELED}
)

# CREATED to RESOLVED: the function does not execute, its output is cached or taken over by a rerun.
TRANSITIONS: dict[RunState | None, frozenset[RunState]] = {
    None: frozenset({RunState.CREATED}),
    RunState.CREATED: frozenset(
        {RunState.SCHEDULED, RunState.RESOLVED, RunState.FAILED, RunState.CANCELED}
    ),
    RunState.SCHEDULED: frozenset(
        {
            RunState.RAN,
            RunState.RESOLVED,
            RunState.RETRYING,
            RunState.FAILED,
            RunState.CANCELED,
        }
    ),
    RunState.RETRYING: frozenset({RunState.SCHEDULED, RunState.FAILED, RunState.CANCELED}),
    RunState.RAN: frozenset(
        {
            RunState.RESOLVED,
            RunState.FAILED,
            RunState.NESTED_FAILED,
            RunState.CANCELED,
        }
    ),
    RunState.RESOLVED: frozenset(),
    RunState.FAILED: frozenset(),
    RunState.NESTED_FAILED: frozenset(),
    RunState.CANCELED: frozenset(),
}

STATUS_TRANSITIONS: dict[PipelineRunStatus | None, frozenset[PipelineRunStatus]] = {
    None: frozenset(
        {
            PipelineRunStatus.CREATED,
            PipelineRunStatus.SCHEDULED,
            PipelineRunStatus.RUNNING,
        }
    ),
    PipelineRunStatus.CREATED: frozenset(
        {
            PipelineRunStatus.SCHEDULED,
            PipelineRunStatus.RUNNING,
            PipelineRunStatus.FAILED,
            PipelineRunStatus.CANCELED,
        }
    ),
    PipelineRunStatus.SCHEDULED: frozenset(
        {
            PipelineRunStatus.RUNNING,
            PipelineRunStatus.FAILED,
            PipelineRunStatus.CANCELED,
        }
    ),
    PipelineRunStatus.RUNNING: TERMINAL_STATUSES,
    PipelineRunStatus.COMPLETE: frozenset(),
    PipelineRunStatus.FAILED: frozenset(),
    PipelineRunStatus.CANCELED: frozenset(),
}


def check_transition(run_id: str, before: RunState | None, after: RunState) -> None:
    """Raise unless ``after`` may follow ``before``.

    Raises:
        IllegalStateTransitionError: ``TRANSITIONS`` does not connect the two.
    """
    if after in TRANSITIONS[before]:
        return
    origin = before.value if before else None
    raise IllegalStateTransitionError(
        f"Run {run_id} cannot move from {origin!r} to {after.value!r}"
    )
