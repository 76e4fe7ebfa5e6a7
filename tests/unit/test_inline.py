"""InlineExecutor: one call at a time, in the thread that works. Its promises as an Executor are
in tests/contract."""

import contextlib
import signal
import sys
import threading
import time
from collections.abc import Iterator

import pytest

import sematic
from sematic.calls import Failed, Succeeded
from sematic.events import CallEnded, CallLost, Event, StartCall, StopCall
from sematic.execution import build_root_call
from sematic.inline import InlineExecutor
from sematic.testing import FakeClock, MemoryStore

WAIT = 60.0


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(100.0)


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


@pytest.fixture
def executor(store, clock) -> InlineExecutor:
    return InlineExecutor(store, clock)


@pytest.fixture
def reports() -> list[Event]:
    return []


@pytest.fixture
def run(executor, store, reports) -> Iterator[object]:
    """Queue functions without arguments and work in this thread until all are done."""

    def run(*functions: object) -> list[Event]:
        for function in functions:
            call = build_root_call(sematic.func(function)(), store)
            executor.start(StartCall(call, {}, 1), reports.append)
        executor.close()
        executor.work()
        return reports

    return run


def test_calls_execute_in_the_working_thread_in_order(run) -> None:
    seen: list[tuple[int, int]] = []

    def first() -> None:
        seen.append((1, threading.get_ident()))

    def second() -> None:
        seen.append((2, threading.get_ident()))

    run(first, second)
    assert seen == [(1, threading.get_ident()), (2, threading.get_ident())]


def test_times_are_those_of_the_function(run, clock) -> None:
    def slow() -> None:
        clock.advance(5)

    (report,) = run(slow)
    assert isinstance(report, CallEnded)
    assert (report.started_at, report.ended_at, report.at) == (100.0, 105.0, 105.0)


def test_nothing_executes_before_somebody_works(executor, store, reports) -> None:
    @sematic.func
    def nothing() -> None: ...

    call = build_root_call(nothing(), store)
    executor.start(StartCall(call, {}, 1), reports.append)
    assert reports == []
    executor.close()
    executor.work()
    assert len(reports) == 1


def test_a_queued_call_can_be_taken_back(executor, store, reports) -> None:
    executed: list[int] = []

    @sematic.func
    def first() -> None:
        executor.stop(StopCall(second_call, 1))
        executed.append(1)

    @sematic.func
    def second() -> None:
        executed.append(2)

    first_call, second_call = (build_root_call(f(), store) for f in (first, second))
    for call in (first_call, second_call):
        executor.start(StartCall(call, {}, 1), reports.append)
    executor.close()
    executor.work()
    assert executed == [1]
    assert [type(report) for report in reports] == [CallEnded, CallLost]


@pytest.mark.parametrize("error", [SystemExit(1), KeyboardInterrupt(), ValueError()])
def test_whatever_a_function_raises_the_next_one_executes(run, error) -> None:
    def broken() -> None:
        raise error

    def fine() -> None: ...

    first, second = run(broken, fine)
    assert isinstance(first.outcome, Failed)
    assert isinstance(second.outcome, Succeeded)


def test_times_of_a_call_that_was_stopped(executor, store, reports, clock) -> None:
    @sematic.func
    def first() -> None:
        clock.advance(5)
        executor.stop(StopCall(calls[0], 1))
        executor.stop(StopCall(calls[1], 1))
        raise ValueError

    @sematic.func
    def second() -> None: ...

    calls = [build_root_call(f(), store) for f in (first, second)]
    for call in calls:
        executor.start(StartCall(call, {}, 1), reports.append)
    executor.close()
    executor.work()
    assert [type(report) for report in reports] == [CallLost, CallLost]
    assert [(r.started_at, r.ended_at) for r in reports] == [(100.0, 105.0), (None, None)]


def test_an_interrupted_call_is_lost(run, executor) -> None:
    """As from a signal handler: in the working thread, in the middle of user code."""
    after: list[int] = []

    def interrupted() -> None:
        executor.interrupt(sys._getframe())
        after.append(1)

    def fine() -> None: ...

    first, second = run(interrupted, fine)
    assert isinstance(first, CallLost)
    assert first.error.type == "sematic.errors.CancellationError"
    assert isinstance(second, CallEnded)
    assert after == []


def test_an_interrupt_between_two_calls_does_nothing(executor) -> None:
    executor.interrupt(sys._getframe())


def test_an_interrupt_that_was_swallowed_does_not_protect_from_the_next(run, executor) -> None:
    after: list[int] = []

    def stubborn() -> None:
        with contextlib.suppress(BaseException):
            executor.interrupt(sys._getframe())
        executor.interrupt(sys._getframe())
        after.append(1)

    (event,) = run(stubborn)
    assert isinstance(event, CallLost)
    assert after == []


# --- leaving


def test_leaving_takes_back_every_call(executor, store, reports) -> None:
    executed: list[str] = []

    @sematic.func
    def first() -> None:
        with contextlib.suppress(BaseException):
            executor.leave(sys._getframe())
        executed.append("first")
        executor.start(StartCall(third_call, {}, 1), reports.append)
        raise ValueError

    @sematic.func
    def other(name: str) -> None:
        executed.append(name)

    calls = [build_root_call(f, store) for f in (first(), other("second"))]
    third_call = build_root_call(other("third"), store)
    for call in calls:
        executor.start(StartCall(call, {}, 1), reports.append)
    with pytest.raises(KeyboardInterrupt):
        executor.work()
    executor.start(StartCall(calls[1], {}, 2), reports.append)
    assert executed == ["first"]
    assert [type(report) for report in reports] == [CallLost] * 4


def test_leaving_breaks_a_call_off(executor, store, reports) -> None:
    executed: list[int] = []

    @sematic.func
    def leaves() -> None:
        executor.leave(sys._getframe())
        executed.append(1)

    executor.start(StartCall(build_root_call(leaves(), store), {}, 1), reports.append)
    with pytest.raises(KeyboardInterrupt):
        executor.work()
    assert executed == []
    assert [type(report) for report in reports] == [CallLost]


def test_leaving_where_nothing_executes(executor) -> None:
    executor.leave(sys._getframe())
    with pytest.raises(KeyboardInterrupt):
        executor.work()


def test_a_signal_that_does_not_end_the_wait_is_seen(executor) -> None:
    """As one that comes between Python's last look at signals and the wait: here its system-level
    handler runs in another thread, so that the waiting one is not woken."""
    waited: list[float] = []

    def handle(number: int, frame: object) -> None:
        waited.append(time.monotonic() - began)
        executor.close()

    def send() -> None:
        time.sleep(0.1)  # it waits by now
        signal.pthread_kill(threading.get_ident(), signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, handle)
    rescue = threading.Timer(WAIT, executor.close)
    rescue.start()
    try:
        began = time.monotonic()
        threading.Thread(target=send).start()
        executor.work()
    finally:
        signal.signal(signal.SIGUSR1, before)
        rescue.cancel()
    assert waited
    assert waited[0] < WAIT / 2
