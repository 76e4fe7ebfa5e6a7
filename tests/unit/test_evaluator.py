"""What the state machine asks for, found out beside the engine."""

import queue
import time
from typing import Any

from sematic.calls import ArtifactRef
from sematic.errors import ArtifactError, CorruptArtifactError, RecordError
from sematic.evaluator import Evaluator
from sematic.events import LookUpOutput, OutputLookedUp
from sematic.testing import MemoryStore, MemoryTracker
from tests.builders import artifact, call


class Cache(MemoryTracker):
    """A tracker that knows outputs."""

    def __init__(self, *outputs: tuple[str, ArtifactRef]) -> None:
        super().__init__()
        self.outputs = list(outputs)

    def find_outputs(self, cache_key: str) -> list[tuple[str, ArtifactRef]]:
        return self.outputs


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
        def find_outputs(self, cache_key: str) -> list[tuple[str, ArtifactRef]]:
            raise RecordError("no answer")

    asked = Asked(Broken(), MemoryStore())
    assert asked.look_up().output is None
    assert asked.warnings == ["The cache could not be asked, so it is not used: no answer"]
