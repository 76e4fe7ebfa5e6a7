"""What every Lease promises, see :class:`sematic.ports.Lease`."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sematic.errors import FencedError, RecordError, RecordUnavailableError
from sematic.events import CancelRequested, TimePassed
from sematic.ports import Batch
from sematic.tracking.connections import connect
from sematic.tracking.lease import SqlLease
from sematic.tracking.queries import open_queries
from sematic.tracking.sql_tracker import SqlTracker
from tests.builders import ROOT, info
from tests.postgres import PostgresServer
from tests.recorded import execute


class Record:
    """A pipeline run that somebody drives."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.tracker = SqlTracker(url, lease_seconds=12.5)
        self.epoch = self.tracker.begin(info())
        self.lease = self.tracker.open_lease(ROOT, self.epoch)

    def row(self) -> tuple[Any, ...]:
        """Epoch, heartbeat and lease of the pipeline run."""
        connection = connect(self.url)
        try:
            query = "SELECT epoch, heartbeat_at, lease_seconds FROM pipeline_runs"
            return tuple(connection.execute(query).fetchone())
        finally:
            connection.close()

    def wish(self, reason: str) -> None:
        """Want it cancelled."""
        writer = self.tracker.build_writer()
        writer.request_cancel(ROOT, reason)
        writer.close()

    def close(self) -> None:
        self.lease.close()
        self.tracker.close()


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def record(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Record]:
    if request.param == "sqlite":
        made = Record(f"sqlite:///{tmp_path}/record.db")
    else:
        made = Record(request.getfixturevalue("postgres_url"))
    yield made
    made.close()


def test_it_lasts_as_long_as_was_said(record: Record) -> None:
    assert record.lease.seconds == 12.5
    assert record.row()[2] == 12.5


def test_it_begins_with_the_driver(record: Record) -> None:
    assert record.row()[1] == pytest.approx(time.time(), abs=60)


def test_renewing_shows_a_sign_of_life(record: Record) -> None:
    execute(record.url, "UPDATE pipeline_runs SET heartbeat_at = 5")
    record.lease.renew()
    first = record.row()[1]
    assert first == pytest.approx(time.time(), abs=60)
    time.sleep(0.02)
    record.lease.renew()
    assert 0.01 < record.row()[1] - first < 60


def test_the_clock_is_the_databases(record: Record, monkeypatch: pytest.MonkeyPatch) -> None:
    """Machines whose clocks differ would take each other for dead."""
    monkeypatch.setattr(time, "time", lambda: 7.0)
    record.lease.renew()
    assert record.row()[1] > 1_000_000


def test_who_was_taken_over_is_fenced(record: Record) -> None:
    other = SqlTracker(record.url, lease_seconds=3)
    epoch = other.begin(info(), after_epoch=record.epoch)
    before = record.row()
    with pytest.raises(FencedError, match="taken over by another driver"):
        record.lease.renew()
    assert record.row() == before
    lease = other.open_lease(ROOT, epoch)
    lease.renew()
    assert record.row()[2] == 3.0
    lease.close()
    other.close()


def test_who_ends_it_is_taken_over_at_once(record: Record) -> None:
    record.lease.end()
    assert open_queries(record.url).pipeline_run(ROOT).lost_because == (
        f"process {os.getpid()} on {socket.gethostname()}, which was to drive it, has given that up"
    )
    assert take_over(record, seen=record.row()[1]) == record.epoch + 1
    assert open_queries(record.url).pipeline_run(ROOT).lost_because is None
    record.lease.end()  # that of somebody else lasts
    assert record.row()[2] == 3.0


def take_over(record: Record, *, seen: float | None) -> int:
    """The next epoch, for somebody who has seen a sign of life of the driver before."""
    other = SqlTracker(record.url, lease_seconds=3, heartbeat_at=seen)
    try:
        return other.begin(info(), after_epoch=record.epoch)
    finally:
        other.close()


def test_who_shows_no_other_sign_of_life_is_taken_over(record: Record) -> None:
    record.lease.renew()
    assert take_over(record, seen=record.row()[1]) == record.epoch + 1


def test_a_driver_that_never_showed_one_is_taken_over(record: Record) -> None:
    """As those of older versions."""
    execute(record.url, "UPDATE pipeline_runs SET heartbeat_at = NULL")
    assert take_over(record, seen=0.0) == record.epoch + 1


@pytest.mark.parametrize("how", ["renewed", "recorded", "for the first time"])
def test_who_shows_a_sign_of_life_is_not_taken_over(record: Record, how: str) -> None:
    """Somebody saw it silent, and then waited for the same lock."""
    seen = record.row()[1]
    if how == "for the first time":
        seen = 0.0
    time.sleep(0.02)
    if how == "recorded":
        record.tracker.record(Batch(ROOT, record.epoch, 0, (TimePassed(5.0),), ()))
    else:
        record.lease.renew()
    before = record.row()
    with pytest.raises(FencedError, match="shows signs of life again"):
        take_over(record, seen=seen)
    assert record.row() == before
    record.lease.renew()


@pytest.mark.parametrize("status", ["COMPLETE", "FAILED", "CANCELED"])
@pytest.mark.parametrize("looked", [True, False])
def test_what_has_ended_is_not_taken_over(record: Record, status: str, looked: bool) -> None:
    execute(record.url, f"UPDATE pipeline_runs SET status = '{status}'")
    before = record.row()
    with pytest.raises(FencedError, match=f"has ended meanwhile: {status}"):
        take_over(record, seen=before[1] if looked else None)
    assert record.row() == before


