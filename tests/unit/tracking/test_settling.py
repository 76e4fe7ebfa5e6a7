"""Pipeline runs are cancelled through their drivers, and ended where there is none."""

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sematic.errors import FencedError, NotFoundError
from sematic.events import OutputEvaluated, PipelineStarted
from sematic.shipping import locate_function
from sematic.states import PipelineRunStatus, RunState
from sematic.tracking import settling
from sematic.tracking.connections import connect
from sematic.tracking.history import read_history
from sematic.tracking.queries import open_queries
from sematic.tracking.settling import cancel_pipeline_run, settle_lost
from sematic.tracking.views import PipelineRunRow
from tests.builders import ROOT, artifact, call, expanded, list_of, succeeded
from tests.recorded import RecordedPipeline, execute, replay

ELSEWHERE = """driver = REPLACE(driver, '"pid":', '"host": "elsewhere", "pid":')"""
SILENT = f"UPDATE pipeline_runs SET heartbeat_at = heartbeat_at - 1000, {ELSEWHERE}"
CALLS = [call("a"), call("b", standalone=True), call("c", needs=["a"])]
EVENTS = (PipelineStarted(1.0, call(ROOT)), expanded(ROOT, CALLS, list_of("b", "c"), at=2.0))
OUTPUT = OutputEvaluated(4.0, ROOT, artifact("all"))


@pytest.fixture
def pipeline(url: str) -> Iterator[RecordedPipeline]:
    """One that runs: the root has returned futures, a and b execute."""
    made = RecordedPipeline(url)
    made.record(*EVENTS)
    yield made
    made.close()


@pytest.fixture
def lost(url: str, pipeline: RecordedPipeline) -> RecordedPipeline:
    """One of another machine that shows no sign of life any more, though it may come back."""
    execute(url, SILENT)
    return pipeline


def look(url: str) -> PipelineRunRow:
    return open_queries(url).pipeline_run(ROOT)


def states(url: str) -> dict[str, RunState]:
    return {run.id: run.state for run in open_queries(url).runs(ROOT)}


def cancel(url: str, reason: str = "Enough.") -> PipelineRunRow:
    return cancel_pipeline_run(url, ROOT, reason=reason)


@pytest.mark.parametrize("settle", [cancel, lambda url: settle_lost(url, look(url))])
def test_what_has_ended_while_leftovers_were_ended_stays_as_it_is(
    url: str,
    lost: RecordedPipeline,
    monkeypatch: pytest.MonkeyPatch,
    settle: Callable[[str], PipelineRunRow],
) -> None:
    """That takes seconds, in which somebody else may be done with it."""

    def end_meanwhile(*args: object, **options: object) -> None:
        execute(url, "UPDATE pipeline_runs SET status = 'COMPLETE'")

    monkeypatch.setattr(settling, "end_abandoned", end_meanwhile)
    before = states(url)
    assert settle(url).status is PipelineRunStatus.COMPLETE
    assert states(url) == before


