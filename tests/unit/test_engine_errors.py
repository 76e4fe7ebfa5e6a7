"""What the engine does when something other than a function fails."""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future as Promise
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

import pytest

import sematic
from sematic import CancellationError, PipelineRunError
from sematic import engine as engine_module
from sematic import heartbeat as heartbeat_module
from sematic.calls import ErrorRecord, Succeeded
from sematic.engine import Engine
from sematic.errors import FencedError, RecordError, RecordFullError
from sematic.events import (
    CallEnded,
    Change,
    DriverChanged,
    Event,
    PipelineAborted,
    PipelineMoved,
    PipelineStarted,
    RunCreated,
    RunMoved,
)
from sematic.execution import build_root_call
from sematic.function import Function
from sematic.future import Future
from sematic.ports import Batch
from sematic.processes import load_psutil
from sematic.run_context import ROOT_ID, RUN_ID
from sematic.states import PipelineRunStatus
from sematic.testing import ManualExecutor, MemoryStore, MemoryTracker
from tests.builders import failed, info, succeeded
from tests.leases import FakeLease
from tests.waiting import wait_until

WAIT = 60.0


@sematic.func
def inline(x: int) -> int:
    return x + 1


@sematic.func(standalone=True)
def apart(x: int) -> int:
    return x * 10


@sematic.func
def add(x: int, y: int) -> int:
    return x + y


@sematic.func
def pipeline() -> int:
    return add(apart(1), add(apart(2), 3))


class FullTracker(MemoryTracker):
    """Tells once, when it is asked to, that the disk is full; the batch is recorded."""

    def __init__(self) -> None:
        super().__init__()
        self.is_full = threading.Event()

    def record(self, batch: Batch) -> None:
        super().record(batch)
        if self.is_full.is_set():
            self.is_full.clear()
            raise RecordFullError("No space left.")


class BrokenTracker(MemoryTracker):
    """Raises an error from a moment on."""

    def __init__(self) -> None:
        super().__init__()
        self.error: BaseException | None = None

    def record(self, batch: Batch) -> None:
        if self.error is not None:
            raise self.error
        super().record(batch)


class Bed:
    """An engine that runs in a thread, with standalone calls that end when a test says so."""

    def __init__(self, tracker: MemoryTracker | None = None, **options: Any) -> None:
        self.tracker: Any = tracker or MemoryTracker()
        self.executor = ManualExecutor(time.time)
        self.listen: Callable[[Change], None] = lambda change: None
        self.store = MemoryStore()
        self.engine = Engine(
            store=self.store,
            tracker=self.tracker,
            standalone=self.executor,
            clock=time.time,
            listeners=[lambda change: self.listen(change)],
            **options,
        )

    def start(self, future: Future) -> Promise[Any]:
        call = build_root_call(future, self.store)
        return ThreadPoolExecutor(1).submit(self.engine.run, call, info(future.id))

    def wait_for_calls(self, count: int) -> None:
        wait_until(lambda: len(self.executor.started) == count)

    def end(self, index: int) -> None:
        """Let a standalone call succeed."""
        start = self.executor.started[index]
        event = succeeded(start.call.run_id, at=time.time(), attempt=start.attempt)
        self.executor.end(event, start.call.run_id, start.attempt)

    @property
    def status(self) -> tuple[PipelineRunStatus, str | None]:
        """As it is recorded."""
        moved = [c for c in self.changes if isinstance(c, PipelineMoved)]
        return moved[-1].status, moved[-1].reason

    @property
    def states(self) -> dict[str, str]:
        """Of every run, by its id, as they are recorded."""
        states = {}
        for change in self.changes:
            if isinstance(change, RunCreated):
                states[change.call.run_id] = "CREATED"
            elif isinstance(change, RunMoved):
                states[change.run_id] = change.state.value
        return states

    @property
    def changes(self) -> list[Change]:
        return [change for batch in self.tracker.batches for change in batch.changes]


# --- a full disk


