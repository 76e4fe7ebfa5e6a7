"""Batches on their way to the tracker."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from sematic.errors import FencedError, RecordFullError
from sematic.events import CancelRequested, PipelineMoved
from sematic.ports import Batch
from sematic.recording import Recording
from sematic.states import PipelineRunStatus
from tests.builders import ROOT

WAIT = 60.0


class SlowTracker:
    """Records a batch when the test lets it."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.entered = threading.Semaphore(0)
        self.allowed = threading.Semaphore(0)
        self.error: BaseException | None = None

    def record(self, batch: Batch) -> None:
        self.entered.release()
        assert self.allowed.acquire(timeout=WAIT)
        if self.error is not None:
            raise self.error
        self.batches.append(batch)

    def allow_everything(self) -> None:
        for _ in range(1000):
            self.allowed.release()

    @property
    def reasons(self) -> list[str]:
        return [event.reason for batch in self.batches for event in batch.events]  # type: ignore[union-attr]


@pytest.fixture
def tracker() -> SlowTracker:
    return SlowTracker()


@pytest.fixture
def errors() -> list[BaseException]:
    return []


@pytest.fixture
def recording(tracker, errors) -> Iterator[Recording]:
    made = Recording(tracker, ROOT, epoch=3, on_error=errors.append)
    yield made
    tracker.allow_everything()
    made.close()


def event(number: int) -> CancelRequested:
    return CancelRequested(float(number), str(number))


def change(number: int) -> PipelineMoved:
    return PipelineMoved(float(number), ROOT, PipelineRunStatus.RUNNING)


def in_thread(function: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=function)
    thread.start()
    return thread


def test_events_are_recorded_in_order_with_their_changes(recording, tracker) -> None:
    tracker.allow_everything()
    for i in range(100):
        recording.append(event(i), [change(i), change(i)])
    recording.flush()
    assert tracker.reasons == [str(i) for i in range(100)]
    changes = [made for batch in tracker.batches for made in batch.changes]
    assert changes == [change(i) for i in range(100) for _ in range(2)]


def test_batches_follow_one_another_without_a_gap(recording, tracker) -> None:
    tracker.allow_everything()
    for i in range(5):
        recording.append(event(i), [])
        recording.flush()
    assert [batch.first_seq for batch in tracker.batches] == [0, 1, 2, 3, 4]
    assert {(batch.root_id, batch.epoch) for batch in tracker.batches} == {(ROOT, 3)}


def test_one_batch_is_in_flight_while_the_next_gathers(recording, tracker) -> None:
    recording.append(event(0), [])
    assert tracker.entered.acquire(timeout=WAIT)
    for i in range(1, 50):
        recording.append(event(i), [])  # does not wait for the tracker
    assert tracker.batches == []
    tracker.allow_everything()
    recording.flush()
    assert [len(batch.events) for batch in tracker.batches] == [1, 49]


def test_flush_waits_for_the_batch_in_flight_and_for_the_next_one(recording, tracker) -> None:
    recording.append(event(0), [])
    assert tracker.entered.acquire(timeout=WAIT)
    recording.append(event(1), [])
    flushed = in_thread(recording.flush)
    tracker.allowed.release()
    assert tracker.entered.acquire(timeout=WAIT)
    assert flushed.is_alive()
    tracker.allowed.release()
    flushed.join(WAIT)
    assert not flushed.is_alive()
    assert tracker.reasons == ["0", "1"]


def test_what_comes_of_many_changes_is_waited_for_but_not_by_who_flushes(
    recording, tracker, monkeypatch
) -> None:
    monkeypatch.setattr("sematic.recording._MOST_LINGER_SECONDS", WAIT)
    moved = PipelineMoved(1.0, ROOT, PipelineRunStatus.RUNNING)
    recording.append(CancelRequested(1.0, "many"), [moved] * 100_000)
    assert not tracker.entered.acquire(timeout=0.2)
    recording.append(CancelRequested(2.0, "soon"), [])
    tracker.allow_everything()
    began = time.monotonic()
    recording.flush()
    assert [len(batch.events) for batch in tracker.batches] == [2]
    assert time.monotonic() - began < WAIT / 4


def test_flush_without_events_returns(recording, tracker) -> None:
    recording.flush()
    recording.flush()
    assert tracker.batches == []


def test_the_engine_waits_where_too_much_waits(recording, tracker, monkeypatch) -> None:
    monkeypatch.setattr("sematic.recording._MOST_WAITING", 10)
    recording.append(event(0), [])
    assert tracker.entered.acquire(timeout=WAIT)
    appending = in_thread(lambda: [recording.append(event(i), []) for i in range(1, 50)])
    appending.join(0.05)
    assert appending.is_alive()
    tracker.allow_everything()
    appending.join(WAIT)
    recording.flush()
    assert tracker.reasons == [str(i) for i in range(50)]


def test_an_error_is_told_once_and_ends_recording(recording, tracker, errors) -> None:
    tracker.error = FencedError("taken over")
    tracker.allow_everything()
    recording.append(event(0), [])
    with pytest.raises(FencedError):
        recording.flush()
    recording.append(event(1), [])
    with pytest.raises(FencedError):
        recording.flush()
    assert errors == [tracker.error]
    assert tracker.batches == []


def test_nothing_is_recorded_behind_a_gap(recording, tracker, errors) -> None:
    tracker.error = OSError("disk full")
    tracker.allow_everything()
    recording.append(event(0), [])
    with pytest.raises(OSError, match="disk full"):
        recording.flush()
    tracker.error = None
    recording.append(event(1), [])
    recording.close()
    assert tracker.batches == []
    assert len(errors) == 1


def test_close_records_what_waits_and_may_come_twice(recording, tracker) -> None:
    recording.append(event(0), [])
    assert tracker.entered.acquire(timeout=WAIT)
    for i in range(1, 20):
        recording.append(event(i), [])
    tracker.allow_everything()
    recording.close()
    recording.close()
    assert tracker.reasons == [str(i) for i in range(20)]


def test_no_thread_is_left(tracker) -> None:
    before = set(threading.enumerate())
    recording = Recording(tracker, ROOT, epoch=1, on_error=lambda error: None)
    assert [thread.name for thread in set(threading.enumerate()) - before] == ["sematic-recording"]
    recording.close()
    assert set(threading.enumerate()) <= before


def test_a_full_disk_is_told_and_what_follows_is_recorded(recording, tracker, errors) -> None:
    class FullOnce(list[Batch]):
        def append(self, batch: Batch) -> None:
            super().append(batch)
            if len(self) == 1:
                raise RecordFullError("No space left.")

    tracker.batches = FullOnce()
    tracker.allow_everything()
    recording.append(event(0), [])
    recording.flush()
    recording.append(event(1), [])
    recording.flush()
    assert [str(error) for error in errors] == ["No space left."]
    assert [batch.first_seq for batch in tracker.batches] == [0, 1]
    assert not recording.is_broken
