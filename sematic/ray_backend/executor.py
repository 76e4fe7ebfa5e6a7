"""RayExecutor: executes standalone calls as Ray tasks."""

import queue
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sematic.calls import Call, ErrorRecord, Failed
from sematic.error_records import build_error_record
from sematic.errors import InfrastructureError
from sematic.events import CallEnded, CallLost, DropCall, Event, PrepareCall, StartCall, StopCall
from sematic.log_files import log_path
from sematic.ports import ArtifactStore, Clock
from sematic.ray_backend.calls_to_ray import calls_to_ray
from sematic.ray_backend.cluster import LocalRay
from sematic.ray_backend.go_ahead import NOT_BEGUN, NOT_HEARD
from sematic.ray_backend.losses import (
    DIED,
    SHUT_DOWN,
    STOPPED,
    count_oom_kills,
    describe_loss,
    means_death_of_ray,
    was_told_to_exit,
)
from sematic.ray_backend.submission import Submission
from sematic.ray_backend.taking_over import SECONDS_TO_KEEP, keep_permit, take_away
from sematic.ray_backend.waking import wake
from sematic.ray_backend.worker_log import recover_log, remove_spools
from sematic.shipping import unpack_outcome

# How long a task that was asked to end may take before its worker is killed; and how long it may
# sit in C code, so that it has not even seen the wish.
_GRACE_SECONDS = 2.0
_SECONDS_TO_SEE = 0.7
_SECONDS_TO_WAKE = 0.05
_MOST_QUICK = 16
# How soon it is noticed that somebody has shut Ray down.
_SECONDS_TO_NOTICE = 0.5

_NOT_AGAIN = (
    "Ray was shut down in this process, most likely by ray.shutdown(), while this pipeline run "
    "used it, and is not started again for it. Leave Ray up until runner.run(...) returns."
)

Report = Callable[[Event], None]
Key = tuple[str, int]  # run id, attempt


