"""What was recorded of a pipeline run comes back as events, with or without its code."""

import copy
import sys
import time
from collections.abc import Iterator

import pytest

import sematic
from sematic.calls import ErrorRecord, Expression, Failed, OutputOf, Select, Succeeded
from sematic.code_places import NO_PLACE
from sematic.errors import NotFoundError
from sematic.events import (
    CallLost,
    CancelRequested,
    DriverChanged,
    Event,
    InputsEvaluated,
    LookedUp,
    OutputEvaluated,
    OutputsLookedUp,
    PipelineStarted,
)
from sematic.ports import Batch
from sematic.recorded_functions import RecordedFunction
from sematic.retry import RetrySettings
from sematic.shipping import locate_function
from sematic.states import RunState
from sematic.tracking.history import read_history, read_recorded_functions
from sematic.tracking.sql_tracker import SqlTracker
from tests.builders import (
    ROOT,
    artifact,
    call,
    ended,
    error,
    expanded,
    info,
    list_of,
    real,
    succeeded,
)
from tests.recorded import RecordedPipeline, replay


@pytest.fixture
def pipeline(url: str) -> Iterator[RecordedPipeline]:
    made = RecordedPipeline(url)
    yield made
    made.close()


SELECTED = Expression((OutputOf("a"), artifact("key"), Select("item", 0, 1)))

# A pipeline run with everything: expansions, expressions, retries, the cache, calls in flight.
EVENTS: tuple[Event, ...] = (
    PipelineStarted(1.0, call(ROOT), cache_namespace="main"),
    expanded(
        ROOT,
        [
            call("a", standalone=True, retry=RetrySettings((ValueError,), 2)),
            call("b", inputs={"x": SELECTED}),
            call("c", inputs={"x": artifact("c's")}, cache=True),
            call("d", needs=["b"], function=real),
        ],
        list_of("c", "d"),
        at=2.0,
    ),
    OutputsLookedUp(3.0, (LookedUp("c"),)),
    ended("a", Failed(error()), at=4.0),
    succeeded("a", at=5.0, attempt=2),
    InputsEvaluated(6.0, "b", {"x": artifact("selected")}),
    succeeded("c", at=7.0),
    expanded("b", [call("e", parent="b")], OutputOf("e"), at=8.0),
    succeeded("e", at=9.0),
)


def test_everything_comes_back(url: str, pipeline: RecordedPipeline) -> None:
    pipeline.record(*EVENTS[:4])
    pipeline.record(*EVENTS[4:])
    history = read_history(url, ROOT, function_of=locate_function)
    assert history == [*EVENTS]
    assert replay(history)[1] == pipeline.instructions


def test_without_the_code_the_same_happens(url: str, pipeline: RecordedPipeline) -> None:
    """The functions' output types decide what becomes of an output that is passed on."""
    pipeline.record(*EVENTS)
    function_of = read_recorded_functions(url, ROOT)
    state, instructions = replay(read_history(url, ROOT, function_of=function_of))
    assert list(map(type, instructions)) == list(map(type, pipeline.instructions))
    for run_id in (ROOT, *"abcde"):
        assert state.state_of(run_id) is pipeline.state.state_of(run_id)
    assert state.state_of("b") is RunState.RESOLVED
    assert [stop.call.run_id for stop in state.active_calls()] == ["d"]


def test_an_output_of_another_type_is_not_passed_on_without_the_code_either(
    url: str, pipeline: RecordedPipeline
) -> None:
    pipeline.record(
        PipelineStarted(1.0, call(ROOT, function=real)),
        expanded(ROOT, [call("a")], OutputOf("a"), at=2.0),
        succeeded("a", at=3.0),
    )
    function_of = read_recorded_functions(url, ROOT)
    state, _ = replay(read_history(url, ROOT, function_of=function_of))
    assert state.state_of(ROOT) is RunState.RAN
    pipeline.record(OutputEvaluated(4.0, ROOT, artifact("x", type_="float")))
    state, _ = replay(read_history(url, ROOT, function_of=read_recorded_functions(url, ROOT)))
    assert state.state_of(ROOT) is RunState.RESOLVED


def test_a_function_that_is_only_recorded_says_what_it_was(
    url: str, pipeline: RecordedPipeline
) -> None:
    pipeline.record(*EVENTS)
    function = read_recorded_functions(url, ROOT)(real.path)
    assert (function.path, function.source_hash) == (real.path, real.source_hash)
    assert function.source == real.source
    assert function.__name__ == "real"
    with pytest.raises(ImportError, match="it has no code here"):
        function()


def test_functions_of_one_path_are_told_apart_call_by_call(
    url: str, pipeline: RecordedPipeline
) -> None:
    """A factory made them, or a notebook's cell was executed again."""
    first = RecordedFunction("m.f", source="first", output_descriptor="int")
    second = RecordedFunction("m.f", source="second", output_descriptor="float")
    calls = [call("a", function=first), call("b", function=second), call("c", function=first)]
    pipeline.record(PipelineStarted(1.0, call(ROOT)), expanded(ROOT, calls, list_of(*"abc")))
    history = read_history(url, ROOT, function_of=read_recorded_functions(url, ROOT))
    functions = [made.function for made in history[1].outcome.calls]  # type: ignore[union-attr]
    assert [f.output_descriptor for f in functions] == ["int", "float", "int"]
    assert [f.source_hash for f in functions] == [
        *(first.source_hash, second.source_hash, first.source_hash)
    ]
    assert functions[0] is functions[2]
    assert copy.deepcopy(functions[1]).source_hash == second.source_hash


