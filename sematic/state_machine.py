"""Decides. Events in, instructions out; no I/O, no clock, no ids made inside."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from sematic.cache_desk import Answer, CacheDesk
from sematic.calls import (
    ArtifactRef,
    Call,
    Expanded,
    Failed,
    Input,
    OutputOf,
    Succeeded,
    dependencies,
    needs_of,
)
from sematic.ending import Ending
from sematic.events import (
    CallEnded,
    CallLost,
    CancelRequested,
    DriverChanged,
    EvaluationFailed,
    Event,
    InputsEvaluated,
    Instruction,
    OutputEvaluated,
    OutputsLookedUp,
    PipelineAborted,
    PipelineMoved,
    PipelineStarted,
    Seed,
    StartCall,
    StopCall,
    TimePassed,
)
from sematic.function import Function
from sematic.graph import PipelineGraph
from sematic.known_runs import KnownRun, KnownRuns, Times
from sematic.look_ahead import LookAhead
from sematic.questions import Questions
from sematic.ready_calls import ReadyCalls
from sematic.states import PipelineRunStatus, RunState, check_transition

DRIVER_CHANGED = "Executed again: the driver that had started it is gone."


class PipelineState:
    """One pipeline run, from its first event to its last.

    ``handle`` is deterministic: the same events give the same instructions, which is what makes
    resuming by replay possible. ``stopping``: whether what was active was asked to end.
    """

    def __init__(self) -> None:
        self._out: list[Instruction] = []
        self._runs = KnownRuns(self._out)
        self._graph = PipelineGraph()
        self._root_id = ""
        self._calls = ReadyCalls()
        self._ending = Ending(self._runs, self._graph, self._calls, self._out)
        self._ahead = LookAhead(self._runs, self._graph, self._calls, self._out)
        self._cache = CacheDesk()
        self._cache_namespace: str | None = None
        self._apart = True
        self._questions = Questions(self._runs, self._out)
        self._resolved: deque[KnownRun] = deque()  # whose outputs were not passed on yet
        self._ended = False

    @property
    def ended(self) -> bool:
        """Whether EndPipeline has been given; later events change nothing."""
        return self._ended

    def handle(self, event: Event) -> list[Instruction]:
        """Take notice of an event and return what is to be done, in order.

        Raises:
            IllegalStateTransitionError: the event cannot have happened in this state.
        """
        if self._ended:
            return []
        _HANDLERS[type(event)](self, event)
        self._pass_outputs_on(event.at)
        self._ending.strike(event.at, event.at)
        self._start_ready(event.at)
        self._ahead.settle(caching=self._cache_namespace is not None)
        self._ended = self._ending.conclude(self._runs[self._root_id], event.at)
        instructions, self._out[:] = self._out[:], ()  # others hold the list
        return instructions

    @property
    def stopping(self) -> bool:
        """Whether everything that was active has been asked to stop."""
        return self._ending.stopping

    @property
    def next_due(self) -> float | None:
        """When TimePassed is due unless another event comes first, ``None`` for never."""
        moments = (self._runs.limits.earliest, self._calls.next_due)
        return min((moment for moment in moments if moment is not None), default=None)

    def state_of(self, run_id: str) -> RunState | None:
        """The state of a run, ``None`` if there is no such run."""
        run = self._runs.get(run_id)
        return run.state if run else None

    def function_of(self, run_id: str) -> Function[..., object]:
        """The function of a run."""
        return self._runs[run_id].call.function

    def take_code(self, function_of: Callable[[str], Function[..., Any]]) -> None:
        """Replay is over: from here on what still executes does so by the code as it is now."""
        if self._ending.verdict is None:
            self._runs.take_code(function_of, cache_namespace=self._cache_namespace)

    def _pipeline_started(self, event: PipelineStarted) -> None:
        check_transition(event.call.run_id, self.state_of(event.call.run_id), RunState.CREATED)
        self._root_id = event.call.run_id
        self._calls.max_parallelism = event.max_parallelism
        self._ending.on_failure = event.on_failure
        self._cache_namespace = event.cache_namespace
        self._apart = event.apart
        self._out.append(PipelineMoved(event.at, self._root_id, PipelineRunStatus.RUNNING))
        if event.seeds:
            self._sow(event.seeds, event.at)
        else:
            self._create((event.call,), event.at)

    def _call_ended(self, event: CallEnded) -> None:
        if (run := self._end_attempt(event)) is None:
            return
        times = (event.started_at, event.ended_at)
        doom = self._ending.attempt_over(event.run_id)
        match Failed(doom) if doom else event.outcome:
            case Succeeded(output):
                self._resolve(run, output, event.at, times=times)
            case Expanded() as expanded:
                self._expand(run, expanded, event.at, times=times)
            case Failed() as failed:
                self._attempt_failed(run, failed, event.at, times=times)

    def _call_lost(self, event: CallLost) -> None:
        if (run := self._end_attempt(event)) is None:
            return
        times = None if event.started_at is None else (event.started_at, event.ended_at or event.at)
        doom = self._ending.attempt_over(event.run_id)
        if self._ending.stopping and doom is None:
            self._ending.cancel_run(run, event.at, times=times)
        else:
            self._attempt_failed(run, Failed(doom or event.error), event.at, times=times)

    def _inputs_evaluated(self, event: InputsEvaluated) -> None:
        run = self._questions.answered(event.run_id)
        if run and run.state is RunState.CREATED:
            run.inputs = event.inputs
            self._offer(run, event.at)

    def _outputs_looked_up(self, event: OutputsLookedUp) -> None:
        for answer in event.answers:
            run = self._questions.answered(answer.run_id)
            if run is None or run.state is not RunState.CREATED:
                continue
            if answer.output is None:
                self._enqueue(run)
            else:
                run.original_run_id = answer.original_run_id
                self._resolve(run, answer.output, event.at)

    def _output_evaluated(self, event: OutputEvaluated) -> None:
        run = self._questions.answered(event.run_id)
        if run and run.state is RunState.RAN:
            self._resolve(run, event.output, event.at)

    def _evaluation_failed(self, event: EvaluationFailed) -> None:
        run = self._questions.answered(event.run_id)
        if run and run.state in (RunState.CREATED, RunState.RAN):
            self._ending.fail(run, Failed(event.error, event.exception), event.at)

    def _cancel_requested(self, event: CancelRequested) -> None:
        self._ending.cancel(event.reason, event.at)

    def _aborted(self, event: PipelineAborted) -> None:
        self._ending.abort(self._runs[self._root_id], event.error, event.at)

    def _driver_changed(self, event: DriverChanged) -> None:
        """What was in flight is lost, and is asked for again; time without a driver is no time."""
        # By the clock of the new driver, and by that of the one before, which may be ahead of it.
        at, alive_until = event.at, event.alive_until
        lost = [self._runs[run_id] for run_id in self._calls.active]
        self._ending.driver_lost()
        self._ahead.clear()
        self._ending.strike(alive_until, at)  # what the driver before did not come to do
        self._runs.limits.postpone(at - alive_until)
        self._calls.postpone(min(0.0, at - alive_until))  # pauses go on without a driver
        again = [r for r in lost if self._lost_with_driver(r, event)]  # some pause from now on
        if self._ending.verdict is not None:
            return
        for run in reversed(again):
            self._calls.add_first(run.call.run_id, standalone=self._runs_apart(run))
        self._start_ready(at)
        self._questions.ask_again()

    def _lost_with_driver(self, run: KnownRun, event: DriverChanged) -> bool:
        """End an active attempt whose driver is gone. Returns whether it is to be made up for."""
        self._calls.end(run.call.run_id)
        times = (None, event.alive_until)
        doom = self._ending.attempt_over(run.call.run_id)
        if doom is not None:
            self._attempt_failed(run, Failed(doom), event.at, times=times)
        elif self._ending.verdict is not None:
            self._ending.cancel_run(run, event.at)
        else:
            self._runs.move(run, RunState.RETRYING, event.at, times=times, reason=DRIVER_CHANGED)
            return True
        return False

    def _create(self, calls: Iterable[Call], at: float) -> None:
        for run in [self._runs.create(call, at) for call in calls]:
            self._admit(run, at)

    def _sow(self, seeds: tuple[Seed, ...], at: float) -> None:
        """Take runs over from an earlier pipeline run, and go on where they leave off."""
        for seed in seeds:
            run = self._runs.sow(seed, at)
            if seed.state is not RunState.CREATED:
                self._graph.add(seed.call.run_id, seed.call.parent_id, needs=())
            if run.state is RunState.RESOLVED:
                self._resolved.append(run)
        self._pass_outputs_on(at)
        for seed in seeds:
            run = self._runs[seed.call.run_id]
            if seed.state is RunState.RAN and seed.expansion is not None:
                self._wait_for_nested(run, seed.expansion, at)
            elif seed.state is RunState.CREATED:
                self._admit(run, at)

    def _admit(self, run: KnownRun, at: float) -> None:
        if self._graph.add(run.call.run_id, run.call.parent_id, needs=needs_of(run.call)):
            self._prepare(run, at)

    def _prepare(self, run: KnownRun, at: float) -> None:
        """Its inputs can be computed: at once if they are artifacts as they are."""
        run.inputs = self._runs.known_inputs(run.call)
        if run.inputs is None:
            self._questions.ask(run)
        else:
            self._offer(run, at)

    def _offer(self, run: KnownRun, at: float) -> None:
        """Its inputs are known: it is served from the cache, waits for its like, or is queued."""
        call = run.call
        if self._cache_namespace is not None and call.options.cache:
            run.make_keys(self._cache_namespace)
        if run.desk_key is None:
            self._enqueue(run)
            return
        ancestors = self._graph.ancestors(call.run_id)
        match self._cache.ask(call.run_id, run.desk_key, ancestors=ancestors, again=run.again):
            case str(known_id) if self._runs.has_output(known_id, call.output_descriptor):
                self._serve(run, self._runs[known_id], at)
            case str() | Answer.LOOK_UP:  # or it was made when the code had changed
                self._questions.ask(run)
            case Answer.EXECUTE:
                self._enqueue(run)
            case Answer.WAIT:
                pass

    def _serve(self, run: KnownRun, known: KnownRun, at: float) -> None:
        """Give a run the output of another one, and the key of the code that made it.

        Where that has changed since the call was made, it is not the key that the desk knows.
        """
        assert known.output is not None
        run.original_run_id = known.original_run_id or known.call.run_id
        run.cache_key = known.cache_key
        self._resolve(run, known.output, at)

    def _enqueue(self, run: KnownRun, *, until: float | None = None) -> None:
        self._calls.add(run.call.run_id, standalone=self._runs_apart(run), until=until)

    def _runs_apart(self, run: KnownRun) -> bool:
        return self._apart and run.call.options.standalone

    def _start_ready(self, at: float) -> None:
        if self._ending.verdict is None:
            for run_id in self._calls.take(at):
                self._start(run_id, at)

    def _start(self, run_id: str, at: float) -> None:
        run = self._runs[run_id]
        run.attempt += 1
        self._runs.move(run, RunState.SCHEDULED, at, inputs=run.inputs)
        self._out.append(StartCall(run.call, run.inputs or {}, run.attempt))
        if self._runs_apart(run):
            self._ahead.started(run)

    def _end_attempt(self, event: CallEnded | CallLost) -> KnownRun | None:
        """The run that an executor speaks of, unless it speaks of an attempt that is over."""
        run_id = event.run_id
        if not self._calls.is_active(run_id) or self._runs[run_id].attempt != event.attempt:
            return None
        self._calls.end(run_id)
        self._ahead.over(run_id)
        return self._runs[run_id]

    def _resolve(
        self, run: KnownRun, output: ArtifactRef, at: float, *, times: Times | None = None
    ) -> None:
        served = run.inputs if run.original_run_id else None  # never SCHEDULED: told only here
        run.output, run.inputs, run.expansion = output, None, None
        self._runs.move(run, RunState.RESOLVED, at, output=output, inputs=served, times=times)
        self._resolved.append(run)

    def _pass_outputs_on(self, at: float) -> None:
        """A loop, not recursion: a call may be nested ten thousand deep."""
        while self._resolved:
            run = self._resolved.popleft()
            released = self._graph.resolve(run.call.run_id)
            if self._ending.verdict is not None:
                continue
            for run_id in self._cache.resolve(run.call.run_id):
                self._serve(self._runs[run_id], run, at)
            for run_id in released.calls:
                self._prepare(self._runs[run_id], at)
            for run_id in released.outputs:
                self._complete(self._runs[run_id], at)

    def _expand(self, run: KnownRun, expanded: Expanded, at: float, *, times: Times) -> None:
        output = expanded.output
        run.expansion = output
        if run.cache_key is None:  # else a resumed driver may need them, for the key of its code
            run.inputs = None
        nested = output.run_id if isinstance(output, OutputOf) else None
        self._runs.move(run, RunState.RAN, at, nested_run_id=nested, times=times)
        if self._ending.verdict is not None:
            self._ending.cancel_run(run, at)
            return
        self._create(expanded.calls, at)
        self._wait_for_nested(run, output, at)

    def _wait_for_nested(self, run: KnownRun, output: Input, at: float) -> None:
        if self._graph.expand(run.call.run_id, needs=dependencies(output)):
            self._complete(run, at)

    def _complete(self, run: KnownRun, at: float) -> None:
        """What is nested in a run is resolved: its output is that, or is made of it."""
        value = run.expansion
        assert value is not None
        artifact = self._runs.known_artifact(value)
        if artifact is not None and artifact.type == run.call.output_descriptor:
            run.cache_key = run.desk_key  # its type, too, is the one of when it was made
            self._resolve(run, artifact, at)
        else:
            self._questions.ask(run)

    def _attempt_failed(
        self, run: KnownRun, failed: Failed, at: float, *, times: Times | None = None
    ) -> None:
        run.failures += 1
        if self._ending.verdict is None and run.retries(failed.error):
            self._runs.move(run, RunState.RETRYING, at, error=failed.error, times=times)
            self._enqueue(run, until=at + run.pause if run.pause else None)
        else:
            self._ending.fail(run, failed, at, times=times)

    def active_calls(self) -> list[StopCall]:
        """What it takes to end every attempt that was started and has not ended."""
        active = map(self._runs.__getitem__, self._calls.active)
        return [StopCall(run.call, run.attempt) for run in active]

    def validate(self) -> None:
        """Check what must hold after every event. For tests.

        Raises:
            AssertionError: the machine contradicts itself.
        """
        self._runs.validate(self._calls)
        if self._ended:
            assert all(run.state and run.state.is_terminal for run in self._runs.values())
        elif self._ending.verdict is None and self._runs:
            waits = self._calls or self._questions or self._calls.next_due is not None
            assert waits, "nothing will ever happen again"


_HANDLERS: dict[type, Callable[[PipelineState, Any], None]] = {
    PipelineStarted: PipelineState._pipeline_started,
    CallEnded: PipelineState._call_ended,
    CallLost: PipelineState._call_lost,
    InputsEvaluated: PipelineState._inputs_evaluated,
    OutputEvaluated: PipelineState._output_evaluated,
    EvaluationFailed: PipelineState._evaluation_failed,
    OutputsLookedUp: PipelineState._outputs_looked_up,
    CancelRequested: PipelineState._cancel_requested,
    PipelineAborted: PipelineState._aborted,
    TimePassed: lambda state, event: None,  # what is due is looked at after every event
    DriverChanged: PipelineState._driver_changed,
}
