"""TrackerActor: hosts the recorder of one pipeline run while Ray is up."""

import pickle
import threading
from collections.abc import Callable
from typing import Any, Protocol

from sematic.errors import SematicError
from sematic.ray_backend.calls_to_ray import calls_to_ray

# An answer takes milliseconds, or half a minute where somebody else locks the database.
_MOST_SECONDS = 60.0
# A process takes half a second of a processor to start: a short pipeline run would feel that.
_SECONDS_BEFORE_START = 3.0


class Writer(Protocol):
    """Writes rows to the record. Picklable; each process opens connections of its own."""

    def write(self, rows: Any) -> None:
        """Write a batch of rows: all of it or nothing; one written before is ignored."""

    def close(self) -> None:
        """Let go of connections."""


class HostedWriter(Writer, Protocol):
    """A writer that another process can be asked to get ready."""

    def open(self) -> object:
        """Connect, unless it is connected."""


class Movable(Protocol):
    """A tracker whose rows can be written elsewhere."""

    def build_writer(self) -> HostedWriter:
        """A writer of its own connection, for another process."""

    def use_writer(self, writer: Writer) -> None:
        """Write through ``writer`` from the next batch on; from any thread."""


def move_to_actor(ray: Any, tracker: Movable) -> Callable[[], None]:
    """Let an actor write a tracker's rows, from a few seconds from now. Returns at once.

    Returns:
        What brings the writing back; to be called before Ray is left.
    """
    actor = TrackerActor(ray, tracker.build_writer())
    actor.start(lambda: tracker.use_writer(actor), after_seconds=_SECONDS_BEFORE_START)
    return actor.release


class TrackerHost:
    """The actor itself. It answers with what went wrong rather than raise: Ray wraps exceptions."""

    def __init__(self, writer: bytes) -> None:
        self._writer: HostedWriter = pickle.loads(writer)

    def ready(self) -> None:
        """Returns when it can write."""
        self._writer.open()

    def write(self, rows: bytes) -> bytes | None:
        """Write a pickled batch; returns the pickled exception if that failed."""
        try:
            self._writer.write(pickle.loads(rows))
        except SematicError as error:
            return pickle.dumps(error)
        return None


class TrackerActor:
    """A Writer that writes from a Ray actor, for one pipeline run.

    The actor is pinned to the driver's node, where a SQLite file is, and ends with the driver. If
    it dies, the batch on its way is written again from here, and so is everything after it: a
    batch that the actor did write is recognised by its sequence numbers.

    Args:
        ray: the ``ray`` module, initialised.
        writer: what the actor hosts, and what takes over when it is gone.
    """

    def __init__(self, ray: Any, writer: Writer) -> None:
        self._ray = ray
        self._writer = writer
        self._actor: Any = None
        self._timer: threading.Timer | None = None
        self._released = False
        self._writes_there = False
        self._started: Any = None  # a reference: the answer would be lost without it
        self._lock = threading.Lock()

    def start(self, on_ready: Callable[[], None], *, after_seconds: float = 0.0) -> None:
        """Start the actor; ``on_ready`` is called, from another thread, when it can write."""
        self._timer = threading.Timer(after_seconds, self._start, (on_ready,))
        self._timer.name = "sematic-tracker-actor"
        self._timer.daemon = True
        self._timer.start()

    def _start(self, on_ready: Callable[[], None]) -> None:
        def use(answer: object) -> None:
            if answer is None:  # else the exception that tells why it did not start
                self._writes_there = True
                on_ready()

        with self._lock, calls_to_ray:
            if self._released or not self._ray.is_initialized():  # somebody may shut it down
                return
            self._actor = self._build_host().remote(pickle.dumps(self._writer))
            self._started = self._actor.ready.remote()
            self._started._on_completed(use)

    def _build_host(self) -> Any:
        place = self._ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy(
            self._ray.get_runtime_context().get_node_id(), soft=False
        )
        return self._ray.remote(TrackerHost).options(
            num_cpus=0, max_restarts=0, max_task_retries=0, scheduling_strategy=place
        )

    def write(self, rows: Any) -> None:
        """Write a batch of rows through the actor, or from here if it is gone.

        Raises:
            RecordError: what the writer raised.
        """
        with self._lock:
            self._writes_there = self._writes_there and self._try_there(rows)
            if not self._writes_there:
                self._writer.write(rows)

    def _try_there(self, rows: Any) -> bool:
        try:
            with calls_to_ray:
                if not self._ray.is_initialized():  # somebody has shut it down
                    return False
                error = self._ray.get(
                    self._actor.write.remote(pickle.dumps(rows)), timeout=_MOST_SECONDS
                )
        except self._ray.exceptions.RayError:
            # It died, or its node did: whether it wrote the batch, the next writer will see.
            return False
        if error is not None:
            raise pickle.loads(error)
        return True

    def release(self) -> None:
        """End the actor; what is written from now on is written from here."""
        if self._timer is not None:
            self._timer.cancel()
        with self._lock:
            self._released = True
            self._writes_there = False
            with calls_to_ray:
                if self._actor is not None and self._ray.is_initialized():
                    self._ray.kill(self._actor)
                self._actor = self._started = None

    def close(self) -> None:
        """Let go of connections."""
        self._writer.close()
