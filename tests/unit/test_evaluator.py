"""What the state machine asks for, found out beside the engine."""

import queue
import threading
import time
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sematic.artifacts.store import FileSystemStore
from sematic.calls import ArtifactRef
from sematic.errors import ArtifactError, CorruptArtifactError, ForeignCodeError, RecordError
from sematic.evaluator import Evaluator
from sematic.events import LookedUp, LookUpOutput, OutputsLookedUp
from sematic.ports import ArtifactStore
from sematic.testing import MemoryStore, MemoryTracker
from tests.builders import artifact, call

Outputs = dict[str, list[tuple[str, ArtifactRef]]]


class Cache(MemoryTracker):
    """A tracker that knows outputs."""

    def __init__(self, *outputs: tuple[str, ArtifactRef]) -> None:
        super().__init__()
        self.outputs = list(outputs)
        self.asked: list[list[str]] = []

    def find_outputs(self, cache_keys: Collection[str]) -> Outputs:
        self.asked.append(list(cache_keys))
        return dict.fromkeys(cache_keys, self.outputs)


@dataclass
class Pair:
    x: int
    y: int


class Asked:
    """An evaluator, what it answers and what it warns of."""

    def __init__(self, tracker: MemoryTracker, store: ArtifactStore) -> None:
        self.answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.warnings: list[str] = []
        self.evaluator = Evaluator(
            store, tracker, clock=time.time, report=self.answers.put, warn=self.warnings.append
        )

    def look_up(self, *, of_few: bool = False) -> LookedUp:
        answers = self.evaluator.answer(LookUpOutput(call("a"), "key"), of_few=of_few)
        self.were_at_once = bool(answers)
        answer = answers[0] if answers else self.answers.get(timeout=60)
        self.evaluator.close()
        assert isinstance(answer, OutputsLookedUp)
        (found,) = answer.answers
        return found


def test_an_output_that_is_missing_does_not_hide_one_that_is_there() -> None:
    store = MemoryStore()
    kept = store.put(1, int)
    asked = Asked(Cache(("old", artifact(1)), ("new", kept)), store)
    answer = asked.look_up()
    assert (answer.original_run_id, answer.output) == ("new", kept)
    assert asked.warnings == []


def test_where_every_output_is_missing_it_is_computed_again_and_told() -> None:
    asked = Asked(Cache(("old", artifact(1)), ("new", artifact(2))), MemoryStore())
    answer = asked.look_up()
    assert (answer.original_run_id, answer.output) == (None, None)
    (warning,) = asked.warnings
    assert "of run new is not in the store any more" in warning


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (CorruptArtifactError("its bytes are wrong"), "damaged (its bytes are wrong)"),
        (ForeignCodeError("3.11"), "for another version of Python (3.11)"),
    ],
)
def test_an_output_that_cannot_be_read_is_computed_again_and_told(
    error: ArtifactError, told: str
) -> None:
    class Damaged(MemoryStore):
        def check(self, ref: ArtifactRef) -> None:
            raise error

    asked = Asked(Cache(("old", artifact(1))), Damaged())
    answer = asked.look_up()
    assert (answer.original_run_id, answer.output) == (None, None)
    (warning,) = asked.warnings
    assert f"of run old is {told}; it is computed again." in warning


class Unreadable(MemoryStore):
    """Values that the classes of now cannot read, but for those of which ``kept`` has the ids."""

    def __init__(self, *kept: str, raises: Exception) -> None:
        super().__init__()
        self._readable, self._raises = kept, raises

    def check(self, ref: ArtifactRef) -> None:
        pass

    def get(self, ref: ArtifactRef) -> Any:
        if ref.id not in self._readable:
            raise self._raises


def of_class(id_: str) -> ArtifactRef:
    return replace(artifact(id_), payload='{"$":"dataclass","class":"flow:A","fields":{}}')


@pytest.mark.parametrize("raises", [ArtifactError("flow:A has a field 'y'"), ValueError("of mine")])
def test_an_output_that_the_classes_of_now_cannot_read_is_computed_again_and_told(
    raises: Exception,
) -> None:
    asked = Asked(Cache(("old", of_class("1"))), Unreadable(raises=raises))
    answer = asked.look_up()
    assert (answer.original_run_id, answer.output) == (None, None)
    (warning,) = asked.warnings
    assert warning.startswith("The cached output of run old is computed again: ")
    assert str(raises) in warning


def test_an_output_that_cannot_be_read_does_not_hide_one_that_can() -> None:
    store = Unreadable(of_class("2").id, raises=ArtifactError("no"))
    asked = Asked(Cache(("old", of_class("1")), ("new", of_class("2"))), store)
    assert asked.look_up().original_run_id == "new"
    assert asked.warnings == []


