"""Threads beside the engine in which user code can be broken off."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from sematic.evaluation_threads import EvaluationThreads
from sematic.execution import CallInterrupted
from tests.builders import call

WAIT = 60.0


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is waited for here does end, on a busy machine too."""
    monkeypatch.setattr("sematic.evaluation_threads.SECONDS_TO_END", WAIT / 2)


@pytest.fixture
def threads() -> Iterator[EvaluationThreads]:
    threads = EvaluationThreads(2)
    yield threads
    threads.close()
    assert workers() == []


def workers() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "sematic-evaluation"]


def spin(until: float) -> None:
    deadline = time.monotonic() + until
    while time.monotonic() < deadline:
        pass


class Evaluation:
    """Work that calls something from a module of ours, and what becomes of it."""

    def __init__(self, act: Callable[[], Any], *, module: str = "sematic.expressions") -> None:
        self.begun = threading.Event()
        self.interrupted = False
        self._act = act
        # As far as frames tell, a function of that module.
        self._scope: dict[str, Any] = {"__name__": module}
        exec("def enter(act):\n    return act()", self._scope)

    def __call__(self, interruptible: AbstractContextManager[object]) -> None:
        try:
            with interruptible:
                self._scope["enter"](self._user_code)
        except CallInterrupted:
            self.interrupted = True

    def _user_code(self) -> None:
        self.begun.set()
        self._act()


def test_work_is_done_by_no_more_threads_than_allowed(threads) -> None:
    barrier, done = threading.Barrier(3), threading.Semaphore(0)
    most = 0

    def work(_: object) -> None:
        nonlocal most
        most = max(most, len(workers()))
        done.release()

    def meet(_: object) -> None:
        barrier.wait(WAIT)

    for _ in range(2):
        threads.submit(meet)
    for _ in range(5):
        threads.submit(work, call=call("a"))
    barrier.wait(WAIT)
    for _ in range(5):
        assert done.acquire(timeout=WAIT)
    assert most == 2


def test_threads_come_when_they_are_needed(threads) -> None:
    assert workers() == []
    for _ in range(5):
        threads.submit(lambda _: None)
        deadline = time.monotonic() + WAIT
        while threads._unfinished:
            assert time.monotonic() < deadline
    assert len(workers()) == 1
    assert workers()[0].daemon, "one that never ends must not keep the process from it"


def test_stopping_breaks_off_user_code_and_drops_what_waits(threads) -> None:
    running = [Evaluation(lambda: spin(WAIT)) for _ in range(2)]
    waiting = Evaluation(lambda: None)
    for work in [*running, waiting]:
        threads.submit(work, call=call("a"))
    assert all(work.begun.wait(WAIT) for work in running)
    assert threads.stop() == []
    assert [work.interrupted for work in running] == [True, True]
    threads.submit(Evaluation(lambda: pytest.fail("too late")), call=call("b"))
    threads.close()
    assert not waiting.begun.is_set()


def test_work_without_user_code_is_waited_for() -> None:
    threads = EvaluationThreads(2)
    begun, seen = threading.Event(), []

    def look_up(interruptible: AbstractContextManager[object]) -> None:
        with interruptible:
            begun.set()
            spin(0.3)
        seen.append("found")

    threads.submit(look_up)
    assert begun.wait(WAIT)
    threads.close()
    assert seen == ["found"]


@pytest.mark.parametrize("module", ["sematic.types.casting", "sematic.artifacts.codecs.pickles"])
def test_whatever_calls_user_code_is_broken_off(threads, module: str) -> None:
    evaluation = Evaluation(lambda: spin(WAIT), module=module)
    threads.submit(evaluation, call=call("a"))
    assert evaluation.begun.wait(WAIT)
    assert threads.stop() == []
    assert evaluation.interrupted


def test_what_keeps_order_in_the_process_is_not(threads) -> None:
    evaluation = Evaluation(lambda: spin(0.3), module="sematic.artifacts.store")
    threads.submit(evaluation, call=call("a"))
    assert evaluation.begun.wait(WAIT)
    assert threads.stop() == []
    assert not evaluation.interrupted


def test_what_c_code_keeps_is_told_once(threads, monkeypatch) -> None:
    monkeypatch.setattr("sematic.evaluation_threads.SECONDS_TO_END", 0.1)
    reading, writing = os.pipe()
    evaluation = Evaluation(lambda: os.read(reading, 1))
    kept = call("kept")
    threads.submit(evaluation, call=kept)
    assert evaluation.begun.wait(WAIT)
    assert threads.stop() == [kept]
    assert threads.stop() == []
    threads.close()
    os.write(writing, b"x")
    for thread in workers():
        thread.join(WAIT)
    os.close(reading)
    os.close(writing)
    assert evaluation.interrupted, "as soon as it executes Python again"


def test_work_that_ends_while_it_is_stopped() -> None:
    """At any moment of the short life of a piece of work."""
    for round_ in range(300):
        threads = EvaluationThreads(2)
        reports: list[int] = []

        def work(interruptible: AbstractContextManager[object], reports=reports) -> None:
            Evaluation(lambda: None)(interruptible)
            reports.append(1)

        for _ in range(20):
            threads.submit(work, call=call("a"))
        for _ in range(round_):
            pass
        assert threads.stop() == []
        done = len(reports)
        threads.close()
        assert len(reports) == done
    assert workers() == []
