"""A database that goes away and comes back while pipelines run."""

import threading
import time
from collections.abc import Iterator

import pytest

import sematic
from sematic.client import open_record
from sematic.errors import RecordUnavailableError
from sematic.events import CancelRequested
from sematic.ports import Batch
from sematic.states import PipelineRunStatus, RunState
from sematic.tracking.patience import Patience
from sematic.tracking.sql_tracker import SqlTracker
from tests.builders import ROOT, info
from tests.postgres import PostgresServer

pytestmark = pytest.mark.postgres

executions: list[int] = []


@sematic.func
def step(x: int) -> int:
    executions.append(x)
    time.sleep(0.01)
    return x + 1


@sematic.func
def steps(n: int) -> int:
    x = 0
    for _ in range(n):
        x = step(x)
    return x


@pytest.fixture
def running_server(postgres_server: PostgresServer) -> Iterator[PostgresServer]:
    """The server, which other tests need too: it is started whatever happens."""
    yield postgres_server
    postgres_server.start()


@pytest.mark.parametrize(("seconds", "lease"), [(0, 30), (8, 30), (8, 3)])
def test_a_pipeline_goes_on_after_a_restart(
    running_server: PostgresServer,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    *,
    seconds: float,
    lease: float,
) -> None:
    """Also when it was away for longer than the lease of the driver lasts."""
    monkeypatch.setenv("SEMATIC_DATABASE_URL", postgres_url)
    monkeypatch.setenv("SEMATIC_LEASE_SECONDS", str(lease))
    executions.clear()

    def restart() -> None:
        while len(executions) < 20:
            time.sleep(0.01)
        running_server.stop()
        time.sleep(seconds)
        running_server.start()

    thread = threading.Thread(target=restart)
    thread.start()
    assert sematic.LocalRunner(progress="off").run(steps(150)) == 150
    thread.join()
    assert executions == list(range(150))
    (found,) = open_record().pipeline_runs()
    assert (found.status, found.epoch) == (PipelineRunStatus.COMPLETE, 1)
    runs = open_record().runs(found.root_id)
    assert len(runs) == 151
    assert {run.state for run in runs} == {RunState.RESOLVED}
    told = capfd.readouterr().err
    if seconds:
        assert "sematic: Cannot use the record at postgresql://" in told
        assert "Waiting for it, for 10 minutes at most." in told
        assert "sematic: The record can be used again." in told


def test_a_database_that_does_not_come_back(
    running_server: PostgresServer, postgres_url: str
) -> None:
    told: list[str] = []
    tracker = SqlTracker(postgres_url, patience=Patience(told.append, most_seconds=1.0))
    epoch = tracker.begin(info())
    running_server.stop()
    batch = Batch(ROOT, epoch, 0, (CancelRequested(0.0, "x"),), ())
    with pytest.raises(RecordUnavailableError, match="Waited for it for 1 seconds, in vain"):
        tracker.record(batch)
    running_server.start()
    tracker.record(batch)
    tracker.close()


def test_a_database_that_is_not_there_is_told_at_once(
    running_server: PostgresServer, postgres_url: str
) -> None:
    running_server.stop()
    began = time.monotonic()
    with pytest.raises(RecordUnavailableError, match="Cannot use the record at postgresql://"):
        SqlTracker(postgres_url).begin(info())
    assert time.monotonic() - began < 60  # others wait for ten minutes
