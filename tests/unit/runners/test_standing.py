"""What a display knows of a pipeline run, put together from changes."""

from sematic.events import RunCreated, RunMoved
from sematic.runners.standing import Standing
from sematic.states import RunState
from tests.builders import call


def test_a_run_took_as_long_as_its_function_executed() -> None:
    """As `sematic show` has it: Ray's start, and the wait for a processor, are not its time."""
    standing = Standing()
    standing.take(
        [
            RunCreated(0.0, call("a")),
            RunMoved(1.0, "a", RunState.SCHEDULED, attempt=1),
            RunMoved(9.0, "a", RunState.RESOLVED, attempt=1, started_at=7.0, ended_at=8.5),
        ]
    )
    run = standing.runs["a"]
    assert (run.began_at, run.ended_at) == (7.0, 8.5)


def test_a_run_with_nested_ones_took_until_these_had_ended() -> None:
    standing = Standing()
    standing.take(
        [
            RunCreated(0.0, call("a")),
            RunMoved(1.0, "a", RunState.SCHEDULED, attempt=1),
            RunMoved(2.5, "a", RunState.RAN, attempt=1, started_at=1.5, ended_at=2.0),
            RunMoved(9.0, "a", RunState.RESOLVED, attempt=1),
        ]
    )
    run = standing.runs["a"]
    assert (run.began_at, run.ended_at) == (1.0, 9.0)
