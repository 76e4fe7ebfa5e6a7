"""What the record says, as plain data: the answers of :mod:`sematic.tracking.queries`.

Times are seconds since the epoch, UTC; ``None`` where a thing has not happened.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sematic.calls import ArtifactRef, ErrorRecord
from sematic.states import PipelineRunStatus, RunState

DRIVER_LOST = "DRIVER LOST"
"""What people are shown for a pipeline run that should go on, but whose driver is gone."""


@dataclass(frozen=True, slots=True)
class PipelineRunRow:
    """A pipeline run.

    Attributes:
        status: as recorded.
        driver_lost: it has not ended, and the process that drove it is gone. Nobody records
            this; it is found out when the row is read.
        driver: host, process id and start time of the process that drives it.
        updated_at: when anything of it was recorded last.
    """

    root_id: str
    name: str
    function_path: str
    status: PipelineRunStatus
    driver_lost: bool
    reason: str | None
    runner: str
    client_version: str
    cache_namespace: str | None
    driver: Mapping[str, Any] = field(repr=False)
    created_at: float
    updated_at: float
    ended_at: float | None

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
        started_at, ended_at: when the function itself executed; of the latest attempt that did.
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
    nested_run_id: str | None
    output_id: str | None
    error: ErrorRecord | None
    reason: str | None


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
