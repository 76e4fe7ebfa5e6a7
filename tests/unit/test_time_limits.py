"""When runs have taken too long, and what is said about it."""

import builtins
from dataclasses import replace

import pytest

import sematic
from sematic.calls import Call
from sematic.error_records import build_error_record
from sematic.retry import RetrySettings
from sematic.states import RunState
from sematic.time_limits import TimeLimits, ancestor_limit_error, own_limit_error
from tests.builders import call, real

LIMIT = 60.0


@pytest.fixture
def limits() -> TimeLimits:
    return TimeLimits()


def move(limits: TimeLimits, state: RunState, at: float, *, failed: bool = False) -> None:
    limits.moved("run", LIMIT, state, at, failed=failed)


def minutes(count: int) -> Call:
    made = call("run", function=real)
    return replace(made, options=replace(made.options, timeout_mins=count))


def test_a_run_that_waits_has_no_limit(limits: TimeLimits) -> None:
    move(limits, RunState.CREATED, 0.0)
    assert limits.earliest is None


def test_the_limit_begins_when_the_run_is_scheduled(limits: TimeLimits) -> None:
    move(limits, RunState.SCHEDULED, 5.0)
    assert limits.earliest == 65.0
    assert list(limits.take_reached(64.9)) == []
    assert list(limits.take_reached(65.0)) == ["run"]
    assert list(limits.take_reached(65.0)) == []


def test_what_is_nested_counts(limits: TimeLimits) -> None:
    move(limits, RunState.SCHEDULED, 5.0)
    move(limits, RunState.RAN, 30.0)
    assert limits.earliest == 65.0


@pytest.mark.parametrize("state", [state for state in RunState if state.is_terminal])
def test_the_limit_ends_with_the_run(limits: TimeLimits, state: RunState) -> None:
    move(limits, RunState.SCHEDULED, 5.0)
    move(limits, state, 6.0)
    assert limits.earliest is None


def test_it_begins_anew_after_a_failure(limits: TimeLimits) -> None:
    move(limits, RunState.SCHEDULED, 5.0)
    move(limits, RunState.RETRYING, 20.0, failed=True)
    assert limits.earliest is None
    move(limits, RunState.SCHEDULED, 30.0)
    assert limits.earliest == 90.0


def test_it_goes_on_when_only_the_driver_was_lost(limits: TimeLimits) -> None:
    move(limits, RunState.SCHEDULED, 5.0)
    move(limits, RunState.RETRYING, 20.0)
    move(limits, RunState.SCHEDULED, 30.0)
    assert limits.earliest == 65.0


def test_time_that_does_not_count_is_added(limits: TimeLimits) -> None:
    move(limits, RunState.SCHEDULED, 5.0)
    limits.postpone(100.0)
    assert limits.earliest == 165.0


def test_the_errors_name_function_and_limit() -> None:
    """In the words of Sematic 0.41."""
    assert own_limit_error(minutes(7)).message == (
        "The Sematic function real did not complete in time to satisfy its 7 minute timeout."
    )
    assert ancestor_limit_error(minutes(7)).message == (
        "The call did not complete in time to satisfy the 7 minute timeout specified by its "
        "ancestor real."
    )


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0.25, "0.25"), (2.0, "2"), (0.1, "0.1"), (86400.5, "86400.5"), (10_000_000.0, "10000000")],
)
def test_seconds_are_written_out(seconds: float, words: str) -> None:
    message = own_limit_error(call("run", timeout=seconds)).message
    assert message.endswith(f"to satisfy its {words} second timeout.")


def test_the_errors_are_those_that_sematic_raises() -> None:
    raised = build_error_record(sematic.TimeoutError("too long"))
    for record in (own_limit_error(minutes(1)), ancestor_limit_error(minutes(1))):
        assert (record.type, record.ancestors) == (raised.type, raised.ancestors)


@pytest.mark.parametrize("kind", [sematic.TimeoutError, builtins.TimeoutError, Exception])
def test_the_errors_can_be_retried(kind: type[Exception]) -> None:
    record = own_limit_error(minutes(1))
    assert RetrySettings((kind,), retries=1).matches((record.type, *record.ancestors))
