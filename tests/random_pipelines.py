"""Random pipelines, random events in a legal order, random deaths of their drivers."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from sematic.calls import Call, Expanded, Failed, Input, Outcome, OutputOf, Succeeded, dependencies
from sematic.errors import TimeoutError, WorkerLostError
from sematic.events import (
    CallEnded,
    CallLost,
    CancelRequested,
    DriverChanged,
    EvaluateInputs,
    EvaluationFailed,
    Event,
    InputsEvaluated,
    LookedUp,
    LookUpOutput,
    OutputEvaluated,
    OutputsLookedUp,
    PipelineAborted,
    PipelineStarted,
    StartCall,
    TimePassed,
)
from sematic.retry import RetrySettings
from sematic.states import RunState
from tests.accounts import Account, Attempt, Question
from tests.builders import ROOT, artifact, call, ended, error, integer, list_of, lost, real

MOST_EVENTS = 1000

_REPORTS = (CallEnded, CallLost)
_ANSWERS = (InputsEvaluated, OutputEvaluated, OutputsLookedUp, EvaluationFailed)

RETRIES = (
    *(None, None, None),
    RetrySettings(exceptions=(ValueError,), retries=2),
    RetrySettings(exceptions=(WorkerLostError,), retries=1),
    RetrySettings(exceptions=(Exception,), retries=0),
    RetrySettings(exceptions=(Exception,), retries=2),
    RetrySettings(exceptions=(Exception,), retries=2, backoff_seconds=4.0, jitter=0.5),
    RetrySettings(exceptions=(TimeoutError,), retries=1, backoff_seconds=0.5, jitter=0.0),
)
FAILURES = (
    error(),
    error(type_="builtins.UnicodeError", ancestors=("builtins.ValueError", "builtins.Exception")),
    error(type_="builtins.OSError"),
)


@dataclass
class Odds:
    """How often, out of a hundred, something happens; an attempt that nothing happens to succeeds.

    ``limit`` is for the calls that have a time limit, the rest is for each step or attempt.
    """

    fail: int = 0
    lose: int = 0
    expand: int = 60
    cancel: int = 0
    noise: int = 0
    refuse: int = 0
    abort: int = 0
    die: int = 0
    limit: int = 0
    wait: int = 0


def choose_odds(random: Random) -> Odds:
    return Odds(
        fail=random.choice([0, 0, 5, 40]),
        lose=random.choice([0, 0, 5, 20]),
        expand=random.choice([20, 50, 90]),
        cancel=random.choice([0, 0, 0, 5]),
        noise=random.choice([0, 20]),
        refuse=random.choice([0, 0, 10]),
        abort=random.choice([0, 0, 0, 0, 3]),
        die=random.choice([0, 0, 3, 15]),
        limit=random.choice([0, 0, 20, 80]),
        wait=random.choice([0, 10, 30]),
    )


@dataclass
class World:
    """Carries out what a machine asks for; lets its driver die and another one go on.

    Attributes:
        committed: how many events no death can undo.
        ghosts: attempts whose driver is gone; some of them report nevertheless.
    """

    random: Random
    odds: Odds
    most_runs: int
    account: Account = field(default_factory=Account)
    now: float = 0.0
    deaths: int = 0
    committed: int = 1
    ghosts: list[Attempt] = field(default_factory=list)

    def send(self, event: Event) -> None:
        assert len(self.account.events) < MOST_EVENTS, "the pipeline run does not end"
        self.account.send(event)

    def chance(self, percent: int) -> bool:
        return self.random.randrange(100) < percent

    # --- what happens next

    def run(self) -> None:
        while True:
            while self.account.end is None:
                self.step()
            if not self.chance(self.odds.die):
                return
            self.die()

    def step(self) -> None:
        self.now += self.random.choice([0.0, 0.1, 0.5, 2.0])
        waiting = [*self.account.open_attempts, *self.account.open_questions]
        if self.chance(self.odds.cancel):
            self.send(CancelRequested(self.now, "Enough."))
        elif self.chance(self.odds.abort):
            self.send(PipelineAborted(self.now, error("aborted", type_="my.Aborted")))
        elif self.chance(self.odds.die):
            self.die()
        elif self.chance(self.odds.noise):
            self.make_noise()
        elif self.chance(self.odds.wait) or not waiting:
            self.wait()
        else:
            self.answer(self.random.choice(waiting))

    def wait(self) -> None:
        due = self.account.state.next_due
        if due is not None and self.chance(70):
            self.now = max(self.now, due)
        self.send(TimePassed(self.now))

    def die(self) -> None:
        """The driver is gone, and with it the events of its last batches; another one goes on."""
        before = self.account
        forgotten = self.random.choice([0, 0, 1, 2, 5, 20])
        self.committed = max(self.committed, len(before.events) - forgotten)
        recorded = before.events[: self.committed]
        self.account = Account()
        for event in recorded:
            self.account.send(event)
        assert self.account.instructions == before.instructions[: self.committed]
        if self.account.end is not None:
            return
        self.deaths += 1
        self.ghosts += self.account.open_attempts
        alive_until = self.random.uniform(recorded[-1].at - 0.5, self.now)
        self.now += self.random.choice([0.0, 1.0, 1000.0])
        self.send(DriverChanged(self.now, alive_until))

    def answer(self, choice: Attempt | str) -> None:
        if isinstance(choice, str):
            self.answer_question(self.account.open_questions[choice])
            return
        start = self.account.open_attempts[choice]
        run_id, attempt = choice
        # A stopped attempt is usually lost, but it may have come to its end just before.
        stopped = choice in self.account.stopped
        if not self.chance(80 if stopped else self.odds.lose):
            self.send(ended(run_id, self.outcome(start.call), at=self.now, attempt=attempt))
            return
        event = lost(run_id, at=self.now, attempt=attempt)
        self.send(event)
        if stopped and self.account.states[run_id] is RunState.FAILED:
            assert self.account.failures[run_id] != event.error, "it was stopped: no wonder"

    def answer_question(self, question: Question) -> None:
        made = question.call
        if not isinstance(question, LookUpOutput) and self.chance(self.odds.refuse):
            self.send(EvaluationFailed(self.now, made.run_id, error("no such item")))
        elif isinstance(question, LookUpOutput):
            others = [q.call for q in self.account.open_questions.values() if q is not question]
            others = [q for q in others if self.is_looked_up(q) and self.chance(50)]
            answers = tuple(map(self.looked_up, [made, *others]))
            self.send(OutputsLookedUp(self.now, answers))
        elif isinstance(question, EvaluateInputs):
            inputs = {name: artifact(f"{made.run_id}.{name}") for name in made.inputs}
            self.send(InputsEvaluated(self.now, made.run_id, inputs))
        else:
            output = artifact(made.run_id, type_=made.function.output_descriptor)
            self.send(OutputEvaluated(self.now, made.run_id, output))

    def is_looked_up(self, made: Call) -> bool:
        return isinstance(self.account.open_questions[made.run_id], LookUpOutput)

    def looked_up(self, made: Call) -> LookedUp:
        if not self.chance(30):
            return LookedUp(made.run_id)
        output = artifact("cached", type_=made.function.output_descriptor)
        return LookedUp(made.run_id, output, "elsewhere")

    def make_noise(self) -> None:
        """Events that cannot change anything: executors and networks repeat themselves."""
        attempts = [(r, n + d) for r, n in self.account.open_attempts for d in (-1, 1)]
        events: list[Event] = [TimePassed(self.now - 1)]
        for run_id, attempt in (*attempts, *self.ghosts):
            events.append(ended(run_id, Succeeded(artifact("late")), attempt=attempt))
            events.append(ended(run_id, Failed(error()), attempt=attempt))
            events.append(lost(run_id, attempt=attempt))
        for event in self.account.events:
            asked = any(run_id in self.account.open_questions for run_id in _run_ids(event))
            if isinstance(event, _REPORTS) or (isinstance(event, _ANSWERS) and not asked):
                events.append(event)
        noise = self.random.choice(events)
        attempt = (getattr(noise, "run_id", ""), getattr(noise, "attempt", 0))
        due = self.account.state.next_due
        if attempt not in self.account.open_attempts and (due is None or noise.at < due):
            self.send(noise)
            assert self.account.instructions[-1] == []

    # --- what calls come to

    def outcome(self, made: Call) -> Outcome:
        is_root = made.run_id == ROOT  # it should come to something in most cases
        if self.chance(self.odds.fail // 8 if is_root else self.odds.fail):
            return Failed(self.random.choice(FAILURES))
        room = len(self.account.calls) < self.most_runs
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
        return Expanded(calls, OutputOf(unused[0]) if only else list_of(*unused))

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
            timeout=self.limit(),
        )

    def limit(self) -> float | None:
        if not self.chance(self.odds.limit):
            return None
        return self.random.choice([1.0, 4.0, 7.5, 20.0, 60.0])


def run_world(random: Random, odds: Odds, most_runs: int) -> World:
    world = World(random, odds, most_runs)
    root = call(
        ROOT, standalone=world.chance(50), retry=random.choice(RETRIES), timeout=world.limit()
    )
    started = PipelineStarted(
        0.0,
        root,
        max_parallelism=random.choice([None, 1, 2, 3]),
        on_failure="drain" if world.chance(50) else "cancel",
        cache_namespace="shared" if world.chance(30) else None,
        apart=world.chance(80),
    )
    world.send(started)
    world.run()
    return world


def attempts(account: Account) -> Iterator[Attempt]:
    for out in account.instructions:
        for instruction in out:
            if isinstance(instruction, StartCall):
                yield instruction.call.run_id, instruction.attempt


def _run_ids(event: Event) -> list[str]:
    """The runs that an event speaks of, where it speaks of runs."""
    if isinstance(event, OutputsLookedUp):
        return [answer.run_id for answer in event.answers]
    run_id = getattr(event, "run_id", None)
    return [] if run_id is None else [run_id]
