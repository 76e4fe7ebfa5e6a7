"""Pauses and time limits: events and what follows them.

The first event is at 100.0, each further one a second later.
"""

import pytest

from sematic.calls import OutputOf
from sematic.ending import CHILD_FAILED, REST_FAILED
from sematic.events import OnFailure
from sematic.retry import RetrySettings
from sematic.states import RunState
from sematic.time_limits import ancestor_limit_error, own_limit_error
from tests.builders import ROOT, call, list_of
from tests.machine import AFTER_TIMEOUT, FAILS, LATER, TWICE, Pipeline, standalone

SCHEDULED, RESOLVED, NESTED_FAILED = RunState.SCHEDULED, RunState.RESOLVED, RunState.NESTED_FAILED


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline()


# --- pauses


def test_a_retry_waits_for_its_pause(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, retry=LATER))
    assert pipeline.fail(ROOT) == ["root RETRYING"]
    assert pipeline.state.next_due == 111.0
    assert pipeline.wait_until(110.9) == []
    assert pipeline.wait_until(111.0) == ["root SCHEDULED", "start root #2"]
    assert pipeline.state.next_due is None
    assert pipeline.succeed(ROOT, attempt=2)[-1] == "end COMPLETE"


def test_each_pause_is_longer_than_the_one_before(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, retry=LATER))
    pipeline.fail(ROOT)
    pipeline.wait_until_due()
    failed_at = pipeline.at
    pipeline.fail(ROOT, attempt=2)
    assert pipeline.state.next_due == failed_at + 20.0


def test_any_event_shows_that_a_pause_is_over(pipeline: Pipeline) -> None:
    pipeline.start_with(standalone("a", retry=LATER), standalone("b"), output=list_of("a", "b"))
    pipeline.fail("a")
    pipeline.at = 120.0
    assert pipeline.succeed("b") == ["b RESOLVED", "a SCHEDULED", "start a #2"]


def test_a_pause_holds_up_no_other_call(pipeline: Pipeline) -> None:
    pipeline.start_with(call("a", retry=LATER), call("b"), output=list_of("a", "b"))
    assert pipeline.fail("a") == ["a RETRYING", "b SCHEDULED", "start b #1"]


def test_calls_that_failed_together_come_back_one_by_one(pipeline: Pipeline) -> None:
    retry = RetrySettings((ValueError,), retries=1, backoff_seconds=10.0)
    calls = [standalone(name, retry=retry) for name in "abc"]
    pipeline.start_with(*calls, output=list_of(*"abc"))
    for name in "abc":
        pipeline.fail(name)
    for _ in range(3):
        words = pipeline.wait_until_due()
        assert len(words) == 2, words
    assert pipeline.states(*"abc") == [SCHEDULED] * 3


def test_a_call_in_its_pause_is_canceled(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, retry=LATER))
    pipeline.fail(ROOT)
    assert pipeline.cancel() == ["root CANCELED", "pipeline CANCELED", "end CANCELED"]


def test_a_call_in_its_pause_is_canceled_with_the_rest(pipeline: Pipeline) -> None:
    pipeline.start_with(standalone("a", retry=LATER), standalone("b"), output=list_of("a", "b"))
    pipeline.fail("a")
    assert pipeline.fail("b") == ["b FAILED", "root NESTED_FAILED", "a CANCELED", *FAILS[1:]]
    assert pipeline.state.next_due is None


# --- the limit of a call that executes


def test_a_call_that_takes_too_long_is_stopped_and_has_failed(pipeline: Pipeline) -> None:
    made = standalone("a", timeout=30.0)
    pipeline.start_with(made, output=OutputOf("a"))
    assert pipeline.state.next_due == 131.0
    assert pipeline.wait_until(130.9) == []
    assert pipeline.wait_until(131.0) == ["stop a #1"]
    assert pipeline.states("a") == [SCHEDULED], "it has not ended yet"
    assert pipeline.lose("a") == ["a FAILED", *FAILS]
    assert pipeline.moved("a").error == pipeline.end.error == own_limit_error(made)
    assert pipeline.end.failed_run_id == "a"


def test_it_is_stopped_once(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, timeout=30.0))
    assert pipeline.wait_until(130.0) == ["stop root #1"]
    assert pipeline.state.next_due is None
    assert pipeline.wait_until(200.0) == []
    assert pipeline.cancel() == []
    assert pipeline.abort() == []


@pytest.mark.parametrize("report", ["succeed", "fail", "lose", "expand"])
def test_whatever_it_reports_afterwards_it_has_failed(pipeline: Pipeline, report: str) -> None:
    made = call(ROOT, timeout=30.0, retry=TWICE)
    pipeline.start(made)
    pipeline.wait_until_due()
    nested = ([call("a")], OutputOf("a")) if report == "expand" else ()
    assert getattr(pipeline, report)(ROOT, *nested) == ["root FAILED", *FAILS[1:]]
    assert pipeline.moved(ROOT).error == own_limit_error(made)
    assert pipeline.states("a") == [None]


