"""The engine with every port in memory."""

import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, List

import pytest

import sematic
from sematic import CancellationError, PipelineRunError
from sematic.engine import Engine
from sematic.errors import FencedError, RecordError, WorkerLostError
from sematic.events import CallEnded, Change, PipelineMoved, PipelineStarted, RunMoved, StartCall
from sematic.execution import build_root_call, execute_call
from sematic.future import Future
from sematic.ports import Batch
from sematic.states import RunState
from sematic.testing import FakeClock, ManualExecutor, MemoryStore, MemoryTracker
from tests.builders import info
from tests.waiting import wait_until

WAIT = 60.0


@sematic.func
def inline(x: int) -> int:
    return x + 1


@sematic.func(standalone=True)
def apart(x: int) -> int:
    return x * 10


@sematic.func
def total(values: List[int]) -> int:
    return sum(values)


class ThreadExecutor:
    """Executes standalone calls in threads, as an adapter would."""

    def __init__(self, store: MemoryStore) -> None:
        self.closed = 0
        self._store = store
        self._threads = ThreadPoolExecutor(4)

    def start(self, start: StartCall, report: Callable[[Any], None]) -> None:
        self._threads.submit(self._execute, start, report)

    def _execute(self, start: StartCall, report: Callable[[Any], None]) -> None:
        outcome = execute_call(start.call, start.inputs, store=self._store)
        now = time.time()
        report(CallEnded(now, start.call.run_id, start.attempt, outcome, now, now))

    def stop(self, stop: object) -> None:
        """Threads cannot be stopped."""

    def prepare(self, wish: object) -> None:
        """Threads begin at once."""

    def close(self) -> None:
        self.closed += 1
        self._threads.shutdown()


class Setup:
    """An engine, and what it talks to."""

    def __init__(self, standalone: object = None, tracker: object = None) -> None:
        self.store = MemoryStore()
        self.tracker: Any = tracker or MemoryTracker()
        self.changes: List[Change] = []
        self.standalone: Any = ThreadExecutor(self.store) if standalone is None else standalone
        self.engine = Engine(
            store=self.store,
            tracker=self.tracker,
            standalone=self.standalone,
            clock=time.time,
            listeners=[self.changes.append],
        )

    def run(self, future: Future, **options: Any) -> Any:
        call = build_root_call(future, self.store)
        return self.engine.run(call, info(future.id), **options)

    def states(self) -> dict[str, RunState]:
        moved = [change for change in self.changes if isinstance(change, RunMoved)]
        return {change.run_id: change.state for change in moved}


@pytest.fixture
def setup() -> Setup:
    return Setup()


def raises_value_error() -> int:
    raise ValueError("broken")


broken = sematic.func(raises_value_error)
broken_apart = sematic.func(standalone=True)(raises_value_error)


def test_a_value_comes_back(setup) -> None:
    assert setup.run(inline(1)) == 2


def test_inline_and_standalone_calls_together(setup) -> None:
    @sematic.func
    def pipeline() -> int:
        return total([inline(1), apart(2), apart(inline(3))])

    assert setup.run(pipeline()) == 2 + 20 + 40


def test_standalone_calls_run_at_the_same_time(setup) -> None:
    barrier = threading.Barrier(3, timeout=WAIT)

    @sematic.func(standalone=True)
    def meet(x: int) -> int:
        barrier.wait()
        return x

    @sematic.func
    def pipeline() -> int:
        return total([meet(1), meet(2), meet(3)])

    assert setup.run(pipeline()) == 6


def test_a_long_inline_call_holds_up_no_standalone_one(setup) -> None:
    done = threading.Event()

    @sematic.func(standalone=True)
    def last(x: int) -> int:
        done.set()
        return x

    @sematic.func
    def slow() -> int:
        assert done.wait(WAIT), "the chain of standalone calls waits for this one"
        return 1

    @sematic.func
    def pipeline() -> int:
        return total([slow(), last(apart(apart(1)))])

    assert setup.run(pipeline()) == 101


def test_max_parallelism(setup) -> None:
    running, most = 0, 0
    lock, both = threading.Lock(), threading.Barrier(2, timeout=WAIT)

    @sematic.func(standalone=True)
    def count(x: int) -> int:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait()
        with lock:
            running -= 1
        return x

    assert setup.run(count.map([1] * 8), max_parallelism=2) == [1] * 8
    assert most == 2


def test_inline_calls_run_in_the_thread_that_calls(setup) -> None:
    @sematic.func
    def thread() -> int:
        return threading.get_ident()

    assert setup.run(thread()) == threading.get_ident()


def test_inline_and_standalone_calls_in_a_large_graph(setup) -> None:
    @sematic.func
    def pipeline(n: int) -> int:
        values = [apart(inline(i)) if i % 2 else inline(apart(i)) for i in range(n)]
        return total([value + 1 for value in values])

    expected = sum(((i + 1) * 10 if i % 2 else i * 10 + 1) + 1 for i in range(100))
    assert setup.run(pipeline(100)) == expected


