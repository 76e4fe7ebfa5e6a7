"""What the kernel needs from the world. Adapters do not inherit; they just fit."""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from sematic.calls import ArtifactRef
from sematic.events import (
    Change,
    DriverChanged,
    DropCall,
    Event,
    PrepareCall,
    StartCall,
    StopCall,
)
from sematic.function import Function

Clock: TypeAlias = Callable[[], float]
"""Seconds since the epoch, UTC."""

Listener: TypeAlias = Callable[[Change], None]
"""Told of every change, in order, in whichever thread takes the event. Must return at once."""


class ArtifactStore(Protocol):
    """Keeps values. Content-addressed: the same value of the same type has the same id."""

    def put(self, value: Any, type_: Any) -> ArtifactRef:
        """Store a value under its declared type.

        Raises:
            ArtifactError: it cannot be turned into bytes, or they cannot be kept.
        """

    def check(self, ref: ArtifactRef) -> None:
        """Look whether all of a stored value is there, as it was stored.

        Raises:
            MissingArtifactError: it is not there.
            CorruptArtifactError: it is not what was stored.
            ForeignCodeError: it is, but only another version of Python can read it.
            ArtifactError: that cannot be found out.
        """

    def get(self, ref: ArtifactRef) -> Any:
        """A fresh copy of a stored value: no change to it reaches anybody else.

        Raises:
            ArtifactError: the bytes are missing or damaged.
        """


class Executor(Protocol):
    """Executes calls somewhere else than in the engine's thread."""

    def start(self, start: StartCall, report: Callable[[Event], None]) -> None:
        """Begin an attempt and return at once.

        ``report`` may be called from any thread. It is called once for the attempt, with
        :class:`CallEnded` or :class:`CallLost`, whatever happens.
        """

    def stop(self, stop: StopCall) -> None:
        """End an attempt early and return at once; the attempt still reports."""

    def prepare(self, wish: PrepareCall | DropCall) -> None:
        """Make a call ready that may be started soon, or let go of it; return at once.

        An executor may leave it at nothing. What it has made ready begins no sooner than
        :meth:`start` says.
        """

    def close(self) -> None:
        """Leave nothing behind. Called once, when no attempt is active."""


class History(Protocol):
    """What a resumed pipeline run has behind it."""

    def end_leftovers(self) -> None:
        """End what the driver that is gone has left running. Nobody else drives by then."""

    def read(self) -> Iterable[Event]:
        """Everything recorded so far, in order."""

    def find_function(self, path: str) -> Function[..., Any]:
        """The function at an importable path, as it is now.

        Raises:
            ImportError: there is none any more.
        """

    def driver_changed(self, at: float) -> DriverChanged:
        """The event that its new driver begins with."""


@dataclass(frozen=True, slots=True)
class PipelineRunInfo:
    """What is known of a pipeline run before it starts.

    Attributes:
        root_id: the id of its root run, and its own.
        function_path: importable path of the root function.
        runner: class name of the runner.
        client_version: version of this package.
        environment: command line, working directory, host, process id, Python and package
            versions, git commit and dirty state: whatever tells how to get the same again.
    """

    root_id: str
    name: str
    function_path: str
    runner: str
    created_at: float
    client_version: str
    cache_namespace: str | None = None
    environment: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Batch:
    """Events of one driver in order, and what they mean.

    Attributes:
        epoch: of the driver; the batch is refused once there is a newer one.
        first_seq: sequence number of the first event; the others follow without a gap.
    """

    root_id: str
    epoch: int
    first_seq: int
    events: tuple[Event, ...]
    changes: tuple[Change, ...]


class Tracker(Protocol):
    """Keeps the record.

    Attributes:
        is_quick: whether :meth:`find_outputs` takes no longer than to ask another thread for it.
    """

    @property
    def is_quick(self) -> bool: ...

    def begin(self, info: PipelineRunInfo, *, after_epoch: int = 0) -> int:
        """Record a pipeline run, or take it over, and return the epoch to drive it with.

        Args:
            info: what to record; of a pipeline run that is taken over, only its id counts.
            after_epoch: of the driver that is taken over from; 0 for a new pipeline run.

        Raises:
            FencedError: somebody else was faster: the newest epoch is not ``after_epoch``.
            RecordError: the record cannot be written.
        """

    def record(self, batch: Batch) -> None:
        """Record a batch: all of it or, on an error, nothing. Twice is as good as once.

        A record that is locked or out of reach for a while is waited for.

        Raises:
            FencedError: another driver has taken the pipeline run over.
            RecordFullError: the disk is full. If it says so, this is the one error after which the
                batch **is** recorded: in a reserve, where the end of the pipeline run has room too.
            RecordError: the record cannot be written.
        """

    def find_outputs(
        self, cache_keys: Collection[str]
    ) -> Mapping[str, list[tuple[str, ArtifactRef]]]:
        """The recorded outputs under cache keys, oldest first, each with a run that computed it.

        Keys without any are left out. More than one where it was computed again because its
        artifact was missing.

        Called from several threads, beside ``record``.
        """

    def close(self) -> None:
        """Let go of the pipeline run and of every connection."""


class Lease(Protocol):
    """A driver's right to drive a pipeline run, and what others want of it.

    Attributes:
        seconds: how long the right lasts after each renewal. Others may take it over then, or as
            soon as the driver's process is gone.
    """

    @property
    def seconds(self) -> float: ...

    def renew(self) -> None:
        """Show a sign of life.

        Raises:
            FencedError: another driver has taken the pipeline run over.
            RecordError: the record cannot be written now.
        """

    def read_wish(self) -> str | None:
        """Why the pipeline run is to be cancelled, if somebody wants that.

        Raises:
            RecordError: the record cannot be read now.
        """

    def end(self) -> None:
        """Let others take over at once. It is not to be renewed any more.

        Raises:
            RecordError: the record cannot be written now.
        """

    def close(self) -> None:
        """Let go of connections; the right ends with the process."""
