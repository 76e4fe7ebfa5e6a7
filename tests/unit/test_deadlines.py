"""Moments that runs wait for."""

import pytest

from sematic.deadlines import Deadlines


@pytest.fixture
def deadlines() -> Deadlines:
    made = Deadlines()
    for run_id, at in (("late", 30.0), ("early", 10.0), ("middle", 20.0)):
        made.set(run_id, at)
    return made


def take(deadlines: Deadlines, now: float) -> list[str]:
    return list(deadlines.take_due(now))


def test_without_moments_nothing_is_due() -> None:
    assert Deadlines().earliest is None
    assert take(Deadlines(), 1e9) == []


def test_the_earliest_moment_comes_first(deadlines: Deadlines) -> None:
    assert deadlines.earliest == 10.0
    assert take(deadlines, 29.9) == ["early", "middle"]
    assert deadlines.earliest == 30.0


def test_a_moment_is_due_when_it_has_come(deadlines: Deadlines) -> None:
    assert take(deadlines, 9.9) == []
    assert take(deadlines, 10.0) == ["early"]


def test_what_was_due_waits_no_more(deadlines: Deadlines) -> None:
    take(deadlines, 10.0)
    assert "early" not in deadlines
    assert take(deadlines, 10.0) == []


def test_the_same_moment_is_due_in_the_order_of_ids() -> None:
    deadlines = Deadlines()
    for run_id in "cab":
        deadlines.set(run_id, 1.0)
    assert take(deadlines, 1.0) == ["a", "b", "c"]


def test_a_cleared_moment_never_comes(deadlines: Deadlines) -> None:
    deadlines.clear("early")
    deadlines.clear("never set")
    assert ("early" in deadlines, deadlines.earliest) == (False, 20.0)
    assert take(deadlines, 100.0) == ["middle", "late"]


@pytest.mark.parametrize("at", [10.0, 5.0, 50.0], ids=["same", "earlier", "later"])
def test_a_moment_that_is_set_again_comes_once(deadlines: Deadlines, at: float) -> None:
    deadlines.clear("early")
    deadlines.set("early", at)
    assert take(deadlines, 100.0).count("early") == 1


def test_a_moment_takes_the_place_of_the_one_before(deadlines: Deadlines) -> None:
    deadlines.set("early", 25.0)
    assert take(deadlines, 20.0) == ["middle"]
    assert take(deadlines, 25.0) == ["early"]


def test_all_moments_are_moved_away(deadlines: Deadlines) -> None:
    deadlines.clear("middle")
    deadlines.postpone(5.0)
    assert (take(deadlines, 14.9), take(deadlines, 15.0)) == ([], ["early"])
    assert take(deadlines, 100.0) == ["late"]


def test_all_moments_are_forgotten(deadlines: Deadlines) -> None:
    deadlines.clear_all()
    assert (deadlines.earliest, "late" in deadlines, take(deadlines, 100.0)) == (None, False, [])


def test_moments_may_be_cleared_and_set_while_they_are_taken(deadlines: Deadlines) -> None:
    taken = []
    for run_id in deadlines.take_due(20.0):
        taken.append(run_id)
        if run_id == "early":
            deadlines.clear("middle")
            deadlines.set("new", 15.0)
    assert taken == ["early", "new"]
