"""What the record says, as plain data: the answers of :mod:`sematic.tracking.queries`.

Times are seconds since the epoch, UTC; ``None`` where a thing has not happened.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sematic.calls import ArtifactRef, ErrorRecord
from sematic.states import PipelineRunStatus, RunState
from sematic.wording import says_driver_lost

DRIVER_LOST = "DRIVER LOST"
"""What people are shown for a pipeline run that should go on, but whose driver is gone."""


@dataclass(frozen=True, slots=True)
class PipelineRunRow:
    """A pipeline run.

    Attributes:
        status: as recorded.
        driver: host, process id and start time of the process that drives it.
        epoch: of that driver; each one that takes a pipeline run over has the next.
        updated_at: the last sign of life of its driver by the clock that the times of its events
            are of; the machine of the record may have another one.
        alive_until: the same by the clock of the record.
        lost_because: why the driver counts as lost, in a sentence.
    """

    root_id: str
    name: str
    function_path: str
    status: PipelineRunStatus
    lost_because: str | None
    reason: str | None
    runner: str
    client_version: str
    cache_namespace: str | None
    driver: Mapping[str, Any] = field(repr=False)
    created_at: float
    updated_at: float
    ended_at: float | None
    epoch: int
    heartbeat_at: float | None
    lease_seconds: float | None
    cancel_reason: str | None

    @property
    def driver_lost(self) -> bool:
        """Whether it has not ended, and nobody drives it.

        Nobody records this; it is found out when the row is read.
        """
        return self.lost_because is not None

    @property
    def ended_by_others(self) -> bool:
        """Whether its driver was lost, and somebody else ended it, perhaps days later.

        When that driver was lost, and what it executed was over, is not known then.
        """
        return self.ended_at is not None and says_driver_lost(self.reason or "")

    @property
    def alive_until(self) -> float:
        """When its driver gave its last sign of life."""
        return self.heartbeat_at or self.updated_at

    @property
    def shown_status(self) -> str:
        """The status that people should see: the recorded one, or ``DRIVER_LOST``."""
        return DRIVER_LOST if self.driver_lost else self.status.value


@dataclass(frozen=True, slots=True)
class RunRow:
    """A run.

    Attributes:
        ordinal: counts the runs of a pipeline run in the order in which they were created.
        options: those that differ from the defaults, and the name.
        original_run_id: the run whose output was reused, where this one did not execute.
        cache_key: under which the cache was asked, if it was: without one, what was reused is of
            the pipeline run that this one is a rerun of.
        attempt: 0 before the first.
        scheduled_at: of the latest attempt.
        started_at, ended_at: when the function itself executed; of the latest attempt of which
            that is known.
        canceled_at: when it was CANCELED; it need not have begun to execute by then.
        nested_run_id: the run whose output became this one's.
        error: of the latest attempt that failed, unless another one follows or succeeded.
    """

    id: str
    root_id: str
    parent_id: str | None
    ordinal: int
    name: str
    function_path: str
    function_id: str
    standalone: bool
    options: Mapping[str, Any] = field(repr=False)
    created_at: float
    original_run_id: str | None
    cache_key: str | None
    state: RunState
    attempt: int
    scheduled_at: float | None
    started_at: float | None
    ended_at: float | None
    resolved_at: float | None
    failed_at: float | None
    canceled_at: float | None
    nested_run_id: str | None
    output_id: str | None
    error: ErrorRecord | None
    reason: str | None


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """An attempt that was followed by another one.

    Attributes:
        scheduled_at: when it was handed to an executor; ``None`` in records of older versions.
        started_at: when the function began to execute; ``None`` where only its worker knew that,
            which was killed, or a driver that was lost.
        ended_at: when it ended; with a driver that was lost, the last sign of life of that.
        error: in what it ended; ``None`` where its driver was lost.
        reason: one sentence for people, where there is no error.
    """

    attempt: int
    scheduled_at: float | None
    started_at: float | None
    ended_at: float
    error: ErrorRecord | None
    reason: str | None

    @property
    def took(self) -> tuple[float, bool] | None:
        """For how many seconds it executed, and whether that is certain or the most it can be.

        ``None`` where nobody knows: a driver that was lost may have lived on after its last sign.
        """
        since = self.scheduled_at if self.started_at is None else self.started_at
        if since is None or (self.started_at is None and self.error is None):
            return None
        return max(0.0, self.ended_at - since), self.started_at is not None


@dataclass(frozen=True, slots=True)
class InputRow:
    """An argument of a run.

    Attributes:
        sources: ids of the runs whose outputs it is made of; none for a constant.
        artifact: its value; ``None`` while it is not known.
    """

    name: str
    sources: tuple[str, ...]
    artifact: ArtifactRef | None


@dataclass(frozen=True, slots=True)
class FunctionRow:
    """A function as it was when it was called.

    Attributes:
        id: 40 hex digits, the hash of its source.
        path: importable path.
    """

    id: str
    path: str
    source: str
    docstring: str | None
