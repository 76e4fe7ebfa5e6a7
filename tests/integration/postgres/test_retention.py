"""Deleting pipeline runs from a record in PostgreSQL."""

import time
from contextlib import closing

import pytest

from sematic.client import open_record
from sematic.errors import RecordError
from sematic.tracking.deleting import delete_pipeline_run, find_ended_before
from sematic.tracking.sql_tracker import SqlTracker
from tests.builders import info
from tests.unit.cli.test_why import run, squares

pytestmark = pytest.mark.postgres


def test_deleting(postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEMATIC_DATABASE_URL", postgres_url)
    gone, kept = run(squares(3, [1], False)), run(squares(3, [1], True))
    delete_pipeline_run(postgres_url, gone)
    record = open_record()
    assert [row.root_id for row in record.pipeline_runs()] == [kept]
    assert record.runs(gone) == ()
    assert find_ended_before(postgres_url, time.time() + 1) == (kept,)
    delete_pipeline_run(postgres_url, gone)  # once is enough
    with closing(SqlTracker(postgres_url)) as tracker:
        tracker.begin(info("running"))
        with pytest.raises(RecordError, match="has not ended"):
            delete_pipeline_run(postgres_url, "running")
