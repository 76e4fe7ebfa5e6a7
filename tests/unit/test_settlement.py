"""How a pipeline run ends whose driver is gone."""

import pytest

from sematic.calls import OutputOf
from sematic.errors import InfrastructureError
from sematic.events import (
    CallLost,
    CancelRequested,
    Event,
    PipelineAborted,
    PipelineMoved,
    RunCreated,
    RunMoved,
)
from sematic.retry import RetrySettings
from sematic.settlement import Settlement, cancel_lost, fail_lost
from sematic.state_machine import PipelineState
from sematic.states import PipelineRunStatus, RunState
from tests.builders import ROOT, call, list_of
from tests.machine import Pipeline

WHY = "process 7, which drove it, is gone"
LOST = f"driver lost: {WHY}"
CANCELED, FAILED, NESTED_FAILED = RunState.CANCELED, RunState.FAILED, RunState.NESTED_FAILED
RESOLVED = RunState.RESOLVED


def running(**options: object) -> Pipeline:
    """The root waits for a (ended), b and c (active), and d (waits for c)."""
    pipeline = Pipeline()
    calls = [
        call("a", standalone=True),
        call("b", standalone=True),
        call("c", retry=RetrySettings((InfrastructureError,), 3)),
        call("d", needs=["c"]),
    ]
    pipeline.start_with(*calls, output=list_of("a", "b", "d"), **options)
    pipeline.succeed("a")
    return pipeline


def cancel(pipeline: Pipeline, *, at: float = 1000.0) -> Settlement:
    return cancel_lost(ROOT, pipeline.events, reason="Enough.", lost_because=WHY, at=at)


def fail(pipeline: Pipeline, *, at: float = 1000.0) -> Settlement:
    return fail_lost(ROOT, pipeline.events, lost_because=WHY, at=at)


def outcome(pipeline: Pipeline, settlement: Settlement) -> dict[str, RunState | None]:
    """The state of every run, by replaying the whole record; checked against the changes."""
    state = PipelineState()
    events: list[Event] = [*pipeline.events, *settlement.events]
    changed: dict[str, RunState] = {}
    for event in events:
        for item in state.handle(event):
            if isinstance(item, RunMoved):
                changed[item.run_id] = item.state
        state.validate()
    assert state.ended
    moves = [change for change in settlement.changes if isinstance(change, RunMoved)]
    assert all(changed[move.run_id] is move.state for move in moves[-1:])
    return {run_id: state.state_of(run_id) for run_id in (ROOT, *"abcd")}


def end(settlement: Settlement) -> PipelineMoved:
    last = settlement.changes[-1]
    assert isinstance(last, PipelineMoved)
    return last


def test_cancelling_ends_everything_that_has_not_ended() -> None:
    pipeline = running()
    settlement = cancel(pipeline)
    assert list(map(type, settlement.events)) == [CancelRequested, CallLost, CallLost]
    states = outcome(pipeline, settlement)
    assert states == {ROOT: CANCELED, "a": RESOLVED, "b": CANCELED, "c": CANCELED, "d": CANCELED}
    assert end(settlement).status is PipelineRunStatus.CANCELED


def test_the_reason_says_that_the_driver_was_lost_too() -> None:
    settlement = cancel(running())
    assert end(settlement).reason == f"Enough. Driver lost: {WHY}."
    moves = [change for change in settlement.changes if isinstance(change, RunMoved)]
    assert {move.reason for move in moves} == {f"Enough. Driver lost: {WHY}."}


def test_failing_blames_what_executed() -> None:
    """Nothing is retried: there is nobody who could."""
    pipeline = running()
    settlement = fail(pipeline)
    assert list(map(type, settlement.events)) == [PipelineAborted, CallLost, CallLost]
    states = outcome(pipeline, settlement)
    assert states == {
        ROOT: NESTED_FAILED,
        "a": RESOLVED,
        "b": FAILED,
        "c": FAILED,
        "d": CANCELED,
    }
    assert (end(settlement).status, end(settlement).reason) == (PipelineRunStatus.FAILED, LOST)
    errors = {
        change.error.message
        for change in settlement.changes
        if isinstance(change, RunMoved) and change.error
    }
    assert errors == {LOST}


def test_failing_with_drain_does_not_wait_for_what_is_gone() -> None:
    pipeline = running(on_failure="drain")
    states = outcome(pipeline, fail(pipeline))
    assert (states["b"], states[ROOT]) == (FAILED, NESTED_FAILED)


