"""What came of a pipeline run under faults."""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from sematic.artifacts.store import FileSystemStore
from sematic.settings import load_settings
from sematic.states import RunState
from sematic.testing.chaos.executions import Execution
from sematic.testing.chaos.promises import Evidence, find_broken_promises
from sematic.tracking.event_rows import read_event_rows
from sematic.tracking.queries import Queries, open_queries
from sematic.tracking.views import PipelineRunRow


@dataclass(frozen=True)
class Struck:
    """A fault, and what it did.

    Attributes:
        at: seconds since the epoch, UTC; ``None`` if the pipeline run was over before its moment.
        text: what was done.
    """

    fault: str
    at: float | None
    text: str


@dataclass(frozen=True)
class DriverExit:
    """A process that drove a pipeline run.

    Attributes:
        started_at: seconds since the epoch, UTC.
        code: how it ended; negative for a signal; ``None`` if it had to be killed at the end.
        output: what it printed.
    """

    command: Sequence[str]
    pid: int
    started_at: float
    code: int | None
    output: str = field(repr=False)


@dataclass(frozen=True)
class Leftovers:
    """What should not be there when all is over, some seconds later.

    Attributes:
        processes: command lines.
        files: hidden files below the config directory: what is half-written, or was for a moment.
        ray_sessions: directories of Ray.
    """

    processes: Sequence[str] = ()
    files: Sequence[str] = ()
    ray_sessions: Sequence[str] = ()


@dataclass(frozen=True)
class Report:
    """What came of a pipeline run under faults; it can be kept, the record is read when asked for.

    Attributes:
        seed: gives the same faults at the same moments again.
        strikes: the faults.
        drivers: the processes that drove it, in order.
        executions: what was executed, in the order in which it began.
        leftovers: what should not be there.
        timed_out: it took too long, and everything was killed.
        environment: of the drivers: says where the record is.
    """

    seed: int
    strikes: Sequence[Struck]
    drivers: Sequence[DriverExit]
    executions: Sequence[Execution]
    leftovers: Leftovers
    timed_out: bool
    seconds: float
    environment: Mapping[str, str] = field(repr=False)

    @property
    def record(self) -> Queries:
        """Questions to the record."""
        return open_queries(self.database_url)

    @property
    def database_url(self) -> str:
        """Of the record."""
        return load_settings(self.environment).database_url

    @cached_property
    def pipeline_runs(self) -> tuple[PipelineRunRow, ...]:
        """The pipeline runs that the script began, in order.

        Without those of which nothing was recorded before they were struck, but that they failed.
        """
        found = self.record.pipeline_runs()
        counts = self.record.state_counts([run.root_id for run in found])
        told = [run for run in found if counts[run.root_id] or not run.status.is_terminal]
        return tuple(reversed(told))

    @property
    def status(self) -> str:
        """The status of the last pipeline run, as people are shown it."""
        return self.pipeline_runs[-1].shown_status if self.pipeline_runs else "NOT RECORDED"

    @property
    def value(self) -> Any:
        """The value of the last pipeline run.

        Raises:
            RuntimeError: it did not complete.
        """
        root = self.record.run(self.pipeline_runs[-1].root_id)
        if root.state is not RunState.RESOLVED or root.output_id is None:
            raise RuntimeError(f"The pipeline run has no value: its status is {self.status}.")
        store = FileSystemStore(load_settings(self.environment).artifacts_uri)
        return store.get(self.record.artifact(root.output_id))

    @property
    def counts(self) -> Counter[str]:
        """How often each function was executed, by importable path."""
        return Counter(execution.function for execution in self.executions)

    def problems(self) -> list[str]:
        """What sematic promises and did not keep, in sentences; none where all is well.

        See docs/durability.md: no run is left in a state that must change, nothing recorded was
        executed again, nothing is said to have been executed that was not, nothing is left.
        """
        found = ["It took too long, and everything was killed."] if self.timed_out else []
        for pipeline_run in self.pipeline_runs:
            if not pipeline_run.status.is_terminal:
                found.append(f"{pipeline_run.root_id} is left {pipeline_run.shown_status}.")
            found += find_broken_promises(self._evidence(pipeline_run.root_id))
        found += [f"Process left: {process}" for process in self.leftovers.processes]
        found += [f"File left: {path}" for path in self.leftovers.files]
        found += [f"Ray session left: {path}" for path in self.leftovers.ray_sessions]
        return found

    def _evidence(self, root_id: str) -> Evidence:
        return Evidence(
            runs=self.record.runs(root_id),
            executions=[e for e in self.executions if e.root_id == root_id],
            events=read_event_rows(self.database_url, root_id),
            driver_times=[driver.started_at for driver in self.drivers],
        )

    def __str__(self) -> str:
        struck = "; ".join(strike.text for strike in self.strikes) or "no fault"
        return (
            f"seed {self.seed}: {struck}: {self.status} after {self.seconds:.1f} s, "
            f"{len(self.drivers)} drivers, {len(self.executions)} executions"
        )


def find_leftover_files(config_directory: Path) -> list[str]:
    """Hidden files: everything that is written under another name first, or for a moment."""
    found = []
    for folder, _, names in os.walk(config_directory):
        found += [str(Path(folder, name)) for name in names if name.startswith(".")]
    return sorted(found)
