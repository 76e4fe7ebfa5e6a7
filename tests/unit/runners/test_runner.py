"""Runner, and what running any future takes."""

import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import sematic
from sematic import Runner, SilentRunner
from sematic.errors import FutureUseError, NestedRunError
from sematic.future import AbstractFuture
from sematic.runners.runner import run_future, steady_clock
from sematic.states import RunState


@sematic.func
def number(x: int = 1) -> int:
    return x


@sematic.func
def pair() -> "tuple[int, str]":
    return 1, "a"


@sematic.func
def broken() -> int:
    raise ValueError("broken")


class CountingRunner(Runner):
    """A user's own runner."""

    def __init__(self) -> None:
        self.count = 0

    def run(self, future: AbstractFuture) -> Any:
        self.count += 1
        return SilentRunner().run(future)


def test_a_runner_must_say_how_to_run() -> None:
    with pytest.raises(TypeError, match="abstract"):
        Runner()  # type: ignore[abstract]


def test_run_is_the_only_abstract_method() -> None:
    assert Runner.__abstractmethods__ == {"run"}


def test_a_users_own_runner_works() -> None:
    runner = CountingRunner()
    assert runner.run(number(3)) == 3
    assert runner.count == 1


def test_the_state_and_value_of_a_future_that_was_run() -> None:
    future = number(3)
    assert SilentRunner().run(future) == 3
    assert (future.state, future.value) == (RunState.RESOLVED, 3)
    assert "state=RESOLVED" in repr(future)


def test_running_twice_returns_the_stored_value() -> None:
    executed = []

    def execute(future: object) -> list[int]:
        executed.append(future)
        return [1]

    future = number()
    first = run_future(future, execute)
    assert run_future(future, execute) is first
    assert executed == [future]


def test_running_twice_with_another_runner() -> None:
    future = number(3)
    assert SilentRunner().run(future) == CountingRunner().run(future) == 3


def test_a_future_that_failed_cannot_be_run_again() -> None:
    future = broken()
    with pytest.raises(sematic.PipelineRunError):
        SilentRunner().run(future)
    assert (future.state, future.value) == (RunState.FAILED, None)
    with pytest.raises(
        FutureUseError, match=r"did not succeed\. Call broken\(\.\.\.\) again and r"
    ):
        SilentRunner().run(future)


RUNNERS = [SilentRunner, lambda: sematic.LocalRunner(progress="off")]


@pytest.mark.parametrize("build", RUNNERS)
def test_tracebacks_are_those_of_the_users_code(build: Callable[[], Runner]) -> None:
    @sematic.func
    def pipeline() -> int:
        return broken()

    with pytest.raises(sematic.PipelineRunError) as caught:
        build().run(pipeline())
    here, *ours = traceback.extract_tb(caught.value.__traceback__)
    assert here.filename == __file__
    assert len(ours) == 1
    assert isinstance(caught.value.__cause__, ValueError)
    assert [f.name for f in traceback.extract_tb(caught.value.__cause__.__traceback__)] == [
        "broken"
    ]


def test_the_error_of_a_pipeline_run_is_short() -> None:
    @sematic.func
    def verbose() -> int:
        raise ValueError("first line" + "!" * 1000 + "\nsecond line" * 1000)

    with pytest.raises(sematic.PipelineRunError, match=r"verbose failed with ValueError: f") as e:
        SilentRunner().run(verbose())
    assert len(str(e.value)) < 700
    assert "second line" in str(e.value.__cause__)


def test_a_future_cannot_be_run_while_it_runs() -> None:
    future = number()
    with pytest.raises(FutureUseError, match=r"is running: .* Call number\(\.\.\.\) again and r"):
        run_future(future, lambda root: run_future(root, lambda _: 1))


def test_a_future_is_run_by_one_of_many_threads() -> None:
    future, told = number(3), []
    together, told_all = threading.Barrier(8), threading.Event()

    def execute(root: object) -> int:
        assert told_all.wait(60)
        return 3

    def run() -> object:
        together.wait(60)
        try:
            return run_future(future, execute)
        except FutureUseError as error:
            told.append(str(error))
            if len(told) == 7:
                told_all.set()
            return None

    with ThreadPoolExecutor(8) as threads:
        values = [each.result() for each in [threads.submit(run) for _ in range(8)]]
    assert sorted(values, key=str) == [3, *[None] * 7]
    assert all("is running" in sentence for sentence in told)
    assert run_future(future, execute) == 3


def test_arguments_of_the_root_must_be_concrete() -> None:
    with pytest.raises(ValueError, match="All input arguments of your root function should be con"):
        SilentRunner().run(number(number()))


@pytest.mark.parametrize("thing", [3, None, "future", number, number.func])
def test_what_is_no_future(thing) -> None:
    with pytest.raises(FutureUseError, match=r"runner\.run\(\.\.\.\) needs a future, but got"):
        SilentRunner().run(thing)


def test_a_function_is_to_be_called_first() -> None:
    with pytest.raises(FutureUseError, match=r"itself\. Call it: runner\.run\(number\(\.\.\.\)\)"):
        SilentRunner().run(number)  # type: ignore[arg-type]


@pytest.mark.parametrize("build", [lambda: pair()[0], lambda: number() + 1, lambda: -number()])
def test_parts_of_a_pipeline_are_no_roots(build) -> None:
    with pytest.raises(FutureUseError, match="is a part of a pipeline, not its root"):
        SilentRunner().run(build())


def test_a_run_inside_of_a_run_is_refused() -> None:
    @sematic.func
    def pipeline() -> int:
        return SilentRunner().run(number())

    with pytest.raises(sematic.PipelineRunError) as caught:
        SilentRunner().run(pipeline())
    cause = caught.value.__cause__
    assert isinstance(cause, NestedRunError)
    assert isinstance(cause, RuntimeError)
    assert str(cause).startswith("You have called runner.run(...) within a Sematic func. Usually")
    assert "return the future instead, or pass it to another @sematic.func" in str(cause)


def test_the_clock_of_a_driver_begins_with_that_of_the_system() -> None:
    assert steady_clock()() == pytest.approx(time.time(), abs=10.0)


@pytest.mark.parametrize("seconds", [-30_000.0, 30_000.0])
def test_who_sets_the_clock_of_the_system_does_not_set_a_drivers(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    clock, set_to = steady_clock(), time.time() + seconds
    monkeypatch.setattr(time, "time", lambda: set_to)
    assert abs(clock() - (set_to - seconds)) < 60.0


@pytest.mark.skipif(sys.platform != "linux", reason="others have clocks of other names")
def test_the_clock_of_a_driver_counts_on_while_the_machine_sleeps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Sleeping is what this clock of the system's counts and time.monotonic does not."""
    clock, before, read = steady_clock(), time.time(), time.clock_gettime
    asleep = {time.CLOCK_BOOTTIME: 8 * 3600.0}
    monkeypatch.setattr(time, "clock_gettime", lambda which: read(which) + asleep.get(which, 0.0))
    assert clock() - before == pytest.approx(8 * 3600.0, abs=60.0)