class TestCancelling:
    def test_a_driver_that_lives_is_told(self, url: str, pipeline: RecordedPipeline) -> None:
        row = cancel(url)
        assert (row.status, row.cancel_reason, row.epoch) == (
            PipelineRunStatus.RUNNING,
            "Enough.",
            1,
        )
        pipeline.record(succeeded("a", at=3.0))  # it goes on until it has heard

    def test_the_first_reason_stays(self, url: str, pipeline: RecordedPipeline) -> None:
        cancel(url)
        assert cancel(url, "Again.").cancel_reason == "Enough."

    def test_without_a_driver_it_is_ended(self, url: str, lost: RecordedPipeline) -> None:
        row = cancel(url)
        assert row.status is PipelineRunStatus.CANCELED
        assert row.ended_at is not None
        assert row.reason is not None
        assert row.reason.startswith("Enough. Driver lost: process ")
        assert set(states(url).values()) == {RunState.CANCELED}

    def test_what_is_recorded_is_what_was_done(self, url: str, lost: RecordedPipeline) -> None:
        cancel(url)
        history = read_history(url, ROOT, function_of=locate_function)
        assert history[:2] == [*EVENTS]
        state, _ = replay(history)
        assert state.ended
        assert {run_id: state.state_of(run_id) for run_id in states(url)} == states(url)

    def test_a_driver_that_comes_back_is_fenced(self, url: str, lost: RecordedPipeline) -> None:
        cancel(url)
        with pytest.raises(FencedError):
            lost.record(succeeded("a", at=3.0))
        assert states(url)["a"] is RunState.CANCELED

    def test_what_has_ended_stays_so(self, url: str, pipeline: RecordedPipeline) -> None:
        pipeline.record(*(succeeded(run_id) for run_id in ("a", "b", "c")))
        pipeline.record(OUTPUT)
        row = cancel(url)
        assert (row.status, row.cancel_reason) == (PipelineRunStatus.COMPLETE, None)

    def test_several_at_once_end_it_once(self, url: str, lost: RecordedPipeline) -> None:
        rows: list[Any] = []

        def work() -> None:
            try:
                rows.append(cancel(url).status)
            except BaseException as error:
                rows.append(error)

        threads = [threading.Thread(target=work) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert PipelineRunStatus.CANCELED in rows
        assert not [row for row in rows if isinstance(row, BaseException)]
        assert look(url).status is PipelineRunStatus.CANCELED
        kinds = [
            type(event).__name__ for event in read_history(url, ROOT, function_of=locate_function)
        ]
        assert kinds.count("CancelRequested") == 1

    def test_who_is_not_recorded_cannot_be_cancelled(
        self, url: str, pipeline: RecordedPipeline
    ) -> None:
        with pytest.raises(NotFoundError):
            cancel_pipeline_run(url, "f" * 32, reason="Enough.")


class TestSettling:
    def test_it_has_failed(self, url: str, lost: RecordedPipeline) -> None:
        row = settle_lost(url, look(url))
        assert row.status is PipelineRunStatus.FAILED
        assert row.reason is not None
        assert row.reason.startswith("driver lost: process ")
        assert states(url) == {
            ROOT: RunState.NESTED_FAILED,
            "a": RunState.FAILED,
            "b": RunState.FAILED,
            "c": RunState.CANCELED,
        }
        error = open_queries(url).run("a").error
        assert error is not None
        assert (error.type, error.message) == (
            "sematic.errors.InfrastructureError",
            row.reason,
        )

    def test_one_that_is_driven_is_left_alone(self, url: str, pipeline: RecordedPipeline) -> None:
        row = settle_lost(url, look(url))
        assert (row.status, row.epoch) == (PipelineRunStatus.RUNNING, 1)

    def test_who_takes_over_meanwhile_is_left_alone(self, url: str, lost: RecordedPipeline) -> None:
        seen = look(url)
        execute(url, "UPDATE pipeline_runs SET epoch = 2")
        with pytest.raises(FencedError):
            settle_lost(url, seen)
        assert states(url)["a"] is RunState.SCHEDULED

    def test_one_that_ended_meanwhile_keeps_its_end(self, url: str, lost: RecordedPipeline) -> None:
        seen = look(url)
        lost.record(*(succeeded(run_id) for run_id in ("a", "b", "c")))
        lost.record(OUTPUT)
        assert settle_lost(url, seen).status is PipelineRunStatus.COMPLETE

    def test_a_driver_that_was_lost_before_it_recorded_anything(self, url: str) -> None:
        RecordedPipeline(url).close()
        execute(url, SILENT)
        row = settle_lost(url, look(url))
        assert row.status is PipelineRunStatus.FAILED
        assert states(url) == {}

    def test_the_order_of_runs_is_kept(self, url: str, lost: RecordedPipeline) -> None:
        settle_lost(url, look(url))
        connection = connect(url)
        rows = connection.execute("SELECT id, ordinal FROM runs ORDER BY ordinal").fetchall()
        connection.close()
        assert [tuple(row) for row in rows] == [(ROOT, 0), ("a", 1), ("b", 2), ("c", 3)]
