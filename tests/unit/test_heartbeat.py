"""Heartbeat: keeps a lease, hears of wishes, and notices that the machine has slept."""

import threading
import time
from collections.abc import Iterator

import pytest

from sematic import heartbeat as module
from sematic.errors import FencedError, RecordError
from sematic.heartbeat import Heartbeat, lease_clock
from tests.leases import FakeLease
from tests.waiting import wait_until

WAIT = 60.0


class Driver:
    """What a heartbeat tells.

    Attributes:
        wishes, errors: told so far.
        awake: set when it was told that the machine has slept.
    """

    def __init__(self) -> None:
        self.lease = FakeLease()
        self.wishes: list[str] = []
        self.errors: list[BaseException] = []
        self.awake = threading.Event()
        self.heartbeat = Heartbeat(self.lease, since=lease_clock())

    def listen(self) -> None:
        self.heartbeat.listen(self.wishes.append, self.errors.append, on_wake=self.awake.set)


@pytest.fixture
def driver() -> Iterator[Driver]:
    made = Driver()
    yield made
    made.heartbeat.close()


def test_the_lease_is_renewed_before_anybody_listens(driver: Driver) -> None:
    """A driver that has taken over may take its time to read what was recorded."""
    wait_until(lambda: driver.lease.renewed >= 5)


def test_a_wish_is_told_once_when_somebody_listens(driver: Driver) -> None:
    driver.lease.wish = "Enough."
    renewed = driver.lease.renewed
    wait_until(lambda: driver.lease.renewed > renewed + 2)
    assert driver.wishes == []
    driver.listen()
    wait_until(lambda: driver.wishes)
    renewed = driver.lease.renewed
    wait_until(lambda: driver.lease.renewed > renewed + 2)
    assert driver.wishes == ["Enough."]


def test_who_is_fenced_is_told_when_somebody_listens(driver: Driver) -> None:
    driver.lease.error = error = FencedError("taken over")
    time.sleep(driver.lease.seconds)
    assert driver.errors == []
    driver.listen()
    wait_until(lambda: driver.errors)
    assert driver.errors == [error]


def test_it_can_be_closed_though_nobody_ever_listened(driver: Driver) -> None:
    driver.lease.error = FencedError("taken over")
    time.sleep(driver.lease.seconds)
    driver.heartbeat.close()


def test_who_waits_for_a_moment_is_told_that_the_machine_has_slept(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver.listen()
    time.sleep(0.3)
    assert not driver.awake.is_set()
    sleep(monkeypatch)
    assert driver.awake.wait(WAIT)
    driver.awake.clear()
    time.sleep(0.3)
    assert not driver.awake.is_set(), "told twice"


def test_a_record_that_is_away_after_the_machine_has_slept_is_waited_for(
    driver: Driver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network is not there at once; and the ten minutes are not those of the sleep."""
    driver.lease.error = RecordError("out of reach")
    sleep(monkeypatch)
    threading.Timer(0.3, lambda: setattr(driver.lease, "error", None)).start()
    assert driver.heartbeat.confirm()


def sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the machine have slept for eight hours."""
    monkeypatch.setattr(module, "lease_clock", lambda: lease_clock() + 8 * 3600.0)


def test_a_driver_that_was_stopped_asks_whether_the_pipeline_run_is_still_its_own() -> None:
    lease = FakeLease()
    lease.error = FencedError("taken over")
    heartbeat = Heartbeat(lease, since=lease_clock() - 1_000)
    try:
        assert not heartbeat.is_ours()
        lease.error = None
        assert heartbeat.is_ours()
    finally:
        heartbeat.close()


def test_who_asks_beside_is_told_once_in_another_thread_when_it_is_certain() -> None:
    lease = FakeLease()
    lease.error = RecordError("locked")
    heartbeat = Heartbeat(lease, since=lease_clock() - 1_000)
    told: list[str] = []
    errors: list[BaseException] = []
    try:
        for _ in range(3):
            heartbeat.confirm_beside(
                lambda: told.append(threading.current_thread().name), errors.append
            )
        time.sleep(0.1)
        assert told == []
        lease.error = None
        wait_until(lambda: told)
        heartbeat.confirm_beside(lambda: told.append("again"), errors.append)
        wait_until(lambda: len(told) > 1)
    finally:
        heartbeat.close()
    assert (told, errors) == (["sematic-confirm", "again"], [])


def test_who_asks_beside_is_told_that_another_driver_has_taken_over() -> None:
    lease = FakeLease()
    lease.error = error = FencedError("taken over")
    heartbeat = Heartbeat(lease, since=lease_clock() - 1_000)
    errors: list[BaseException] = []
    try:
        heartbeat.confirm_beside(pytest.fail, errors.append)
        wait_until(lambda: errors)
    finally:
        heartbeat.close()
    assert errors == [error]


def test_nobody_waits_for_the_record_or_renews_after_the_end() -> None:
    lease = FakeLease()
    lease.error = RecordError("locked")
    heartbeat = Heartbeat(lease, since=lease_clock() - 1_000)
    answers: list[bool] = []
    waiting = threading.Thread(target=lambda: answers.append(heartbeat.confirm()))
    waiting.start()
    time.sleep(0.1)
    heartbeat.close()
    waiting.join(WAIT)
    renewed, lease.error = lease.renewed, None
    assert answers == [False]
    assert not heartbeat.is_ours()
    assert lease.renewed == renewed
