"""A state machine for tests: events in, instructions out in words, checked after each event."""

from collections.abc import Iterable
from typing import Any

from sematic.calls import Call, Input
from sematic.errors import TimeoutError
from sematic.events import (
    CancelRequested,
    DriverChanged,
    DropCall,
    EndPipeline,
    EvaluateInputs,
    EvaluateOutput,
    EvaluationFailed,
    Event,
    InputsEvaluated,
    Instruction,
    LookedUp,
    LookUpOutput,
    OutputEvaluated,
    OutputsLookedUp,
    PipelineAborted,
    PipelineMoved,
    PipelineStarted,
    PrepareCall,
    RunCreated,
    RunMoved,
    StartCall,
    StopCall,
    TimePassed,
)
from sematic.retry import RetrySettings
from sematic.state_machine import PipelineState
from sematic.states import RunState
from tests.builders import ROOT, artifact, call, error, expanded, failed, lost, succeeded

TWICE = RetrySettings(exceptions=(ValueError,), retries=2)
LATER = RetrySettings(exceptions=(ValueError,), retries=2, backoff_seconds=10.0, jitter=0.0)
AFTER_TIMEOUT = RetrySettings(exceptions=(TimeoutError,), retries=1)
FAILS = ["root NESTED_FAILED", "pipeline FAILED", "end FAILED"]
"""How it ends where a call that the root waits for fails, in words."""


def standalone(run_id: str, **options: Any) -> Call:
    """A standalone call; see :func:`tests.builders.call`."""
    return call(run_id, standalone=True, **options)


def in_words(instruction: Instruction) -> str:
    match instruction:
        case RunCreated(_, made):
            return f"{made.run_id} CREATED"
        case RunMoved(_, run_id, state):
            return f"{run_id} {state.value}"
        case PipelineMoved(_, _, status):
            return f"pipeline {status.value}"
        case StartCall(made, _, attempt):
            return f"start {made.run_id} #{attempt}"
        case StopCall(made, attempt):
            return f"stop {made.run_id} #{attempt}"
        case EvaluateInputs(made):
            return f"evaluate inputs of {made.run_id}"
        case EvaluateOutput(made):
            return f"evaluate output of {made.run_id}"
        case LookUpOutput(made):
            return f"look up {made.run_id}"
        case EndPipeline(status):
            return f"end {status.value}"
        case PrepareCall(made, (before, attempt)):
            return f"prepare {made.run_id} after {before} #{attempt}"
        case DropCall(made):
            return f"drop {made.run_id}"


class Pipeline:
    """A pipeline run that a test drives by hand. Every method returns the instructions in words.

    Attributes:
        events: all that was sent.
        instructions: those of the last event, in full.
        at: the time of the next event.
    """

    def __init__(self) -> None:
        self.state = PipelineState()
        self.events: list[Event] = []
        self.instructions: list[Instruction] = []
        self.at = 100.0

    def send(self, event: Event) -> list[str]:
        self.events.append(event)
        self.instructions = self.state.handle(event)
        self.state.validate()
        self.at += 1
        return [
            in_words(instruction)
            for instruction in self.instructions
            if not isinstance(instruction, PrepareCall | DropCall)
        ]

    @property
    def ahead(self) -> list[str]:
        """What the last event said of calls that are made ready."""
        found = [item for item in self.instructions if isinstance(item, PrepareCall | DropCall)]
        return [in_words(instruction) for instruction in found]

    def start(self, root: Call | None = None, **options: object) -> list[str]:
        return self.send(PipelineStarted(self.at, root or call(ROOT), **options))  # type: ignore[arg-type]

    def start_with(self, *calls: Call, output: Input, **options: object) -> list[str]:
        """Start, and let the root return futures."""
        self.start(**options)
        return self.expand(ROOT, calls, output)

    def succeed(self, run_id: str, attempt: int = 1) -> list[str]:
        return self.send(succeeded(run_id, at=self.at, attempt=attempt))

    def expand(
        self, run_id: str, calls: Iterable[Call], output: Input, attempt: int = 1
    ) -> list[str]:
        return self.send(expanded(run_id, calls, output, at=self.at, attempt=attempt))

    def fail(self, run_id: str, attempt: int = 1) -> list[str]:
        return self.send(failed(run_id, at=self.at, attempt=attempt))

    def lose(self, run_id: str, attempt: int = 1) -> list[str]:
        return self.send(lost(run_id, at=self.at, attempt=attempt))

    def inputs(self, run_id: str) -> list[str]:
        return self.send(InputsEvaluated(self.at, run_id, {"x0": artifact("list")}))

    def output(self, run_id: str) -> list[str]:
        return self.send(OutputEvaluated(self.at, run_id, artifact(run_id)))

    def looked_up(self, run_id: str, original_id: str | None = None) -> list[str]:
        """The cache was asked; ``original_id`` is the run whose output it had."""
        output = artifact(original_id) if original_id else None
        return self.send(OutputsLookedUp(self.at, (LookedUp(run_id, output, original_id),)))

    def evaluation_fails(self, run_id: str) -> list[str]:
        return self.send(EvaluationFailed(self.at, run_id, error("no such item")))

    def cancel(self, reason: str = "Canceled by SIGINT.") -> list[str]:
        return self.send(CancelRequested(self.at, reason))

    def wait_until(self, at: float) -> list[str]:
        self.at = at
        return self.send(TimePassed(at))

    def wait_until_due(self) -> list[str]:
        """Wait for what the machine itself waits for."""
        due = self.state.next_due
        assert due is not None
        return self.wait_until(due)

    def abort(self, message: str = "driver lost") -> list[str]:
        return self.send(PipelineAborted(self.at, error(message, type_="my.DriverLost")))

    def change_driver(self, *, away: float = 0.0, forgotten: int = 0) -> list[str]:
        """Let the driver die, and another one read the record and take over.

        Args:
            away: for how many seconds there is none.
            forgotten: how many of the last events were not recorded.
        """
        self.events = self.events[: len(self.events) - forgotten]
        self.state = PipelineState()
        for event in self.events:
            self.state.handle(event)
        alive_until, self.at = self.at, self.at + away
        return self.send(DriverChanged(self.at, alive_until))

    def states(self, *run_ids: str) -> list[RunState | None]:
        return [self.state.state_of(run_id) for run_id in run_ids]

    def moved(self, run_id: str) -> RunMoved:
        """The last change of a run among the last instructions."""
        moves = [i for i in self.instructions if isinstance(i, RunMoved) and i.run_id == run_id]
        return moves[-1]

    @property
    def end(self) -> EndPipeline:
        """How it ended, if the last event ended it."""
        last = self.instructions[-1]
        assert isinstance(last, EndPipeline)
        return last
