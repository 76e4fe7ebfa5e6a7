"""What is executed is compared with what is recorded."""

from dataclasses import replace

import pytest

from sematic.states import RunState
from sematic.testing.chaos.executions import Execution
from sematic.testing.chaos.promises import Evidence, find_broken_promises
from sematic.tracking.event_rows import EventRow
from sematic.tracking.views import RunRow

RUN = RunRow(
    id="a",
    root_id="r",
    parent_id=None,
    ordinal=0,
    name="f",
    function_path="m.f",
    function_id="0",
    standalone=False,
    options={},
    created_at=0.0,
    original_run_id=None,
    cache_key=None,
    state=RunState.RESOLVED,
    attempt=1,
    scheduled_at=1.0,
    started_at=1.0,
    ended_at=2.0,
    resolved_at=2.0,
    failed_at=None,
    canceled_at=None,
    nested_run_id=None,
    output_id="o",
    error=None,
    reason=None,
)
STARTED = EventRow(1, 0, "PipelineStarted", 1.0, {})
CHANGED = EventRow(2, 1, "DriverChanged", 11.0, {})


def ended(epoch: int, at: float, **fields: object) -> EventRow:
    return EventRow(epoch, int(at), "CallEnded", at, {"run_id": "a", "output": "o", **fields})


def executed(driver: int, *, to_its_end: bool = True, failed: bool = False) -> Execution:
    at = 10.0 * driver
    end = at + 1 if to_its_end else None
    return Execution("r", "a", "m.f", driver, 100, at, end, failed)


def evidence(
    executions: list[Execution], events: list[EventRow], run: RunRow = RUN, drivers: int = 2
) -> Evidence:
    return Evidence([run], executions, events, [0.5, 10.5][:drivers])


@pytest.mark.parametrize(
    ("executions", "events"),
    [
        pytest.param([executed(1)], [STARTED, ended(1, 2.0)], id="no fault"),
        pytest.param(
            [executed(1, to_its_end=False), executed(2)],
            [STARTED, CHANGED, ended(2, 12.0)],
            id="cut off",
        ),
        pytest.param(
            [executed(1), executed(2)], [STARTED, CHANGED, ended(2, 12.0)], id="not yet recorded"
        ),
        pytest.param(
            [executed(1), executed(1)],
            [STARTED, ended(1, 2.0, error={}), ended(1, 3.0)],
            id="retried",
        ),
        pytest.param(
            [executed(1), executed(2)],
            [STARTED, ended(1, 2.0, error={}), CHANGED, ended(2, 12.0)],
            id="retried by the next driver",
        ),
        pytest.param(
            [executed(1, failed=True), executed(1), executed(2)],
            [STARTED, CHANGED, ended(2, 12.0)],
            id="retried before it was recorded",
        ),
    ],
)
def test_what_may_be(executions: list[Execution], events: list[EventRow]) -> None:
    assert find_broken_promises(evidence(executions, events)) == []


@pytest.mark.parametrize(
    ("executions", "events", "sentence"),
    [
        pytest.param(
            [executed(1), executed(2)],
            [STARTED, ended(1, 2.0), CHANGED],
            "executed again",
            id="recorded and executed again",
        ),
        pytest.param(
            [executed(1), executed(1)], [STARTED, ended(1, 2.0)], "executed 2 times", id="twice"
        ),
        pytest.param(
            [executed(1), executed(1), executed(2)],
            [STARTED, CHANGED, ended(2, 12.0)],
            "executed 2 times",
            id="twice before the fault",
        ),
        pytest.param([], [STARTED, ended(1, 2.0)], "never executed", id="a lie"),
        pytest.param(
            [executed(1, to_its_end=False)],
            [STARTED, ended(1, 2.0)],
            "never executed",
            id="a lie about its end",
        ),
    ],
)
def test_what_must_not_be(
    executions: list[Execution], events: list[EventRow], sentence: str
) -> None:
    broken = find_broken_promises(evidence(executions, events))
    assert sentence in broken[0]


def test_a_state_that_must_change() -> None:
    run = replace(RUN, state=RunState.SCHEDULED)
    (sentence,) = find_broken_promises(evidence([executed(1)], [STARTED], run, drivers=1))[:1]
    assert "left in state SCHEDULED" in sentence