def test_what_is_large_is_not_read_before_it_is_served() -> None:
    large = replace(of_class("1"), size=2 * 1024 * 1024)
    asked = Asked(Cache(("old", large)), Unreadable(raises=ArtifactError("no")))
    assert asked.look_up().original_run_id == "old"


class Endless:
    """Takes for ever where it is read."""

    read = threading.Event()

    def __setstate__(self, state: object) -> None:
        self.read.set()
        while True:
            time.sleep(0.01)


def test_reading_a_cached_output_is_broken_off_when_the_pipeline_run_ends(tmp_path: Path) -> None:
    value, store = Endless(), FileSystemStore(tmp_path)
    value.__dict__["x"] = 1  # else there is no state
    asked = Asked(Cache(("old", store.put(value, object))), store)
    asked.evaluator.answer(LookUpOutput(call("a"), "key"))
    assert Endless.read.wait(10)
    asked.evaluator.close()
    assert asked.answers.empty()
    assert asked.warnings == []


def test_a_store_that_does_not_answer_gives_no_output() -> None:
    class Silent(MemoryStore):
        def check(self, ref: ArtifactRef) -> None:
            raise ArtifactError("no answer")

    asked = Asked(Cache(("old", artifact(1))), Silent())
    answer = asked.look_up()
    assert (answer.original_run_id, answer.output) == (None, None)
    assert asked.warnings == ["The cache could not be asked, so it is not used: no answer"]


def test_a_record_that_does_not_answer_gives_no_output() -> None:
    class Broken(Cache):
        def find_outputs(self, cache_keys: Collection[str]) -> Outputs:
            raise RecordError("no answer")

    asked = Asked(Broken(), MemoryStore())
    assert asked.look_up().output is None
    assert asked.warnings == ["The cache could not be asked, so it is not used: no answer"]


@pytest.mark.parametrize("of_few", [True, False])
def test_where_few_are_asked_for_the_answer_is_there_at_once(of_few: bool, tmp_path: Path) -> None:
    store = FileSystemStore(tmp_path.as_uri())
    kept = store.put(1, int)
    asked = Asked(Cache(("old", kept)), store)
    answer = asked.look_up(of_few=of_few)
    assert (answer.original_run_id, answer.output) == ("old", kept)
    assert asked.were_at_once == of_few


def test_nobody_waits_for_a_record_elsewhere() -> None:
    class Elsewhere(Cache):
        is_quick = False

    asked = Asked(Elsewhere(), MemoryStore())
    assert asked.look_up(of_few=True).output is None
    assert not asked.were_at_once


def test_nobody_waits_for_what_needs_code(tmp_path: Path) -> None:
    store = FileSystemStore(tmp_path.as_uri())
    kept = store.put(Pair(1, 2), Pair)
    asked = Asked(Cache(("old", kept)), store)
    assert asked.look_up(of_few=True).output == kept
    assert not asked.were_at_once


def test_a_record_that_few_ask_and_that_does_not_answer_gives_no_output() -> None:
    class Broken(Cache):
        def find_outputs(self, cache_keys: Collection[str]) -> Outputs:
            raise RecordError("no answer")

    asked = Asked(Broken(), MemoryStore())
    assert asked.look_up(of_few=True).output is None
    assert asked.warnings == ["The cache could not be asked, so it is not used: no answer"]


def test_many_are_looked_up_at_once_and_each_is_answered() -> None:
    gate = threading.Event()

    class Slow(Cache):
        def find_outputs(self, cache_keys: Collection[str]) -> Outputs:
            assert gate.wait(60)
            return super().find_outputs(cache_keys)

    store = MemoryStore()
    tracker = Slow(("old", store.put(1, int)))
    asked = Asked(tracker, store)
    for number in range(1_200):
        asked.evaluator.answer(LookUpOutput(call(f"a{number}"), f"key {number}"))
    gate.set()
    answers: list[LookedUp] = []
    while len(answers) < 1_200:
        answers += asked.answers.get(timeout=60).answers
    assert len(answers) == 1_200
    asked.evaluator.answer(LookUpOutput(call("later"), "later"))
    assert [answer.run_id for answer in asked.answers.get(timeout=60).answers] == ["later"]
    asked.evaluator.close()
    assert {answer.run_id for answer in answers} == {f"a{number}" for number in range(1_200)}
    assert {answer.original_run_id for answer in answers} == {"old"}
    assert len(tracker.asked) <= 7