def test_a_call_that_ends_before_anybody_notices_is_in_time(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, timeout=30.0))
    pipeline.at = 130.5
    assert pipeline.succeed(ROOT)[0] == "root RESOLVED"


def test_any_event_shows_that_a_limit_is_reached(pipeline: Pipeline) -> None:
    calls = [standalone("a", timeout=30.0), standalone("b")]
    pipeline.start_with(*calls, output=list_of("a", "b"))
    pipeline.at = 140.0
    assert pipeline.succeed("b") == ["b RESOLVED", "stop a #1"]


def test_waiting_for_a_slot_does_not_count(pipeline: Pipeline) -> None:
    calls = [standalone("a"), standalone("b", timeout=30.0)]
    pipeline.start_with(*calls, output=list_of("a", "b"), max_parallelism=1)
    assert pipeline.state.next_due is None
    pipeline.at = 200.0
    pipeline.succeed("a")
    assert pipeline.state.next_due == 230.0


def test_a_retry_has_a_limit_of_its_own(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, timeout=30.0, retry=LATER))
    pipeline.fail(ROOT)
    assert pipeline.state.next_due == 111.0, "the end of the pause"
    pipeline.wait_until_due()
    assert pipeline.state.next_due == 141.0


def test_a_limit_is_retried_where_it_is_named(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, timeout=30.0, retry=AFTER_TIMEOUT))
    pipeline.wait_until(130.0)
    assert pipeline.lose(ROOT) == ["root RETRYING", "root SCHEDULED", "start root #2"]
    assert pipeline.state.next_due == 161.0
    assert pipeline.wait_until(161.0) == ["stop root #2"]
    assert pipeline.succeed(ROOT, attempt=2)[0] == "root FAILED"


def test_an_attempt_after_a_limit_may_be_in_time(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, timeout=30.0, retry=AFTER_TIMEOUT))
    pipeline.wait_until_due()
    pipeline.lose(ROOT)
    assert pipeline.succeed(ROOT, attempt=2) == [
        "root RESOLVED",
        "pipeline COMPLETE",
        "end COMPLETE",
    ]


def test_the_time_that_stopping_takes_is_not_that_of_the_next_attempt(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, timeout=30.0, retry=AFTER_TIMEOUT))
    pipeline.wait_until(130.0)
    pipeline.at = 500.0
    pipeline.lose(ROOT)
    assert pipeline.state.next_due == 530.0


def test_a_cached_output_meets_every_limit(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, timeout=30.0, cache=True), cache_namespace="shared")
    pipeline.at = 500.0
    assert pipeline.looked_up(ROOT, "earlier")[-1] == "end COMPLETE"


@pytest.mark.parametrize("on_failure", ["cancel", "drain"])
def test_a_limit_while_others_run(pipeline: Pipeline, on_failure: OnFailure) -> None:
    calls = [standalone("a", timeout=30.0), standalone("b"), standalone("c", needs=["b"])]
    pipeline.start_with(*calls, output=list_of("a", "c"), on_failure=on_failure)
    assert pipeline.wait_until_due() == ["stop a #1"], "it has not failed until it ends"
    stops = ["stop b #1"] if on_failure == "cancel" else []
    assert pipeline.lose("a") == ["a FAILED", "root NESTED_FAILED", "c CANCELED", *stops]


def test_a_call_that_drains_is_stopped_all_the_same(pipeline: Pipeline) -> None:
    calls = [standalone("a"), standalone("b", timeout=30.0)]
    pipeline.start_with(*calls, output=list_of("a", "b"), on_failure="drain")
    pipeline.fail("a")
    assert pipeline.wait_until_due() == ["stop b #1"]
    assert pipeline.lose("b") == ["b FAILED", "pipeline FAILED", "end FAILED"]
    assert pipeline.end.failed_run_id == "a"


def test_a_call_that_is_being_stopped_is_not_given_another_reason(pipeline: Pipeline) -> None:
    pipeline.start_with(standalone("a", timeout=30.0), output=OutputOf("a"))
    pipeline.cancel()
    assert pipeline.wait_until(200.0) == []
    assert pipeline.lose("a")[0] == "a CANCELED"


def test_a_timed_out_call_stays_so_when_it_is_canceled(pipeline: Pipeline) -> None:
    pipeline.start_with(standalone("a", timeout=30.0), output=OutputOf("a"))
    pipeline.wait_until_due()
    assert pipeline.cancel() == ["root CANCELED"]
    assert pipeline.lose("a") == ["a FAILED", "pipeline CANCELED", "end CANCELED"]


# --- the limit of a call that waits for what is nested in it


