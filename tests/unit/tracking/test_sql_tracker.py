"""SqlTracker: what it promises beyond a Tracker, whose promises are in tests/contract."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sematic.errors import FencedError
from sematic.events import CancelRequested, RunCreated
from sematic.ports import Batch
from sematic.tracking.queries import open_queries
from sematic.tracking.sql_tracker import SqlTracker
from tests.builders import ROOT, call, info
from tests.postgres import PostgresServer


def test_the_next_driver_counts_runs_on(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/record.db"
    for epoch, names in (1, ["root", "a"]), (2, ["b"]), (3, ["c"]):
        with closing(SqlTracker(url)) as tracker:
            assert tracker.begin(info(), after_epoch=epoch - 1) == epoch
            changes = tuple(RunCreated(1.0, call(ROOT if n == "root" else n)) for n in names)
            tracker.record(Batch(ROOT, epoch, 0, (CancelRequested(1.0, "x"),), changes))
    runs = open_queries(url).runs(ROOT)
    assert [(run.id, run.ordinal) for run in runs] == [(ROOT, 0), ("a", 1), ("b", 2), ("c", 3)]


def test_the_surroundings_are_added_when_it_is_closed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/record.db"
    with closing(SqlTracker(url)) as tracker:
        tracker.annotate_when_closed(lambda: {"git": "abc"}, tell=pytest.fail)
        tracker.begin(info())
        assert "git" not in open_queries(url).environment(ROOT)
    assert open_queries(url).environment(ROOT) == {**info().environment, "git": "abc"}


def test_where_they_cannot_be_recorded_it_is_told(tmp_path: Path) -> None:
    path, told = tmp_path / "record.db", list[str]()
    with closing(SqlTracker(f"sqlite:///{path}")) as tracker:
        tracker.annotate_when_closed(lambda: {"git": "abc"}, tell=told.append)
        tracker.begin(info())
        with closing(sqlite3.connect(path)) as other:
            other.execute("DROP TABLE pipeline_runs")
    [sentence] = told
    assert sentence.startswith("Git commit and package versions could not be recorded:")


def test_nobody_waits_for_them_where_nothing_can_be_recorded(tmp_path: Path) -> None:
    with closing(SqlTracker(f"sqlite:///{tmp_path}/record.db")) as tracker:
        tracker.annotate_when_closed(pytest.fail, tell=pytest.fail)
        tracker.begin(info())
        with pytest.raises(FencedError):
            tracker.record(Batch(ROOT, 2, 0, (CancelRequested(1.0, "x"),), ()))
    with closing(SqlTracker(f"sqlite:///{tmp_path}/record.db")) as tracker:
        tracker.annotate_when_closed(pytest.fail, tell=pytest.fail)
        with pytest.raises(FencedError):
            tracker.begin(info(), after_epoch=7)


@pytest.mark.postgres
def test_a_server_that_was_away_is_told_of_the_surroundings(
    postgres_server: PostgresServer,
) -> None:
    url = postgres_server.create_database()

    def restart() -> dict[str, str]:
        postgres_server.stop()
        postgres_server.start()
        return {"git": "abc"}

    with closing(SqlTracker(url)) as tracker:
        tracker.annotate_when_closed(restart, tell=pytest.fail)
        tracker.begin(info())
    assert open_queries(url).environment(ROOT) == {**info().environment, "git": "abc"}
