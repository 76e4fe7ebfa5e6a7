"""Fakes of the kernel's ports and clock, as strict as the real ones."""

from collections.abc import Callable, Collection

from sematic.calls import ArtifactRef, ErrorRecord
from sematic.errors import FencedError, RecordError
from sematic.events import (
    CallLost,
    DropCall,
    Event,
    PrepareCall,
    RunMoved,
    StartCall,
    StopCall,
)
from sematic.ports import Batch, PipelineRunInfo


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


class MemoryTracker:
    """A Tracker in memory, as strict as the real ones."""

    is_quick = True

    def __init__(self) -> None:
        self.infos: dict[str, PipelineRunInfo] = {}
        self.batches: list[Batch] = []
        self._epochs: dict[str, int] = {}
        self._next_seq: dict[tuple[str, int], int] = {}

    @property
    def events(self) -> list[Event]:
        """Everything recorded, in order."""
        return [event for batch in self.batches for event in batch.events]

    def begin(self, info: PipelineRunInfo, *, after_epoch: int = 0) -> int:
        """Record a pipeline run, or take it over.

        Raises:
            FencedError: the newest epoch is not ``after_epoch``.
        """
        if self._epochs.get(info.root_id, 0) != after_epoch:
            raise FencedError(f"Pipeline run {info.root_id} is driven by somebody else.")
        self.infos.setdefault(info.root_id, info)
        self._epochs[info.root_id] = after_epoch + 1
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

    def find_outputs(self, cache_keys: Collection[str]) -> dict[str, list[tuple[str, ArtifactRef]]]:
        """The recorded outputs under cache keys, each once, oldest first."""
        found: dict[str, dict[str, tuple[str, ArtifactRef]]] = {}
        for change in (change for batch in self.batches for change in batch.changes):
            if isinstance(change, RunMoved) and change.output and change.cache_key in cache_keys:
                run_id = change.original_run_id or change.run_id
                known = found.setdefault(change.cache_key or "", {})
                known.setdefault(change.output.id, (run_id, change.output))
        return {key: list(outputs.values()) for key, outputs in found.items()}

    def close(self) -> None:
        """Nothing is open."""


class ManualExecutor:
    """An Executor that executes nothing: a test decides how each attempt ends."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.started: list[StartCall] = []
        self.stopped: list[StopCall] = []
        self.prepared: dict[str, PrepareCall] = {}
        self.closed = False
        self._clock = clock
        self._reports: dict[tuple[str, int], Callable[[Event], None]] = {}

    def start(self, start: StartCall, report: Callable[[Event], None]) -> None:
        """Remember an attempt."""
        self.started.append(start)
        self.prepared.pop(start.call.run_id, None)
        self._reports[start.call.run_id, start.attempt] = report

    def stop(self, stop: StopCall) -> None:
        """Remember the wish, and report the attempt as lost unless it has ended just before."""
        self.stopped.append(stop)
        if (stop.call.run_id, stop.attempt) in self._reports:
            self.lose(stop.call.run_id, stop.attempt, "stopped")

    def prepare(self, wish: PrepareCall | DropCall) -> None:
        """Remember what was to be made ready, until it is started or dropped."""
        if isinstance(wish, PrepareCall):
            assert wish.call.run_id not in self.prepared, "it is ready already"
            self.prepared[wish.call.run_id] = wish
        else:
            del self.prepared[wish.call.run_id]

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
