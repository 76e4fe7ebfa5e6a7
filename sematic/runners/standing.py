"""What is known of a pipeline run while it runs, put together from changes. For displays."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from sematic.calls import ErrorRecord
from sematic.events import Change, PipelineMoved, RunCreated, RunMoved
from sematic.states import PipelineRunStatus, RunState
from sematic.wording import clean

MOST_REMEMBERED = 50
"""Pipeline runs of more runs than this are counted only; ended runs are forgotten."""


@dataclass(slots=True)
class SeenRun:
    """A run as far as a display needs it: a name in one line, times in seconds since the epoch.

    Attributes:
        began_at, ended_at: when it was scheduled, and had its output; where its function ended
            without nested calls, when that executed. ``sematic show`` tells the same.
    """

    id: str
    parent_id: str | None
    name: str
    standalone: bool
    state: RunState = RunState.CREATED
    attempt: int = 0
    reused: bool = False
    began_at: float | None = None
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class Failure:
    """The first run that failed, and why."""

    run_id: str
    name: str
    error: ErrorRecord | None


class Standing:
    """How a pipeline run stands.

    Attributes:
        runs: by id; of large pipeline runs only those that have not ended.
        counts: how many runs are in each state.
        total: how many runs there are.
        failures: what failed since :meth:`take` was called last.
        failure: the first run that failed.
        status, reason, ended_at: of the pipeline run, once it has ended.
    """

    def __init__(self) -> None:
        self.runs: dict[str, SeenRun] = {}
        self.counts: Counter[RunState] = Counter()
        self.total = 0
        self.failures: list[Failure] = []
        self.failure: Failure | None = None
        self.status: PipelineRunStatus | None = None
        self.reason: str | None = None
        self.ended_at: float | None = None

    @property
    def is_large(self) -> bool:
        """Whether there are too many runs to be listed."""
        return self.total > MOST_REMEMBERED

    @property
    def done(self) -> int:
        """How many runs have their output."""
        return self.counts[RunState.RESOLVED]

    def running(self) -> list[SeenRun]:
        """The runs that were handed to an executor, the longest running first."""
        return [run for run in self.runs.values() if run.state is RunState.SCHEDULED]

    def take(self, changes: Iterable[Change]) -> None:
        """Take notice of changes."""
        self.failures = []
        for change in changes:
            match change:
                case RunCreated(_, call):
                    self._create(
                        SeenRun(
                            call.run_id,
                            call.parent_id,
                            clean(call.options.name),
                            call.options.standalone,
                        )
                    )
                case RunMoved():
                    self._move(change)
                case PipelineMoved(at, _, status, reason) if status.is_terminal:
                    self.status, self.reason, self.ended_at = status, reason, at

    def _create(self, run: SeenRun) -> None:
        self.runs[run.id] = run
        self.counts[RunState.CREATED] += 1
        self.total += 1
        if self.total == MOST_REMEMBERED + 1:
            self.runs = {i: r for i, r in self.runs.items() if not r.state.is_terminal}

    def _move(self, change: RunMoved) -> None:
        run = self.runs[change.run_id]
        self.counts[run.state] -= 1
        self.counts[change.state] += 1
        run.state = change.state
        run.attempt = change.attempt
        run.reused = change.original_run_id is not None
        if change.state is RunState.SCHEDULED:
            run.began_at = change.at
        if change.state is RunState.FAILED:
            failure = Failure(run.id, run.name, change.error)
            self.failure = self.failure or failure
            self.failures.append(failure)
        if change.state.is_terminal:
            run.ended_at = change.at
            if change.started_at is not None and change.ended_at is not None:
                run.began_at, run.ended_at = change.started_at, change.ended_at
            if self.is_large:
                del self.runs[run.id]