def test_a_full_disk_ends_the_pipeline_run_and_the_record_says_so() -> None:
    bed = Bed(FullTracker())
    running = bed.start(pipeline())
    bed.wait_for_calls(2)
    bed.tracker.is_full.set()
    bed.end(0)
    with pytest.raises(RecordFullError, match="No space left"):
        running.result(WAIT)
    assert bed.status == (PipelineRunStatus.FAILED, "No space left.")
    assert sorted(bed.states.values()) == [
        *("CANCELED", "CANCELED", "FAILED", "NESTED_FAILED", "RESOLVED")
    ]
    assert [stop.call.run_id for stop in bed.executor.stopped] == [
        bed.executor.started[1].call.run_id
    ]
    assert bed.executor.closed


def test_a_disk_that_is_full_at_the_very_end_changes_nothing() -> None:
    """The last batch is recorded: the pipeline run is complete, for everyone."""
    bed = Bed(FullTracker())
    bed.tracker.is_full.set()

    @sematic.func
    def quick() -> int:
        return 7

    assert bed.start(quick()).result(WAIT) == 7
    assert bed.status[0] is PipelineRunStatus.COMPLETE


def test_a_failure_before_it_stays_the_reason() -> None:
    bed = Bed(FullTracker())

    @sematic.func
    def broken() -> int:
        raise ValueError("mine")

    @sematic.func
    def both() -> int:
        return add(broken(), apart(1))

    def listen(change: Change) -> None:
        if isinstance(change, RunMoved) and change.error is not None:
            bed.tracker.is_full.set()

    bed.listen = listen
    bed.executor.stop = lambda stop: None  # type: ignore[method-assign]  # takes its time
    running = bed.start(both())
    wait_until(lambda: bed.engine._aborted is not None)
    bed.executor.lose(bed.executor.started[0].call.run_id, 1, "stopped")
    with pytest.raises(PipelineRunError) as caught:
        running.result(WAIT)
    assert isinstance(caught.value.__cause__, ValueError)
    assert "mine" in str(bed.status[1])


# --- errors of ours


class BugError(Exception):
    """A fault of this package's."""


def in_a_listener(bed: Bed) -> None:
    def listen(change: Change) -> None:
        raise BugError("broken listener")

    bed.listen = listen


def in_an_executor(bed: Bed) -> None:
    start = bed.executor.start

    def start_one(asked: Any, report: Any) -> None:
        if bed.executor.started:
            raise BugError("broken executor")
        start(asked, report)

    bed.executor.start = start_one  # type: ignore[method-assign]


def in_the_machine(bed: Bed) -> None:
    handle = bed.engine._state.handle

    def handle_one(event: Any) -> Any:
        if len(bed.executor.started) == 2 and not isinstance(event, PipelineAborted):
            bed.engine._state.handle = handle  # type: ignore[method-assign]
            raise BugError("broken machine")
        return handle(event)

    bed.engine._state.handle = handle_one  # type: ignore[method-assign]


@pytest.mark.parametrize("happens", [in_a_listener, in_an_executor, in_the_machine])
def test_a_fault_of_ours_ends_everything_in_a_right_state(happens: Any) -> None:
    bed = Bed()
    happens(bed)
    running = bed.start(pipeline())
    if happens is in_the_machine:
        bed.wait_for_calls(2)
        bed.end(0)  # and this is not understood
    with pytest.raises(BugError, match="broken"):
        running.result(WAIT)
    assert bed.status[0] is PipelineRunStatus.FAILED
    assert "broken" in str(bed.status[1])
    unended = {"CREATED", "SCHEDULED", "RAN", "RETRYING"}
    assert not unended & set(bed.states.values())
    assert bed.executor.closed


def test_a_call_that_does_not_end_is_not_waited_for_forever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(engine_module, "SECONDS_TO_END", 0.2)
    bed = Bed()
    bed.executor.stop = lambda stop: None  # type: ignore[method-assign]
    running = bed.start(pipeline())
    bed.wait_for_calls(2)
    bed.engine._events.put(BugError("broken"))
    with pytest.raises(BugError):
        running.result(WAIT)
    assert bed.status == (PipelineRunStatus.FAILED, "broken")
    assert bed.executor.closed


