"""What has ended in the record stays as it is, whatever is written to it."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from sematic.errors import FencedError
from sematic.events import (
    CancelRequested,
    LookedUp,
    OutputEvaluated,
    OutputsLookedUp,
    PipelineMoved,
    PipelineStarted,
    RunMoved,
)
from sematic.ports import Batch
from sematic.states import TERMINAL_STATES, PipelineRunStatus, RunState
from sematic.tracking.connections import connect
from sematic.tracking.queries import open_queries
from sematic.tracking.settling import cancel_pipeline_run
from sematic.tracking.sql_tracker import SqlTracker
from tests.builders import ROOT, artifact, call, expanded, info, list_of, succeeded
from tests.recorded import RecordedPipeline, execute


@pytest.fixture
def pipeline(url: str) -> Iterator[RecordedPipeline]:
    """a has ended, b executes."""
    made = RecordedPipeline(url)
    calls = [call("a", standalone=True), call("b", standalone=True)]
    made.record(PipelineStarted(1.0, call(ROOT)), expanded(ROOT, calls, list_of(*"ab"), at=2.0))
    made.record(succeeded("a", at=3.0))
    yield made
    made.close()


def input_of(url: str, run_id: str) -> str | None:
    (known,) = open_queries(url).inputs(run_id)
    return known.artifact.id if known.artifact else None


def row(url: str, run_id: str) -> dict[str, Any]:
    connection = connect(url)
    try:
        cursor = connection.cursor()
        mark = "?" if url.startswith("sqlite") else "%s"
        cursor.execute(f"SELECT * FROM runs WHERE id = {mark}", (run_id,))
        return dict(zip([c[0] for c in cursor.description], cursor.fetchone(), strict=True))
    finally:
        connection.close()


def take_over(url: str, *changes: Any) -> None:
    """Write changes as the next driver."""
    tracker = SqlTracker(url)
    try:
        epoch = tracker.begin(info(), after_epoch=1)
        tracker.record(Batch(ROOT, epoch, 0, (CancelRequested(9.0, "x"),), changes))
    finally:
        tracker.close()


@pytest.mark.parametrize("ended", sorted(TERMINAL_STATES), ids=lambda state: state.value)
def test_no_write_changes_a_run_that_has_ended(
    url: str, pipeline: RecordedPipeline, ended: RunState
) -> None:
    execute(url, f"UPDATE runs SET state = '{ended.value}' WHERE id = 'a'")
    before = row(url, "a")
    canceled = {"attempt": 7, "reason": "Canceled.", "started_at": 7.0, "ended_at": 8.0}
    take_over(
        url,
        RunMoved(9.0, "a", RunState.CANCELED, **canceled),
        RunMoved(9.0, "b", RunState.CANCELED, **canceled),
    )
    assert row(url, "a") == before
    assert (row(url, "b")["state"], row(url, "b")["attempt"]) == ("CANCELED", 7)


def test_no_write_changes_the_inputs_of_a_run_that_has_ended(url: str) -> None:
    """They become known when it is SCHEDULED, or as it ends where it is served from the cache."""
    pipeline = RecordedPipeline(url)
    calls = [
        call("a"),
        call("b", needs=["a"], standalone=True),
        call("c", needs=["b"], cache=True),
    ]
    started = PipelineStarted(1.0, call(ROOT), cache_namespace="main")
    pipeline.record(started, expanded(ROOT, calls, list_of("b", "c"), at=2.0))
    pipeline.record(succeeded("a", at=3.0))
    pipeline.record(succeeded("b", at=4.0))
    pipeline.record(OutputsLookedUp(5.0, (LookedUp("c", artifact("old"), "old"),)))
    pipeline.close()
    before = [input_of(url, run_id) for run_id in "bc"]
    assert before == [artifact("a").id, artifact("b").id]
    other = {"x0": artifact("other")}
    take_over(url, *(RunMoved(9.0, run_id, RunState.SCHEDULED, inputs=other) for run_id in "bc"))
    assert [input_of(url, run_id) for run_id in "bc"] == before


def test_an_end_that_only_the_status_misses_is_made_up_for(
    url: str, pipeline: RecordedPipeline
) -> None:
    """The events have ended it, and somebody wants to cancel it."""
    pipeline.record(succeeded("b", at=4.0))
    pipeline.record(OutputEvaluated(5.0, ROOT, artifact("both")))
    execute(url, "UPDATE pipeline_runs SET status = 'RUNNING', driver = '{}', heartbeat_at = 5")
    execute(url, "UPDATE runs SET state = 'RAN', output_id = NULL WHERE id = 'root'")
    before = [row(url, run_id) for run_id in "ab"]
    found = cancel_pipeline_run(url, ROOT, reason="Enough.")
    assert found.status is PipelineRunStatus.COMPLETE
    assert [row(url, run_id) for run_id in "ab"] == before
    assert row(url, ROOT)["state"] == "RESOLVED"
    assert row(url, ROOT)["output_id"] == artifact("both").id


def test_a_pipeline_run_that_has_ended_is_no_other_one(
    url: str, pipeline: RecordedPipeline
) -> None:
    take_over(url, PipelineMoved(9.0, ROOT, PipelineRunStatus.CANCELED, "Enough."))
    tracker = SqlTracker(url)
    with closing(tracker), pytest.raises(FencedError, match="has ended meanwhile: CANCELED"):
        tracker.begin(info(), after_epoch=2)
    assert open_queries(url).pipeline_run(ROOT).status is PipelineRunStatus.CANCELED
