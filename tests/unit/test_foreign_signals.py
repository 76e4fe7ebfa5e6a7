"""The user's signal handlers, which may raise, while the caller's thread executes code of ours."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

import sematic
from sematic.client import open_record
from sematic.engine import Engine
from sematic.foreign_signals import ForeignSignals
from sematic.runners.local_runner import LocalRunner
from sematic.turns import Turns


class Late(Exception):
    pass


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    def late(*_: object) -> None:
        raise Late

    before = signal.signal(signal.SIGALRM, late)
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    signal.signal(signal.SIGALRM, before)


def test_a_signal_waits_until_it_is_released() -> None:
    woken: list[int] = []
    signals = ForeignSignals(lambda _: False, wake=lambda: woken.append(1))
    with pytest.raises(Late), signals.held_back():  # noqa: PT012
        signal.raise_signal(signal.SIGALRM)
        assert woken == [1]
        with pytest.raises(Late):
            signals.release()
        signal.raise_signal(signal.SIGALRM)
        signals.release()  # one exception is enough until the end


def test_in_user_code_it_comes_at_once() -> None:
    signals = ForeignSignals(lambda _: True, wake=lambda: None)
    with signals.held_back(), pytest.raises(Late):
        signal.raise_signal(signal.SIGALRM)


def test_one_that_is_held_back_comes_as_soon_as_user_code_runs() -> None:
    user_code = False
    signals = ForeignSignals(lambda _: user_code, wake=lambda: None)
    with signals.held_back():
        signal.raise_signal(signal.SIGALRM)
        time.sleep(0.1)
        user_code = True
        with pytest.raises(Late):
            time.sleep(60)
        time.sleep(0.1)  # and once only


def test_a_handler_of_user_code_is_not_given_what_is_held_back() -> None:
    own: list[int] = []
    signals = ForeignSignals(lambda _: False, wake=lambda: None)
    with pytest.raises(Late), signals.held_back():  # noqa: PT012
        signal.raise_signal(signal.SIGALRM)
        ours = signal.signal(signal.SIGALRM, lambda *_: own.append(1))
        time.sleep(0.2)
        signal.signal(signal.SIGALRM, ours)
    assert own == []


def test_what_is_held_back_to_the_end_comes_then_and_handlers_are_restored() -> None:
    before = signal.getsignal(signal.SIGALRM)
    signals = ForeignSignals(lambda _: False, wake=lambda: None)
    with pytest.raises(Late), signals.held_back():
        signal.raise_signal(signal.SIGALRM)
    assert signal.getsignal(signal.SIGALRM) is before


def test_a_handler_that_user_code_has_put_in_its_place_stays() -> None:
    signals = ForeignSignals(lambda _: False, wake=lambda: None)
    with signals.held_back():
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_IGN


def test_a_child_is_none_of_its_business() -> None:
    signals = ForeignSignals(lambda _: False, wake=lambda: None)
    with signals.held_back():
        child = os.fork()
        if child == 0:
            try:
                signal.raise_signal(signal.SIGALRM)
            except Late:
                os._exit(7)
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


def test_other_threads_hold_nothing_back() -> None:
    before = signal.getsignal(signal.SIGALRM)
    found: list[object] = []

    def look() -> None:
        with ForeignSignals(lambda _: False, wake=lambda: None).held_back():
            found.append(signal.getsignal(signal.SIGALRM))

    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert found == [before]


# --- in a pipeline


@sematic.func
def step(x: int) -> int:
    return x


@sematic.func
def chain(n: int) -> int:
    x = step(0)
    for _ in range(n):
        x = step(x + 1)
    return x


class Loading:
    """Takes its time to be unpickled, and is past the time limit then."""

    def __reduce__(self) -> object:
        return _load, ()


def _load() -> Loading:
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    time.sleep(60)
    return Loading()


@sematic.func
def load() -> Loading:
    return Loading()


@sematic.func
def use(loaded: Loading) -> int:
    time.sleep(60)
    return 1


@sematic.func
def loads() -> int:
    return use(load())


@sematic.func
def limited() -> int:
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    time.sleep(60)
    return 1


def status(root_id: str) -> tuple[str, str | None]:
    found = open_record().pipeline_run(root_id)
    return found.status.value, found.reason


def states(root_id: str) -> set[str]:
    return {run.state.value for run in open_record().runs(root_id)}


def test_a_time_limit_of_the_users_own_strikes_in_a_function() -> None:
    future = limited()
    with pytest.raises(sematic.PipelineRunError) as raised:
        LocalRunner(progress="off").run(future)
    assert isinstance(raised.value.__cause__, Late)
    assert states(future.id) == {"FAILED"}


def test_one_that_strikes_while_an_argument_is_loaded_fails_the_call() -> None:
    began = time.monotonic()
    with pytest.raises(sematic.PipelineRunError) as raised:
        LocalRunner(progress="off").run(loads())
    assert "could not be put together again: Late" in str(raised.value.__cause__)
    assert time.monotonic() - began < 50


@pytest.mark.parametrize("where", [(Turns, "take_here"), (Engine, "_take"), (Engine, "_tell")])
def test_one_that_strikes_in_code_of_ours_cancels_the_pipeline_run(
    where: tuple[type, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The moment is chosen here; else it would take thousands of runs to meet it."""
    original = getattr(*where)
    calls: list[int] = []

    def struck(*arguments: object) -> object:
        if threading.current_thread() is threading.main_thread():
            calls.append(1)
            if len(calls) in (5, 6):  # the second one while the first is dealt with
                signal.raise_signal(signal.SIGALRM)
        return original(*arguments)

    future = chain(50)
    with monkeypatch.context() as patched:
        patched.setattr(*where, struck)
        with pytest.raises(Late):
            LocalRunner(progress="off").run(future)
    assert status(future.id) == ("CANCELED", "Canceled because of Late.")
    assert states(future.id) <= {"RESOLVED", "CANCELED"}
    future = chain(3)
    assert LocalRunner(progress="off").run(future) == 3, "the process is as it was"


waiting = threading.Event()


class Slow(int):
    def __add__(self, other: object) -> int:
        waiting.set()
        for _ in range(3000):  # it can be broken off
            time.sleep(0.02)
        return 0


@sematic.func
def slow() -> Slow:
    return Slow(1)


@sematic.func
def adds() -> int:
    return step(slow() + 1)


def test_one_that_strikes_while_the_driver_waits_cancels_the_pipeline_run() -> None:
    def strike() -> None:
        assert waiting.wait(60)
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGALRM)

    thread = threading.Thread(target=strike)
    thread.start()
    future = adds()
    began = time.monotonic()
    with pytest.raises(Late):
        LocalRunner(progress="off").run(future)
    assert time.monotonic() - began < 50
    thread.join()
    assert status(future.id) == ("CANCELED", "Canceled because of Late.")