def test_inline_calls_are_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their thread is the caller's own: it cannot be left."""
    monkeypatch.setattr(engine_module, "SECONDS_TO_END", 0.05)
    bed = Bed()

    @sematic.func
    def deaf() -> int:
        bed.engine._events.put(BugError("broken"))
        time.sleep(0.5)  # not in the main thread: nothing can end it
        return 1

    began = time.monotonic()
    with pytest.raises(BugError):
        bed.start(deaf()).result(WAIT)
    assert time.monotonic() - began > 0.4
    assert bed.status == (PipelineRunStatus.FAILED, "broken")


# --- where the end cannot be recorded


@pytest.mark.parametrize("error", [FencedError("taken over"), RecordError("gone")])
def test_calls_are_over_before_executors_are_closed(error: RecordError) -> None:
    bed = Bed(BrokenTracker())
    late: list[str] = []

    def stop(stop: Any) -> None:
        def report() -> None:
            late.append("closed" if bed.executor.closed else "open")
            bed.executor.lose(stop.call.run_id, stop.attempt, "stopped")

        threading.Timer(0.1, report).start()

    bed.executor.stop = stop  # type: ignore[method-assign]
    running = bed.start(pipeline())
    bed.wait_for_calls(2)
    wait_until(lambda: "SCHEDULED" in bed.states.values())
    recorded = len(bed.tracker.batches)
    bed.tracker.error = error
    bed.end(0)
    with pytest.raises(type(error)) as caught:
        running.result(WAIT)
    assert caught.value is error
    assert late == ["open"]
    assert len(bed.tracker.batches) == recorded
    assert bed.status[0] is PipelineRunStatus.RUNNING


def test_where_the_engine_cannot_record_the_end_somebody_else_does() -> None:
    settled: list[tuple[str, int, str]] = []

    def settle(root_id: str, epoch: int, error: ErrorRecord) -> None:
        assert not bed.engine._started
        settled.append((root_id, epoch, error.message))

    bed = Bed(BrokenTracker(), settle=settle)
    bed.tracker.error = RecordFullError("No space left.", recorded=False)
    future = pipeline()
    with pytest.raises(RecordFullError):
        bed.start(future).result(WAIT)
    assert settled == [(future.id, 1, "No space left.")]


def test_a_machine_that_cannot_even_abort_is_ended_by_what_is_recorded() -> None:
    settled: list[str] = []
    bed = Bed(settle=lambda root_id, epoch, error: settled.append(error.message))
    running = bed.start(pipeline())
    bed.wait_for_calls(2)

    def handle(event: Any) -> Any:
        raise BugError("broken machine")

    bed.engine._state.handle = handle  # type: ignore[method-assign]
    bed.end(0)
    with pytest.raises(BugError):
        running.result(WAIT)
    assert settled == ["broken machine"]


def test_a_record_that_cannot_be_settled_either() -> None:
    def settle(root_id: str, epoch: int, error: ErrorRecord) -> None:
        raise RecordError("locked")

    bed = Bed(BrokenTracker(), settle=settle)
    bed.tracker.error = RecordError("gone")
    with pytest.raises(RecordError, match="gone"):
        bed.start(pipeline()).result(WAIT)


def test_who_is_fenced_settles_nothing() -> None:
    bed = Bed(BrokenTracker(), settle=lambda *driver: pytest.fail("settled"))
    bed.tracker.error = FencedError("taken over")
    with pytest.raises(FencedError):
        bed.start(pipeline()).result(WAIT)


@pytest.mark.parametrize("fenced", [True, False])
def test_who_is_fenced_leaves_alone_what_another_driver_may_have_started(fenced: bool) -> None:
    """It is of the same pipeline run; who records nothing for another reason ends it."""
    bed = Bed(BrokenTracker())
    bed.tracker.error = FencedError("taken over") if fenced else RecordError("gone")
    future = pipeline()
    marks = {ROOT_ID: future.id, RUN_ID: "0d" * 16}
    command = ["sh", "-c", "sleep 60 >/dev/null 2>&1 & echo $!"]  # a child of nobody here
    made = subprocess.run(command, env={**os.environ, **marks}, capture_output=True, check=True)
    process = load_psutil().Process(int(made.stdout))
    try:
        with pytest.raises(RecordError):
            bed.start(future).result(WAIT)
        assert is_alive(process) is fenced
    finally:
        if is_alive(process):
            process.kill()


