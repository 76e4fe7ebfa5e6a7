"""Pipeline runs in a record, without a runner: events go through the machine to a tracker."""

from collections.abc import Callable, Iterable

from sematic.events import Event, Instruction, PipelineMoved, RunCreated, RunMoved
from sematic.ports import Batch, PipelineRunInfo
from sematic.state_machine import PipelineState
from sematic.tracking.connections import connect
from sematic.tracking.sql_tracker import SqlTracker
from tests.builders import ROOT, info

_CHANGES = (RunCreated, RunMoved, PipelineMoved)


class RecordedPipeline:
    """A pipeline run that is recorded event by event, as its driver would.

    Attributes:
        url: of the record.
        state: the machine of the driver.
        instructions: those of all events.
    """

    def __init__(
        self,
        url: str,
        *,
        root_id: str = ROOT,
        lease_seconds: float = 30.0,
        about: Callable[[str], PipelineRunInfo] = info,
    ) -> None:
        self.root_id = root_id
        self.url = url
        self.state = PipelineState()
        self.instructions: list[Instruction] = []
        self._tracker = SqlTracker(url, lease_seconds=lease_seconds)
        self._seq = 0
        self.epoch = self._tracker.begin(about(root_id))

    def record(self, *events: Event) -> None:
        """Let events happen, in one batch."""
        made = [item for event in events for item in self.state.handle(event)]
        self.instructions += made
        changes = tuple(item for item in made if isinstance(item, _CHANGES))
        self._tracker.record(Batch(self.root_id, self.epoch, self._seq, events, changes))
        self._seq += len(events)

    def close(self) -> None:
        """Let the driver leave; the record stays as it is."""
        self._tracker.close()


def replay(events: Iterable[Event]) -> tuple[PipelineState, list[Instruction]]:
    """A machine that has seen events, and its instructions."""
    state = PipelineState()
    return state, [item for event in events for item in state.handle(event)]


def execute(url: str, statement: str) -> None:
    """Change a record behind its back."""
    connection = connect(url)
    try:
        connection.execute(statement)
    finally:
        connection.close()
