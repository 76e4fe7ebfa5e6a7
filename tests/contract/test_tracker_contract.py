"""What every Tracker promises, see :class:`sematic.ports.Tracker`.

``postgres`` needs the fixture ``postgres_url``: an empty database of the test's own.
"""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sematic.calls import ArtifactRef, Succeeded
from sematic.errors import FencedError, RecordError
from sematic.events import CancelRequested, PipelineMoved, RunCreated, RunMoved
from sematic.ports import Batch
from sematic.states import PipelineRunStatus, RunState
from sematic.testing import MemoryTracker
from sematic.tracking.connections import connect
from sematic.tracking.sql_tracker import SqlTracker
from tests.builders import ROOT, artifact, call, ended, info

Event = tuple[int, int, str]


class MemoryRecord:
    """A record in memory. All trackers are one: there is one process."""

    def __init__(self) -> None:
        self._tracker = MemoryTracker()

    def tracker(self) -> MemoryTracker:
        return self._tracker

    def events(self, root_id: str = ROOT) -> list[Event]:
        """Epoch, sequence number and reason of what is recorded."""
        return [
            (batch.epoch, seq, event.reason)  # type: ignore[union-attr]
            for batch in self._tracker.batches
            if batch.root_id == root_id
            for seq, event in enumerate(batch.events, batch.first_seq)
        ]

    def states(self) -> dict[str, str]:
        """Of every run."""
        states = {}
        for batch in self._tracker.batches:
            for change in batch.changes:
                if isinstance(change, RunCreated):
                    states[change.call.run_id] = "CREATED"
                elif isinstance(change, RunMoved):
                    states[change.run_id] = change.state.value
        return states

    def close(self) -> None:
        self._tracker.close()


