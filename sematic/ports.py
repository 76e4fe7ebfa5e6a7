"""What the kernel needs from the world. Adapters do not inherit; they just fit."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

from sematic.calls import ArtifactRef
from sematic.events import Change, Event, StartCall, StopCall

Clock: TypeAlias = Callable[[], float]
"""Seconds since the epoch, UTC."""


class ArtifactStore(Protocol):
    """Keeps values. Content-addressed: the same value of the same type has the same id."""

    def put(self, value: Any, type_: Any) -> ArtifactRef:
        """Store a value under its declared type.

        Raises:
            ArtifactError: it cannot be turned into bytes, or they cannot be kept.
        """

    def exists(self, ref: ArtifactRef) -> bool:
        """Whether ``get`` would find a stored value."""

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

    def close(self) -> None:
        """Leave nothing behind. Called once, when no attempt is active."""


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
    """Keeps the record."""

    def begin(self, info: PipelineRunInfo) -> int:
        """Record a pipeline run, or take it over, and return the epoch to drive it with."""

    def record(self, batch: Batch) -> None:
        """Record a batch: all of it or, on an error, nothing. Twice is as good as once.

        Raises:
            FencedError: another driver has taken the pipeline run over.
            RecordError: the record cannot be written.
        """

    def find_output(self, cache_key: str) -> tuple[str, ArtifactRef] | None:
        """The oldest recorded output under a cache key, and the run that computed it.

        Called from threads of its own, beside ``record``.
        """

    def close(self) -> None:
        """Let go of the pipeline run and of every connection."""
