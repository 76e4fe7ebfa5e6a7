"""Who takes an event: the engine's thread or the one that has executed the call."""

import queue
import threading
import time
from contextlib import suppress

import pytest

from sematic.events import CancelRequested, Event
from sematic.turns import Turns

_EVENT = CancelRequested(1.0, "")
_WAIT = 60.0


def _turns(next_due: float | None = None) -> Turns:
    return Turns(lambda: next_due, time.time)


def test_a_thread_takes_its_own_event_where_nothing_waits() -> None:
    taken: list[object] = []

    def take(event: object) -> bool:
        taken.append(event)
        return True

    assert _turns().take_here(_EVENT, take)
    assert taken == [_EVENT]


def test_an_event_that_waits_comes_first() -> None:
    turns = _turns()
    turns.put(_EVENT)
    assert not turns.take_here(_EVENT, lambda _: pytest.fail("taken"))
    assert turns.wait() is _EVENT


def test_nobody_takes_an_event_while_another_thread_does() -> None:
    turns = _turns()
    inside, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with turns.turn():
            inside.set()
            leave.wait(_WAIT)

    thread = threading.Thread(target=hold)
    thread.start()
    assert inside.wait(_WAIT)
    assert not turns.take_here(_EVENT, lambda _: pytest.fail("taken"))
    leave.set()
    thread.join()
    assert turns.take_here(_EVENT, lambda _: True)


@pytest.mark.parametrize("take", [lambda _: True, lambda _: False, lambda _: 1 / 0])
def test_the_turn_is_given_back_whatever_happens(take: object) -> None:
    turns = _turns()
    with suppress(ZeroDivisionError):
        turns.take_here(_EVENT, take)  # type: ignore[arg-type]
    got: list[bool] = []

    def other() -> None:
        got.append(turns.take_here(_EVENT, lambda _: True))

    thread = threading.Thread(target=other)
    thread.start()
    thread.join()
    assert got == [True]


def test_what_comes_of_an_event_waits_until_that_is_taken() -> None:
    turns = _turns()

    def take(event: object) -> bool:
        assert not turns.take_here(_EVENT, lambda _: pytest.fail("taken"))
        assert turns._turn.locked()
        return True

    assert turns.take_here(_EVENT, take)
    assert not turns._turn.locked()


def test_who_waits_for_too_long_is_woken() -> None:
    due: list[float | None] = [None]
    looked = threading.Event()

    def next_due() -> float | None:
        looked.set()
        return due[0]

    turns = Turns(next_due, time.time)
    seen: list[object] = []
    thread = threading.Thread(target=lambda: seen.append(turns.wait()))
    thread.start()
    assert looked.wait(_WAIT)

    def take(event: object) -> bool:
        due[0] = time.time() + 10 * _WAIT
        return True

    while not turns.take_here(_EVENT, take):  # it has the turn while it looks
        time.sleep(0.001)
    thread.join(_WAIT)
    assert seen == [None]


def test_waiting_ends_when_something_is_due() -> None:
    began = time.monotonic()
    with pytest.raises(queue.Empty):
        _turns(time.time() + 0.05).wait()
    with pytest.raises(queue.Empty):
        _turns().wait(give_up_at=time.monotonic() + 0.05)
    assert time.monotonic() - began >= 0.08


def _drain(turns: Turns) -> list[object]:
    left = []
    with suppress(queue.Empty):
        while True:
            left.append(turns.get(timeout=0))
    return left


def test_a_turn_takes_so_many_answers_and_leaves_the_rest() -> None:
    turns, taken = _turns(), list[object]()

    def take(event: object) -> list[Event]:
        taken.append(event)
        return [_EVENT, _EVENT]

    with turns.turn():
        turns.take_with_answers(_EVENT, take, lambda: True)
    assert 10 < len(taken) < 1_000
    assert len(_drain(turns)) == len(taken) + 1  # two for each, and the first was no answer


def test_a_turn_leaves_answers_that_would_take_time() -> None:
    turns = _turns()
    with turns.turn():
        turns.take_with_answers(_EVENT, lambda _: [_EVENT, _EVENT], lambda: False)
    assert _drain(turns) == [_EVENT, _EVENT]