class SqlRecord:
    """A record in a database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._trackers: list[SqlTracker] = []

    def tracker(self) -> SqlTracker:
        self._trackers.append(SqlTracker(self.url))
        return self._trackers[-1]

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        connection = connect(self.url)
        try:
            return list(map(tuple, connection.execute(query).fetchall()))
        finally:
            connection.close()

    def events(self, root_id: str = ROOT) -> list[Event]:
        rows = self.rows(
            "SELECT epoch, seq, payload FROM events "
            f"WHERE root_id = '{root_id}' ORDER BY epoch, seq"
        )
        return [(epoch, seq, payload.split('"')[3]) for epoch, seq, payload in rows]

    def states(self) -> dict[str, str]:
        return dict(self.rows("SELECT id, state FROM runs"))  # type: ignore[arg-type]

    def close(self) -> None:
        for tracker in self._trackers:
            tracker.close()


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def record(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    if request.param == "memory":
        made: Any = MemoryRecord()
    elif request.param == "sqlite":
        made = SqlRecord(f"sqlite:///{tmp_path}/record.db")
    else:
        made = SqlRecord(request.getfixturevalue("postgres_url"))
    yield made
    made.close()


@pytest.fixture
def tracker(record: Any) -> Any:
    return record.tracker()


def batch(
    epoch: int, first_seq: int, *words: str, changes: tuple[Any, ...] = (), root: str = ROOT
) -> Batch:
    """A batch with one event for each word."""
    events = tuple(CancelRequested(float(i), word) for i, word in enumerate(words))
    return Batch(root, epoch, first_seq, events, changes)


def shared(
    epoch: int,
    run_id: str,
    output: ArtifactRef,
    *,
    at: float = 1.0,
    seq: int = 0,
    original: str | None = None,
) -> Batch:
    """A run whose output is shared under the key "key"."""
    changes = (
        RunCreated(at, call(run_id, parent=None)),
        RunMoved(at, run_id, RunState.SCHEDULED, attempt=1, cache_key="key"),
        RunMoved(
            *(at, run_id, RunState.RESOLVED),
            attempt=1,
            cache_key="key",
            output=output,
            original_run_id=original,
        ),
    )
    return Batch(ROOT, epoch, seq, (ended(run_id, Succeeded(output), at=at),), changes)


# --- epochs


def test_the_first_driver_has_the_first_epoch(tracker) -> None:
    assert tracker.begin(info()) == 1


def test_who_takes_over_has_the_next_epoch(record) -> None:
    assert record.tracker().begin(info()) == 1
    assert [record.tracker().begin(info(), after_epoch=epoch) for epoch in (1, 2)] == [2, 3]


def test_pipeline_runs_have_epochs_of_their_own(record) -> None:
    begun = [("r1", 0), ("r2", 0), ("r1", 1)]
    epochs = [record.tracker().begin(info(root), after_epoch=epoch) for root, epoch in begun]
    assert epochs == [1, 1, 2]


@pytest.mark.parametrize("after_epoch", [0, 2, 7])
def test_only_the_newest_driver_can_be_taken_over_from(record, after_epoch: int) -> None:
    first = record.tracker()
    first.begin(info())
    with pytest.raises(FencedError, match="driven by somebody else"):
        record.tracker().begin(info(), after_epoch=after_epoch)
    first.record(batch(1, 0, "a"))
    assert record.events() == [(1, 0, "a")]


def test_what_was_never_begun_cannot_be_taken_over(record) -> None:
    with pytest.raises(FencedError):
        record.tracker().begin(info(), after_epoch=1)


@pytest.mark.parametrize("after_epoch", [0, 1])
def test_of_several_that_want_to_drive_one_is_first(record, after_epoch: int) -> None:
    if after_epoch:
        record.tracker().begin(info())
    trackers = [record.tracker() for _ in range(4)]
    outcomes: list[object] = []

    def take(tracker: Any) -> None:
        try:
            outcomes.append(tracker.begin(info(), after_epoch=after_epoch))
        except RecordError as error:
            outcomes.append(type(error))

    in_threads(*(lambda tracker=tracker: take(tracker) for tracker in trackers))
    assert sorted(outcomes, key=str) == [after_epoch + 1, *[FencedError] * 3]


def test_a_driver_that_was_replaced_is_fenced(record) -> None:
    old, new = record.tracker(), record.tracker()
    first = old.begin(info())
    old.record(batch(first, 0, "a"))
    second = new.begin(info(), after_epoch=first)
    with pytest.raises(FencedError):
        old.record(batch(first, 1, "b"))
    new.record(batch(second, 0, "c"))
    assert record.events() == [(1, 0, "a"), (2, 0, "c")]


def test_a_fenced_driver_cannot_repeat_itself_either(record) -> None:
    old, new = record.tracker(), record.tracker()
    first = old.begin(info())
    old.record(batch(first, 0, "a"))
    new.begin(info(), after_epoch=first)
    with pytest.raises(FencedError):
        old.record(batch(first, 0, "a"))
    assert record.events() == [(1, 0, "a")]


# --- batches


def test_batches_are_recorded_in_order(record, tracker) -> None:
    epoch = tracker.begin(info())
    tracker.record(batch(epoch, 0, "a", "b"))
    tracker.record(batch(epoch, 2, "c"))
    assert record.events() == [(1, 0, "a"), (1, 1, "b"), (1, 2, "c")]


def test_twice_is_as_good_as_once(record, tracker) -> None:
    epoch = tracker.begin(info())
    changes = (
        PipelineMoved(1.0, ROOT, PipelineRunStatus.RUNNING),
        RunCreated(1.0, call(ROOT, inputs={"x": artifact(1)})),
    )
    for _ in range(2):
        tracker.record(batch(epoch, 0, "a", "b", changes=changes))
    tracker.record(batch(epoch, 2, "c"))
    for _ in range(2):
        tracker.record(batch(epoch, 0, "a", "b", changes=changes))
    assert record.events() == [(1, 0, "a"), (1, 1, "b"), (1, 2, "c")]
    assert record.states() == {ROOT: "CREATED"}


@pytest.mark.parametrize("first_seq", [1, 7])
def test_gaps_are_refused(record, tracker, first_seq) -> None:
    epoch = tracker.begin(info())
    with pytest.raises(RecordError, match="comes next"):
        tracker.record(batch(epoch, first_seq, "a"))
    assert record.events() == []
    tracker.record(batch(epoch, 0, "a"))


def test_batches_that_overlap_are_refused(record, tracker) -> None:
    """Half of it is recorded: neither to repeat nor to drop it would be right."""
    epoch = tracker.begin(info())
    tracker.record(batch(epoch, 0, "a", "b"))
    with pytest.raises(RecordError, match="comes next"):
        tracker.record(batch(epoch, 1, "b", "c"))
    assert record.events() == [(1, 0, "a"), (1, 1, "b")]


def test_a_pipeline_run_that_was_not_begun_is_refused(tracker) -> None:
    tracker.begin(info("other"))
    with pytest.raises(RecordError) as caught:
        tracker.record(batch(1, 0, "a"))
    assert not isinstance(caught.value, FencedError)


def test_an_empty_batch_is_nothing(record, tracker) -> None:
    epoch = tracker.begin(info())
    tracker.record(batch(epoch, 0))
    tracker.record(batch(epoch, 0, "a"))
    assert record.events() == [(1, 0, "a")]


def test_runs_are_in_the_state_of_their_last_change(record, tracker) -> None:
    epoch = tracker.begin(info())
    changes = [
        RunCreated(1.0, call(ROOT)),
        RunMoved(1.0, ROOT, RunState.SCHEDULED, attempt=1, inputs={}),
        RunMoved(2.0, ROOT, RunState.RESOLVED, attempt=1, output=artifact(1)),
    ]
    for seq, change in enumerate(changes):
        tracker.record(batch(epoch, seq, "x", changes=(change,)))
        expected = ["CREATED", "SCHEDULED", "RESOLVED"][seq]
        assert record.states() == {ROOT: expected}


def test_pipeline_runs_are_kept_apart(record) -> None:
    first, second = record.tracker(), record.tracker()
    first.begin(info("r1"))
    second.begin(info("r2"))
    first.record(batch(1, 0, "a", root="r1"))
    second.record(batch(1, 0, "b", root="r2"))
    first.record(batch(1, 1, "c", root="r1"))
    assert record.events("r1") == [(1, 0, "a"), (1, 1, "c")]
    assert record.events("r2") == [(1, 0, "b")]


def test_several_drivers_may_write_at_once(record) -> None:
    errors: list[BaseException] = []

    def drive(root: str) -> None:
        try:
            tracker = record.tracker()
            epoch = tracker.begin(info(root))
            for seq in range(20):
                tracker.record(batch(epoch, seq, f"{root}-{seq}", root=root))
        except BaseException as error:
            errors.append(error)

    roots = [f"r{i}" for i in range(4)]
    in_threads(*(lambda root=root: drive(root) for root in roots))
    assert errors == []
    for root in roots:
        assert [seq for _, seq, _ in record.events(root)] == list(range(20))


def in_threads(*functions: Callable[[], object]) -> None:
    threads = [threading.Thread(target=function) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


# --- cached outputs


def test_an_output_is_found_by_its_key(tracker) -> None:
    epoch = tracker.begin(info())
    tracker.record(shared(epoch, "a", artifact(1)))
    assert tracker.find_outputs(["key"]) == {"key": [("a", artifact(1))]}
    assert tracker.find_outputs(["other"]) == {}
    assert tracker.find_outputs(["other", "key"]) == {"key": [("a", artifact(1))]}
    assert tracker.find_outputs([]) == {}


def test_nothing_is_found_in_an_empty_record(tracker) -> None:
    tracker.begin(info())
    assert tracker.find_outputs(["key"]) == {}


def test_outputs_are_found_from_the_oldest_on_each_once(tracker) -> None:
    epoch = tracker.begin(info())
    tracker.record(shared(epoch, "z", artifact(1), at=1.0))
    tracker.record(shared(epoch, "a", artifact(2), at=2.0, seq=1))
    tracker.record(shared(epoch, "b", artifact(2), at=3.0, seq=2, original="a"))
    assert tracker.find_outputs(["key"]) == {"key": [("z", artifact(1)), ("a", artifact(2))]}


def test_the_oldest_output_comes_first_where_microseconds_count(tracker) -> None:
    epoch, now = tracker.begin(info()), 1_764_000_000.0
    outputs = [artifact(1), artifact(2), artifact(3)]
    outputs.sort(key=lambda ref: ref.id, reverse=True)
    for seq, output in enumerate(outputs):
        tracker.record(shared(epoch, f"r{seq}", output, at=now + seq * 1e-6, seq=seq))
    assert [found for _, found in tracker.find_outputs(["key"])["key"]] == outputs


@pytest.mark.parametrize("original", [None, "elsewhere"])
@pytest.mark.parametrize("text", ['"\\\n\x1f\x7f\u2028é😀', "[1]", "1", "null", "", None])
def test_an_output_is_found_as_it_was_recorded(tracker, text, original) -> None:
    output = replace(artifact(1), payload=text, summary=text, size=2**62)
    epoch = tracker.begin(info())
    tracker.record(shared(epoch, "a", output, original=original))
    assert tracker.find_outputs(["key"]) == {"key": [(original or "a", output)]}


def test_of_the_runs_that_computed_one_output_the_first_is_named(tracker) -> None:
    epoch = tracker.begin(info())
    tracker.record(shared(epoch, "b", artifact(1), at=1.0))
    tracker.record(shared(epoch, "a", artifact(1), at=2.0, seq=1))
    assert tracker.find_outputs(["key"]) == {"key": [("b", artifact(1))]}


def test_the_run_that_computed_an_output_is_named(tracker) -> None:
    epoch = tracker.begin(info())
    tracker.record(shared(epoch, "b", artifact(1), original="first of all"))
    assert tracker.find_outputs(["key"]) == {"key": [("first of all", artifact(1))]}


def test_an_output_that_is_not_known_yet_is_not_found(tracker) -> None:
    epoch = tracker.begin(info())
    whole = shared(epoch, "a", artifact(1))
    tracker.record(replace(whole, changes=whole.changes[:2]))
    assert tracker.find_outputs(["key"]) == {}


def test_outputs_are_found_by_threads_beside_the_one_that_records(tracker) -> None:
    epoch = tracker.begin(info())
    tracker.record(shared(epoch, "a", artifact(1)))
    found: list[object] = []

    def look() -> None:
        for _ in range(20):
            found.append(tracker.find_outputs(["key"]))

    def write() -> None:
        for seq in range(1, 20):
            tracker.record(batch(epoch, seq, "x"))

    in_threads(look, look, write)
    assert found == [{"key": [("a", artifact(1))]}] * 40


# --- closing


def test_close_may_come_early_and_twice(record) -> None:
    tracker = record.tracker()
    tracker.begin(info())
    tracker.close()
    tracker.close()
    record.tracker().close()


# --- what only a database can show


def test_a_batch_that_failed_is_recorded_whole_the_second_time(tmp_path: Path) -> None:
    record = SqlRecord(f"sqlite:///{tmp_path}/record.db")
    tracker = record.tracker()
    epoch = tracker.begin(info())
    with sqlite3.connect(tmp_path / "record.db") as connection:
        connection.execute(
            "CREATE TRIGGER refuse BEFORE INSERT ON events "
            "BEGIN SELECT RAISE(ABORT, 'no space'); END"
        )
    changes = (RunCreated(1.0, call(ROOT, inputs={"x": artifact(1)})),)
    whole = batch(epoch, 0, "a", changes=changes)
    with pytest.raises(RecordError, match="no space"):
        tracker.record(whole)
    assert record.rows("SELECT COUNT(*) FROM artifacts") == [(0,)]
    assert record.states() == {}
    with sqlite3.connect(tmp_path / "record.db") as connection:
        connection.execute("DROP TRIGGER refuse")
    tracker.record(whole)
    assert record.rows("SELECT id FROM artifacts") == [(artifact(1).id,)]
    assert record.rows("SELECT COUNT(*) FROM functions") == [(1,)]
    assert record.rows("SELECT ordinal FROM runs") == [(0,)]
    assert record.events() == [(1, 0, "a")]
    record.close()
