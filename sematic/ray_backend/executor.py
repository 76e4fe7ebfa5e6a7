"""RayExecutor: executes standalone calls as Ray tasks."""

import pickle
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sematic.calls import ErrorRecord, Failed
from sematic.error_records import build_error_record
from sematic.events import CallEnded, CallLost, Event, StartCall, StopCall
from sematic.log_files import log_path
from sematic.ports import ArtifactStore, Clock
from sematic.ray_backend.cluster import LocalRay, read_capacity
from sematic.ray_backend.losses import describe_loss
from sematic.ray_backend.remote import execute_remotely
from sematic.ray_backend.resources import RayOptions, clamp, ignored_fields, ray_options
from sematic.resources import ResourceRequirements
from sematic.shipping import Packer, unpack

# How long a task that was asked to end may take before its worker is killed.
_GRACE_SECONDS = 2.0

Report = Callable[[Event], None]


class RayExecutor:
    """Executes calls in Ray workers, each attempt as one task that Ray never retries.

    Nothing of Ray is imported or started before the first call. Ray is spoken to by one thread of
    its own, so that neither its start nor a slow submission holds up the engine.

    Args:
        store: where inputs come from and outputs go; must be picklable.
        ray: which Ray to use.
        clock: seconds since the epoch, UTC.
        log_directory: where the calls' output goes.
        warn: told one sentence where a requirement means nothing or cannot be met here.
        on_ready: called once in the executor's thread when Ray is up.
    """

    def __init__(
        self,
        store: ArtifactStore,
        *,
        ray: LocalRay,
        clock: Clock,
        log_directory: Path,
        warn: Callable[[str], None],
        on_ready: Callable[[Any], None],
    ) -> None:
        self._store = store
        self._cluster = ray
        self._clock = clock
        self._log_directory = log_directory
        self._warn = warn
        self._on_ready = on_ready
        self._commands: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._ray: Any = None
        self._tasks: dict[tuple[str, int], Any] = {}  # object refs
        self._stopping: dict[tuple[str, int], float] = {}  # when to kill, monotonic seconds
        self._remotes: dict[RayOptions, Any] = {}
        self._remote_of: dict[int, tuple[Any, Any]] = {}  # by id of requirements, which it keeps
        self._warned: set[str] = set()
        self._packer = Packer()

    def start(self, start: StartCall, report: Report) -> None:
        """Submit an attempt as a task."""
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._work, name="sematic-ray-executor", daemon=True
            )
            self._thread.start()
        self._commands.put(lambda: self._submit(start, report))

    def stop(self, stop: StopCall) -> None:
        """Interrupt an attempt, and kill its worker where that does not help in time."""
        self._commands.put(lambda: self._cancel(stop.call.run_id, stop.attempt))

    def close(self) -> None:
        """End the thread and leave Ray as it was found."""
        if self._thread is not None:
            self._commands.put(None)
            self._thread.join()
        self._cluster.leave()

    # --- the executor's thread ---------------------------------------------------------------

    def _work(self) -> None:
        while True:
            try:
                command = self._commands.get(timeout=self._seconds_to_next_kill())
            except queue.Empty:
                self._kill_overdue()
                continue
            if command is None:
                return
            command()

    def _submit(self, start: StartCall, report: Report) -> None:
        call, attempt = start.call, start.attempt
        try:
            if self._ray is None:
                self._connect()
            path = log_path(self._log_directory, call.root_id, call.run_id, attempt)
            packed = self._packer.pack((call, dict(start.inputs), path))
            remote = self._remote(call.options.resource_requirements)
            ref = remote.remote(packed, self._context)
        except Exception as error:  # noqa: BLE001 - it must be reported, whatever it is
            ended = Failed(build_error_record(error), error)
            now = self._clock()
            report(CallEnded(now, call.run_id, attempt, ended, started_at=now, ended_at=now))
            return
        self._tasks[call.run_id, attempt] = ref
        ref.future().add_done_callback(lambda done: report(self._ended(call.run_id, attempt, done)))

    def _connect(self) -> None:
        ray = self._cluster.enter()
        self._capacity = read_capacity(ray)
        self._generic = ray.remote(execute_remotely)
        self._context = pickle.dumps(self._store)
        self._ray = ray
        self._on_ready(ray)

    def _remote(self, requirements: ResourceRequirements | None) -> Any:
        """The remote function with the Ray options of some requirements; made once for each."""
        known = self._remote_of.get(id(requirements))
        if known is None:
            known = (requirements, self._build_remote(requirements))
            self._remote_of[id(requirements)] = known
        return known[1]

    def _build_remote(self, requirements: ResourceRequirements | None) -> Any:
        options, clamped = clamp(ray_options(requirements), self._capacity)
        if requirements is not None:
            for sentence in (*clamped, *ignored_fields(requirements)):
                if sentence not in self._warned:
                    self._warned.add(sentence)
                    self._warn(sentence)
        if options not in self._remotes:
            arguments = options.as_arguments()
            self._remotes[options] = self._generic.options(max_retries=0, **arguments)
        return self._remotes[options]

    def _cancel(self, run_id: str, attempt: int) -> None:
        ref = self._tasks.get((run_id, attempt))
        if ref is None or (run_id, attempt) in self._stopping:
            return
        self._stopping[run_id, attempt] = time.monotonic() + _GRACE_SECONDS
        self._ray.cancel(ref)

    def _seconds_to_next_kill(self) -> float | None:
        if not self._stopping:
            return None
        return max(0.0, min(self._stopping.values()) - time.monotonic())

    def _kill_overdue(self) -> None:
        now = time.monotonic()
        for key, kill_at in list(self._stopping.items()):
            ref = self._tasks.get(key)
            if ref is None:
                del self._stopping[key]
            elif kill_at <= now:  # again and again: a kill that comes too early is forgotten
                self._stopping[key] = now + _GRACE_SECONDS
                self._ray.cancel(ref, force=True)

    # --- Ray's threads -----------------------------------------------------------------------

    def _ended(self, run_id: str, attempt: int, done: Any) -> Event:
        now = self._clock()
        stopped = (run_id, attempt) in self._stopping
        self._tasks.pop((run_id, attempt), None)
        error = done.exception()
        if error is not None:
            return CallLost(now, run_id, attempt, describe_loss(error, stopped=stopped))
        try:
            outcome, started_at, ended_at = unpack(done.result())
        except Exception as broken:  # noqa: BLE001
            # E.g. a nested function that the driver cannot import.
            outcome, started_at, ended_at = Failed(build_error_record(broken), broken), now, now
        if isinstance(outcome, Failed) and stopped:
            interrupted = ErrorRecord("sematic.errors.CancellationError", "The call was stopped.")
            return CallLost(now, run_id, attempt, interrupted)
        return CallEnded(now, run_id, attempt, outcome, started_at=started_at, ended_at=ended_at)