def test_the_file_of_a_cached_function_is_known_without_its_code(
    url: str, pipeline: RecordedPipeline
) -> None:
    """Two files of one name, or what a driver that resumes is asked for would have another key."""
    one, two = (RecordedFunction("m.f", place=place.ljust(20, "0")) for place in ("g1", "g2"))
    calls = [call(name, function=f, cache=True) for name, f in (("a", one), ("b", two))]
    calls.append(call("c", function=one))
    pipeline.record(PipelineStarted(1.0, call(ROOT)), expanded(ROOT, calls, list_of(*"abc")))
    history = read_history(url, ROOT, function_of=read_recorded_functions(url, ROOT))
    functions = [made.function for made in history[1].outcome.calls]  # type: ignore[union-attr]
    assert [function.place for function in functions] == [one.place, two.place, NO_PLACE]
    assert copy.deepcopy(functions[0]).place == one.place


def test_exceptions_to_retry_for_are_names_and_need_not_exist(
    url: str, pipeline: RecordedPipeline
) -> None:
    """Others than the function has by now: that of when the call was made decides."""
    gone = type("Gone", (Exception,), {"__module__": "no.such.module"})
    made = call("a", retry=RetrySettings((gone,), 2))
    pipeline.record(
        PipelineStarted(1.0, call(ROOT)),
        expanded(ROOT, [made], OutputOf("a"), at=2.0),
        ended("a", Failed(error(type_="no.such.module.Gone")), at=3.0),
        succeeded("a", at=4.0, attempt=2),
    )
    for function_of in (locate_function, read_recorded_functions(url, ROOT)):
        state, _ = replay(read_history(url, ROOT, function_of=function_of))
        assert state.state_of(ROOT) is RunState.RESOLVED


def test_all_drivers_count(url: str, pipeline: RecordedPipeline) -> None:
    pipeline.record(*EVENTS[:2])
    second = DriverChanged(10.0, 2.0)
    tracker = SqlTracker(url)
    epoch = tracker.begin(info(), after_epoch=1)
    tracker.record(Batch(ROOT, epoch, 0, (second,), ()))
    tracker.close()
    assert read_history(url, ROOT, function_of=locate_function) == [*EVENTS[:2], second]


def test_artifacts_that_no_run_has_are_there_too(url: str, pipeline: RecordedPipeline) -> None:
    """What an attempt gives that is not the current one, or that comes when all is ending."""
    events = (
        *EVENTS[:2],
        CallLost(3.0, "a", 1, ErrorRecord("builtins.ValueError", "lost")),
        ended("a", Succeeded(artifact("of an attempt that is over")), at=4.0),
        CancelRequested(4.5, "Enough."),
        expanded("a", [call("z", inputs={"x": artifact("z")})], OutputOf("z"), at=5.0, attempt=2),
    )
    pipeline.record(*events)
    assert read_history(url, ROOT, function_of=locate_function) == [*events]


def test_a_pipeline_run_of_which_nothing_is_recorded(url: str, pipeline: RecordedPipeline) -> None:
    with pytest.raises(NotFoundError, match="Nothing is recorded"):
        read_history(url, ROOT, function_of=locate_function)


def test_a_function_that_is_gone_is_told_of(url: str, pipeline: RecordedPipeline) -> None:
    def gone(path: str) -> sematic.Function[..., object]:
        raise ImportError(path)

    pipeline.record(*EVENTS[:1])
    with pytest.raises(ImportError, match="integer"):
        read_history(url, ROOT, function_of=gone)


def test_no_code_is_imported_where_there_is_none(
    url: str, pipeline: RecordedPipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.record(*EVENTS)
    monkeypatch.setitem(sys.modules, "tests.builders", None)  # importing it would raise
    function_of = read_recorded_functions(url, ROOT)
    assert len(read_history(url, ROOT, function_of=function_of)) == len(EVENTS)


@pytest.mark.slow
def test_ten_thousand_calls_are_read_in_a_second(url: str, pipeline: RecordedPipeline) -> None:
    """Of the processor of a common machine; the limit is for slower ones, too."""
    ids = [f"{number:032x}" for number in range(10_000)]
    calls = [call(id_, inputs={"x": artifact(id_)}) for id_ in ids]
    pipeline.record(
        PipelineStarted(1.0, call(ROOT)),
        expanded(ROOT, calls, list_of(*ids)),
        *(succeeded(id_) for id_ in ids),
    )
    began = time.process_time()
    history = read_history(url, ROOT, function_of=read_recorded_functions(url, ROOT))
    assert time.process_time() - began < 4.0
    assert len(history) == 10_002
