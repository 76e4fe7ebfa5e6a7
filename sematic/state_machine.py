"""Decides. Events in, instructions out; no I/O, no clock, no ids made inside."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

from sematic.cache_desk import Answer, CacheDesk, CachedOutput, cache_key
from sematic.calls import (
    ArtifactRef,
    Call,
    Expanded,
    Failed,
    Input,
    OutputOf,
    Succeeded,
    dependencies,
)
from sematic.events import (
    CallEnded,
    CallLost,
    CancelRequested,
    EndPipeline,
    EvaluateInputs,
    EvaluateOutput,
    EvaluationFailed,
    Event,
    InputsEvaluated,
    Instruction,
    LookUpOutput,
    OnFailure,
    OutputEvaluated,
    OutputLookedUp,
    PipelineMoved,
    PipelineStarted,
    Seed,
    StartCall,
    StopCall,
)
from sematic.function import Function
from sematic.graph import PipelineGraph
from sematic.known_runs import KnownRun, KnownRuns
from sematic.ready_calls import ReadyCalls
from sematic.states import PipelineRunStatus, RunState, check_transition

CHILD_FAILED = "Failed because the child run failed"
REST_FAILED = "Canceled because the rest of the graph failed."


Times: TypeAlias = tuple[float, float]
"""When a function began and ended to execute."""


class PipelineState:
    """One pipeline run, from its first event to its last.

    ``handle`` is deterministic: the same events give the same instructions, which is what makes
    resuming by replay possible.
    """

    def __init__(self) -> None:
        self._out: list[Instruction] = []
        self._runs = KnownRuns(self._out)
        self._graph = PipelineGraph()
        self._root_id = ""
        self._on_failure: OnFailure = "cancel"
        self._calls = ReadyCalls()
        self._cache = CacheDesk()
        self._cache_namespace: str | None = None
        self._apart = True
        self._evaluating: set[str] = set()
        self._resolved: deque[KnownRun] = deque()  # outputs that were not passed on yet
        self._ending: EndPipeline | None = None
        self._stopping = False
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
        self._start_ready(event.at)
        self._end_if_done(event.at)
        instructions = self._out[:]
        self._out.clear()
        return instructions

    def state_of(self, run_id: str) -> RunState | None:
        """The state of a run, ``None`` if there is no such run."""
        run = self._runs.get(run_id)
        return run.state if run else None

    def function_of(self, run_id: str) -> Function[..., object]:
        """The function of a run."""
        return self._runs[run_id].call.function

    def _pipeline_started(self, event: PipelineStarted) -> None:
        check_transition(event.call.run_id, self.state_of(event.call.run_id), RunState.CREATED)
        self._root_id = event.call.run_id
        self._calls.max_parallelism = event.max_parallelism
        self._on_failure = event.on_failure
        self._cache_namespace = event.cache_namespace
        self._apart = event.apart
        self._out.append(PipelineMoved(event.at, self._root_id, PipelineRunStatus.RUNNING))
        if event.seeds:
            self._sow(event.seeds, event.at)
        else:
            self._create((event.call,), event.at)

    def _call_ended(self, event: CallEnded) -> None:
        run = self._current(event.run_id, event.attempt)
        if run is None:
            return
        self._calls.end(event.run_id)
        times = (event.started_at, event.ended_at)
        match event.outcome:
            case Succeeded(output):
                self._resolve(run, output, event.at, times=times)
            case Expanded() as expanded:
                self._expand(run, expanded, event.at, times=times)
            case Failed() as failed:
                self._attempt_failed(run, failed, event.at, times=times)

    def _call_lost(self, event: CallLost) -> None:
        run = self._current(event.run_id, event.attempt)
        if run is None:
            return
        self._calls.end(event.run_id)
        if self._stopping:
            self._cancel(run, event.at)
        else:
            self._attempt_failed(run, Failed(event.error), event.at)

    def _inputs_evaluated(self, event: InputsEvaluated) -> None:
        run = self._evaluated(event.run_id)
        if run and run.state is RunState.CREATED:
            run.inputs = event.inputs
            self._offer(run, event.at)

    def _output_looked_up(self, event: OutputLookedUp) -> None:
        run = self._evaluated(event.run_id)
        if run is None or run.state is not RunState.CREATED:
            return
        if event.output is None:
            self._enqueue(run)
        else:
            run.original_run_id = event.original_run_id
            self._resolve(run, event.output, event.at)

    def _output_evaluated(self, event: OutputEvaluated) -> None:
        run = self._evaluated(event.run_id)
        if run and run.state is RunState.RAN:
            self._resolve(run, event.output, event.at)

    def _evaluation_failed(self, event: EvaluationFailed) -> None:
        run = self._evaluated(event.run_id)
        if run and run.state in (RunState.CREATED, RunState.RAN):
            self._fail(run, Failed(event.error, event.exception), event.at)

    def _cancel_requested(self, event: CancelRequested) -> None:
        if self._ending is None:
            self._begin_ending(
                EndPipeline(PipelineRunStatus.CANCELED, reason=event.reason), event.at
            )
        elif not self._stopping:
            self._stop_active()

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
            if seed.expansion is not None:
                self._wait_for_nested(run, seed.expansion, at)
            elif seed.state is RunState.CREATED:
                self._admit(run, at)

    def _admit(self, run: KnownRun, at: float) -> None:
        call = run.call
        needs = [need for value in call.inputs.values() for need in dependencies(value)]
        if self._graph.add(call.run_id, call.parent_id, needs=needs):
            self._prepare(run, at)

    def _prepare(self, run: KnownRun, at: float) -> None:
        """Its inputs can be computed: at once if they are artifacts as they are."""
        call, inputs = run.call, {}
        for name, value in call.inputs.items():
            artifact = self._runs.known_artifact(value)
            if artifact is None:
                self._evaluating.add(call.run_id)
                self._out.append(EvaluateInputs(call, self._runs.outputs(call.inputs.values())))
                return
            inputs[name] = artifact
        run.inputs = inputs
        self._offer(run, at)

    def _offer(self, run: KnownRun, at: float) -> None:
        """Its inputs are known: it is served from the cache, waits for its like, or is queued."""
        call = run.call
        if self._cache_namespace is None or not call.options.cache:
            self._enqueue(run)
            return
        run.cache_key = cache_key(call.function, run.inputs or {}, self._cache_namespace)
        ancestors = self._graph.ancestors(call.run_id)
        match self._cache.ask(call.run_id, run.cache_key, ancestors=ancestors):
            case CachedOutput() as found:
                self._serve(run, found, at)
            case Answer.LOOK_UP:
                self._evaluating.add(call.run_id)
                self._out.append(LookUpOutput(call, run.cache_key))
            case Answer.EXECUTE:
                self._enqueue(run)
            case Answer.WAIT:
                pass

    def _serve(self, run: KnownRun, found: CachedOutput, at: float) -> None:
        run.original_run_id = found.run_id
        self._resolve(run, found.output, at)

    def _enqueue(self, run: KnownRun) -> None:
        self._calls.add(run.call.run_id, standalone=self._apart and run.call.options.standalone)

    def _start_ready(self, at: float) -> None:
        if self._ending is None:
            for run_id in self._calls.take():
                self._start(run_id, at)

    def _start(self, run_id: str, at: float) -> None:
        run = self._runs[run_id]
        run.attempt += 1
        self._runs.move(run, RunState.SCHEDULED, at, inputs=run.inputs)
        self._out.append(StartCall(run.call, run.inputs or {}, run.attempt))

    def _current(self, run_id: str, attempt: int) -> KnownRun | None:
        """The run that an executor speaks of, unless it speaks of an attempt that is over."""
        if self._calls.is_active(run_id) and self._runs[run_id].attempt == attempt:
            return self._runs[run_id]
        return None

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
            if self._ending is not None:
                continue
            assert run.output is not None
            found = CachedOutput(run.original_run_id or run.call.run_id, run.output)
            for run_id in self._cache.resolve(run.call.run_id, found):
                self._serve(self._runs[run_id], found, at)
            for run_id in released.calls:
                self._prepare(self._runs[run_id], at)
            for run_id in released.outputs:
                self._complete(self._runs[run_id], at)

    def _expand(self, run: KnownRun, expanded: Expanded, at: float, *, times: Times) -> None:
        output = expanded.output
        run.expansion, run.inputs = output, None
        nested = output.run_id if isinstance(output, OutputOf) else None
        self._runs.move(run, RunState.RAN, at, nested_run_id=nested, times=times)
        if self._ending is not None:
            self._cancel(run, at)
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
        if artifact is not None and artifact.type == run.call.function.output_descriptor:
            self._resolve(run, artifact, at)
        else:
            self._evaluating.add(run.call.run_id)
            self._out.append(EvaluateOutput(run.call, value, self._runs.outputs([value])))

    def _evaluated(self, run_id: str) -> KnownRun | None:
        """The run whose inputs or output were asked for, unless the answer has come before."""
        if run_id not in self._evaluating:
            return None
        self._evaluating.discard(run_id)
        return self._runs[run_id]

    def _attempt_failed(
        self, run: KnownRun, failed: Failed, at: float, *, times: Times | None = None
    ) -> None:
        if self._ending is None and run.retries(failed.error):
            self._runs.move(run, RunState.RETRYING, at, error=failed.error, times=times)
            self._enqueue(run)
        else:
            self._fail(run, failed, at, times=times)

    def _fail(
        self, run: KnownRun, failed: Failed, at: float, *, times: Times | None = None
    ) -> None:
        self._runs.move(run, RunState.FAILED, at, error=failed.error, times=times)
        for ancestor_id in self._graph.ancestors(run.call.run_id):
            ancestor = self._runs[ancestor_id]
            if ancestor.state is RunState.RAN:
                self._runs.move(ancestor, RunState.NESTED_FAILED, at, reason=CHILD_FAILED)
        if self._ending is None:
            ending = EndPipeline(
                PipelineRunStatus.FAILED,
                failed_run_id=run.call.run_id,
                error=failed.error,
                exception=failed.exception,
            )
            self._begin_ending(ending, at)

    def _begin_ending(self, ending: EndPipeline, at: float) -> None:
        self._ending = ending
        self._calls.clear()
        for run in self._runs.values():
            if run.state in (RunState.CREATED, RunState.RETRYING, RunState.RAN):
                self._cancel(run, at)
        if ending.status is PipelineRunStatus.CANCELED or self._on_failure == "cancel":
            self._stop_active()

    def active_calls(self) -> list[StopCall]:
        """What it takes to end every attempt that was started and has not ended."""
        runs = [self._runs[run_id] for run_id in self._calls.active]
        return [StopCall(run.call, run.attempt) for run in runs]

    def _stop_active(self) -> None:
        self._stopping = True
        self._out.extend(self.active_calls())

    def _cancel(self, run: KnownRun, at: float) -> None:
        assert self._ending is not None
        reason = self._ending.reason or REST_FAILED
        self._runs.move(run, RunState.CANCELED, at, reason=reason)

    def _end_if_done(self, at: float) -> None:
        root = self._runs[self._root_id]
        if self._ending is None and root.state is RunState.RESOLVED:
            self._ending = EndPipeline(PipelineRunStatus.COMPLETE, output=root.output)
        if self._ending is None or self._calls:
            return
        self._ended = True
        ending = self._ending
        reason = ending.reason or (ending.error.message if ending.error else None)
        self._out.append(PipelineMoved(at, self._root_id, ending.status, reason))
        self._out.append(ending)

    def validate(self) -> None:
        """Check what must hold after every event. For tests.

        Raises:
            AssertionError: the machine contradicts itself.
        """
        self._runs.validate(self._calls)
        if self._ended:
            assert all(run.state and run.state.is_terminal for run in self._runs.values())
        elif self._ending is None and self._runs:
            assert self._calls or self._evaluating, "nothing will ever happen again"


_HANDLERS: dict[type, Callable[[PipelineState, Any], None]] = {
    PipelineStarted: PipelineState._pipeline_started,
    CallEnded: PipelineState._call_ended,
    CallLost: PipelineState._call_lost,
    InputsEvaluated: PipelineState._inputs_evaluated,
    OutputEvaluated: PipelineState._output_evaluated,
    EvaluationFailed: PipelineState._evaluation_failed,
    OutputLookedUp: PipelineState._output_looked_up,
    CancelRequested: PipelineState._cancel_requested,
}
