"""What happened to a pipeline run, and what is to be done about it. Data only.

Events are the record: replaying them through :class:`sematic.state_machine.PipelineState` gives
the same state. All times are seconds since the epoch, UTC, from the engine's clock.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from sematic.calls import ArtifactRef, Call, ErrorRecord, Input, Outcome
from sematic.states import PipelineRunStatus, RunState

OnFailure: TypeAlias = Literal["cancel", "drain"]

# --- events: what happened -------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Seed:
    """A run that a pipeline run takes over from an earlier one.

    Attributes:
        state: RESOLVED with its output, RAN if its output is still to be made, or CREATED.
        inputs: the artifacts of its arguments, where it does not execute.
        expansion: what its output is made of, if its function returned futures.
        original_run_id: the run that computed the output.
        again: whether it is to execute even if the cache has its output.
    """

    call: Call
    state: RunState
    inputs: Mapping[str, ArtifactRef] | None = None
    output: ArtifactRef | None = None
    expansion: Input | None = None
    original_run_id: str | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class PipelineStarted:
    """A driver began a pipeline run.

    Attributes:
        max_parallelism: most standalone runs in SCHEDULED at a time; ``None`` for no limit.
        on_failure: whether a failure ends what still runs, or lets it finish.
        cache_namespace: where cached outputs are shared; ``None`` for no caching.
        seeds: the runs taken over from an earlier pipeline run, the root first.
        apart: whether standalone calls execute apart; else one at a time, like inline ones.
    """

    at: float
    call: Call
    max_parallelism: int | None = None
    on_failure: OnFailure = "cancel"
    cache_namespace: str | None = None
    seeds: tuple[Seed, ...] = ()
    apart: bool = True


@dataclass(frozen=True, slots=True)
class InputsEvaluated:
    """The inputs of a call that depended on others were computed and stored."""

    at: float
    run_id: str
    inputs: Mapping[str, ArtifactRef]


@dataclass(frozen=True, slots=True)
class OutputEvaluated:
    """The output of a call that returned futures was computed and stored."""

    at: float
    run_id: str
    output: ArtifactRef


@dataclass(frozen=True, slots=True)
class EvaluationFailed:
    """Inputs or output of a call could not be computed: an index out of range, a wrong type."""

    at: float
    run_id: str
    error: ErrorRecord
    exception: BaseException | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True)
class LookedUp:
    """What the record knows of the cached output of a call.

    Attributes:
        output: what was found, or ``None``.
        original_run_id: the run that computed it.
    """

    run_id: str
    output: ArtifactRef | None = None
    original_run_id: str | None = None


@dataclass(frozen=True, slots=True)
class OutputsLookedUp:
    """The record was asked for the cached outputs of some calls."""

    at: float
    answers: tuple[LookedUp, ...]


@dataclass(frozen=True, slots=True)
class CallEnded:
    """An attempt came to an end by itself."""

    at: float
    run_id: str
    attempt: int
    outcome: Outcome
    started_at: float
    ended_at: float


@dataclass(frozen=True, slots=True)
class CallLost:
    """An attempt has no outcome: its worker died, it could not be started, or it was stopped.

    Attributes:
        started_at, ended_at: when the function executed; ``None`` where it did not, or nobody
            knows: its worker died.
    """

    at: float
    run_id: str
    attempt: int
    error: ErrorRecord
    started_at: float | None = None
    ended_at: float | None = None


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """Somebody wants the pipeline run to end. ``reason`` is shown to people."""

    at: float
    reason: str


@dataclass(frozen=True, slots=True)
class TimePassed:
    """A moment has come that the machine waits for: a time limit, or the end of a pause."""

    at: float


@dataclass(frozen=True, slots=True)
class DriverChanged:
    """Another driver goes on where the one before it stopped.

    Attributes:
        alive_until: the last sign of life of the driver before, by the clock that its events are
            of; from then on no limit counted.
        changed_functions: importable paths of functions that must still execute, and whose code
            is not the recorded one.
    """

    at: float
    alive_until: float
    changed_functions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PipelineAborted:
    """The pipeline run cannot go on, whatever its functions do: its driver is lost, say."""

    at: float
    error: ErrorRecord


Event: TypeAlias = (
    PipelineStarted
    | InputsEvaluated
    | OutputEvaluated
    | EvaluationFailed
    | OutputsLookedUp
    | CallEnded
    | CallLost
    | CancelRequested
    | TimePassed
    | DriverChanged
    | PipelineAborted
)

# --- changes: what the events mean for the runs ----------------------------------------------


@dataclass(frozen=True, slots=True)
class RunCreated:
    """A run exists, in state CREATED."""

    at: float
    call: Call


@dataclass(frozen=True, slots=True)
class RunMoved:
    """A run has a new state. Fields that do not go with the state are ``None``.

    Attributes:
        attempt: 1 for the first execution.
        inputs: artifacts of all inputs, from SCHEDULED on.
        output: artifact of the output, with RESOLVED.
        nested_run_id: the run whose output becomes this one's, with RAN.
        started_at, ended_at: when the function itself executed. Where nobody knows when it began,
            with RETRYING, ``ended_at`` may be the last sign of life of who executed it.
        scheduled_at: when the attempt that has ended was handed to an executor, with RETRYING.
        error: why, with RETRYING, FAILED and NESTED_FAILED.
        reason: one sentence for people.
        cache_key: under which the output is looked up and shared.
        original_run_id: the run that computed the output, where the cache had it.
    """

    at: float
    run_id: str
    state: RunState
    attempt: int = 0
    inputs: Mapping[str, ArtifactRef] | None = None
    output: ArtifactRef | None = None
    nested_run_id: str | None = None
    started_at: float | None = None
    ended_at: float | None = None
    scheduled_at: float | None = None
    error: ErrorRecord | None = None
    reason: str | None = None
    cache_key: str | None = None
    original_run_id: str | None = None


@dataclass(frozen=True, slots=True)
class PipelineMoved:
    """The pipeline run has a new status."""

    at: float
    root_id: str
    status: PipelineRunStatus
    reason: str | None = None


Change: TypeAlias = RunCreated | RunMoved | PipelineMoved

# --- instructions: what is to be done --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartCall:
    """Execute a call. An executor answers with CallEnded or CallLost, once per attempt."""

    call: Call
    inputs: Mapping[str, ArtifactRef]
    attempt: int


@dataclass(frozen=True, slots=True)
class StopCall:
    """End an attempt early. It still answers with CallEnded or CallLost."""

    call: Call
    attempt: int


@dataclass(frozen=True, slots=True)
class PrepareCall:
    """A call waits for nothing but the output of an attempt that was started: make it ready.

    It must not begin before it is started. Either that or DropCall follows, in the turn in which
    the attempt is known to be over.

    Attributes:
        after: the run and the attempt that it waits for.
        beside: how many calls execute apart, that one included.
    """

    call: Call
    after: tuple[str, int]
    beside: int


@dataclass(frozen=True, slots=True)
class DropCall:
    """A call that was made ready is not to be started now. It may be later."""

    call: Call


@dataclass(frozen=True, slots=True)
class EvaluateInputs:
    """Compute the inputs of a call; ``outputs`` holds every run's that they depend on."""

    call: Call
    outputs: Mapping[str, ArtifactRef]


