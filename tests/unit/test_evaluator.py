"""What the state machine asks for, found out beside the engine."""

import queue
import threading
import time
from collections.abc import Collection
from typing import Any

from sematic.calls import ArtifactRef
from sematic.errors import ArtifactError, CorruptArtifactError, RecordError
from sematic.evaluator import Evaluator
from sematic.events import LookUpOutput, OutputLookedUp
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


class Asked:
    """An evaluator, what it answers and what it warns of."""

    def __init__(self, tracker: MemoryTracker, store: MemoryStore) -> None:
        self.answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self.warnings: list[str] = []
        self.evaluator = Evaluator(
            store, tracker, clock=time.time, report=self.answers.put, warn=self.warnings.append
        )

    def look_up(self) -> OutputLookedUp:
        self.evaluator.answer(LookUpOutput(call("a"), "key"))
        answer = self.answers.get(timeout=10)
        self.evaluator.close()
        assert isinstance(answer, OutputLookedUp)
        return answer


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


def test_a_damaged_output_is_computed_again_and_told() -> None:
    class Damaged(MemoryStore):
        def check(self, ref: ArtifactRef) -> None:
            raise CorruptArtifactError("its bytes are wrong")

    asked = Asked(Cache(("old", artifact(1))), Damaged())
    answer = asked.look_up()
    assert (answer.original_run_id, answer.output) == (None, None)
    (warning,) = asked.warnings
    assert "of run old is damaged (its bytes are wrong); it is computed again." in warning


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


def test_many_are_looked_up_at_once_and_each_is_answered() -> None:
    gate = threading.Event()

    class Slow(Cache):
        def find_outputs(self, cache_keys: Collection[str]) -> Outputs:
            assert gate.wait(10)
            return super().find_outputs(cache_keys)

    store = MemoryStore()
    tracker = Slow(("old", store.put(1, int)))
    asked = Asked(tracker, store)
    for number in range(1_200):
        asked.evaluator.answer(LookUpOutput(call(f"a{number}"), f"key {number}"))
    gate.set()
    answers = [asked.answers.get(timeout=10) for _ in range(1_200)]
    asked.evaluator.answer(LookUpOutput(call("later"), "later"))
    assert asked.answers.get(timeout=10).run_id == "later"
    asked.evaluator.close()
    assert {answer.run_id for answer in answers} == {f"a{number}" for number in range(1_200)}
    assert {answer.original_run_id for answer in answers} == {"old"}
    assert len(tracker.asked) <= 5
