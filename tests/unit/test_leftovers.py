"""What stands between executors and the engine where processes are to end too."""

import queue
from collections.abc import Callable
from typing import Any

import pytest

from sematic import leftovers
from sematic.events import CallLost, StopCall
from sematic.leftovers import Leftovers
from tests.builders import call, error


def test_where_processes_cannot_be_ended_the_attempt_is_reported_all_the_same(monkeypatch) -> None:
    """In a thread of its own: a warning that is an error would end it, and nobody would hear."""

    def fail(**_: object) -> list[int]:
        raise OSError("no /proc")

    monkeypatch.setattr(leftovers, "end_processes", fail)
    events: queue.SimpleQueue[Any] = queue.SimpleQueue()
    told: list[str] = []
    made = Leftovers("root", events.put, warn=told.append)
    made.expect(StopCall(call("a"), 1))
    lost = CallLost(1.0, "a", 1, error("stopped"))
    made.report(lost)
    assert events.get(timeout=60) is lost
    assert told == ["Processes could not be ended: OSError('no /proc')"]


def test_before_each_look_it_is_asked_whose_processes_they_are(monkeypatch) -> None:
    """A driver that was stopped may have been replaced, and not know it yet."""
    asked: list[Callable[[], bool]] = []

    def end(*, here_only: Callable[[], bool], **_: object) -> list[int]:
        asked.append(here_only)
        return []

    monkeypatch.setattr("sematic.leftovers.end_processes", end)
    leftovers, ours = Leftovers("root", pytest.fail, warn=pytest.fail), [True]
    leftovers.is_ours = lambda: ours[0]
    leftovers.end_all()
    assert not asked[0]()
    ours[0] = False
    assert asked[0]()


def test_what_was_spared_for_want_of_certainty_is_ended_later(monkeypatch) -> None:
    """The record could not be asked; daemons that nobody else has started would stay for ever."""
    ended: list[tuple[set[str], bool]] = []

    def end(*, run_ids: set[str], root_id: str | None, here_only: Callable[[], bool], **_) -> list:
        ended.append(({*run_ids, *([root_id] if root_id else [])}, here_only()))
        return []

    monkeypatch.setattr("sematic.leftovers.end_processes", end)
    leftovers, ours = Leftovers("root", pytest.fail, warn=pytest.fail), [False]
    leftovers.is_ours = lambda: ours[0]
    leftovers.end_all()
    assert ended.pop() == ({"root"}, True)
    ours[0] = True
    leftovers.end_spared()
    assert ended.pop() == ({"root"}, False)
    leftovers.end_all()
    ended.clear()
    leftovers.end_spared()  # nothing was
    assert ended == []