@dataclass(frozen=True, slots=True)
class EvaluateOutput:
    """Compute the output of a call that returned futures.

    Attributes:
        attempt: in which it returned them; 0 if that was in an earlier pipeline run.
    """

    call: Call
    output: Input
    outputs: Mapping[str, ArtifactRef]
    attempt: int = 0


@dataclass(frozen=True, slots=True)
class LookUpOutput:
    """Ask the record for the output of a call; answered with OutputsLookedUp."""

    call: Call
    key: str


@dataclass(frozen=True, slots=True)
class EndPipeline:
    """Nothing is left to do.

    Attributes:
        output: the root's output, with COMPLETE.
        failed_run_id: the run that failed first, with FAILED.
        error: in what that run failed; or what was wrong with us.
        exception: the very exception, where the call ran in this process.
        reason: one sentence for people, with CANCELED.
    """

    status: PipelineRunStatus
    output: ArtifactRef | None = None
    failed_run_id: str | None = None
    error: ErrorRecord | None = None
    exception: BaseException | None = field(default=None, compare=False)
    reason: str | None = None


Instruction: TypeAlias = (
    Change
    | StartCall
    | StopCall
    | PrepareCall
    | DropCall
    | EvaluateInputs
    | EvaluateOutput
    | LookUpOutput
    | EndPipeline
)
