"""Commands on a disk that is full to the last byte, or nearly."""

from contextlib import closing

import pytest

from sematic.errors import RecordFullError
from sematic.events import PipelineStarted
from sematic.states import TERMINAL_STATES, PipelineRunStatus
from sematic.tracking.ballast import Ballast
from sematic.tracking.connections import connect, sqlite_path
from sematic.tracking.deleting import delete_pipeline_run
from sematic.tracking.kept_open import close_kept
from sematic.tracking.queries import open_queries
from sematic.tracking.settling import cancel_pipeline_run, settle_lost
from tests.builders import ROOT, call, expanded, list_of
from tests.disks import SmallDisk
from tests.recorded import RecordedPipeline, execute

LOST = "UPDATE pipeline_runs SET driver = '{}', heartbeat_at = 5"


@pytest.fixture
def url(small_disk: SmallDisk) -> str:
    return f"sqlite:///{small_disk.path / 'record.db'}"


@pytest.fixture
def ballast(url: str) -> Ballast:
    return Ballast(sqlite_path(url))


def begin(url: str, *, calls: int = 2) -> None:
    """A pipeline run that executes so many calls, and whose driver is then lost."""
    pipeline = RecordedPipeline(url)
    names = [f"{i:032x}" for i in range(calls)]
    nested = [call(name, standalone=True) for name in names]
    started = PipelineStarted(1.0, call(ROOT))
    pipeline.record(started, expanded(ROOT, nested, list_of(*names), at=2.0))
    pipeline.close()
    close_kept()
    execute(url, LOST)


@pytest.fixture
def lost(url: str) -> str:
    begin(url)
    return url


def count(url: str, table: str) -> int:
    with closing(connect(url)) as connection:
        return int(connection.execute(f"SELECT COUNT(*) FROM {table}").fetchone()[0])


@pytest.mark.parametrize("left", [0, 40_000])
def test_a_pipeline_run_is_deleted_in_the_space_of_the_ballast(
    lost: str, ballast: Ballast, small_disk: SmallDisk, left: int
) -> None:
    """SQLite's index of its log takes 32 KB: without that nothing can even be read."""
    execute(lost, "UPDATE pipeline_runs SET status = 'FAILED'")
    small_disk.fill(but=left)
    delete_pipeline_run(lost, ROOT)
    assert not ballast.path.exists()
    assert count(lost, "pipeline_runs") == count(lost, "runs") == 0


def test_the_ballast_stays_where_there_is_room(lost: str, ballast: Ballast) -> None:
    execute(lost, "UPDATE pipeline_runs SET status = 'FAILED'")
    delete_pipeline_run(lost, ROOT)
    assert ballast.path.exists()


def test_what_it_says_where_the_ballast_is_gone(
    lost: str, ballast: Ballast, small_disk: SmallDisk
) -> None:
    execute(lost, "UPDATE pipeline_runs SET status = 'FAILED'")
    ballast.free()
    small_disk.fill()
    with pytest.raises(RecordFullError) as caught:
        delete_pipeline_run(lost, ROOT)
    assert str(caught.value) == (
        f"No space is left for the record at {ballast.record}. Free some on that disk, and do this "
        "again."
    )
    small_disk.make_room()
    delete_pipeline_run(lost, ROOT)
    assert count(lost, "runs") == 0


def test_what_it_says_where_the_ballast_is_not_enough(
    lost: str, ballast: Ballast, small_disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody else takes all of it at once."""
    execute(lost, "UPDATE pipeline_runs SET status = 'FAILED'")
    small_disk.fill()
    free = Ballast.free

    def free_and_fill(freed: Ballast) -> bool:
        had = free(freed)
        small_disk.fill()
        return had

    monkeypatch.setattr(Ballast, "free", free_and_fill)
    with pytest.raises(RecordFullError) as caught:
        delete_pipeline_run(lost, ROOT)
    assert str(caught.value) == (
        f"No space is left for the record at {ballast.record}, not even in its reserve of 8 MiB, "
        "which was freed. Free some on that disk, and do this again."
    )
    small_disk.make_room()
    assert count(lost, "runs") == 3


@pytest.mark.parametrize("left", [0, 40_000, 75_000, 120_000])
@pytest.mark.parametrize("calls", [2, 3_000])
@pytest.mark.parametrize("how", ["cancel", "clean"])
def test_what_is_lost_is_ended_in_the_space_of_the_ballast(
    url: str, small_disk: SmallDisk, *, left: int, calls: int, how: str
) -> None:
    """Whichever write it is that finds the disk full, and however large."""
    begin(url, calls=calls)
    row = open_queries(url).pipeline_run(ROOT)
    small_disk.fill(but=left)
    if how == "cancel":
        found = cancel_pipeline_run(url, ROOT, reason="Enough.")
    else:
        found = settle_lost(url, row)
    assert found.status is PipelineRunStatus[{"cancel": "CANCELED", "clean": "FAILED"}[how]]
    assert {run.state for run in open_queries(url).runs(ROOT)} <= TERMINAL_STATES


@pytest.mark.parametrize("left", [0, 100_000])
def test_ending_does_not_wait_for_space(
    url: str, ballast: Ballast, small_disk: SmallDisk, left: int
) -> None:
    begin(url, calls=3_000)
    row = open_queries(url).pipeline_run(ROOT)
    ballast.free()
    small_disk.fill(but=left)
    with pytest.raises(RecordFullError, match=r"record\.db\. Free some on that disk, and do this"):
        settle_lost(url, row)
    small_disk.make_room()
    execute(url, LOST)  # the command that had begun to end it is over
    found = settle_lost(url, open_queries(url).pipeline_run(ROOT))
    assert found.status is PipelineRunStatus.FAILED