# --- what is recorded


def test_every_event_is_recorded_before_the_value_is_returned(setup) -> None:
    future = inline(1)
    setup.run(future)
    kinds = [type(event).__name__ for event in setup.tracker.events]
    assert kinds == ["PipelineStarted", "CallEnded"]
    changes = [change for batch in setup.tracker.batches for change in batch.changes]
    assert changes == setup.changes
    assert setup.tracker.batches[0].epoch == 1
    assert future.id in setup.tracker.infos


def test_changes_are_told_in_order(setup) -> None:
    setup.run(inline(1))
    told = [
        getattr(change, "state", None) or getattr(change, "status", None)
        for change in setup.changes
    ]
    assert [getattr(state, "value", None) for state in told] == [
        "RUNNING",
        None,
        "SCHEDULED",
        "RESOLVED",
        "COMPLETE",
    ]


class BrokenTracker(MemoryTracker):
    def __init__(self, error: BaseException, *, after: int = 0) -> None:
        super().__init__()
        self.error = error
        self.after = after
        self.closed = False

    def record(self, batch: Batch) -> None:
        if len(self.batches) >= self.after:
            raise self.error
        super().record(batch)

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("error", [RecordError("disk full"), FencedError("taken over")])
def test_a_record_that_cannot_be_written_ends_the_run(error) -> None:
    setup = Setup(tracker=BrokenTracker(error))
    with pytest.raises(type(error)) as caught:
        setup.run(inline(1))
    assert caught.value is error
    assert setup.standalone.closed == 1
    assert setup.tracker.closed


def test_a_record_that_cannot_be_begun() -> None:
    class Closed(MemoryTracker):
        def begin(self, info: object, *, after_epoch: int = 0) -> int:
            raise RecordError("no such directory")

    with pytest.raises(RecordError, match="no such directory"):
        Setup(tracker=Closed()).run(inline(1))


def test_a_record_that_breaks_later_ends_the_run() -> None:
    setup = Setup(tracker=BrokenTracker(RecordError("disk full"), after=1))

    @sematic.func
    def pipeline(n: int) -> int:
        value: Any = 0
        for _ in range(n):
            value = slow(value)
        return value

    @sematic.func
    def slow(x: int) -> int:
        time.sleep(0.03)
        return x + 1

    with pytest.raises(RecordError, match="disk full"):
        setup.run(pipeline(50))


# --- failure


def test_the_users_exception_is_the_cause(setup) -> None:
    future = broken()
    with pytest.raises(PipelineRunError) as caught:
        setup.run(future)
    assert isinstance(caught.value.__cause__, ValueError)
    assert caught.value.run_id == future.id
    assert str(caught.value) == (
        "The pipeline run failed due to previous errors! "
        f"{__name__}.raises_value_error failed with ValueError: broken"
    )


def test_the_frames_of_the_package_are_not_in_the_cause(setup) -> None:
    with pytest.raises(PipelineRunError) as caught:
        setup.run(broken())
    frames = []
    traceback = caught.value.__cause__.__traceback__
    while traceback is not None:
        frames.append(traceback.tb_frame.f_code.co_name)
        traceback = traceback.tb_next
    assert frames == ["raises_value_error"]


def test_a_failure_ends_every_run(setup) -> None:
    @sematic.func
    def pipeline() -> int:
        return total([inline(1), broken(), inline(2)])

    with pytest.raises(PipelineRunError):
        setup.run(pipeline())
    states = [state.value for state in setup.states().values()]
    assert sorted(states) == ["CANCELED", "CANCELED", "FAILED", "NESTED_FAILED", "RESOLVED"]


