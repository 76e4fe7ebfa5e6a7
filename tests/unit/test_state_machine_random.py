"""Random pipelines, random events in a legal order: what must hold whatever happens."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from sematic.calls import (
    ArtifactRef,
    Call,
    Expanded,
    Failed,
    Input,
    Outcome,
    OutputOf,
    Succeeded,
    dependencies,
)
from sematic.errors import WorkerLostError
from sematic.events import (
    CancelRequested,
    EndPipeline,
    EvaluateInputs,
    EvaluateOutput,
    EvaluationFailed,
    Event,
    InputsEvaluated,
    Instruction,
    LookUpOutput,
    OutputEvaluated,
    OutputLookedUp,
    PipelineMoved,
    PipelineStarted,
    RunCreated,
    RunMoved,
    StartCall,
    StopCall,
)
from sematic.retry import RetrySettings
from sematic.state_machine import PipelineState
from sematic.states import STATUS_TRANSITIONS, TRANSITIONS, PipelineRunStatus, RunState
from tests.builders import ROOT, artifact, call, ended, error, integer, list_of, lost, real

MOST_EVENTS = 1000

Attempt = tuple[str, int]
Question = EvaluateInputs | EvaluateOutput | LookUpOutput

RETRIES = (
    *(None, None, None),
    RetrySettings(exceptions=(ValueError,), retries=2),
    RetrySettings(exceptions=(WorkerLostError,), retries=1),
    RetrySettings(exceptions=(Exception,), retries=0),
    RetrySettings(exceptions=(Exception,), retries=2),
)
FAILURES = (
    error(),
    error(type_="builtins.UnicodeError", ancestors=("builtins.ValueError", "builtins.Exception")),
    error(type_="builtins.OSError"),
)


@dataclass
class Odds:
    """How often, out of a hundred, an attempt ends in which way; the rest succeeds."""

    fail: int
    lose: int
    expand: int
    cancel: int
    noise: int
    refuse: int


def choose_odds(random: Random) -> Odds:
    return Odds(
        fail=random.choice([0, 0, 5, 40]),
        lose=random.choice([0, 0, 5, 20]),
        expand=random.choice([20, 50, 90]),
        cancel=random.choice([0, 0, 0, 5]),
        noise=random.choice([0, 20]),
        refuse=random.choice([0, 0, 10]),
    )


@dataclass
class World:
    """Carries out instructions, and keeps account of what was asked and what came of it."""

    random: Random
    odds: Odds
    most_runs: int
    max_parallelism: int | None
    caching: bool
    apart: bool
    state: PipelineState = field(default_factory=PipelineState)
    events: list[Event] = field(default_factory=list)
    instructions: list[list[Instruction]] = field(default_factory=list)
    calls: dict[str, Call] = field(default_factory=dict)
    states: dict[str, RunState] = field(default_factory=dict)
    outputs: dict[str, ArtifactRef] = field(default_factory=dict)
    expansions: dict[str, Input] = field(default_factory=dict)
    attempts: dict[str, int] = field(default_factory=dict)
    open_attempts: dict[Attempt, StartCall] = field(default_factory=dict)
    open_questions: dict[str, Question] = field(default_factory=dict)
    stopped: list[Attempt] = field(default_factory=list)
    asked: Counter[tuple[type, str]] = field(default_factory=Counter)
    answered: list[Attempt] = field(default_factory=list)
    status: PipelineRunStatus | None = None
    end: EndPipeline | None = None
    ending: bool = False
    failures: list[str] = field(default_factory=list)

    # --- one event

    def send(self, event: Event) -> None:
        assert len(self.events) < MOST_EVENTS, "the pipeline run does not end"
        self.events.append(event)
        out = self.state.handle(event)
        self.instructions.append(out)
        self.state.validate()
        for instruction in out:
            self.take(instruction)
        self.check()

    def take(self, instruction: Instruction) -> None:
        assert self.end is None, "an instruction after the end"
        match instruction:
            case RunCreated(_, made):
                assert made.run_id not in self.calls
                self.calls[made.run_id] = made
                self.states[made.run_id] = RunState.CREATED
            case RunMoved():
                self.take_move(instruction)
            case PipelineMoved(_, _, status):
                assert status in STATUS_TRANSITIONS[self.status]
                self.status = status
            case StartCall():
                self.take_start(instruction)
            case StopCall(made, attempt):
                assert (made.run_id, attempt) in self.open_attempts
                assert (made.run_id, attempt) not in self.stopped, "stopped twice"
                self.stopped.append((made.run_id, attempt))
            case EvaluateInputs() | EvaluateOutput() | LookUpOutput():
                self.take_question(instruction)
            case EndPipeline():
                self.end = instruction

    def take_move(self, move: RunMoved) -> None:
        before = self.states[move.run_id]
        assert move.state in TRANSITIONS[before], f"{move.run_id}: {before} to {move.state}"
        self.states[move.run_id] = move.state
        if move.state is RunState.RESOLVED:
            assert move.output is not None
            function = self.calls[move.run_id].function
            assert move.output.type == function.output_descriptor
            self.outputs[move.run_id] = move.output
        if move.state is RunState.FAILED:
            assert move.error is not None
            self.failures.append(move.run_id)
        if move.state in (RunState.NESTED_FAILED, RunState.CANCELED):
            assert move.reason
        # The machine is ending as soon as one run is where no pipeline run goes on from.
        self.ending |= move.state.is_terminal and move.state is not RunState.RESOLVED

    def take_start(self, start: StartCall) -> None:
        run_id = start.call.run_id
        assert not self.ending, "started although the pipeline run is ending"
        assert start.attempt == self.attempts.get(run_id, 0) + 1
        assert self.states[run_id] is RunState.SCHEDULED
        retry = start.call.options.retry
        assert start.attempt <= 1 + (retry.retries if retry else 0)
        assert start.inputs == self.expected_inputs(start.call)
        self.attempts[run_id] = start.attempt
        self.open_attempts[run_id, start.attempt] = start

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
        assert self.open_attempts or self.open_questions, "nothing will ever happen again"
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

    def runs_apart(self, run_id: str) -> bool:
        return self.apart and self.calls[run_id].options.standalone

    def is_ready(self, run_id: str) -> bool:
        if self.states[run_id] not in (RunState.CREATED, RunState.RETRYING):
            return False
        inputs = self.calls[run_id].inputs.values()
        needs = {need for value in inputs for need in dependencies(value)}
        if not needs <= self.outputs.keys() or run_id in self.open_questions:
            return False
        return not self.waits_for_its_like(run_id)

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
        if not self.caching or not made.options.cache:
            return None
        needs = {need for value in made.inputs.values() for need in dependencies(value)}
        if not needs <= self.outputs.keys():
            return None
        return made.function.path, *self.expected_inputs(made).items()

    def in_state(self, state: RunState) -> set[str]:
        return {run_id for run_id, its in self.states.items() if its is state}

    # --- what happens next

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    def step(self) -> None:
        if self.chance(self.odds.cancel):
            self.ending = True
            self.send(CancelRequested(self.at, "Enough."))
        elif self.chance(self.odds.noise):
            self.make_noise()
        else:
            waiting = [*self.open_attempts, *self.open_questions]
            self.answer(self.random.choice(waiting))

    @property
    def at(self) -> float:
        return float(len(self.events))

    def answer(self, choice: Attempt | str) -> None:
        if isinstance(choice, str):
            self.answer_question(self.open_questions.pop(choice))
            return
        start = self.open_attempts.pop(choice)
        self.answered.append(choice)
        # A stopped attempt is usually lost, but it may have come to its end just before.
        lose = 80 if choice in self.stopped else self.odds.lose
        if self.chance(lose):
            self.send(lost(choice[0], at=self.at, attempt=choice[1]))
            assert choice not in self.stopped or self.states[choice[0]] is RunState.CANCELED
        else:
            self.send(ended(choice[0], self.outcome(start.call), at=self.at, attempt=choice[1]))

    def answer_question(self, question: Question) -> None:
        made = question.call
        if not isinstance(question, LookUpOutput) and self.chance(self.odds.refuse):
            self.send(EvaluationFailed(self.at, made.run_id, error("no such item")))
        elif isinstance(question, LookUpOutput):
            output = artifact("cached", type_=made.function.output_descriptor)
            found = (output, "elsewhere") if self.chance(30) else (None, None)
            self.send(OutputLookedUp(self.at, made.run_id, *found))
        elif isinstance(question, EvaluateInputs):
            inputs = {name: artifact(f"{made.run_id}.{name}") for name in made.inputs}
            self.send(InputsEvaluated(self.at, made.run_id, inputs))
        else:
            output = artifact(made.run_id, type_=made.function.output_descriptor)
            self.send(OutputEvaluated(self.at, made.run_id, output))

    def make_noise(self) -> None:
        """Events that cannot change anything: executors and networks repeat themselves."""
        events: list[Event] = [*self.events]
        for run_id, attempt in self.open_attempts:
            events.append(ended(run_id, Succeeded(artifact("late")), attempt=attempt - 1))
            events.append(ended(run_id, Failed(error()), attempt=attempt + 1))
            events.append(lost(run_id, attempt=attempt - 1))
        current = set(self.open_attempts)
        noise = [
            event
            for event in events
            if not isinstance(event, (CancelRequested, PipelineStarted))
            and (event.run_id, getattr(event, "attempt", 0)) not in current
            and event.run_id not in self.open_questions
        ]
        if noise:
            self.send(self.random.choice(noise))
            assert self.instructions[-1] == []

    def outcome(self, made: Call) -> Outcome:
        is_root = made.run_id == ROOT  # it should come to something in most cases
        if self.chance(self.odds.fail // 8 if is_root else self.odds.fail):
            return Failed(self.random.choice(FAILURES))
        room = len(self.calls) < self.most_runs
        if room and self.chance(95 if is_root else self.odds.expand):
            return self.expansion(made)
        return Succeeded(artifact(made.run_id, type_=made.function.output_descriptor))

    def expansion(self, parent: Call) -> Outcome:
        count = self.random.randint(0, 5)
        ids = [f"{parent.run_id}.{i}" for i in range(count)]
        calls = tuple(
            self.nested(run_id, parent.run_id, before=ids[:i]) for i, run_id in enumerate(ids)
        )
        used = {need for c in calls for value in c.inputs.values() for need in dependencies(value)}
        unused = [run_id for run_id in ids if run_id not in used]
        only = len(unused) == 1 and self.chance(50)
        output: Input = OutputOf(unused[0]) if only else list_of(*unused)
        self.expansions[parent.run_id] = output
        return Expanded(calls, output)

    def nested(self, run_id: str, parent: str, *, before: list[str]) -> Call:
        # The same call may come often, but no call contains itself: it would never end.
        inputs: dict[str, Input] = {"constant": artifact(run_id.count("."))}
        for need in self.random.sample(before, self.random.randint(0, min(3, len(before)))):
            inputs[f"x{len(inputs)}"] = list_of(need) if self.chance(50) else OutputOf(need)
        return call(
            run_id,
            parent=parent,
            inputs=inputs,
            function=self.random.choice([integer, real]),
            standalone=self.chance(50),
            retry=self.random.choice(RETRIES),
            cache=self.chance(50),
        )


def run_world(random: Random, odds: Odds, most_runs: int) -> World:
    parallelism = random.choice([None, 1, 2, 3])
    caching, apart = random.random() < 0.3, random.random() < 0.8
    world = World(random, odds, most_runs, parallelism, caching, apart)
    root = call(ROOT, standalone=world.chance(50), retry=random.choice(RETRIES))
    on_failure = "drain" if world.chance(50) else "cancel"
    namespace = "shared" if world.caching else None
    world.send(
        PipelineStarted(0.0, root, parallelism, on_failure, cache_namespace=namespace, apart=apart)
    )
    while world.end is None:
        world.step()
    return world


def attempts(world: World) -> Iterator[Attempt]:
    for out in world.instructions:
        for instruction in out:
            if isinstance(instruction, StartCall):
                yield instruction.call.run_id, instruction.attempt


seeds = st.integers(0, 2**32 - 1)


@settings(max_examples=800)
@given(seeds, st.integers(2, 40))
def test_every_pipeline_ends_and_no_run_is_lost(seed: int, most_runs: int) -> None:
    """Most of what this shows is in ``World.check``, after each event."""
    random = Random(seed)
    world = run_world(random, choose_odds(random), most_runs)
    assert world.end is not None
    assert sorted(attempts(world)) == sorted(world.answered), "an attempt without an answer"
    assert set(world.stopped) <= set(world.answered)
    check_the_end(world, world.end)
    check_replay(world)


def check_the_end(world: World, end: EndPipeline) -> None:
    assert world.status is end.status
    match end.status:
        case PipelineRunStatus.COMPLETE:
            assert set(world.states.values()) == {RunState.RESOLVED}
            assert end.output == world.outputs[ROOT]
            assert not world.stopped
            check_cached_calls_executed_once(world)
        case PipelineRunStatus.FAILED:
            assert end.failed_run_id == world.failures[0]
            check_ancestors_of_the_first_failure(world)
        case _:
            assert end.reason == "Enough."
            assert any(isinstance(event, CancelRequested) for event in world.events)
            assert world.states[ROOT] is not RunState.NESTED_FAILED


def check_ancestors_of_the_first_failure(world: World) -> None:
    run_id: str | None = world.failures[0]
    while (run_id := world.calls[run_id].parent_id) is not None:  # type: ignore[index]
        assert world.states[run_id] is RunState.NESTED_FAILED


def check_cached_calls_executed_once(world: World) -> None:
    keys = [world.cache_key(run_id) for run_id in world.attempts]
    assert all(count == 1 for key, count in Counter(keys).items() if key is not None)


def check_replay(world: World) -> None:
    """The record is enough: the same events say the same again."""
    state = PipelineState()
    assert [state.handle(event) for event in world.events] == world.instructions
    assert state.ended


@settings(max_examples=100)
@given(seeds)
def test_a_pipeline_in_which_nothing_goes_wrong_is_complete(seed: int) -> None:
    odds = Odds(fail=0, lose=0, expand=60, cancel=0, noise=10, refuse=0)
    world = run_world(Random(seed), odds, most_runs=40)
    assert world.end is not None
    assert world.end.status is PipelineRunStatus.COMPLETE
    assert set(world.attempts.values()) == {1}
