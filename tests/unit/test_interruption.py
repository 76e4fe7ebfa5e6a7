"""What ends a call that executes inline: in the main thread, and in another one."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

import sematic
from sematic.calls import Call, Succeeded
from sematic.events import CallEnded, CallLost, Event, StartCall, StopCall
from sematic.execution import CallInterrupted, build_root_call
from sematic.inline import InlineExecutor
from sematic.interruption import keep_whole
from sematic.testing import MemoryStore

WAIT = 60.0


class Setup:
    """An InlineExecutor whose calls are stopped from a thread while another one works."""

    def __init__(self, *, main: bool) -> None:
        self.main = main
        self.store = MemoryStore()
        self.executor = InlineExecutor(self.store, time.time)
        self.reports: list[Event] = []
        self.seconds: list[float] = []  # from each wish to the report

    def call(self, function: Callable[[], Any]) -> Call:
        return build_root_call(sematic.func(function)(), self.store)

    def start(self, call: Call, attempt: int = 1) -> None:
        self.executor.start(StartCall(call, {}, attempt), self.reports.append)

    def work(self) -> None:
        """Execute what is queued, in the main thread or in another one."""
        self.executor.close()
        if self.main:
            self.executor.work()
            return
        thread = threading.Thread(target=self.executor.work)
        thread.start()
        thread.join(WAIT)
        assert not thread.is_alive()

    def end(
        self,
        function: Callable[[], Any],
        ready: threading.Event,
        then: Callable[[], object] = lambda: None,
    ) -> Event:
        """Stop a call once it is ready, and return what is reported of it."""
        call = self.call(function)
        self.start(call)

        def stop() -> None:
            assert ready.wait(WAIT)
            time.sleep(0.05)  # let it get to where it waits
            began = time.monotonic()
            self.executor.stop(StopCall(call, 1))
            then()
            while not self.reports and time.monotonic() < began + WAIT:
                time.sleep(0.005)
            self.seconds.append(time.monotonic() - began)

        thread = threading.Thread(target=stop)
        thread.start()
        self.work()
        thread.join()
        (report,) = self.reports
        return report


@pytest.fixture
def ready() -> threading.Event:
    return threading.Event()


@pytest.fixture(params=["main", "other"])
def setup(request: pytest.FixtureRequest) -> Iterator[Setup]:
    before = signal.getsignal(signal.SIGURG)
    yield Setup(main=request.param == "main")
    assert signal.getsignal(signal.SIGURG) == before
    assert not [t for t in threading.enumerate() if t.name == "sematic-interrupt"]


@pytest.fixture
def in_main() -> Setup:
    return Setup(main=True)


# A second would do where nothing else is going on; what is never ended takes WAIT seconds.
_SOON = 30.0


def spin(seconds: float = WAIT) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        pass


def test_a_call_that_executes_is_ended(setup, ready) -> None:
    cleaned: list[int] = []

    def slow() -> None:
        try:
            ready.set()
            spin()
        finally:
            cleaned.append(1)

    report = setup.end(slow, ready)
    assert isinstance(report, CallLost)
    assert report.error.type == "sematic.errors.CancellationError"
    assert setup.seconds[0] < _SOON
    assert cleaned == [1]


@pytest.mark.parametrize("swallow", [BaseException, CallInterrupted])
def test_a_call_that_swallows_it_is_interrupted_again(setup, ready, swallow) -> None:
    swallowed: list[int] = []

    def stubborn() -> None:
        for _ in range(2):
            with contextlib.suppress(swallow):
                ready.set()
                spin()
            swallowed.append(1)
        spin()

    assert isinstance(setup.end(stubborn, ready), CallLost)
    assert swallowed == [1, 1]
    assert setup.seconds[0] < _SOON


def test_a_call_that_makes_another_exception_of_it(setup, ready) -> None:
    def wraps() -> None:
        try:
            ready.set()
            spin()
        except BaseException as error:
            raise ValueError("something went wrong") from error

    assert isinstance(setup.end(wraps, ready), CallLost)


def test_a_value_that_is_there_all_the_same(setup, ready) -> None:
    def saves() -> int:
        try:
            ready.set()
            spin()
        except BaseException:
            return 7
        return 8

    report = setup.end(saves, ready)
    assert isinstance(report, CallEnded)
    assert isinstance(report.outcome, Succeeded)
    assert setup.store.get(report.outcome.output) == 7


def test_cleaning_up_is_left_in_peace(setup, ready) -> None:
    cleaned: list[int] = []

    def careful() -> None:
        try:
            ready.set()
            spin()
        finally:
            spin(0.5)  # it would have been interrupted three times by now
            cleaned.append(1)

    assert isinstance(setup.end(careful, ready), CallLost)
    assert cleaned == [1]


def test_cleaning_up_forever_is_not(setup, ready) -> None:
    def endless() -> None:
        try:
            ready.set()
            spin()
        finally:
            spin()

    assert isinstance(setup.end(endless, ready), CallLost)
    assert setup.seconds[0] < _SOON + 3


def test_cleaning_up_forever_is_not_where_a_signal_came_before_the_wish(in_main, ready) -> None:
    """As with Ctrl-C: its handler interrupts at once, and the wish comes from the engine."""

    def forever() -> None:
        try:
            signal.raise_signal(signal.SIGUSR1)
        finally:
            ready.set()
            spin()

    before = signal.signal(signal.SIGUSR1, lambda _, frame: in_main.executor.interrupt(frame))
    try:
        assert isinstance(in_main.end(forever, ready), CallLost)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert in_main.seconds[0] < _SOON


def test_what_is_kept_whole_is_not_broken_off(setup, ready) -> None:
    done: list[int] = []

    def in_one_go() -> None:
        ready.set()
        spin(1)
        done.append(1)

    def calls_it() -> None:
        in_one_go()
        spin()

    keep_whole(in_one_go.__code__)
    assert isinstance(setup.end(calls_it, ready), CallLost)
    assert done == [1]
    assert setup.seconds[0] < _SOON


@dataclass
class Slow:
    """Takes its time where it is cast."""

    ready: Any

    def __post_init__(self) -> None:
        self.ready.set()
        spin()


def test_a_cast_is_broken_off(setup, ready) -> None:
    def cast() -> Slow:
        return {"ready": ready}  # type: ignore[return-value]

    assert isinstance(setup.end(cast, ready), CallLost)
    assert setup.seconds[0] < _SOON


def test_what_runs_in_ours_is_not_broken_off(setup, ready) -> None:
    """User code calls the package, which here takes its time under a lock."""
    inside: list[str] = []

    # As far as frames tell, a function of a module of the package.
    scope = {"__name__": "sematic.somewhere", "inside": inside, "ready": ready, "spin": spin}
    exec(
        "def ours():\n    inside.append('begins'); ready.set(); spin(0.4); inside.append('ends')",
        scope,
    )

    def calls() -> None:
        scope["ours"]()
        spin()

    assert isinstance(setup.end(calls, ready), CallLost)
    assert inside == ["begins", "ends"]


@pytest.mark.parametrize(
    "wait",
    [
        lambda: time.sleep(60),
        lambda: locked().acquire(),
        lambda: threading.Event().wait(60),
        lambda: subprocess.run(["sleep", "60"], check=True),
        lambda: os.read(os.pipe()[0], 1),
    ],
    ids=["sleep", "lock", "event", "subprocess", "read"],
)
def test_whatever_the_main_thread_waits_for_is_ended(in_main, ready, wait) -> None:
    def waits() -> None:
        ready.set()
        wait()

    assert isinstance(in_main.end(waits, ready), CallLost)
    assert in_main.seconds[0] < _SOON


def locked() -> Any:
    lock = threading.Lock()
    lock.acquire()
    return lock


def test_another_thread_is_ended_when_it_executes_python_again(ready) -> None:
    setup = Setup(main=False)
    after: list[int] = []
    reading, writing = os.pipe()

    def waits() -> None:
        ready.set()
        os.read(reading, 1)
        after.append(1)

    report = setup.end(waits, ready, then=lambda: os.write(writing, b"x"))
    os.close(reading)
    os.close(writing)
    assert isinstance(report, CallLost)
    assert after == []
    assert setup.seconds[0] < _SOON


def test_a_process_that_c_code_waits_for_is_ended(setup, ready) -> None:
    def waits() -> None:
        ready.set()
        os.system("sleep 60")

    assert isinstance(setup.end(waits, ready), CallLost)
    assert setup.seconds[0] < _SOON + 5


def test_a_handler_of_the_users_is_called_for_signals_that_are_not_ours(in_main) -> None:
    seen: list[int] = []

    def send() -> int:
        os.kill(os.getpid(), signal.SIGURG)
        return 1

    before = signal.signal(signal.SIGURG, lambda number, _: seen.append(number))
    try:
        in_main.start(in_main.call(send))
        in_main.work()
    finally:
        signal.signal(signal.SIGURG, before)
    assert isinstance(in_main.reports[0], CallEnded)
    assert seen == [signal.SIGURG]


def test_stopping_another_attempt_leaves_this_one(setup) -> None:
    def stops_others() -> int:
        setup.executor.stop(StopCall(call, 1))
        setup.executor.stop(StopCall(call, 3))
        spin(0.2)
        return 1

    call = setup.call(stops_others)
    setup.start(call, attempt=2)
    setup.work()
    assert isinstance(setup.reports[0], CallEnded)


def test_stopping_twice_ends_once(setup, ready) -> None:
    def slow() -> None:
        ready.set()
        spin()

    call, other = setup.call(slow), setup.call(lambda: None)
    setup.start(call)
    setup.start(other)

    def stop() -> None:
        assert ready.wait(WAIT)
        for _ in range(3):
            setup.executor.stop(StopCall(call, 1))

    thread = threading.Thread(target=stop)
    thread.start()
    setup.work()
    thread.join()
    assert [type(report) for report in setup.reports] == [CallLost, CallEnded]


def test_wishes_that_race_with_the_end_of_tiny_calls(setup) -> None:
    """Every second call is stopped, at any moment of its short life."""
    total = 6_000
    begun: list[int] = []
    stopped: set[int] = set()

    def tiny(i: int) -> Callable[[], int]:
        def work() -> int:
            begun.append(i)
            for _ in range(i % 50 * 40):
                pass
            return i

        return work

    calls = [setup.call(tiny(i)) for i in range(total)]
    for call in calls:
        setup.start(call)

    def stop() -> None:
        while (i := len(setup.reports)) < total:
            if i % 2 and i not in stopped:
                stopped.add(i)
                setup.executor.stop(StopCall(calls[i], 1))

    thread = threading.Thread(target=stop)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        thread.start()
        setup.work()
    finally:
        sys.setswitchinterval(interval)
        thread.join(WAIT)
    assert [report.run_id for report in setup.reports] == [call.run_id for call in calls]
    lost = {i for i, report in enumerate(setup.reports) if isinstance(report, CallLost)}
    assert lost <= stopped
    never_begun = set(range(total)) - set(begun)
    assert never_begun <= lost