def test_an_expression_that_fails(setup) -> None:
    @sematic.func
    def pipeline() -> int:
        return total([inline(1) // 0])

    with pytest.raises(PipelineRunError) as caught:
        setup.run(pipeline())
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_an_expression_that_fails_beside_a_running_call(setup) -> None:
    release = threading.Event()

    @sematic.func(standalone=True)
    def slow() -> int:
        assert release.wait(WAIT)
        return 1

    @sematic.func
    def pipeline() -> int:
        return total([slow(), inline(inline(1) // 0)])

    timer = threading.Timer(0.05, release.set)
    timer.start()
    with pytest.raises(PipelineRunError, match="ZeroDivisionError"):
        setup.run(pipeline())
    assert {state.is_terminal for state in setup.states().values()} == {True}


def test_retries(setup) -> None:
    attempts: List[int] = []

    @sematic.func(retry=sematic.RetrySettings(exceptions=(ArithmeticError,), retries=2))
    def flaky() -> int:
        attempts.append(1)
        if len(attempts) < 3:
            raise ZeroDivisionError
        return len(attempts)

    assert setup.run(flaky()) == 3


def test_a_lost_call_is_the_machines_fault() -> None:
    executor = ManualExecutor(FakeClock())
    setup = Setup(standalone=executor)
    future = apart(1)
    running = ThreadPoolExecutor(1).submit(setup.run, future)
    wait_until(lambda: executor.started)
    executor.lose(future.id, 1, "The worker was killed.")
    with pytest.raises(
        PipelineRunError, match=r"failed with sematic\.errors\.WorkerLostError: The"
    ):
        running.result(WAIT)
    assert isinstance(running.exception().__cause__, WorkerLostError)
    assert executor.closed


# --- on_failure and cancel


def test_what_runs_is_stopped_on_failure() -> None:
    executor = ManualExecutor(FakeClock())
    setup = Setup(standalone=executor)

    @sematic.func
    def pipeline() -> int:
        return total([apart(1), broken()])

    with pytest.raises(PipelineRunError):
        setup.run(pipeline())
    assert len(executor.stopped) == len(executor.started) == 1
    assert setup.states()[executor.started[0].call.run_id] is RunState.CANCELED


def test_drain_lets_what_runs_finish(setup) -> None:
    finished: List[int] = []

    @sematic.func(standalone=True)
    def slow() -> int:
        time.sleep(0.05)
        finished.append(1)
        return 1

    @sematic.func
    def pipeline() -> int:
        return total([slow(), broken_apart()])

    with pytest.raises(PipelineRunError):
        setup.run(pipeline(), on_failure="drain")
    assert finished == [1]
    assert sorted(state.value for state in setup.states().values()).count("RESOLVED") == 1


def test_standalone_calls_that_are_executed_inline_are_stopped_too() -> None:
    """With SilentRunner: the second one is not started when the first one fails."""
    executed: List[int] = []

    @sematic.func(standalone=True)
    def second() -> int:
        executed.append(1)
        return 1

    @sematic.func
    def pipeline() -> int:
        return total([broken_apart(), second()])

    with pytest.raises(PipelineRunError):
        sematic.SilentRunner().run(pipeline())
    assert executed == []


def test_cancel_from_another_thread() -> None:
    executor = ManualExecutor(FakeClock())
    setup = Setup(standalone=executor)
    running = ThreadPoolExecutor(1).submit(setup.run, apart(1))
    wait_until(lambda: executor.started)
    setup.engine.request_cancel("Enough.")
    with pytest.raises(CancellationError, match=r"^Enough\.$"):
        running.result(WAIT)
    assert len(executor.stopped) == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_cancel_and_interrupt_user_code(setup, number) -> None:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = [signal.getsignal(number_) for number_ in numbers]
    cleaned: List[int] = []

    @sematic.func
    def slow() -> int:
        try:
            os.kill(os.getpid(), number)
            time.sleep(WAIT)
        finally:
            cleaned.append(1)
        return 1

    with pytest.raises(CancellationError, match=f"Canceled by {number.name}"):
        setup.run(slow())
    assert cleaned == [1]
    assert [state.value for state in setup.states().values()] == ["CANCELED"]
    after = [signal.getsignal(number_) for number_ in numbers]
    assert after == before


def test_signals_cancel_while_standalone_calls_run() -> None:
    executor = ManualExecutor(FakeClock())
    setup = Setup(standalone=executor)

    def kill() -> None:
        wait_until(lambda: executor.started)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=kill).start()
    with pytest.raises(CancellationError, match="Canceled by SIGINT"):
        setup.run(apart(1))


def test_a_function_that_swallows_every_exception_is_interrupted(setup) -> None:
    @sematic.func
    def stubborn() -> int:
        try:
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(WAIT)
        except Exception:
            return 1
        return 2

    with pytest.raises(CancellationError):
        setup.run(stubborn())


# --- nothing is left behind


def test_threads_end_and_ports_are_closed(setup) -> None:
    before = set(threading.enumerate())
    setup.run(inline(1))
    assert setup.standalone.closed == 1
    left = {t.name for t in set(threading.enumerate()) - before if t.name.startswith("sematic")}
    assert left == set()


def test_an_executor_that_cannot_be_closed_is_no_silent_matter(setup) -> None:
    class Stuck(ThreadExecutor):
        def close(self) -> None:
            super().close()
            raise OSError("stuck")

    stuck = Setup(standalone=Stuck(MemoryStore()))
    with pytest.raises(OSError, match="stuck"):
        stuck.run(inline(1))
    assert [type(event) for event in stuck.tracker.events] == [PipelineStarted, CallEnded]


def test_a_listener_that_raises_ends_the_run(setup) -> None:
    def broken_listener(change: Change) -> None:
        if isinstance(change, PipelineMoved):
            raise RuntimeError("listener")

    engine = Engine(
        store=setup.store,
        tracker=setup.tracker,
        standalone=None,
        clock=time.time,
        listeners=[broken_listener],
    )
    future = inline(1)
    with pytest.raises(RuntimeError, match="listener"):
        engine.run(build_root_call(future, setup.store), info(future.id))
