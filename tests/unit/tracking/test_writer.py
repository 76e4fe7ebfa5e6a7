"""SqlWriter: rows into a database. What it promises as a part of a Tracker is in tests/contract."""

import json
import pickle
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sematic.calls import OutputOf
from sematic.errors import FencedError, IllegalStateTransitionError, RecordError
from sematic.events import CancelRequested, PipelineMoved, RunCreated, RunMoved
from sematic.ports import Batch
from sematic.states import PipelineRunStatus, RunState
from sematic.tracking.database import Database
from sematic.tracking.queries import open_queries
from sematic.tracking.rows import RowBuilder
from sematic.tracking.statements import build_statements
from sematic.tracking.writer import SqlWriter
from tests.builders import ROOT, artifact, call, error, info

DRIVER = {"host": "here", "pid": 7, "started": "now"}


class Record:
    """A writer, and what it has written."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path}"
        Database(self.url).prepare()
        self.writer = SqlWriter(self.url)
        self.builder = RowBuilder()
        self.seq = 0

    def begin(self) -> int:
        return self.writer.begin(info(), DRIVER)

    def write(self, *changes: Any) -> None:
        events = (CancelRequested(float(self.seq), "x"),)
        self.writer.write(self.builder.build(Batch(ROOT, 1, self.seq, events, changes)))
        self.seq += 1

    def rows(self, table: str) -> list[dict[str, Any]]:
        with sqlite3.connect(self.path) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]

    def row(self, table: str) -> dict[str, Any]:
        (only,) = self.rows(table)
        return only


@pytest.fixture
def record(tmp_path: Path) -> Iterator[Record]:
    made = Record(tmp_path / "record.db")
    yield made
    made.writer.close()


def test_a_pipeline_run_that_begins(record) -> None:
    assert record.begin() == 1
    row = record.row("pipeline_runs")
    assert (row["root_id"], row["name"], row["status"]) == (ROOT, "pipeline", "RUNNING")
    assert (row["epoch"], row["next_seq"], row["ended_at"]) == (1, 0, None)
    assert json.loads(row["driver"]) == DRIVER
    assert json.loads(row["environment"]) == {}
    assert row["created_at"] == 1.0
    assert row["lease_seconds"] == 30.0
    assert row["heartbeat_at"] == pytest.approx(time.time(), abs=60)
    assert (row["cancel_requested_at"], row["cancel_reason"]) == (None, None)


def test_a_pipeline_run_that_is_taken_over(record) -> None:
    record.begin()
    record.write(PipelineMoved(1.0, ROOT, PipelineRunStatus.RUNNING))
    other = SqlWriter(record.url)
    assert other.begin(info(name="other"), {**DRIVER, "pid": 8}, after_epoch=1) == 2
    other.close()
    row = record.row("pipeline_runs")
    assert (row["epoch"], row["next_seq"], row["name"]) == (2, 0, "pipeline")
    assert (row["status"], json.loads(row["driver"])["pid"]) == ("RUNNING", 8)
    with pytest.raises(FencedError, match=r"epoch 2; this one has 1"):
        record.write()


def test_who_takes_over_begins_a_lease_of_its_own(record) -> None:
    record.begin()
    with sqlite3.connect(record.path) as connection:
        connection.execute("UPDATE pipeline_runs SET heartbeat_at = 5")
    record.writer.begin(info(), DRIVER, after_epoch=1, lease_seconds=7.5)
    row = record.row("pipeline_runs")
    assert row["lease_seconds"] == 7.5
    assert row["heartbeat_at"] == pytest.approx(time.time(), abs=60)


BAD, STORED = "bad \0\udc80", "bad \\x00\\udc80"


def test_texts_that_no_database_takes_are_escaped_wherever_they_come_from(record) -> None:
    texts = dict.fromkeys(("name", "function_path", "runner", "cache_namespace"), BAD)
    record.writer.begin(replace(info(), **texts, environment={"command": BAD}), DRIVER)
    record.writer.request_cancel(ROOT, BAD)
    row = record.row("pipeline_runs")
    assert {row[name] for name in texts} == {row["cancel_reason"]} == {STORED}
    assert json.loads(row["environment"]) == {"command": BAD}
    queries = open_queries(record.url)
    assert [found.name for found in queries.pipeline_runs(name=BAD[:5])] == [STORED]
    assert [found.root_id for found in queries.pipeline_runs(function_path=BAD)] == [ROOT]


@pytest.mark.parametrize("namespace", [BAD, "\udc80" * 50], ids=["short", "long"])
def test_outputs_are_found_under_any_namespace(record, namespace) -> None:
    record.begin()
    record.write(
        RunCreated(1.0, call("a", inputs={"x": artifact(1)})),
        RunMoved(2.0, "a", RunState.SCHEDULED, attempt=1, cache_key=f"key_{namespace}"),
        RunMoved(3.0, "a", RunState.RESOLVED, attempt=1, output=artifact(1)),
    )
    key = f"key_{namespace}"
    assert record.writer.find_outputs([key, "other"]) == {key: [("a", artifact(1))]}


def test_however_often_an_output_was_served_who_computed_it_is_found_at_once(record) -> None:
    """By the index; and whoever was served it still names it when that one was deleted."""
    record.begin()
    for name, original in (("a", None), ("b", "a"), ("c", "a")):
        moved = RunMoved(2.0, name, RunState.SCHEDULED, attempt=1)
        ended = replace(moved, state=RunState.RESOLVED, output=artifact(1), cache_key="key")
        created = RunCreated(1.0, call(name, inputs={"x": artifact(1)}))
        record.write(created, moved, replace(ended, original_run_id=original))
    assert record.writer.find_outputs(["key"]) == {"key": [("a", artifact(1))]}
    with sqlite3.connect(record.path) as connection:
        find_outputs = build_statements(sqlite=True).find_outputs
        plan = connection.execute(f"EXPLAIN QUERY PLAN {find_outputs}", ("[]", "RESOLVED"))
        assert any("(cache_key=? AND original_run_id=?)" in row[3] for row in plan)
        connection.execute("DELETE FROM runs WHERE id = 'a'")
    assert record.writer.find_outputs(["key"]) == {"key": [("a", artifact(1))]}


@pytest.mark.parametrize("original", [None, "other"])
def test_however_many_outputs_are_found_other_threads_are_let_run_once(record, original) -> None:
    """Python lets them run for each row of SQLite, and waits for them where they are busy."""
    record.begin()
    for name in "abc":
        moved = RunMoved(2.0, name, RunState.RESOLVED, output=artifact(name), cache_key=name)
        moved = replace(moved, original_run_id=original)
        record.write(RunCreated(1.0, call(name, inputs={"x": artifact(name)})), moved)
    rows = 0

    def count(_: object, row: tuple[object, ...]) -> tuple[object, ...]:
        nonlocal rows
        rows += 1
        return row

    record.writer.open().row_factory = count
    found = record.writer.find_outputs("abcd")
    assert found == {name: [(original or name, artifact(name))] for name in "abc"}
    assert rows == 2, "of those who computed outputs, and of those who were served them"


def test_a_wish_outlives_the_driver(record) -> None:
    """What was wanted of the one that is gone is wanted of the next one, too."""
    record.begin()
    record.writer.request_cancel(ROOT, "Enough.")
    record.writer.request_cancel(ROOT, "Enough, I said.")
    record.writer.begin(info(), DRIVER, after_epoch=1)
    row = record.row("pipeline_runs")
    assert row["cancel_reason"] == "Enough."
    assert row["cancel_requested_at"] == pytest.approx(time.time(), abs=60)


def test_a_run_from_its_creation_to_its_end(record) -> None:
    record.begin()
    record.write(RunCreated(1.0, call("a", inputs={"x": OutputOf("b"), "y": artifact(2)})))
    record.write(
        RunMoved(2.0, "a", RunState.SCHEDULED, attempt=1, inputs={"x": artifact(3)}),
    )
    times = {"started_at": 3.0, "ended_at": 4.0}
    record.write(RunMoved(5.0, "a", RunState.RESOLVED, attempt=1, output=artifact(4), **times))
    row = record.row("runs")
    assert (row["state"], row["attempt"], row["ordinal"]) == ("RESOLVED", 1, 0)
    names = ("created_at", "scheduled_at", "started_at", "ended_at", "resolved_at", "failed_at")
    assert [row[name] for name in names] == [1.0, 2.0, 3.0, 4.0, 5.0, None]
    assert row["output_id"] == artifact(4).id
    assert row["function_id"] == record.row("functions")["id"]
    inputs = {row["name"]: row["artifact_id"] for row in record.rows("run_inputs")}
    assert inputs == {"x": artifact(3).id, "y": artifact(2).id}


def test_a_new_state_takes_back_no_times_and_no_output(record) -> None:
    record.begin()
    times = {"started_at": 2.0, "ended_at": 3.0}
    record.write(
        RunCreated(1.0, call("a")),
        RunMoved(1.5, "a", RunState.SCHEDULED, attempt=1, cache_key="key"),
    )
    record.write(RunMoved(4.0, "a", RunState.RAN, attempt=1, nested_run_id="b", **times))
    record.write(RunMoved(5.0, "a", RunState.NESTED_FAILED, attempt=1, reason="Because."))
    row = record.row("runs")
    assert (row["state"], row["failed_at"], row["reason"]) == ("NESTED_FAILED", 5.0, "Because.")
    kept = ("scheduled_at", "started_at", "ended_at", "nested_run_id", "cache_key")
    assert [row[name] for name in kept] == [1.5, 2.0, 3.0, "b", "key"]


CANCELED = ("canceled_at", "scheduled_at", "started_at", "ended_at")


def test_a_run_that_was_cancelled_before_it_started(record) -> None:
    record.begin()
    record.write(RunCreated(1.0, call("a")))
    record.write(RunMoved(2.0, "a", RunState.CANCELED, reason="Enough."))
    row = record.row("runs")
    assert [row[name] for name in CANCELED] == [2.0, None, None, None]


def test_a_run_that_was_cancelled_while_it_executed(record) -> None:
    record.begin()
    record.write(RunCreated(1.0, call("a")))
    record.write(RunMoved(2.0, "a", RunState.SCHEDULED, attempt=1))
    times = {"started_at": 3.0, "ended_at": 4.0}
    record.write(RunMoved(5.0, "a", RunState.CANCELED, attempt=1, **times))
    row = record.row("runs")
    assert [row[name] for name in CANCELED] == [5.0, 2.0, 3.0, 4.0]


@pytest.mark.parametrize("together", [True, False])
def test_a_run_that_was_cancelled_when_its_function_had_ended(record, together) -> None:
    record.begin()
    record.write(RunCreated(1.0, call("a")))
    record.write(RunMoved(2.0, "a", RunState.SCHEDULED, attempt=1))
    moves = (
        RunMoved(5.0, "a", RunState.RAN, attempt=1, started_at=3.0, ended_at=4.0),
        RunMoved(9.0, "a", RunState.CANCELED, attempt=1),
    )
    for changes in [moves] if together else [(move,) for move in moves]:
        record.write(*changes)
    row = record.row("runs")
    assert [row[name] for name in CANCELED] == [9.0, 2.0, 3.0, 4.0]


def test_the_error_of_an_attempt_goes_with_the_next_one(record) -> None:
    record.begin()
    record.write(RunCreated(1.0, call("a")))
    record.write(RunMoved(2.0, "a", RunState.SCHEDULED, attempt=1))
    record.write(RunMoved(3.0, "a", RunState.RETRYING, attempt=1, error=error()))
    assert "broken" in record.row("runs")["error"]
    record.write(RunMoved(4.0, "a", RunState.SCHEDULED, attempt=2))
    row = record.row("runs")
    assert (row["error"], row["attempt"], row["scheduled_at"]) == (None, 2, 4.0)


@pytest.mark.parametrize(
    ("status", "ended_at"),
    [
        (PipelineRunStatus.RUNNING, None),
        (PipelineRunStatus.COMPLETE, 9.0),
        (PipelineRunStatus.FAILED, 9.0),
        (PipelineRunStatus.CANCELED, 9.0),
    ],
)
def test_the_status_of_the_pipeline_run(record, status, ended_at) -> None:
    record.begin()
    record.write(PipelineMoved(9.0, ROOT, status, "Because."))
    row = record.row("pipeline_runs")
    assert (row["status"], row["reason"], row["ended_at"]) == (status.value, "Because.", ended_at)


def test_a_batch_is_all_or_nothing(record) -> None:
    record.begin()
    rows = record.builder.build(
        Batch(ROOT, 1, 0, (CancelRequested(0.0, "x"),), (RunCreated(1.0, call("a")),))
    )
    rows.events.append(("too", "short"))
    with pytest.raises(RecordError, match="Cannot use the record at /"):
        record.writer.write(rows)
    assert record.rows("runs") == record.rows("events") == []
    assert record.row("pipeline_runs")["next_seq"] == 0
    rows.events.pop()
    record.writer.write(rows)
    assert len(record.rows("runs")) == 1


def test_the_environment_can_be_replaced_beside_the_batches(record) -> None:
    record.begin()
    other = SqlWriter(record.url)
    other.annotate(ROOT, {"commit": "abc", "path": Path("/x")})
    other.close()
    record.write()
    assert json.loads(record.row("pipeline_runs")["environment"]) == {"commit": "abc", "path": "/x"}


def test_a_writer_travels_to_another_process(record) -> None:
    record.begin()
    arrived = pickle.loads(pickle.dumps(record.writer))
    rows = record.builder.build(Batch(ROOT, 1, 0, (CancelRequested(0.0, "x"),), ()))
    arrived.write(pickle.loads(pickle.dumps(rows)))
    arrived.close()
    assert len(record.rows("events")) == 1


def test_a_writer_opens_again_after_close(record) -> None:
    record.begin()
    record.writer.close()
    record.write()
    assert len(record.rows("events")) == 1


def test_a_pipeline_run_that_is_gone(record) -> None:
    record.begin()
    with sqlite3.connect(record.path) as connection:
        connection.execute("DELETE FROM pipeline_runs")
    with pytest.raises(RecordError, match="is not in the record any more"):
        record.write()


def test_what_was_written_survives_the_writer_unclosed(record, tmp_path) -> None:
    """As after a kill: the write-ahead log holds what the file does not."""
    record.begin()
    record.write(RunCreated(1.0, call("a")))
    assert record.writer.open().in_transaction is False
    assert [row["id"] for row in record.rows("runs")] == ["a"]


# --- the status


def test_the_first_status_is_that_of_a_pipeline_run_with_a_driver(record) -> None:
    record.begin()
    assert record.row("pipeline_runs")["status"] == "RUNNING"


@pytest.mark.parametrize("end", ["COMPLETE", "FAILED", "CANCELED"])
def test_a_pipeline_run_that_has_ended_keeps_its_status(record, end) -> None:
    record.begin()
    record.write(PipelineMoved(1.0, ROOT, PipelineRunStatus.RUNNING))
    record.write(PipelineMoved(2.0, ROOT, PipelineRunStatus(end)))
    for status in PipelineRunStatus:
        with pytest.raises(IllegalStateTransitionError, match="has ended"):
            record.write(PipelineMoved(3.0, ROOT, status))
    row = record.row("pipeline_runs")
    assert (row["status"], row["ended_at"], row["next_seq"]) == (end, 2.0, 2)


@pytest.mark.parametrize("replace", [False, True])
def test_a_file_that_is_gone_is_not_written_to(tmp_path: Path, replace: bool) -> None:
    """SQLite would go on with a file that has no name any more: nobody would find the runs."""
    path = tmp_path / "record.db"
    url = f"sqlite:///{path}"
    Database(url).prepare()
    writer = SqlWriter(url)
    writer.count_runs("a")
    path.rename(tmp_path / "elsewhere.db")
    if replace:
        Database(url).prepare()
    with pytest.raises(RecordError, match="was deleted, moved or replaced while it was used"):
        writer.annotate("a", {})
    writer.close()
