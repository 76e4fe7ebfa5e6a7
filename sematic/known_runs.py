"""What the state machine knows of each run of a pipeline run. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from sematic.cache_desk import cache_key
from sematic.calls import (
    ArtifactRef,
    Call,
    ErrorRecord,
    Input,
    OutputOf,
    are_artifacts,
    dependencies,
)
from sematic.events import Instruction, RunCreated, RunMoved, Seed
from sematic.function import Function
from sematic.ready_calls import ReadyCalls
from sematic.states import RunState, check_transition
from sematic.time_limits import TimeLimits

Times: TypeAlias = tuple[float | None, float]
"""When a function began, as far as that is known, and ended to execute."""


@dataclass(slots=True)
class KnownRun:
    """One call and how far it has come.

    Attributes:
        attempt: how often it was started.
        scheduled_at: when that was last.
        failures: how many attempts failed; one whose driver was lost is not among them.
        inputs: the artifacts of its arguments while it waits or executes.
        output: the artifact of its output once it is RESOLVED.
        expansion: what its output is made of while it is RAN.
        cache_key: under which its output is shared; ``None`` where it is not.
        desk_key: by which it is told which calls are alike, and which must be the same whenever
            that is told again: by the function that the call was made of.
        original_run_id: the run that computed its output, where it was not computed anew.
        again: whether it executes even if the cache has its output.
        made_of: its function when it was made, where the one of now has taken its place.
    """

    call: Call
    state: RunState | None = None
    attempt: int = 0
    scheduled_at: float | None = None
    failures: int = 0
    inputs: Mapping[str, ArtifactRef] | None = None
    output: ArtifactRef | None = None
    expansion: Input | None = None
    cache_key: str | None = None
    desk_key: str | None = None
    original_run_id: str | None = None
    again: bool = False
    made_of: Function[..., Any] | None = None

    def make_keys(self, namespace: str) -> None:
        """Make its keys. What it computes is looked up and shared under that of its code of now."""
        function, version = self.call.function, self.call.options.cache_version
        inputs = self.inputs or {}
        self.cache_key = self.desk_key = cache_key(
            self.made_of or function, inputs, namespace, version
        )
        if self.made_of is not None and self.desk_key is not None:
            self.cache_key = cache_key(function, inputs, namespace, version) or self.desk_key

    def retries(self, error: ErrorRecord) -> bool:
        """Whether another attempt follows the last failure, which is ``error``."""
        retry = self.call.options.retry
        return (
            retry is not None
            and self.failures <= retry.retries
            and retry.matches((error.type, *error.ancestors))
        )

    @property
    def pause(self) -> float:
        """Seconds from the last failure to the next attempt."""
        retry = self.call.options.retry
        return retry.pause(self.failures, seed=self.call.run_id) if retry else 0.0


class KnownRuns(dict[str, KnownRun]):
    """The runs by id, in the order of their creation.

    Args:
        changes: where what happens to the runs is noted.

    Attributes:
        limits: when runs will have taken too long.
    """

    def __init__(self, changes: list[Instruction]) -> None:
        super().__init__()
        self._changes = changes
        self.limits = TimeLimits()

    def create(self, call: Call, at: float) -> KnownRun:
        """A new run, in state CREATED."""
        self._changes.append(RunCreated(at, call))
        check_transition(call.run_id, None, RunState.CREATED)
        run = self[call.run_id] = KnownRun(call, RunState.CREATED)
        return run

    def sow(self, seed: Seed, at: float) -> KnownRun:
        """A run that is taken over from an earlier pipeline run, in the state it had there."""
        run = self.create(seed.call, at)
        run.original_run_id, run.again = seed.original_run_id, seed.again
        if seed.state is RunState.RESOLVED:
            run.output = seed.output
            self.move(run, RunState.RESOLVED, at, inputs=seed.inputs, output=seed.output)
        elif seed.state is RunState.RAN:
            run.expansion = seed.expansion
            nested = seed.expansion.run_id if isinstance(seed.expansion, OutputOf) else None
            self.move(run, RunState.SCHEDULED, at, inputs=seed.inputs)
            self.move(run, RunState.RAN, at, nested_run_id=nested)
        return run

    def move(
        self,
        run: KnownRun,
        state: RunState,
        at: float,
        *,
        times: Times | None = None,
        **details: Any,
    ) -> None:
        """Give a run a new state; ``details`` are fields of :class:`RunMoved`.

        Raises:
            IllegalStateTransitionError: the state cannot follow the one it has.
        """
        check_transition(run.call.run_id, run.state, state)
        run.state = state
        if state is RunState.SCHEDULED:
            run.scheduled_at = at
        limit = run.call.options.limit_seconds
        if limit is not None:
            failed = "error" in details
            self.limits.moved(run.call.run_id, limit, state, at, failed=failed)
        started_at, ended_at = times or (None, None)
        self._changes.append(
            RunMoved(
                at,
                run.call.run_id,
                state,
                attempt=run.attempt,
                cache_key=run.cache_key,
                original_run_id=run.original_run_id,
                started_at=started_at,
                ended_at=ended_at,
                scheduled_at=run.scheduled_at if state is RunState.RETRYING else None,
                **details,
            )
        )

    def take_code(
        self, function_of: Callable[[str], Function[..., Any]], *, cache_namespace: str | None
    ) -> None:
        """Give the calls that are not over their functions as they are now, where that is needed.

        What is over was decided by the functions as they were. What still executes does so by
        those of now, and shares its output under the key that belongs to them.

        Args:
            function_of: finds the function at an importable path; asked once for each.
            cache_namespace: of the pipeline run.

        Raises:
            ImportError: a function is not where it was.
        """
        found: dict[str, Function[..., Any]] = {}
        for run in reversed(self.values()):  # what is nested in a run comes after it
            if not self._needs_code(run):
                continue
            path, type_ = run.call.function.path, run.call.output_descriptor
            function = found[path] = found.get(path) or function_of(path)
            run.made_of = run.call.function
            run.call = replace(run.call, function=function, recorded_type=type_)
            if run.cache_key is not None and run.inputs is not None and cache_namespace is not None:
                run.make_keys(cache_namespace)

    def _needs_code(self, run: KnownRun) -> bool:
        """Whether the function of a run executes again, or casts what its output is made of.

        What is nested in it has the function by now that it will go on with.
        """
        if run.state is None or run.state.is_terminal:
            return False
        if not isinstance(run.expansion, OutputOf):
            return True
        nested = self[run.expansion.run_id]
        types = {nested.call.output_descriptor, nested.call.function.output_descriptor}
        if nested.output is not None:  # what it is, whatever it was to be when the call was made
            types = {nested.output.type}
        return types != {run.call.output_descriptor}

    def in_state(self, state: RunState) -> list[KnownRun]:
        """The runs that are in a state. Looks at all of them."""
        return [run for run in self.values() if run.state is state]

    def has_output(self, run_id: str, type_: str) -> bool:
        """Whether the output of a run is known, and of a type."""
        output = self[run_id].output
        return output is not None and output.type == type_

    def known_artifact(self, value: Input) -> ArtifactRef | None:
        """The artifact that ``value`` is, ``None`` where it must be computed."""
        if isinstance(value, ArtifactRef):
            return value
        if isinstance(value, OutputOf):
            return self[value.run_id].output
        return None

    def known_inputs(self, call: Call) -> Mapping[str, ArtifactRef] | None:
        """The artifacts of a call's arguments, ``None`` where one must be computed."""
        if are_artifacts(call.inputs):
            return call.inputs
        known = {}
        for name, value in call.inputs.items():
            artifact = self.known_artifact(value)
            if artifact is None:
                return None
            known[name] = artifact
        return known

    def outputs(self, values: Iterable[Input]) -> dict[str, ArtifactRef]:
        """The outputs that ``values`` are made of; all of them are RESOLVED."""
        found = {}
        for value in values:
            for run_id in dependencies(value):
                output = self[run_id].output
                assert output is not None
                found[run_id] = output
        return found

    def validate(self, calls: ReadyCalls) -> None:
        """Check that the states agree with what is active.

        Raises:
            AssertionError: they do not.
        """
        scheduled = self.in_state(RunState.SCHEDULED)
        assert {run.call.run_id for run in scheduled} == set(calls.active)
        standalone = calls.active_standalone
        assert standalone <= sum(run.call.options.standalone for run in scheduled)
        assert len(scheduled) - standalone <= 1, "two inline calls at once"
        assert calls.max_parallelism is None or standalone <= calls.max_parallelism
        assert all(run.output is not None for run in self.in_state(RunState.RESOLVED))