def is_alive(process: Any) -> bool:
    return process.is_running() and process.status() != "zombie"


def test_who_is_fenced_by_its_lease_records_nothing_more() -> None:
    lease = FakeLease(seconds=0.3)
    bed = Bed(open_lease=lambda root_id, epoch: lease)
    running = bed.start(pipeline())
    bed.wait_for_calls(2)
    lease.error = FencedError("taken over")
    with pytest.raises(FencedError, match="taken over"):
        running.result(WAIT)
    assert len(bed.executor.stopped) == 2
    assert not any(isinstance(event, PipelineAborted) for event in bed.tracker.events)


def test_who_is_fenced_ends_what_its_functions_have_started_and_nothing_else() -> None:
    """The other driver may execute the same runs on this machine, in a process that is no child."""
    sleep = ["sleep", "60"]
    ready = threading.Event()
    started: list[int] = []

    @sematic.func
    def slow() -> int:
        started.append(subprocess.Popen(sleep).pid)
        started.append(subprocess.Popen(sleep, env={"PATH": os.environ["PATH"]}).pid)
        started.append(int(subprocess.check_output(["sh", "-c", "sleep 60 >&2 & echo $!"])))
        ready.set()
        while True:
            time.sleep(0.01)

    lease = FakeLease(seconds=0.3)
    bed = Bed(open_lease=lambda root_id, epoch: lease)
    running = bed.start(slow())
    assert ready.wait(WAIT)
    lease.error = FencedError("taken over")
    try:
        with pytest.raises(FencedError, match="taken over"):
            running.result(WAIT)
        # None was waited for.
        assert [is_alive(load_psutil().Process(pid)) for pid in started] == [False, False, True]
    finally:
        for pid in started:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


class StaleDriver:
    """A driver that cannot renew its lease, and has a call to begin.

    Args:
        pipeline: a future of which some standalone calls execute before the lease is out of date.
        executing: how many these are; the first one ends then, so that something follows it.

    Attributes:
        bed: its engine.
        lease: can be renewed once it has no error any more.
        running: what the pipeline gives.
    """

    def __init__(self, pipeline: Future, *, executing: int = 1) -> None:
        self.lease = FakeLease(seconds=0.2)
        self.bed = Bed(open_lease=lambda root_id, epoch: self.lease)
        self.running = self.bed.start(pipeline)
        self.bed.wait_for_calls(executing)
        self.lease.error = RecordError("locked")
        time.sleep(self.lease.seconds)
        self.bed.end(0)


@pytest.fixture
def stale() -> StaleDriver:
    @sematic.func
    def chain() -> int:
        return apart(apart(1))

    return StaleDriver(chain())


def test_nothing_is_begun_without_a_lease_until_it_is_renewed(stale: StaleDriver) -> None:
    time.sleep(0.1)
    assert len(stale.bed.executor.started) == 1
    stale.lease.error = None
    stale.bed.wait_for_calls(2)
    stale.bed.engine.request_cancel("Enough.")
    with pytest.raises(CancellationError):
        stale.running.result(WAIT)


def test_cancelling_does_not_wait_for_the_record(stale: StaleDriver) -> None:
    stale.bed.engine.request_cancel("Enough.")
    with pytest.raises(CancellationError, match="Enough"):
        stale.running.result(WAIT)
    assert len(stale.bed.executor.started) == 1
    assert stale.bed.status == (PipelineRunStatus.CANCELED, "Enough.")


