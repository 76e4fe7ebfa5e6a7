"""SqlTracker: what it promises beyond a Tracker, whose promises are in tests/contract."""

from contextlib import closing
from pathlib import Path

import pytest

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


@pytest.mark.postgres
def test_a_server_that_was_away_is_told_of_the_surroundings(
    postgres_server: PostgresServer,
) -> None:
    url = postgres_server.create_database()
    with closing(SqlTracker(url)) as tracker:
        tracker.begin(info())
        postgres_server.stop()
        postgres_server.start()
        tracker.annotate(ROOT, {"git": "abc"})
    assert open_queries(url).environment(ROOT) == {"git": "abc"}