@dataclass(frozen=True, slots=True)
class _Task:
    """An attempt that is with Ray."""

    ref: Any
    call: Call
    report: Report
    submission: Submission


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
        on_ready: called once, in the executor's thread, with the ``ray`` module when Ray is up.
            What it returns is called before Ray is left.
    """

    def __init__(
        self,
        store: ArtifactStore,
        *,
        ray: LocalRay,
        clock: Clock,
        log_directory: Path,
        warn: Callable[[str], None],
        on_ready: Callable[[Any], Callable[[], None]],
    ) -> None:
        self._store = store
        self._cluster = ray
        self._clock = clock
        self._log_directory = log_directory
        self._warn = warn
        self._on_ready = on_ready
        self._before_leaving: Callable[[], None] | None = None
        self._commands: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._ray: Any = None
        self._submission: Submission | None = None
        self._permit: Path | None = None
        self._keep_at = 0.0  # monotonic seconds
        self._oom_kills = 0
        # Whoever takes a task out of it reports how it ended.
        self._tasks: dict[Key, _Task] = {}
        self._asked_for: set[Key] = set()  # before Ray was up
        self._unwanted: set[Key] = set()
        self._given_up = threading.Event()
        self._failed_with_ray: set[Key] = set()
        self._ray_error: Exception | None = None
        self._stopped_at: dict[Key, float] = {}  # monotonic seconds
        self._press_at = 0.0  # the same
        self._root_id: str | None = None
        self._told_of_logs = False
        self._was_shut_down = False
        self._dead: Submission | None = None  # the one whose Ray has died, if it was our own

    def start(self, start: StartCall, report: Report) -> None:
        """Submit an attempt as a task."""
        if self._thread is None:
            self._root_id = start.call.root_id
            self._thread = threading.Thread(
                target=self._work, name="sematic-ray-executor", daemon=True
            )
            self._thread.start()
        submission = None if self._is_lost() else self._submission
        if submission is not None and self._begin(start, report, submission):
            return
        if submission is not None and self._is_quick(submission, start.call):
            self._submit(start, report)
        else:
            if submission is None:
                self._asked_for.add((start.call.run_id, start.attempt))
            self._commands.put(lambda: self._submit(start, report))

    def prepare(self, wish: PrepareCall | DropCall) -> None:
        """Submit a call ahead, to begin when it is started, where it will not have to wait long."""
        submission = self._submission
        if submission is None or self._is_lost():
            return
        if isinstance(wish, DropCall):
            submission.drop(wish.call)
            return
        before = self._tasks.get(wish.after)
        if before is None or not self._commands.empty():
            return
        # Of one that has ended the machine may not know yet: what comes after it needs a processor.
        beside = max(wish.beside, len(self._tasks))
        if submission.may_go_ahead(wish.call, before.call, beside=beside):
            with suppress(Exception), calls_to_ray:  # where it is started, that is told of
                if self._cluster.is_up(self._ray):
                    submission.submit_ahead(wish.call)

    def stop(self, stop: StopCall) -> None:
        """Interrupt an attempt, and kill its worker where that does not help in time."""
        key = (stop.call.run_id, stop.attempt)
        self._unwanted.add(key)
        if self._submission is None and self._unwanted >= self._asked_for:
            self._given_up.set()
        self._commands.put(lambda: self._cancel(key))

    def close(self) -> None:
        """End the thread and leave Ray as it was found."""
        if self._thread is not None:
            self._commands.put(None)
            self._thread.join()
        if self._ray is not None:
            self._cluster.wait_until_gone(self._ray)
        with ExitStack() as stack:  # from the last one up, whatever goes wrong in one of them
            if self._root_id is not None:
                stack.callback(remove_spools, self._log_directory / self._root_id)
            stack.callback(self._cluster.leave)
            stack.callback(self._give_back_permit)
            stack.callback(self._leave_tracker)

    def _is_quick(self, submission: Submission, call: Call) -> bool:
        """Whether it takes less to submit an attempt at once than to ask the thread to.

        Not for one of many: with as many tasks on their way, nobody waits for the next one.
        """
        return len(self._tasks) < _MOST_QUICK and self._commands.empty() and submission.knows(call)

    def _begin(self, start: StartCall, report: Report, submission: Submission) -> bool:
        """Let an attempt begin that was submitted ahead. Returns whether it was."""
        key = (start.call.run_id, start.attempt)

        def register(ref: Any) -> Callable[[Any], None]:
            self._tasks[key] = _Task(ref, start.call, report, submission)
            return partial(self._take_result_ahead, start, report)

        path = str(log_path(self._log_directory, start.call.root_id, *key))
        return submission.begin(start.call, start.inputs, register, log_path=path)

    # --- the executor's thread ---------------------------------------------------------------

    def _work(self) -> None:
        while True:
            try:
                command = self._commands.get(timeout=self._seconds_to_wait())
            except queue.Empty:
                command = _wait_no_longer
            if command is None:
                return
            try:
                if self._is_lost():
                    self._lose_ray()
                command()
                if self._stopped_at and time.monotonic() >= self._press_at:
                    self._press()  # however many commands there are
                self._keep_permit()
            except Exception as error:  # noqa: BLE001 - the next command must still be heard
                self._warn(f"Ray refused a request: {type(error).__name__}: {error}")

    def _submit(self, start: StartCall, report: Report) -> None:
        call, attempt = start.call, start.attempt
        key = (call.run_id, attempt)
        try:
            submission = self._submission
            if submission is None and key not in self._unwanted:
                submission = self._connect(key)
            if submission is None or key in self._unwanted:
                report(CallLost(self._clock(), *key, STOPPED))
                return
            path = str(log_path(self._log_directory, call.root_id, *key))
            with calls_to_ray:
                if not self._cluster.is_up(self._ray):
                    raise InfrastructureError(_NOT_AGAIN)
                ref = submission.submit(call, start.inputs, log_path=path)
                self._tasks[key] = _Task(ref, call, report, submission)
                # Half of what ref.future() costs. Called once, from a thread of Ray's, with what
                # the task returned or with the exception that Ray has in its place.
                ref._on_completed(lambda result: self._take_result(key, result))
        except Exception as error:  # noqa: BLE001
            # It must be reported, whatever it is.
            self._tasks.pop(key, None)
            now = self._clock()
            stopped, lost = key in self._unwanted, self._is_lost()
            reason = STOPPED if stopped else SHUT_DOWN if lost else None
            report(CallLost(now, *key, reason) if reason else _failed(now, key, error))

    def _connect(self, key: Key) -> Submission:
        if self._was_shut_down:
            raise InfrastructureError(_NOT_AGAIN)
        if key in self._failed_with_ray and self._ray_error is not None:
            raise self._ray_error
        try:
            ray = self._cluster.enter(self._given_up)
            self._oom_kills = count_oom_kills()
            if self._before_leaving is None:
                self._before_leaving = self._on_ready(ray)
            with calls_to_ray:
                submission = self._submission_to(ray)
        except Exception as error:
            # For all who were waiting for it; only who comes later lets Ray try again.
            self._failed_with_ray, self._ray_error = set(self._asked_for), error
            raise
        # The submission last: with it, Ray counts as connected.
        self._ray, self._submission = ray, submission
        return submission

    def _submission_to(self, ray: Any) -> Submission:
        assert self._root_id is not None
        self._give_back_permit()
        self._permit = self._cluster.permit(self._root_id)
        return Submission(ray, self._store, permit=self._permit, warn=self._warn)

    def _give_back_permit(self) -> None:
        if self._submission is not None:
            self._submission.stop_going_ahead()
        if self._permit is None:
            return
        if self._tasks:  # it was not waited for their end: what has not begun is not to
            take_away(self._permit)
        self._permit.unlink(missing_ok=True)

    def _keep_permit(self) -> None:
        if self._permit is not None and time.monotonic() >= self._keep_at:
            self._keep_at = time.monotonic() + SECONDS_TO_KEEP
            keep_permit(self._permit)

    def _is_lost(self) -> bool:
        """Whether Ray was up and is gone: it died, or code of the user's has shut it down."""
        submission = self._submission
        if submission is None:
            return False
        return submission is self._dead or not self._cluster.is_up(self._ray)

    def _lose_ray(self) -> None:
        """Report what was with a Ray that is gone. One of ours that died is started again."""
        submission = self._submission  # it has refs, which are not to be let go of yet
        if submission is not None:
            submission.stop_going_ahead()
        died, self._submission = submission is self._dead, None
        self._was_shut_down = not died  # threads of that Ray may still be at work in this process
        self._cluster.wait_until_gone(self._ray)
        self._leave_tracker()
        if died:
            self._cluster.end_dead(self._ray)
        self._stopped_at.clear()
        for key in list(self._tasks):
            task = self._tasks.pop(key, None)
            if task is not None:
                reason = DIED if died else SHUT_DOWN
                reason = STOPPED if key in self._unwanted else reason
                task.report(CallLost(self._clock(), *key, reason))

    def _leave_tracker(self) -> None:
        before_leaving, self._before_leaving = self._before_leaving, None
        if before_leaving is not None:
            before_leaving()

    def _cancel(self, key: Key) -> None:
        task = self._tasks.get(key)
        if task is not None and key not in self._stopped_at:
            self._stopped_at[key] = time.monotonic()
            self._interrupt(task)

    def _interrupt(self, task: _Task, *, force: bool = False) -> None:
        with calls_to_ray:
            if self._cluster.is_up(self._ray):
                self._ray.cancel(task.ref, force=force)

    def _seconds_to_wait(self) -> float | None:
        if self._stopped_at:
            return _SECONDS_TO_WAKE
        # Also while nothing is with Ray: what is submitted by other threads does not end the wait.
        return _SECONDS_TO_NOTICE if self._submission is not None else None

    def _press(self) -> None:
        """Wake what was asked to end, and kill what does not."""
        now = time.monotonic()
        self._press_at = now + _SECONDS_TO_WAKE
        for key, stopped_at in list(self._stopped_at.items()):
            task = self._tasks.get(key)
            if task is None:
                del self._stopped_at[key]
                continue
            has_seen = wake(log_path(self._log_directory, task.call.root_id, *key))
            patience = _GRACE_SECONDS if has_seen else _SECONDS_TO_SEE
            if now >= stopped_at + patience:
                self._stopped_at[key] = now  # once more: a kill that comes too early is forgotten
                self._interrupt(task, force=True)

    # --- Ray's threads -----------------------------------------------------------------------

    def _take_result(self, key: Key, result: Any) -> None:
        task = self._tasks.pop(key, None)
        if task is not None:  # else it was given up as lost
            if means_death_of_ray(result) and self._cluster.is_own:
                self._dead = task.submission
            task.report(self._ended(key, task, result))

    def _take_result_ahead(self, start: StartCall, report: Report, result: Any) -> None:
        key = (start.call.run_id, start.attempt)
        if result not in (NOT_BEGUN, NOT_HEARD):
            self._take_result(key, result)
        elif self._tasks.pop(key, None) is not None:  # it had just waited long enough
            self._commands.put(lambda: self._submit(start, report))

    def _ended(self, key: Key, task: _Task, result: Any) -> Event:
        """What became of an attempt. It must not raise: nobody else would report it."""
        now = self._clock()
        stopped = key in self._unwanted
        try:
            if not isinstance(result, bytes):
                error = self._loss(key, task.call, result)
                return CallLost(now, *key, STOPPED if stopped else error)
            outcome, started_at, ended_at, log_failure = unpack_outcome(result)
        except BaseException as error:  # noqa: BLE001
            # E.g. a nested function whose module the driver cannot import.
            return _failed(now, key, error)
        if log_failure is not None and not self._told_of_logs:
            self._told_of_logs = True
            self._warn(f"What standalone functions print cannot be kept: {log_failure}")
        if stopped and isinstance(outcome, Failed):
            return CallLost(now, *key, STOPPED, started_at=started_at, ended_at=ended_at)
        if was_told_to_exit(outcome) and not self._cluster.is_up(self._ray):
            return CallLost(now, *key, SHUT_DOWN)
        task.submission.note_seconds(task.call, ended_at - started_at)
        return CallEnded(now, *key, outcome, started_at=started_at, ended_at=ended_at)

    def _loss(self, key: Key, call: Call, error: Any) -> ErrorRecord:
        path = log_path(self._log_directory, call.root_id, *key)
        recover_log(path)
        kills, self._oom_kills = self._oom_kills, count_oom_kills()
        return describe_loss(error, log=path, out_of_memory=self._oom_kills > kills)


def _wait_no_longer() -> None:
    """The command of the thread to itself, when none has come for a while."""


def _failed(now: float, key: Key, error: BaseException) -> CallEnded:
    outcome = Failed(build_error_record(error), error)
    return CallEnded(now, *key, outcome, started_at=now, ended_at=now)
