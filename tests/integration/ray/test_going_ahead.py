"""Chains of short functions: the next one is with its worker before it may begin."""

import os
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import sematic
from sematic.ray_backend import submission
from sematic.ray_backend.calls_ahead import CallsAhead
from sematic.ray_backend.go_ahead import Words
from tests.integration.ray import functions
from tests.integration.ray.conftest import Result

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="calls go ahead on Linux only"),
]

Run = Callable[..., Result]


@pytest.fixture
def counts(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """How many calls went ahead, how many of these began, and how many were dropped.

    On a busy machine, too, they count as short, and it is long until one gives way to others.
    """
    monkeypatch.setattr(submission, "_MOST_SECONDS_BEFORE", 5.0)
    monkeypatch.setattr(submission, "_SECONDS_TO_GIVE_WAY", 60.0)
    counts: Counter[str] = Counter()
    submit, begin, drop = CallsAhead.submit, CallsAhead.begin, CallsAhead.drop

    def count_submit(self: CallsAhead, *arguments: Any) -> None:
        counts["ahead"] += 1
        submit(self, *arguments)

    def count_begin(self: CallsAhead, *arguments: Any) -> bool:
        begun = begin(self, *arguments)
        counts["begun"] += begun
        return begun

    def count_drop(self: CallsAhead, run_id: str) -> None:
        counts["dropped"] += self.knows(run_id)
        drop(self, run_id)

    monkeypatch.setattr(CallsAhead, "submit", count_submit)
    monkeypatch.setattr(CallsAhead, "begin", count_begin)
    monkeypatch.setattr(CallsAhead, "drop", count_drop)
    return counts


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    return tmp_path / "notes"


def lines(notes: Path) -> int:
    return len(notes.read_text().splitlines())


@sematic.func
def steps(n: int, notes: str) -> int:
    x = functions.step(0, notes)
    for _ in range(n - 1):
        x = functions.step(x, notes)
    return x


def test_a_chain(run: Run, counts: Counter[str], notes: Path) -> None:
    result = run(steps(40, str(notes)))
    assert result.value == lines(notes) == 40
    assert 10 < counts["begun"] <= counts["ahead"] < 40
    runs = result.runs("step")
    assert [run.state.value for run in runs] == ["RESOLVED"] * 40
    assert {run.attempt for run in runs} == {1}
    times = [time for run in runs for time in (run.started_at, run.ended_at)]
    assert times == sorted(times, key=lambda at: at or 0.0), "no two of them at a time"
    for number, step in enumerate(runs):
        log = result.log(step)
        assert log is not None
        assert log.split("\n")[0] == f"step {number}"
        assert log.count("step") == 1


@sematic.func
def two_chains(n: int, notes: str, others: str) -> int:
    return steps(n, notes) + steps(n, others)


def test_two_chains_beside_each_other(run: Run, counts: Counter[str], tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert run(two_chains(20, str(first), str(second))).value == 40
    assert lines(first) == lines(second) == 20


@sematic.func
def with_a_long_one(notes: str, seconds: float) -> int:
    x = functions.long_step(steps(5, notes), notes, 0.0)
    x = functions.long_step(functions.step(x, notes), notes, seconds)
    return functions.step(functions.step(x, notes), notes)


def test_who_has_waited_too_long_is_submitted_anew(
    run: Run, counts: Counter[str], notes: Path
) -> None:
    assert run(with_a_long_one(str(notes), 0.5)).value == lines(notes) == 10
    assert counts["begun"] < counts["ahead"]


@sematic.func
def with_a_nested_one(notes: str) -> int:
    x = functions.nested_step(steps(5, notes), notes)
    x = functions.nested_step(functions.step(x, notes), notes)
    return functions.step(functions.step(x, notes), notes)


def test_the_one_before_makes_calls_of_its_own(run: Run, counts: Counter[str], notes: Path) -> None:
    assert run(with_a_nested_one(str(notes))).value == lines(notes) == 12
    assert counts["dropped"]


@sematic.func
def with_retries(n: int, notes: str) -> int:
    x = 0
    for _ in range(n):
        x = functions.odd_step(x, notes)
    return x


def test_the_one_before_is_tried_again(run: Run, counts: Counter[str], notes: Path) -> None:
    result = run(with_retries(8, str(notes)))
    assert (result.value, lines(notes)) == (8, 16)
    assert {run.attempt for run in result.runs("odd_step")} == {2}
    assert counts["ahead"]


@sematic.func
def with_a_failure(notes: str) -> int:
    x = functions.long_step(steps(5, notes), notes, 0.0)
    x = functions.long_step(functions.step(x, notes), notes, -1.0)
    return functions.step(functions.step(x, notes), notes)


def test_nothing_begins_after_a_failure(run: Run, counts: Counter[str], notes: Path) -> None:
    result = run(with_a_failure(str(notes)))
    assert isinstance(result.error, sematic.PipelineRunError)
    assert isinstance(result.error.__cause__, ValueError)
    assert counts["dropped"]
    time.sleep(0.3)
    assert lines(notes) == 7
    by_state = Counter((run.state.value, run.started_at is None) for run in result.runs("step"))
    assert by_state == {("RESOLVED", False): 6, ("CANCELED", True): 2}


def test_nothing_begins_after_a_cancellation(run: Run, counts: Counter[str], notes: Path) -> None:
    future = with_a_long_one(str(notes), 60.0)

    def cancel() -> None:
        while not notes.exists() or lines(notes) < 7:
            time.sleep(0.01)
        time.sleep(0.2)
        sematic.client.cancel_run(future.id)

    thread = threading.Thread(target=cancel)
    thread.start()
    result = run(future)
    thread.join()
    assert isinstance(result.error, sematic.CancellationError)
    assert counts["dropped"]
    time.sleep(0.3)
    assert lines(notes) == 7


def test_who_has_begun_and_was_not_heard_is_submitted_anew(
    run: Run, counts: Counter[str], notes: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the worker stops to wait just before the word."""
    monkeypatch.setattr(Words, "go", lambda self, number, packed: self.drop(number))
    assert run(steps(20, str(notes))).value == lines(notes) == 20
    assert counts["begun"]


@sematic.func
def slow_steps(n: int, notes: str) -> int:
    x = 0
    for _ in range(n):
        x = functions.long_step(x, notes, 0.03)
    return x


@pytest.mark.parametrize(
    "limit",
    [
        pytest.param(("_MOST_SECONDS_BEFORE", 0.01), id="the one before takes long"),
        pytest.param(("_SECONDS_TO_GIVE_WAY", 0.0), id="others have their turn"),
    ],
)
def test_nothing_goes_ahead_for_too_long(
    run: Run,
    counts: Counter[str],
    notes: Path,
    monkeypatch: pytest.MonkeyPatch,
    limit: tuple[str, float],
) -> None:
    monkeypatch.setattr(submission, *limit)
    assert run(slow_steps(6, str(notes))).value == 6
    assert not counts["ahead"]


@sematic.func
def differing_steps(n: int, notes: str) -> int:
    half = sematic.KubernetesResourceRequirements(requests={"cpu": "500m"})
    x = 0
    for number in range(n):
        x = functions.step(x, notes)
        if number % 2:
            x.set(resource_requirements=sematic.ResourceRequirements(kubernetes=half))
    return x


def test_nothing_goes_ahead_that_needs_something_else(
    run: Run, counts: Counter[str], notes: Path
) -> None:
    assert run(differing_steps(8, str(notes))).value == 8
    assert not counts["ahead"]


def test_large_inputs_travel_as_before(run: Run, counts: Counter[str]) -> None:
    """They are no part of the word to begin, so that only the first of the long ones is tried."""
    assert run(longer_texts(24)).value == "x" * 4096 * 2
    assert 0 < counts["ahead"] < 12


@sematic.func(standalone=True)
def lengthen(text: str) -> str:
    return (text + "x" * 1024)[: 4096 * 2]


@sematic.func
def longer_texts(n: int) -> str:
    text = lengthen("")
    for _ in range(n - 1):
        text = lengthen(text)
    return text