def test_the_limit_of_an_ancestor_fails_what_executes_in_it(pipeline: Pipeline) -> None:
    parent = standalone("p", timeout=30.0)
    pipeline.start_with(parent, standalone("beside"), output=list_of("p", "beside"))
    nested = [standalone(f"p{i}", parent="p") for i in (1, 2, 3)]
    nested.append(call("after", parent="p", needs=["p1"]))
    pipeline.expand("p", nested, list_of("after", "p2", "p3"))
    pipeline.succeed("p3")
    assert pipeline.wait_until(131.0) == [
        "p NESTED_FAILED",
        "root NESTED_FAILED",
        "after CANCELED",
        "stop beside #1",
        "stop p1 #1",
        "stop p2 #1",
    ]
    assert pipeline.moved("p").reason == CHILD_FAILED
    assert pipeline.lose("p1") == ["p1 FAILED"]
    assert pipeline.moved("p1").error == ancestor_limit_error(parent)
    assert pipeline.succeed("p2") == ["p2 FAILED"], "whatever it reports"
    assert pipeline.lose("beside") == ["beside CANCELED", "pipeline FAILED", "end FAILED"]
    assert pipeline.moved("beside").reason == REST_FAILED
    assert (pipeline.end.failed_run_id, pipeline.end.error) == ("p1", ancestor_limit_error(parent))
    assert pipeline.states("p3") == [RESOLVED]


def test_what_drains_is_not_stopped_for_the_limit_of_anothers_ancestor(pipeline: Pipeline) -> None:
    calls = [standalone("p", timeout=30.0), standalone("beside")]
    pipeline.start_with(*calls, output=list_of("p", "beside"), on_failure="drain")
    pipeline.expand("p", [standalone("p1", parent="p")], OutputOf("p1"))
    assert pipeline.wait_until_due() == ["p NESTED_FAILED", "root NESTED_FAILED", "stop p1 #1"]
    assert pipeline.succeed("beside") == ["beside RESOLVED"]
    assert pipeline.lose("p1") == ["p1 FAILED", "pipeline FAILED", "end FAILED"]


def test_the_limit_of_an_ancestor_is_not_retried(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, timeout=30.0, retry=AFTER_TIMEOUT))
    pipeline.expand(ROOT, [call("a", retry=AFTER_TIMEOUT)], OutputOf("a"))
    pipeline.wait_until_due()
    assert pipeline.lose("a") == ["a FAILED", "pipeline FAILED", "end FAILED"]
    assert pipeline.states(ROOT) == [NESTED_FAILED]


def test_an_ancestor_in_which_nothing_executes_fails_itself(pipeline: Pipeline) -> None:
    parent = call("p", timeout=30.0)
    pipeline.start_with(parent, output=OutputOf("p"))
    pipeline.expand("p", [call("a", parent="p"), call("b", parent="p")], list_of("a", "b"))
    pipeline.succeed("a")
    pipeline.succeed("b")
    assert pipeline.wait_until_due() == ["p FAILED", *FAILS]
    assert pipeline.moved("p").error == own_limit_error(parent)


def test_a_call_that_expands_too_late_fails_itself(pipeline: Pipeline) -> None:
    root = call(ROOT, timeout=30.0)
    pipeline.start(root)
    pipeline.at = 140.0
    words = pipeline.expand(ROOT, [call("a")], OutputOf("a"))
    assert words == ["root RAN", "a CREATED", "root FAILED", "a CANCELED", *FAILS[1:]]
    assert pipeline.moved(ROOT).error == own_limit_error(root)


def test_calls_that_are_to_be_tried_again_fail_with_their_ancestor(pipeline: Pipeline) -> None:
    root = call(ROOT, timeout=8.0)
    pipeline.start(root)
    calls = [standalone("a", retry=LATER), standalone("b", retry=LATER)]
    pipeline.expand(ROOT, calls, list_of("a", "b"))
    pipeline.fail("a")
    pipeline.fail("b")
    assert pipeline.wait_until(108.0) == ["a FAILED", "b FAILED", *FAILS]
    assert pipeline.moved("a").error == pipeline.end.error == ancestor_limit_error(root)
    assert pipeline.end.failed_run_id == "a"


def test_the_outer_limit_may_be_the_shorter_one(pipeline: Pipeline) -> None:
    root = call(ROOT, timeout=10.0)
    pipeline.start(root)
    pipeline.expand(ROOT, [call("p", timeout=60.0)], OutputOf("p"))
    pipeline.expand("p", [standalone("a", parent="p", timeout=60.0)], OutputOf("a"))
    words = pipeline.wait_until(110.0)
    assert words == ["p NESTED_FAILED", "root NESTED_FAILED", "stop a #1"]
    pipeline.lose("a")
    assert pipeline.moved("a").error == ancestor_limit_error(root)


def test_the_first_of_two_limits_is_the_reason(pipeline: Pipeline) -> None:
    made = standalone("a", timeout=5.0, retry=AFTER_TIMEOUT)
    pipeline.start(call(ROOT, timeout=10.0))
    pipeline.expand(ROOT, [made], OutputOf("a"))
    assert pipeline.wait_until(106.0) == ["stop a #1"]
    assert pipeline.wait_until(110.0) == ["root NESTED_FAILED"], "it is stopped already"
    assert pipeline.lose("a") == ["a FAILED", "pipeline FAILED", "end FAILED"]
    assert pipeline.moved("a").error == pipeline.end.error == own_limit_error(made)