def test_a_sign_of_life_is_by_the_drivers_clock_too(record: Record) -> None:
    """From when it has recorded something: before, that of the driver before it is what counts."""

    def drivers_time() -> float:
        return float(ask(record.url, "SELECT updated_at FROM pipeline_runs"))

    clock = iter([7.0, 9.0])
    lease = SqlLease(record.url, ROOT, epoch=record.epoch, seconds=3.0, clock=lambda: next(clock))
    began = drivers_time()
    lease.renew()
    assert drivers_time() == began
    record.tracker.record(Batch(ROOT, record.epoch, 0, (TimePassed(5.0), TimePassed(6.0)), ()))
    assert drivers_time() == 6.0
    lease.renew()
    assert drivers_time() == 9.0
    lease.close()
    take_over(record, seen=record.row()[1])
    assert drivers_time() == 9.0


def ask(url: str, query: str) -> Any:
    """The one value that a query selects."""
    connection = connect(url)
    try:
        return connection.execute(query).fetchone()[0]
    finally:
        connection.close()


def test_there_is_no_wish_at_first(record: Record) -> None:
    assert record.lease.read_wish() is None


def go_on(record: Record) -> list[str]:
    """Take over to go on; which wishes were void."""
    void: list[str] = []
    other = SqlTracker(record.url, on_void=void.append)
    other.begin(info(), after_epoch=record.epoch)
    other.close()
    return void


def test_a_wish_that_no_driver_has_heard_is_void_for_who_goes_on(record: Record) -> None:
    """Somebody wants it to go on now; and it would be heard soon, or too late, by chance."""
    record.wish("Enough.")
    assert go_on(record) == ["Enough."]
    assert record.lease.read_wish() is None
    record.wish("Enough, again.")
    assert record.lease.read_wish() == "Enough, again."


def test_a_wish_that_a_driver_has_heard_is_not_void(record: Record) -> None:
    """It is recorded, and what goes on is the end."""
    record.wish("Enough.")
    heard = CancelRequested(5.0, "Enough.")
    record.tracker.record(Batch(ROOT, record.epoch, 0, (heard,), ()))
    assert go_on(record) == []
    assert record.lease.read_wish() == "Enough."


def test_without_a_wish_none_is_void(record: Record) -> None:
    assert go_on(record) == []


def test_who_ends_it_leaves_the_wish(record: Record) -> None:
    record.wish("Enough.")
    take_over(record, seen=None)
    assert record.lease.read_wish() == "Enough."


def test_the_first_wish_is_heard(record: Record) -> None:
    record.wish("Enough.")
    record.wish("Enough, I said.")
    assert record.lease.read_wish() == "Enough."
    assert record.lease.read_wish() == "Enough."


def test_a_record_that_is_gone_is_an_error(record: Record) -> None:
    execute(record.url, "ALTER TABLE pipeline_runs RENAME TO elsewhere")
    for ask in (record.lease.renew, record.lease.read_wish):
        with pytest.raises(RecordError) as caught:
            ask()
        assert not isinstance(caught.value, FencedError)
    execute(record.url, "ALTER TABLE elsewhere RENAME TO pipeline_runs")
    record.lease.renew()


def test_close_may_come_early_and_twice(record: Record) -> None:
    record.lease.renew()
    record.lease.close()
    record.lease.close()


def test_a_lease_does_not_hold_up_those_who_write(record: Record) -> None:
    record.wish("Enough.")
    record.lease.read_wish()
    execute(record.url, "UPDATE pipeline_runs SET name = 'another'")


def test_a_busy_record_is_told_soon(tmp_path: Path) -> None:
    """The one who renews would else be blocked until its lease has run out."""
    url = f"sqlite:///{tmp_path}/record.db"
    tracker = SqlTracker(url)
    lease = SqlLease(url, ROOT, epoch=tracker.begin(info()), seconds=30.0)
    lease.renew()
    with sqlite3.connect(tmp_path / "record.db", isolation_level=None) as busy:
        busy.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        with pytest.raises(RecordError):
            lease.renew()
        assert time.monotonic() - began < 9  # others wait for ten
        assert lease.read_wish() is None  # readers are not held up at all
        busy.execute("ROLLBACK")
    lease.renew()
    lease.close()
    tracker.close()


@pytest.mark.postgres
def test_a_server_that_comes_back_is_used_again(postgres_server: PostgresServer) -> None:
    record = Record(postgres_server.create_database())
    record.lease.renew()
    postgres_server.stop()
    try:
        for ask in (record.lease.renew, record.lease.read_wish):
            with pytest.raises(RecordUnavailableError):
                ask()
    finally:
        postgres_server.start()
    record.lease.renew()
    record.close()


@pytest.mark.slow
def test_a_driver_that_was_stopped_learns_that_it_was_replaced(tmp_path: Path) -> None:
    """SIGSTOP, then somebody takes over, then SIGCONT: a real process."""
    url = f"sqlite:///{tmp_path}/record.db"
    program = f"""if True:
        import sys
        from sematic.errors import FencedError
        from sematic.tracking.sql_tracker import SqlTracker
        from tests.builders import ROOT, info

        tracker = SqlTracker({url!r}, lease_seconds=1.0)
        lease = tracker.open_lease(ROOT, tracker.begin(info()))
        lease.renew()
        print("renewed", flush=True)
        sys.stdin.readline()
        try:
            lease.renew()
        except FencedError:
            print("fenced", flush=True)
    """
    driver = subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert driver.stdout is not None
        assert driver.stdout.readline() == "renewed\n"
        driver.send_signal(signal.SIGSTOP)
        other = SqlTracker(url)
        other.begin(info(), after_epoch=1)
        other.close()
        driver.send_signal(signal.SIGCONT)
        assert driver.communicate("\n", timeout=60)[0] == "fenced\n"
    finally:
        driver.kill()
        driver.wait()