def test_limits_are_kept_while_a_call_waits_for_the_record() -> None:
    """Of what executes, and of what is not started in vain then."""

    @sematic.func(standalone=True, timeout_seconds=2.0)
    def limited(x: int) -> int:
        return x

    @sematic.func
    def both() -> int:
        return add(apart(apart(1)), limited(1))

    driver = StaleDriver(both(), executing=2)
    with pytest.raises(PipelineRunError) as caught:
        driver.running.result(WAIT)
    assert isinstance(caught.value.__cause__, TimeoutError)
    assert len(driver.bed.executor.started) == 2
    assert [stop.call.function for stop in driver.bed.executor.stopped] == [limited]


def test_a_call_that_waits_for_the_record_is_not_started_once_its_own_limit_is_reached() -> None:
    @sematic.func(standalone=True, timeout_seconds=0.5)
    def limited(x: int) -> int:
        return x

    @sematic.func
    def chain() -> int:
        return limited(apart(1))

    driver = StaleDriver(chain())
    with pytest.raises(PipelineRunError) as caught:
        driver.running.result(WAIT)
    assert isinstance(caught.value.__cause__, TimeoutError)
    assert len(driver.bed.executor.started) == 1


def test_a_lease_that_cannot_be_renewed_for_long_ends_the_pipeline_run(
    stale: StaleDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat_module, "_MOST_SECONDS_WITHOUT", 0.5)
    with pytest.raises(RecordError, match="locked"):
        stale.running.result(WAIT)
    assert stale.bed.status == (PipelineRunStatus.FAILED, "locked")


def test_a_limit_that_the_machine_has_slept_through_is_reached_when_it_wakes_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """No wait of Python's counts sleep: it would be reached as much too late."""
    asleep, now, lease_now = [0.0], time.time, heartbeat_module.lease_clock
    monkeypatch.setattr(time, "time", lambda: now() + asleep[0])
    monkeypatch.setattr(heartbeat_module, "lease_clock", lambda: lease_now() + asleep[0])
    bed = Bed(open_lease=lambda root_id, epoch: FakeLease(seconds=30.0))

    @sematic.func(standalone=True, timeout_mins=60)
    def long(x: int) -> int:
        return x

    running = bed.start(long(1))
    bed.wait_for_calls(1)
    time.sleep(0.1)  # the engine waits for the limit by now
    asleep[0] = 8 * 3600.0
    try:
        with pytest.raises(PipelineRunError) as caught:
            running.result(WAIT)
    finally:
        bed.engine.request_cancel("Enough.")  # or the engine would wait for an hour
    assert isinstance(caught.value.__cause__, TimeoutError)


# --- what the driver before has left


class Lost:
    """A pipeline run whose driver is gone, as far as a tracker in memory can tell.

    Attributes:
        steps: what was asked of it, with the epoch and how many calls were started by then.
    """

    def __init__(self, bed: Bed, future: Future) -> None:
        self._bed = bed
        self._started = PipelineStarted(time.time(), build_root_call(future, bed.store))
        self.info = info(future.id)
        self.steps: list[tuple[str, int]] = []
        self.seconds_to_end = 0.0
        self.more: list[Event] = []
        bed.tracker.begin(self.info)

    def end_leftovers(self) -> None:
        with pytest.raises(FencedError):  # it is taken over by now
            self._bed.tracker.begin(self.info, after_epoch=1)
        self.steps.append(("end_leftovers", len(self._bed.executor.started)))
        time.sleep(self.seconds_to_end)

    def read(self) -> Iterable[Event]:
        self.steps.append(("read", len(self._bed.executor.started)))
        return [self._started, *self.more]

    def find_function(self, path: str) -> Function[..., Any]:
        return self._started.call.function

    def driver_changed(self, at: float) -> DriverChanged:
        return DriverChanged(at, at)

    def resume(self) -> Promise[Any]:
        resume = self._bed.engine.resume
        return ThreadPoolExecutor(1).submit(resume, self.info, self, after_epoch=1)


def test_it_is_ended_by_who_has_taken_over_and_before_anything_starts() -> None:
    bed = Bed()
    lost = Lost(bed, apart(1))
    running = lost.resume()
    bed.wait_for_calls(1)
    assert lost.steps == [("end_leftovers", 0), ("read", 0)]
    bed.engine.request_cancel("Enough.")
    with pytest.raises(CancellationError):
        running.result(WAIT)


