"""Keeps account of what a state machine says, and checks it against rules of its own.

The rules are told from the events alone, with another state than the machine's: what is due, who
has a slot, which attempt is open, how often a call may fail.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sematic.calls import ArtifactRef, Call, ErrorRecord, Expanded, Input, OutputOf, dependencies
from sematic.events import (
    CallEnded,
    CallLost,
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
)
from sematic.state_machine import PipelineState
from sematic.states import STATUS_TRANSITIONS, TRANSITIONS, PipelineRunStatus, RunState
from tests.builders import artifact
from tests.clocks import Attempt, Clocks

Question = EvaluateInputs | EvaluateOutput | LookUpOutput


@dataclass
class Account:
    """A machine, what was sent to it, what it said, and what must be true of that."""

    state: PipelineState = field(default_factory=PipelineState)
    events: list[Event] = field(default_factory=list)
    instructions: list[list[Instruction]] = field(default_factory=list)
    started: PipelineStarted | None = None
    calls: dict[str, Call] = field(default_factory=dict)
    states: dict[str, RunState] = field(default_factory=dict)
    outputs: dict[str, ArtifactRef] = field(default_factory=dict)
    expansions: dict[str, Input] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    failed_attempts: Counter[str] = field(default_factory=Counter)
    lost_attempts: list[Attempt] = field(default_factory=list)  # with their driver
    open_attempts: dict[Attempt, StartCall] = field(default_factory=dict)
    open_questions: dict[str, Question] = field(default_factory=dict)
    stopped: list[Attempt] = field(default_factory=list)
    asked: Counter[tuple[type, str]] = field(default_factory=Counter)
    answered: list[Attempt] = field(default_factory=list)
    prepared: dict[str, Attempt] = field(default_factory=dict)  # and what each waits for
    executed: set[str] = field(default_factory=set)  # runs whose good end was recorded
    failures: dict[str, ErrorRecord] = field(default_factory=dict)
    status: PipelineRunStatus | None = None
    end: EndPipeline | None = None
    ending: bool = False
    stopping: bool = False
    clocks: Clocks = field(init=False)

    def __post_init__(self) -> None:
        self.clocks = Clocks(self)

    # --- one event

    def send(self, event: Event) -> None:
        self.events.append(event)
        changes_nothing = not self.note(event)
        self.clocks.before(event)
        out = self.state.handle(event)
        self.instructions.append(out)
        self.state.validate()
        for instruction in out:
            self.take(instruction, event)
        self.stopping |= self.ending and self.started.on_failure == "cancel"  # type: ignore[union-attr]
        self.clocks.after(event, [i for i in out if isinstance(i, StopCall)])
        self.check()
        assert not (changes_nothing and event.at < self.clocks.latest and out)

    def note(self, event: Event) -> bool:
        """Take in what an event means. Returns whether it may change anything by itself."""
        match event:
            case PipelineStarted():
                self.started = event
            case CallEnded() | CallLost():
                attempt = (event.run_id, event.attempt)
                if self.open_attempts.pop(attempt, None) is None:
                    return False
                self.answered.append(attempt)
            case OutputsLookedUp(_, answers):
                open_ = [self.open_questions.pop(answer.run_id, None) for answer in answers]
                return any(question is not None for question in open_)
            case InputsEvaluated() | OutputEvaluated() | EvaluationFailed():
                return self.open_questions.pop(event.run_id, None) is not None
            case CancelRequested():
                self.ending = self.stopping = True
            case PipelineAborted():
                self.ending = True
            case DriverChanged():
                self.prepared.clear()
                self.lost_attempts += self.open_attempts
                self.open_attempts.clear()
                self.asked -= Counter((type(q), r) for r, q in self.open_questions.items())
                self.open_questions.clear()
        return True

    def take(self, instruction: Instruction, event: Event) -> None:
        assert self.end is None, "an instruction after the end"
        match instruction:
            case RunCreated(_, made):
                assert made.run_id not in self.calls
                self.calls[made.run_id] = made
                self.states[made.run_id] = RunState.CREATED
            case RunMoved():
                self.take_move(instruction, event)
            case PipelineMoved(_, _, status):
                assert status in STATUS_TRANSITIONS[self.status]
                self.status = status
            case StartCall():
                self.take_start(instruction)
            case PrepareCall(made, after):
                self.take_preparation(made, after)
            case DropCall(made):
                assert self.prepared.pop(made.run_id) not in self.open_attempts, "dropped too soon"
            case StopCall(made, attempt):
                assert (made.run_id, attempt) in self.open_attempts, "nobody is there to be stopped"
                assert (made.run_id, attempt) not in self.stopped, "stopped twice"
                self.stopped.append((made.run_id, attempt))
            case EvaluateInputs() | EvaluateOutput() | LookUpOutput():
                self.take_question(instruction)
            case EndPipeline():
                self.end = instruction

    def take_move(self, move: RunMoved, event: Event) -> None:
        run_id = move.run_id
        before = self.states[run_id]
        assert move.state in TRANSITIONS[before], f"{run_id}: {before} to {move.state}"
        assert move.at == event.at
        self.clocks.moved(move, before, event)
        self.states[run_id] = move.state
        match move.state:
            case RunState.RESOLVED:
                assert move.output is not None
                assert move.output.type == self.calls[run_id].function.output_descriptor
                self.outputs[run_id] = move.output
            case RunState.RAN:
                assert isinstance(event, CallEnded)
                assert isinstance(event.outcome, Expanded)
                self.expansions[run_id] = event.outcome.output
            case RunState.RETRYING if move.error is None:
                assert isinstance(event, DriverChanged)
            case RunState.RETRYING:
                self.failed_attempts[run_id] += 1
            case RunState.FAILED:
                assert move.error is not None
                self.failures[run_id] = move.error
            case RunState.NESTED_FAILED | RunState.CANCELED:
                assert move.reason
        if before is RunState.SCHEDULED and move.state in (RunState.RESOLVED, RunState.RAN):
            self.executed.add(run_id)
        # The machine is ending as soon as one run is where no pipeline run goes on from.
        self.ending |= move.state.is_terminal and move.state is not RunState.RESOLVED

    def take_start(self, start: StartCall) -> None:
        run_id = start.call.run_id
        assert not self.ending, "started although the pipeline run is ending"
        assert run_id not in self.executed, "a recorded call executes again"
        assert self.states[run_id] is RunState.SCHEDULED
        retry = start.call.options.retry
        failed = self.failed_attempts[run_id]
        assert failed <= (retry.retries if retry else 0)
        lost = sum(run_id == lost_id for lost_id, _ in self.lost_attempts)
        timed_out_and_lost = self.clocks.lost_failures[run_id]
        assert start.attempt == 1 + failed + lost - timed_out_and_lost
        assert start.attempt == self.attempts.get(run_id, 0) + 1
        assert start.inputs == self.expected_inputs(start.call)
        self.attempts[run_id] = start.attempt
        assert self.prepared.pop(run_id, None) not in self.open_attempts
        self.open_attempts[run_id, start.attempt] = start

    def take_preparation(self, made: Call, after: Attempt) -> None:
        assert after in self.open_attempts, "nobody is there to be waited for"
        assert all(map(self.runs_apart, (made.run_id, after[0])))
        assert self.states[made.run_id] is RunState.CREATED
        assert made.run_id not in self.prepared, "made ready twice"
        needs = {need for value in made.inputs.values() for need in dependencies(value)}
        assert needs - self.outputs.keys() == {after[0]}
        self.prepared[made.run_id] = after

    def take_question(self, question: Question) -> None:
        run_id = question.call.run_id
        assert not self.ending, "asked although the pipeline run is ending"
        self.asked[type(question), run_id] += 1
        assert self.asked[type(question), run_id] == 1, "asked twice"
        if not isinstance(question, LookUpOutput):
            made_of = question.call.inputs.values()
            values = [question.output] if isinstance(question, EvaluateOutput) else made_of
            needs = {need for value in values for need in dependencies(value)}
            assert question.outputs == {need: self.outputs[need] for need in needs}
        self.open_questions[run_id] = question

    def expected_inputs(self, made: Call) -> dict[str, ArtifactRef]:
        if self.asked[EvaluateInputs, made.run_id]:
            return {name: artifact(f"{made.run_id}.{name}") for name in made.inputs}
        return {
            name: self.outputs[value.run_id] if isinstance(value, OutputOf) else value
            for name, value in made.inputs.items()
        }

    # --- what must hold after each event

    def check(self) -> None:
        active = {run_id for run_id, _ in self.open_attempts}
        assert active == self.in_state(RunState.SCHEDULED)
        assert all(after in self.open_attempts for after in self.prepared.values()), "undecided"
        standalone = set(filter(self.runs_apart, active))
        limit = self.max_parallelism
        assert limit is None or len(standalone) <= limit
        assert len(active - standalone) <= 1, "two inline calls at once"
        for run_id, state in self.states.items():
            assert self.state.state_of(run_id) is state
        if self.end is not None:
            assert not self.open_attempts
            assert all(state.is_terminal for state in self.states.values()), self.states
            assert self.state.ended
            return
        waits = self.open_attempts or self.open_questions or self.clocks.next_due is not None
        assert waits, "nothing will ever happen again"
        if not self.ending:
            self.check_nobody_waits_in_vain(standalone, active)

    def check_nobody_waits_in_vain(self, standalone: set[str], active: set[str]) -> None:
        ready = [run_id for run_id in self.calls if self.is_ready(run_id)]
        if any(map(self.runs_apart, ready)):
            assert len(standalone) == self.max_parallelism
        if not all(map(self.runs_apart, ready)):
            assert len(active - standalone) == 1
        for run_id in self.in_state(RunState.RAN):
            needs = set(dependencies(self.expansions[run_id]))
            assert not needs <= self.outputs.keys() or run_id in self.open_questions
        for run_id in self.in_state(RunState.RETRYING):
            assert self.clocks.pauses_until.get(run_id) is not None, "lost and not started again"

    @property
    def max_parallelism(self) -> int | None:
        assert self.started is not None
        return self.started.max_parallelism

    def runs_apart(self, run_id: str) -> bool:
        assert self.started is not None
        return self.started.apart and self.calls[run_id].options.standalone

    def is_ready(self, run_id: str) -> bool:
        if self.states[run_id] not in (RunState.CREATED, RunState.RETRYING):
            return False
        inputs = self.calls[run_id].inputs.values()
        needs = {need for value in inputs for need in dependencies(value)}
        if not needs <= self.outputs.keys() or run_id in self.open_questions:
            return False
        return not self.clocks.pauses(run_id) and not self.waits_for_its_like(run_id)

    def waits_for_its_like(self, run_id: str) -> bool:
        """Whether an earlier call computes the same, under the cache."""
        key = self.cache_key(run_id)
        return key is not None and any(
            self.cache_key(other) == key and state is not RunState.RESOLVED
            for other, state in self.states.items()
            if other != run_id
        )

    def cache_key(self, run_id: str) -> object:
        """What the output of a cached call depends on, once its inputs are known."""
        made = self.calls[run_id]
        assert self.started is not None
        if self.started.cache_namespace is None or not made.options.cache:
            return None
        needs = {need for value in made.inputs.values() for need in dependencies(value)}
        if not needs <= self.outputs.keys():
            return None
        return made.function.path, *self.expected_inputs(made).items()

    def in_state(self, state: RunState) -> set[str]:
        return {run_id for run_id, its in self.states.items() if its is state}

    def ancestors(self, run_id: str) -> Iterator[str]:
        parent = self.calls[run_id].parent_id
        while parent is not None:
            yield parent
            parent = self.calls[parent].parent_id

    def is_below(self, ancestor: str) -> Callable[[str], bool]:
        return lambda run_id: run_id == ancestor or ancestor in self.ancestors(run_id)