def test_failing_when_nothing_executed() -> None:
    """An expression was being evaluated, say: then the root failed itself."""
    pipeline = Pipeline()
    pipeline.start_with(call("a"), output=list_of("a"))
    pipeline.succeed("a")
    settlement = fail(pipeline)
    assert list(map(type, settlement.events)) == [PipelineAborted]
    assert outcome(pipeline, settlement)[ROOT] is FAILED
    assert end(settlement).status is PipelineRunStatus.FAILED


@pytest.mark.parametrize("settle", [cancel, fail])
def test_a_failure_that_is_under_way_stays_the_reason(settle) -> None:
    pipeline = running(on_failure="drain")
    pipeline.fail("b")
    settlement = settle(pipeline)
    assert (end(settlement).status, end(settlement).reason) == (PipelineRunStatus.FAILED, "broken")
    assert outcome(pipeline, settlement)["b"] is FAILED


@pytest.mark.parametrize("settle", [cancel, fail])
def test_a_cancellation_that_is_under_way_goes_on(settle) -> None:
    pipeline = running()
    pipeline.cancel("Canceled by SIGINT.")
    settlement = settle(pipeline)
    expected = (PipelineRunStatus.CANCELED, "Canceled by SIGINT.")
    assert (end(settlement).status, end(settlement).reason) == expected
    assert outcome(pipeline, settlement)["b"] is CANCELED


@pytest.mark.parametrize("settle", [cancel, fail])
def test_what_has_ended_stays_so(settle) -> None:
    """Its driver was gone, or of another version, before the end itself was recorded."""
    pipeline = running(on_failure="drain")
    pipeline.fail("b")
    pipeline.succeed("c")
    settlement = settle(pipeline)
    assert len(settlement.events) == 1
    assert not any(isinstance(change, RunCreated) for change in settlement.changes)
    assert (end(settlement).status, end(settlement).reason) == (PipelineRunStatus.FAILED, "broken")
    moves = [change for change in settlement.changes if isinstance(change, RunMoved)]
    ended = {"a": RESOLVED, "b": FAILED, "c": RESOLVED, "d": CANCELED, ROOT: NESTED_FAILED}
    assert {move.run_id: move.state for move in moves} == ended
    assert outcome(pipeline, settlement) == ended


@pytest.mark.parametrize(
    ("settle", "status", "reason"),
    [
        (
            cancel,
            PipelineRunStatus.CANCELED,
            f"Enough. Driver lost: {WHY}. Nothing was recorded of it.",
        ),
        (fail, PipelineRunStatus.FAILED, f"{LOST}; nothing was recorded of it, so run it again"),
    ],
)
def test_a_driver_that_was_lost_before_it_recorded_anything(settle, status, reason) -> None:
    settlement = settle(Pipeline())
    assert settlement.changes == (PipelineMoved(1000.0, ROOT, status, reason),)
    assert len(settlement.events) == 1


@pytest.mark.parametrize("settle", [cancel, fail])
def test_nothing_happens_before_what_has_happened(settle) -> None:
    """The clock of the machine that settles may be behind."""
    pipeline = running()
    last = pipeline.events[-1].at
    settlement = settle(pipeline, at=5.0)
    assert {event.at for event in settlement.events} == {last}
    assert {change.at for change in settlement.changes} == {last}


@pytest.mark.parametrize("settle", [cancel, fail])
def test_limits_that_passed_while_nobody_lived_do_not_count(settle) -> None:
    pipeline = Pipeline()
    pipeline.start_with(call("a", timeout=5.0), output=OutputOf("a"))
    settlement = settle(pipeline, at=1_000_000.0)
    texts = [
        change.error.message if change.error else change.reason
        for change in settlement.changes
        if isinstance(change, RunMoved) and change.run_id == "a"
    ]
    assert texts == [LOST if settle is fail else f"Enough. Driver lost: {WHY}."]


@pytest.mark.parametrize("settle", [cancel, fail])
def test_the_cache_keys_that_are_recorded_stay(settle) -> None:
    pipeline = Pipeline()
    pipeline.start_with(call("a", cache=True), output=OutputOf("a"), cache_namespace="main")
    pipeline.looked_up("a")
    moves = [change for change in settle(pipeline).changes if isinstance(change, RunMoved)]
    assert {move.run_id for move in moves} == {ROOT, "a"}
    assert {move.cache_key for move in moves} == {None}