def test_who_was_not_fast_enough_to_take_over_ends_nothing() -> None:
    bed = Bed()
    lost = Lost(bed, apart(1))
    bed.tracker.begin(lost.info, after_epoch=1)
    with pytest.raises(FencedError):
        lost.resume().result(WAIT)
    assert lost.steps == []


@pytest.mark.parametrize("away", [False, True])
def test_who_cannot_go_on_ends_the_lease_though_the_process_lives(away: bool) -> None:
    """In a notebook, say, where a function is missing. And what is told is why it cannot."""
    lease = FakeLease()
    bed = Bed(open_lease=lambda root_id, epoch: lease)
    lost = Lost(bed, apart(1))

    def find_function(path: str) -> Function[..., Any]:
        lease.error = RecordError("locked") if away else None
        raise ImportError(path)

    lost.find_function = find_function  # type: ignore[method-assign]
    with pytest.raises(ImportError):
        lost.resume().result(WAIT)
    assert lease.ended is not away


def test_the_lease_is_renewed_while_the_record_is_read() -> None:
    lease = FakeLease(seconds=0.3)
    bed = Bed(open_lease=lambda root_id, epoch: lease)
    lost = Lost(bed, apart(1))
    read, renewed = lost.read, []

    def read_slowly() -> Iterable[Event]:
        wait_until(lambda: lease.renewed >= 3)
        renewed.append(lease.renewed)
        return read()

    lost.read = read_slowly  # type: ignore[method-assign]
    running = lost.resume()
    bed.wait_for_calls(1)
    assert renewed[0] >= 3
    bed.engine.request_cancel("Enough.")
    with pytest.raises(CancellationError):
        running.result(WAIT)


def test_a_wish_from_while_the_record_was_read_comes_after_what_was_read() -> None:
    lease = FakeLease(seconds=0.3)
    lease.wish = "Enough."
    bed = Bed(open_lease=lambda root_id, epoch: lease)
    lost = Lost(bed, apart(1))
    lost.seconds_to_end = 0.6
    with pytest.raises(CancellationError):
        lost.resume().result(WAIT)
    kinds = [type(event).__name__ for batch in bed.tracker.batches for event in batch.events]
    assert kinds[:2] == ["DriverChanged", "CancelRequested"]


def test_nothing_is_begun_before_the_lease_is_renewed_where_that_took_its_time() -> None:
    lease = FakeLease(seconds=0.4)
    bed = Bed(open_lease=lambda root_id, epoch: lease)
    lost = Lost(bed, apart(1))
    lost.seconds_to_end = 0.3  # less of the lease is left then than is safe
    renewed: list[int] = []
    start = bed.executor.start
    bed.executor.start = lambda *args: (renewed.append(lease.renewed), start(*args))  # type: ignore[method-assign]
    running = lost.resume()
    bed.wait_for_calls(1)
    assert renewed[0] > 0
    bed.engine.request_cancel("Enough.")
    with pytest.raises(CancellationError):
        running.result(WAIT)


def test_a_pipeline_run_that_its_record_ends_has_its_value_and_is_recorded_so() -> None:
    """Whoever recorded the events has not recorded what they come to."""
    bed = Bed()
    future = apart(1)
    lost = Lost(bed, future)
    lost.more = [CallEnded(time.time(), future.id, 1, Succeeded(bed.store.put(7, int)), 1.0, 2.0)]
    assert lost.resume().result(WAIT) == 7
    assert bed.executor.started == []
    assert bed.status == (PipelineRunStatus.COMPLETE, None)
    assert bed.states == {future.id: "RESOLVED"}


def test_a_pipeline_run_that_its_record_fails_says_why() -> None:
    bed = Bed()
    future = apart(1)
    lost = Lost(bed, future)
    lost.more = [failed(future.id, at=time.time())]
    with pytest.raises(PipelineRunError, match=r"apart failed with ValueError: broken"):
        lost.resume().result(WAIT)
    assert bed.status == (PipelineRunStatus.FAILED, "broken")
    assert bed.states == {future.id: "FAILED"}
