"""For tests of pipelines, ours and our users': mocked functions, and ports that live in memory."""

import hashlib
import pickle
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import MagicMock

from sematic.calls import ArtifactRef, ErrorRecord
from sematic.errors import (
    FencedError,
    MissingArtifactError,
    RecordError,
    UnserializableValueError,
)
from sematic.events import CallLost, Event, RunMoved, StartCall, StopCall
from sematic.function import Function
from sematic.ports import Batch, PipelineRunInfo
from sematic.types.descriptors import describe_type

_IMMUTABLE = frozenset({int, float, str, bool, bytes, complex, type(None)})


@dataclass(frozen=True)
class SematicFuncMock:
    """A mocked function.

    Attributes:
        mock: what is called in place of the function's code; set its ``return_value``.
        original: the function's own code.
    """

    mock: MagicMock
    original: Callable[..., Any]


@contextmanager
def mock_sematic_funcs(
    funcs: list[Function[..., Any]],
) -> Iterator[dict[Function[..., Any], SematicFuncMock]]:
    """Replace the code of functions while the block runs; their types are still checked.

    Args:
        funcs: the functions to mock.

    Yields:
        The mock of each function.

    Raises:
        ValueError: one of ``funcs`` is not decorated with ``@sematic.func``.
    """
    for function in funcs:
        if not isinstance(function, Function):
            raise ValueError(
                "mock_sematic_funcs(funcs=[...]) must be given a list of functions decorated with "
                f"@sematic.func, but one of the elements was: {function!r}"
            )
    mocks = {f: SematicFuncMock(MagicMock(name=f.__name__), f.func) for f in funcs}
    try:
        for function, mocked in mocks.items():
            function.func = mocked.mock
        yield mocks
    finally:
        for function, mocked in mocks.items():
            function.func = mocked.original


class FakeClock:
    """A clock that tells what it is told. Seconds since the epoch, UTC."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        """The time that was set."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class MemoryStore:
    """An ArtifactStore in memory. Values are copied in and out, as with every store."""

    def __init__(self) -> None:
        self._values: dict[str, tuple[bool, Any]] = {}  # (whether it is pickled, value)

    def put(self, value: Any, type_: Any) -> ArtifactRef:
        """Keep a copy of a value.

        Raises:
            UnserializableValueError: it cannot be copied.
        """
        data = _dump(value)
        descriptor = describe_type(type_)
        digest = hashlib.sha1(descriptor.encode() + b"\0" + data).hexdigest()
        # Immutable values need no copy; this is what most values of a pipeline are.
        pickled = type(value) not in _IMMUTABLE
        self._values[digest] = (pickled, data if pickled else value)
        return ArtifactRef(id=digest, codec="memory", type=descriptor, size=len(data))

    def exists(self, ref: ArtifactRef) -> bool:
        """Whether a value was put."""
        return ref.id in self._values

    def get(self, ref: ArtifactRef) -> Any:
        """A copy of a value that was put.

        Raises:
            MissingArtifactError: it never was.
        """
        try:
            pickled, kept = self._values[ref.id]
        except KeyError:
            raise MissingArtifactError(f"Artifact {ref.id} is not in memory.") from None
        return pickle.loads(kept) if pickled else kept


def _dump(value: Any) -> bytes:
    try:
        return pickle.dumps(value, protocol=pickle.HIGHEST_PROTOCOL)
    except Exception:  # noqa: BLE001
        import cloudpickle  # slower, for classes of __main__ and local functions

    try:
        return bytes(cloudpickle.dumps(value))
    except Exception as error:
        raise UnserializableValueError(
            f"A value of type {type(value).__qualname__} cannot be stored: {error}"
        ) from error


class MemoryTracker:
    """A Tracker in memory, as strict as the real ones."""

    def __init__(self) -> None:
        self.infos: dict[str, PipelineRunInfo] = {}
        self.batches: list[Batch] = []
        self._epochs: dict[str, int] = {}
        self._next_seq: dict[tuple[str, int], int] = {}

    @property
    def events(self) -> list[Event]:
        """Everything recorded, in order."""
        return [event for batch in self.batches for event in batch.events]

    def begin(self, info: PipelineRunInfo) -> int:
        """Record a pipeline run, or take it over."""
        self.infos.setdefault(info.root_id, info)
        self._epochs[info.root_id] = self._epochs.get(info.root_id, 0) + 1
        return self._epochs[info.root_id]

    def record(self, batch: Batch) -> None:
        """Keep a batch; one that was kept already is ignored.

        Raises:
            FencedError: its epoch is not the newest.
            RecordError: the pipeline run is not known, or the batch does not follow the last one.
        """
        epoch = self._epochs.get(batch.root_id)
        if epoch is None:
            raise RecordError(f"Pipeline run {batch.root_id} is not in the record.")
        if batch.epoch != epoch:
            raise FencedError(f"Pipeline run {batch.root_id} was taken over by another driver.")
        key, end = (batch.root_id, epoch), batch.first_seq + len(batch.events)
        next_seq = self._next_seq.get(key, 0)
        if batch.first_seq == next_seq:
            self.batches.append(batch)
            self._next_seq[key] = end
        elif end > next_seq:
            raise RecordError(
                f"Event {next_seq} comes next, but the batch starts with {batch.first_seq}."
            )

    def find_output(self, cache_key: str) -> tuple[str, ArtifactRef] | None:
        """The first recorded output under a cache key."""
        for change in (change for batch in self.batches for change in batch.changes):
            if isinstance(change, RunMoved) and change.output and change.cache_key == cache_key:
                return change.original_run_id or change.run_id, change.output
        return None

    def close(self) -> None:
        """Nothing is open."""


class ForgetfulTracker:
    """A Tracker that keeps nothing: for runs that are not tracked."""

    def begin(self, info: PipelineRunInfo) -> int:
        """Always the first epoch."""
        return 1

    def record(self, batch: Batch) -> None:
        """Forget a batch."""

    def find_output(self, cache_key: str) -> tuple[str, ArtifactRef] | None:
        """Nothing is remembered."""
        return None

    def close(self) -> None:
        """Nothing is open."""


class ManualExecutor:
    """An Executor that executes nothing: a test decides how each attempt ends."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.started: list[StartCall] = []
        self.stopped: list[StopCall] = []
        self.closed = False
        self._clock = clock
        self._reports: dict[tuple[str, int], Callable[[Event], None]] = {}

    def start(self, start: StartCall, report: Callable[[Event], None]) -> None:
        """Remember an attempt."""
        self.started.append(start)
        self._reports[start.call.run_id, start.attempt] = report

    def stop(self, stop: StopCall) -> None:
        """Remember the wish, and report the attempt as lost unless it has ended just before."""
        self.stopped.append(stop)
        if (stop.call.run_id, stop.attempt) in self._reports:
            self.lose(stop.call.run_id, stop.attempt, "stopped")

    def end(self, event: Event, run_id: str, attempt: int) -> None:
        """Report how an attempt ended."""
        self._reports.pop((run_id, attempt))(event)

    def lose(self, run_id: str, attempt: int, message: str) -> None:
        """Report an attempt as lost."""
        error = ErrorRecord("sematic.errors.WorkerLostError", message)
        self.end(CallLost(self._clock(), run_id, attempt, error), run_id, attempt)

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True


__all__: Sequence[str] = (
    "FakeClock",
    "ForgetfulTracker",
    "ManualExecutor",
    "MemoryStore",
    "MemoryTracker",
    "SematicFuncMock",
    "mock_sematic_funcs",
)
