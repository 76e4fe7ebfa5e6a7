"""Which calls may start next."""

import pytest

from sematic.ready_calls import ReadyCalls


@pytest.fixture
def calls() -> ReadyCalls:
    return ReadyCalls()


def take(calls: ReadyCalls, now: float = 0.0) -> list[str]:
    return list(calls.take(now))


def add(calls: ReadyCalls, *run_ids: str, standalone: bool = True) -> None:
    for run_id in run_ids:
        calls.add(run_id, standalone=standalone)


# --- slots


def test_inline_runs_start_one_at_a_time(calls: ReadyCalls) -> None:
    add(calls, "a", "b", standalone=False)
    assert take(calls) == ["a"]
    assert take(calls) == []
    calls.end("a")
    assert take(calls) == ["b"]


def test_standalone_runs_start_as_long_as_there_is_a_slot(calls: ReadyCalls) -> None:
    calls.max_parallelism = 2
    add(calls, "a", "b", "c")
    add(calls, "inline", standalone=False)
    assert take(calls) == ["a", "b", "inline"]
    assert (calls.active, calls.active_standalone) == (["a", "b", "inline"], 2)
    calls.end("b")
    assert take(calls) == ["c"]


def test_what_is_queued_is_forgotten_and_what_is_active_is_not(calls: ReadyCalls) -> None:
    calls.max_parallelism = 1
    add(calls, "a", "b")
    take(calls)
    calls.add("paused", standalone=False, until=5.0)
    calls.clear()
    calls.end("a")
    assert take(calls, 10.0) == []
    assert (calls.next_due, bool(calls)) == (None, False)


@pytest.mark.parametrize("standalone", [True, False])
def test_a_run_may_be_queued_before_those_of_its_kind(calls: ReadyCalls, standalone: bool) -> None:
    calls.max_parallelism = 1
    add(calls, "a", "b", standalone=standalone)
    calls.add_first("first", standalone=standalone)
    order = []
    for _ in range(3):
        order += (started := take(calls))
        calls.end(*started)
    assert order == ["first", "a", "b"]


# --- pauses


@pytest.mark.parametrize("standalone", [True, False])
def test_a_run_that_pauses_starts_when_its_moment_has_come(
    calls: ReadyCalls, standalone: bool
) -> None:
    calls.add("a", standalone=standalone, until=5.0)
    assert calls.next_due == 5.0
    assert take(calls, 4.9) == []
    assert take(calls, 5.0) == ["a"]
    assert calls.next_due is None
    assert calls.active_standalone == standalone


def test_a_pause_holds_up_nobody(calls: ReadyCalls) -> None:
    calls.add("paused", standalone=False, until=5.0)
    add(calls, "a", standalone=False)
    assert take(calls, 1.0) == ["a"]


def test_after_its_pause_a_run_waits_for_a_slot_behind_the_others(calls: ReadyCalls) -> None:
    calls.max_parallelism = 1
    add(calls, "a", "b")
    take(calls)
    calls.add("paused", standalone=True, until=5.0)
    assert take(calls, 6.0) == []
    assert calls.next_due is None, "it waits for a slot now, not for a moment"
    calls.end("a")
    assert take(calls, 7.0) == ["b"]
    calls.end("b")
    assert take(calls, 8.0) == ["paused"]


def test_pauses_end_in_the_order_of_their_moments(calls: ReadyCalls) -> None:
    for run_id, until in (("late", 7.0), ("early", 5.0)):
        calls.add(run_id, standalone=True, until=until)
    assert take(calls, 9.0) == ["early", "late"]


def test_a_run_may_pause_more_than_once(calls: ReadyCalls) -> None:
    for until in (5.0, 9.0):
        calls.add("a", standalone=True, until=until)
        assert take(calls, until - 1) == []
        assert take(calls, until) == ["a"]
        calls.end("a")
