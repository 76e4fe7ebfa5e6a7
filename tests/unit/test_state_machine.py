"""The rules of the state machine, as events and the instructions that follow them."""

import sys
from dataclasses import replace

import pytest

from sematic.cache_desk import cache_key
from sematic.calls import Expanded, Failed, OutputOf, Succeeded
from sematic.ending import CHILD_FAILED, REST_FAILED
from sematic.errors import IllegalStateTransitionError, WorkerLostError
from sematic.events import (
    CallLost,
    EvaluateInputs,
    EvaluateOutput,
    LookedUp,
    OutputsLookedUp,
    PipelineMoved,
    PipelineStarted,
    RunMoved,
    Seed,
    StartCall,
)
from sematic.retry import RetrySettings
from sematic.states import PipelineRunStatus, RunState
from tests.builders import (
    ROOT,
    artifact,
    call,
    ended,
    error,
    integer,
    list_of,
    real,
    succeeded,
)
from tests.machine import TWICE, Pipeline, standalone

CREATED, SCHEDULED, RAN = RunState.CREATED, RunState.SCHEDULED, RunState.RAN
RESOLVED, RETRYING = RunState.RESOLVED, RunState.RETRYING
FAILED, NESTED_FAILED, CANCELED = RunState.FAILED, RunState.NESTED_FAILED, RunState.CANCELED


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline()


# --- a single call


def test_start(pipeline: Pipeline) -> None:
    assert pipeline.start() == [
        "pipeline RUNNING",
        "root CREATED",
        "root SCHEDULED",
        "start root #1",
    ]


def test_a_single_call_that_succeeds(pipeline: Pipeline) -> None:
    pipeline.start()
    assert pipeline.succeed(ROOT) == ["root RESOLVED", "pipeline COMPLETE", "end COMPLETE"]
    assert pipeline.end.output == artifact(ROOT)
    assert pipeline.state.ended


def test_inputs_that_are_known_go_with_the_start(pipeline: Pipeline) -> None:
    inputs = {"a": artifact(1), "b": artifact(2)}
    pipeline.start(call(ROOT, inputs=inputs))
    *_, moved, start = pipeline.instructions
    assert isinstance(moved, RunMoved)
    assert isinstance(start, StartCall)
    assert moved.inputs == start.inputs == inputs


def test_changes_tell_when(pipeline: Pipeline) -> None:
    pipeline.start()
    at = pipeline.at
    pipeline.succeed(ROOT)
    moved = pipeline.moved(ROOT)
    assert (moved.at, moved.started_at, moved.ended_at) == (at, at - 2, at - 1)
    assert (moved.attempt, moved.output) == (1, artifact(ROOT))


def test_the_function_of_a_run_can_be_asked_for(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, function=real))
    assert pipeline.state.function_of(ROOT) is real
    assert pipeline.state.state_of("unknown") is None


def test_a_pipeline_run_starts_once(pipeline: Pipeline) -> None:
    pipeline.start()
    with pytest.raises(IllegalStateTransitionError, match="Run root"):
        pipeline.start()


# --- nested calls


def test_a_linear_pipeline(pipeline: Pipeline) -> None:
    calls = [call("a"), call("b", needs=["a"])]
    assert pipeline.start_with(*calls, output=OutputOf("b")) == [
        "root RAN",
        "a CREATED",
        "b CREATED",
        "a SCHEDULED",
        "start a #1",
    ]
    assert pipeline.succeed("a") == ["a RESOLVED", "b SCHEDULED", "start b #1"]
    assert pipeline.moved("b").inputs == {"x0": artifact("a")}
    assert pipeline.succeed("b") == [
        "b RESOLVED",
        "root RESOLVED",
        "pipeline COMPLETE",
        "end COMPLETE",
    ]
    assert pipeline.end.output == artifact("b")


def test_the_run_whose_output_becomes_the_parents_is_named(pipeline: Pipeline) -> None:
    pipeline.start_with(call("a"), output=OutputOf("a"))
    assert pipeline.moved(ROOT).nested_run_id == "a"


def test_independent_inline_calls_start_one_at_a_time_in_the_order_of_creation(
    pipeline: Pipeline,
) -> None:
    calls = [call("a"), call("b"), call("c")]
    assert pipeline.start_with(*calls, output=list_of("c", "b", "a"))[-2:] == [
        "a SCHEDULED",
        "start a #1",
    ]
    assert pipeline.succeed("a") == ["a RESOLVED", "b SCHEDULED", "start b #1"]
    assert pipeline.succeed("b") == ["b RESOLVED", "c SCHEDULED", "start c #1"]


def test_independent_standalone_calls_start_together(pipeline: Pipeline) -> None:
    calls = [standalone("a"), standalone("b"), call("c")]
    assert pipeline.start_with(*calls, output=list_of("a", "b", "c"))[-6:] == [
        "a SCHEDULED",
        "start a #1",
        "b SCHEDULED",
        "start b #1",
        "c SCHEDULED",
        "start c #1",
    ]


def test_an_inline_call_holds_up_no_standalone_one(pipeline: Pipeline) -> None:
    calls = [call("slow"), standalone("a"), standalone("b", needs=["a"])]
    pipeline.start_with(*calls, output=list_of("slow", "b"))
    assert pipeline.succeed("a") == ["a RESOLVED", "b SCHEDULED", "start b #1"]
    assert pipeline.states("slow", "b") == [SCHEDULED, SCHEDULED]


def test_a_diamond(pipeline: Pipeline) -> None:
    calls = [
        standalone("a"),
        standalone("b", needs=["a"]),
        standalone("c", needs=["a"]),
        standalone("d", needs=["b", "c"]),
    ]
    pipeline.start_with(*calls, output=OutputOf("d"))
    assert pipeline.succeed("a")[1:] == ["b SCHEDULED", "start b #1", "c SCHEDULED", "start c #1"]
    assert pipeline.succeed("c") == ["c RESOLVED"]
    assert pipeline.succeed("b") == ["b RESOLVED", "d SCHEDULED", "start d #1"]
    assert pipeline.moved("d").inputs == {"x0": artifact("b"), "x1": artifact("c")}


def test_an_output_passes_through_every_level(pipeline: Pipeline) -> None:
    pipeline.start_with(call("a"), output=OutputOf("a"))
    pipeline.expand("a", [call("b", parent="a")], OutputOf("b"))
    pipeline.expand("b", [call("c", parent="b")], OutputOf("c"))
    assert pipeline.states(ROOT, "a", "b", "c") == [RAN, RAN, RAN, SCHEDULED]
    assert pipeline.succeed("c") == [
        "c RESOLVED",
        "b RESOLVED",
        "a RESOLVED",
        "root RESOLVED",
        "pipeline COMPLETE",
        "end COMPLETE",
    ]


def test_what_is_downstream_of_a_nested_run_waits_for_its_output(pipeline: Pipeline) -> None:
    pipeline.start_with(call("a"), call("b", needs=["a"]), output=OutputOf("b"))
    pipeline.expand("a", [call("a1", parent="a")], OutputOf("a1"))
    assert pipeline.states("b") == [CREATED]
    assert pipeline.succeed("a1") == ["a1 RESOLVED", "a RESOLVED", "b SCHEDULED", "start b #1"]


def test_a_graph_that_grows_while_it_runs(pipeline: Pipeline) -> None:
    """What ``f.map`` does: how many calls there are is known when the list is."""
    pipeline.start_with(call("items"), call("map", needs=["items"]), output=OutputOf("map"))
    pipeline.succeed("items")
    calls = [standalone(f"f{i}", parent="map") for i in range(3)]
    assert pipeline.expand("map", calls, list_of("f0", "f1", "f2"))[-2:] == [
        "f2 SCHEDULED",
        "start f2 #1",
    ]
    for i in (2, 0):
        pipeline.succeed(f"f{i}")
    assert pipeline.succeed("f1") == ["f1 RESOLVED", "evaluate output of map"]


def test_an_output_of_none_is_an_output(pipeline: Pipeline) -> None:
    nothing = artifact("None", type_="None", payload="null")
    pipeline.start_with(call("a"), call("b", needs=["a"]), output=OutputOf("b"))
    assert pipeline.send(ended("a", Succeeded(nothing))) == [
        "a RESOLVED",
        "b SCHEDULED",
        "start b #1",
    ]
    assert pipeline.moved("b").inputs == {"x0": nothing}


# --- values that must be computed


def test_inputs_made_of_outputs_are_evaluated(pipeline: Pipeline) -> None:
    inputs = {"x0": list_of("a", "b"), "x1": artifact("constant")}
    calls = [call("a"), call("b"), call("sum", inputs=inputs)]
    pipeline.start_with(*calls, output=OutputOf("sum"))
    pipeline.succeed("a")
    assert pipeline.succeed("b") == ["b RESOLVED", "evaluate inputs of sum"]
    instruction = pipeline.instructions[-1]
    assert isinstance(instruction, EvaluateInputs)
    assert instruction.outputs == {"a": artifact("a"), "b": artifact("b")}
    assert pipeline.states("sum") == [CREATED]
    assert pipeline.inputs("sum") == ["sum SCHEDULED", "start sum #1"]
    assert pipeline.moved("sum").inputs == {"x0": artifact("list")}


def test_inputs_are_evaluated_while_other_calls_run(pipeline: Pipeline) -> None:
    calls = [call("a"), call("b", inputs={"x0": list_of("a")}), call("c")]
    pipeline.start_with(*calls, output=list_of("b", "c"))
    assert pipeline.succeed("a") == [
        "a RESOLVED",
        "evaluate inputs of b",
        "c SCHEDULED",
        "start c #1",
    ]
    assert pipeline.inputs("b") == []
    assert pipeline.succeed("c") == ["c RESOLVED", "b SCHEDULED", "start b #1"]


def test_an_output_made_of_outputs_is_evaluated(pipeline: Pipeline) -> None:
    pipeline.start_with(call("a"), call("b"), output=list_of("a", "b"))
    assert pipeline.moved(ROOT).nested_run_id is None
    pipeline.succeed("a")
    assert pipeline.succeed("b") == ["b RESOLVED", "evaluate output of root"]
    instruction = pipeline.instructions[-1]
    assert isinstance(instruction, EvaluateOutput)
    assert instruction.output == list_of("a", "b")
    assert instruction.outputs == {"a": artifact("a"), "b": artifact("b")}
    assert pipeline.output(ROOT) == ["root RESOLVED", "pipeline COMPLETE", "end COMPLETE"]
    assert pipeline.end.output == artifact(ROOT)


def test_an_output_of_another_type_than_the_parents_is_cast(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, function=real))
    pipeline.expand(ROOT, [call("a")], OutputOf("a"))
    assert pipeline.succeed("a") == ["a RESOLVED", "evaluate output of root"]


def test_an_output_without_futures_is_evaluated_at_once(pipeline: Pipeline) -> None:
    assert pipeline.start_with(output=list_of()) == ["root RAN", "evaluate output of root"]


@pytest.mark.parametrize("kind", ["inputs", "output"])
def test_a_second_answer_to_the_same_question_is_ignored(pipeline: Pipeline, kind: str) -> None:
    calls = [standalone("busy"), standalone("a"), standalone("b", inputs={"x0": list_of("a")})]
    pipeline.start_with(*calls, output=list_of("busy", "b"), max_parallelism=2)
    pipeline.succeed("a")
    pipeline.inputs("b")
    if kind == "inputs":
        assert pipeline.inputs("b") == []
        assert pipeline.evaluation_fails("b") == []
        return
    pipeline.succeed("b")
    pipeline.succeed("busy")
    assert pipeline.output("b") == []
    assert pipeline.output(ROOT)[-1] == "end COMPLETE"


def test_a_second_answer_does_not_start_a_waiting_call_twice(pipeline: Pipeline) -> None:
    calls = [standalone("a"), standalone("busy"), standalone("b", inputs={"x0": list_of("a")})]
    pipeline.start_with(*calls, output=list_of("busy", "b"), max_parallelism=1)
    pipeline.succeed("a")
    pipeline.inputs("b")
    pipeline.inputs("b")
    assert pipeline.succeed("busy")[1:] == ["b SCHEDULED", "start b #1"]
    assert pipeline.succeed("b") == ["b RESOLVED", "evaluate output of root"]


# --- failure


def test_a_single_call_that_fails(pipeline: Pipeline) -> None:
    pipeline.start()
    exception = ValueError("broken")
    assert pipeline.send(ended(ROOT, Failed(error(), exception))) == [
        "root FAILED",
        "pipeline FAILED",
        "end FAILED",
    ]
    assert pipeline.moved(ROOT).error == error()
    assert pipeline.end.error == error()
    assert pipeline.end.exception is exception
    assert pipeline.end.failed_run_id == ROOT
    assert pipeline.instructions[-2] == PipelineMoved(0.0, ROOT, PipelineRunStatus.FAILED, "broken")


def test_ancestors_fail_with_the_nested_run_and_the_rest_is_canceled(pipeline: Pipeline) -> None:
    pipeline.start_with(
        call("done"),
        call("train", needs=["done"]),
        call("evaluate", needs=["train"]),
        output=OutputOf("evaluate"),
    )
    pipeline.succeed("done")
    nested = [call("fit1", parent="train"), call("fit2", parent="train")]
    pipeline.expand("train", nested, list_of("fit1", "fit2"))
    assert pipeline.fail("fit1") == [
        "fit1 FAILED",
        "train NESTED_FAILED",
        "root NESTED_FAILED",
        "evaluate CANCELED",
        "fit2 CANCELED",
        "pipeline FAILED",
        "end FAILED",
    ]
    assert pipeline.moved("train").reason == pipeline.moved(ROOT).reason == CHILD_FAILED
    assert pipeline.moved("evaluate").reason == REST_FAILED
    assert pipeline.states("done") == [RESOLVED]
    assert pipeline.end.failed_run_id == "fit1"


def test_a_sibling_that_has_expanded_is_canceled(pipeline: Pipeline) -> None:
    pipeline.start_with(call("a"), call("b"), output=list_of("a", "b"))
    pipeline.expand("a", [call("a1", parent="a")], OutputOf("a1"))
    pipeline.fail("b")
    assert pipeline.states(ROOT, "a", "a1", "b") == [NESTED_FAILED, CANCELED, CANCELED, FAILED]


def test_what_runs_is_stopped_on_failure(pipeline: Pipeline) -> None:
    pipeline.start_with(standalone("a"), standalone("b"), call("c"), output=list_of("a", "b", "c"))
    assert pipeline.fail("a") == ["a FAILED", "root NESTED_FAILED", "stop b #1", "stop c #1"]
    assert not pipeline.state.ended
    assert pipeline.lose("b") == ["b CANCELED"]
    assert pipeline.moved("b").reason == REST_FAILED
    assert pipeline.succeed("c") == ["c RESOLVED", "pipeline FAILED", "end FAILED"]
    assert pipeline.end.failed_run_id == "a"


def test_what_fails_after_the_first_failure_is_failed_too(pipeline: Pipeline) -> None:
    calls = [standalone("a"), standalone("b", retry=TWICE)]
    pipeline.start_with(*calls, output=list_of("a", "b"))
    pipeline.fail("a")
    assert pipeline.fail("b") == ["b FAILED", "pipeline FAILED", "end FAILED"]
    assert pipeline.end.failed_run_id == "a"


def test_drain_lets_what_runs_finish_and_starts_nothing(pipeline: Pipeline) -> None:
    calls = [standalone("a"), standalone("b"), standalone("c", needs=["b"])]
    pipeline.start_with(*calls, output=OutputOf("c"), on_failure="drain")
    assert pipeline.fail("a") == ["a FAILED", "root NESTED_FAILED", "c CANCELED"]
    assert pipeline.succeed("b") == ["b RESOLVED", "pipeline FAILED", "end FAILED"]


def test_drain_computes_nothing_from_what_finishes(pipeline: Pipeline) -> None:
    calls = [standalone("a"), call("p"), standalone("b"), call("c", inputs={"x0": list_of("b")})]
    pipeline.start_with(*calls, output=list_of("a", "p", "c"), on_failure="drain")
    pipeline.expand("p", [standalone("p1", parent="p")], OutputOf("p1"))
    pipeline.fail("a")
    assert pipeline.succeed("b") == ["b RESOLVED"]
    assert pipeline.succeed("p1") == ["p1 RESOLVED", "pipeline FAILED", "end FAILED"]


def test_drain_cancels_what_returns_futures(pipeline: Pipeline) -> None:
    pipeline.start_with(
        standalone("a"), standalone("b"), output=list_of("a", "b"), on_failure="drain"
    )
    pipeline.fail("a")
    assert pipeline.expand("b", [call("b1", parent="b")], OutputOf("b1")) == [
        "b RAN",
        "b CANCELED",
        "pipeline FAILED",
        "end FAILED",
    ]
    assert pipeline.states("b1") == [None]


def test_drain_fails_what_is_lost(pipeline: Pipeline) -> None:
    pipeline.start_with(
        standalone("a"), standalone("b"), output=list_of("a", "b"), on_failure="drain"
    )
    pipeline.fail("a")
    assert pipeline.lose("b") == ["b FAILED", "pipeline FAILED", "end FAILED"]


def test_drain_ends_at_a_cancel(pipeline: Pipeline) -> None:
    pipeline.start_with(
        standalone("a"), standalone("b"), output=list_of("a", "b"), on_failure="drain"
    )
    pipeline.fail("a")
    assert pipeline.cancel() == ["stop b #1"]
    assert pipeline.cancel() == []
    assert pipeline.lose("b") == ["b CANCELED", "pipeline FAILED", "end FAILED"]


def test_a_call_waiting_for_a_retry_is_canceled(pipeline: Pipeline) -> None:
    calls = [standalone("a", retry=TWICE), standalone("b")]
    pipeline.start_with(*calls, output=list_of("a", "b"), max_parallelism=1)
    assert pipeline.fail("a") == ["a RETRYING", "b SCHEDULED", "start b #1"]
    assert "a CANCELED" in pipeline.fail("b")


def test_inputs_that_cannot_be_computed_fail_the_run(pipeline: Pipeline) -> None:
    calls = [call("a"), call("b", inputs={"x0": list_of("a")}, retry=TWICE)]
    pipeline.start_with(*calls, output=OutputOf("b"))
    pipeline.succeed("a")
    assert pipeline.evaluation_fails("b") == [
        "b FAILED",
        "root NESTED_FAILED",
        "pipeline FAILED",
        "end FAILED",
    ]
    assert pipeline.moved("b").error == error("no such item")


def test_an_output_that_cannot_be_computed_fails_the_run(pipeline: Pipeline) -> None:
    pipeline.start_with(call("a"), output=OutputOf("a"))
    pipeline.expand("a", [call("a1", parent="a")], list_of("a1"))
    pipeline.succeed("a1")
    assert pipeline.evaluation_fails("a") == [
        "a FAILED",
        "root NESTED_FAILED",
        "pipeline FAILED",
        "end FAILED",
    ]


def test_an_evaluation_that_ends_after_a_failure_changes_nothing(pipeline: Pipeline) -> None:
    calls = [standalone("a"), standalone("b", inputs={"x0": list_of("a")}), standalone("c")]
    calls.append(standalone("d"))
    pipeline.start_with(*calls, output=list_of("b", "c", "d"))
    pipeline.succeed("a")
    pipeline.fail("c")
    assert pipeline.states("b") == [CANCELED]
    assert pipeline.inputs("b") == []
    assert pipeline.evaluation_fails("b") == []


# --- functions that have another output type by now


def test_what_was_decided_by_an_output_type_stays_decided(pipeline: Pipeline) -> None:
    made = replace(call("a", function=real), recorded_type="int")
    pipeline.start_with(made, output=OutputOf("a"))
    pipeline.expand("a", [call("b", parent="a")], OutputOf("b"))
    assert pipeline.succeed("b")[:2] == ["b RESOLVED", "a RESOLVED"]


def test_what_had_to_be_cast_still_has(pipeline: Pipeline) -> None:
    made = replace(call("a"), recorded_type="float")
    pipeline.start_with(made, output=OutputOf("a"))
    pipeline.expand("a", [call("b", parent="a")], OutputOf("b"))
    assert pipeline.succeed("b") == ["b RESOLVED", "evaluate output of a"]


def test_a_known_output_of_another_type_serves_nobody(pipeline: Pipeline) -> None:
    inputs = {"x": artifact()}
    old = replace(call("a", cache=True, inputs=inputs, function=real), recorded_type="int")
    new = call("b", cache=True, inputs=inputs, function=real)
    expander = call("e", standalone=True)
    pipeline.start(cache_namespace="main")
    pipeline.expand(ROOT, [old, expander], list_of("a", "e"))
    pipeline.looked_up("a")
    pipeline.succeed("a")  # gives an int
    assert "look up b" in pipeline.expand("e", [new], OutputOf("b"))
    assert "start b #1" in pipeline.looked_up("b")


# --- cancel


def test_cancel_ends_what_has_not_started_and_stops_what_has(pipeline: Pipeline) -> None:
    calls = [standalone("a"), call("b"), call("c", needs=["a"])]
    pipeline.start_with(*calls, output=list_of("b", "c"))
    assert pipeline.cancel("Enough.") == [
        "root CANCELED",
        "c CANCELED",
        "stop a #1",
        "stop b #1",
    ]
    assert pipeline.moved(ROOT).reason == "Enough."
    assert pipeline.lose("a") == ["a CANCELED"]
    assert pipeline.lose("b") == ["b CANCELED", "pipeline CANCELED", "end CANCELED"]
    assert pipeline.end.reason == "Enough."


def test_cancel_waits_for_an_answer_and_takes_it(pipeline: Pipeline) -> None:
    pipeline.start_with(standalone("a"), standalone("b"), output=list_of("a", "b"))
    pipeline.cancel()
    assert pipeline.succeed("a") == ["a RESOLVED"]
    assert pipeline.fail("b") == ["b FAILED", "pipeline CANCELED", "end CANCELED"]


def test_cancel_while_nothing_is_active_ends_at_once(pipeline: Pipeline) -> None:
    pipeline.start_with(output=list_of())
    assert pipeline.cancel() == ["root CANCELED", "pipeline CANCELED", "end CANCELED"]


def test_when_a_stopped_call_executed_goes_with_its_end(pipeline: Pipeline) -> None:
    pipeline.start_with(call("a"), output=OutputOf("a"))
    pipeline.cancel()
    assert pipeline.moved(ROOT).ended_at is None  # it was told with RAN
    lost = CallLost(pipeline.at, "a", 1, error("stopped"), started_at=98.0, ended_at=99.0)
    pipeline.send(lost)
    moved = pipeline.moved("a")
    assert (moved.at, moved.started_at, moved.ended_at) == (lost.at, 98.0, 99.0)


def test_cancel_twice_stops_once(pipeline: Pipeline) -> None:
    pipeline.start_with(standalone("a"), output=OutputOf("a"))
    pipeline.cancel()
    assert pipeline.cancel() == []


def test_a_canceled_call_that_returns_futures_creates_none(pipeline: Pipeline) -> None:
    pipeline.start()
    pipeline.cancel()
    assert pipeline.expand(ROOT, [call("a")], OutputOf("a")) == [
        "root RAN",
        "root CANCELED",
        "pipeline CANCELED",
        "end CANCELED",
    ]


# --- max_parallelism


def test_max_parallelism_counts_standalone_runs_in_scheduled(pipeline: Pipeline) -> None:
    calls = [standalone(name) for name in "abc"] + [call("d")]
    words = pipeline.start_with(*calls, output=list_of(*"abcd"), max_parallelism=2)
    assert words[-6:] == [
        "a SCHEDULED",
        "start a #1",
        "b SCHEDULED",
        "start b #1",
        "d SCHEDULED",
        "start d #1",
    ]
    assert pipeline.states("c") == [CREATED]
    assert pipeline.succeed("d") == ["d RESOLVED"]
    assert pipeline.succeed("b") == ["b RESOLVED", "c SCHEDULED", "start c #1"]


def test_a_run_in_ran_needs_no_slot(pipeline: Pipeline) -> None:
    pipeline.start_with(
        standalone("a"), standalone("b"), output=list_of("a", "b"), max_parallelism=1
    )
    words = pipeline.expand("a", [standalone("a1", parent="a")], OutputOf("a1"))
    assert words == ["a RAN", "a1 CREATED", "b SCHEDULED", "start b #1"]
    assert pipeline.succeed("b") == ["b RESOLVED", "a1 SCHEDULED", "start a1 #1"]


def test_a_retry_waits_for_a_slot_behind_the_others(pipeline: Pipeline) -> None:
    calls = [standalone("a", retry=TWICE), standalone("b")]
    pipeline.start_with(*calls, output=list_of("a", "b"), max_parallelism=1)
    assert pipeline.fail("a") == ["a RETRYING", "b SCHEDULED", "start b #1"]
    assert pipeline.succeed("b") == ["b RESOLVED", "a SCHEDULED", "start a #2"]


def test_a_standalone_root_needs_a_slot_as_well(pipeline: Pipeline) -> None:
    root = call(ROOT, standalone=True)
    assert pipeline.start(root, max_parallelism=1)[-1] == "start root #1"
    words = pipeline.expand(ROOT, [standalone("a")], OutputOf("a"))
    assert words[-1] == "start a #1"


# --- where nothing executes apart


def test_standalone_calls_run_one_at_a_time_where_nothing_executes_apart(
    pipeline: Pipeline,
) -> None:
    calls = [standalone("a"), call("b"), standalone("c")]
    words = pipeline.start_with(*calls, output=list_of("a", "b", "c"), apart=False)
    assert words[-2:] == ["a SCHEDULED", "start a #1"]
    assert pipeline.succeed("a") == ["a RESOLVED", "b SCHEDULED", "start b #1"]
    assert pipeline.fail("b") == [
        "b FAILED",
        "root NESTED_FAILED",
        "c CANCELED",
        "pipeline FAILED",
        "end FAILED",
    ]


def test_no_slots_are_needed_where_nothing_executes_apart(pipeline: Pipeline) -> None:
    calls = [standalone("a", retry=TWICE), standalone("b")]
    options = {"apart": False, "max_parallelism": 1}
    pipeline.start_with(*calls, output=list_of("a", "b"), **options)
    assert pipeline.fail("a") == ["a RETRYING", "b SCHEDULED", "start b #1"]
    assert pipeline.succeed("b") == ["b RESOLVED", "a SCHEDULED", "start a #2"]


# --- retries


def test_a_failed_attempt_is_followed_by_another_one(pipeline: Pipeline) -> None:
    inputs = {"x": artifact("x")}
    pipeline.start(call(ROOT, retry=TWICE, inputs=inputs))
    assert pipeline.fail(ROOT) == ["root RETRYING", "root SCHEDULED", "start root #2"]
    assert pipeline.moved(ROOT).inputs == inputs
    assert pipeline.fail(ROOT, attempt=2) == ["root RETRYING", "root SCHEDULED", "start root #3"]
    assert pipeline.succeed(ROOT, attempt=3)[-1] == "end COMPLETE"
    assert pipeline.moved(ROOT).attempt == 3


def test_retrying_tells_why(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, retry=TWICE))
    pipeline.fail(ROOT)
    retrying = next(
        i for i in pipeline.instructions if isinstance(i, RunMoved) and i.state is RETRYING
    )
    assert (retrying.error, retrying.attempt) == (error(), 1)
    assert retrying.started_at is not None


def test_attempts_are_used_up(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, retry=TWICE))
    pipeline.fail(ROOT)
    pipeline.fail(ROOT, attempt=2)
    assert pipeline.fail(ROOT, attempt=3) == ["root FAILED", "pipeline FAILED", "end FAILED"]


@pytest.mark.parametrize(
    ("exceptions", "type_", "ancestors", "retried"),
    [
        ((ValueError,), "builtins.ValueError", ("builtins.Exception",), True),
        ((ArithmeticError,), "builtins.ZeroDivisionError", ("builtins.ArithmeticError",), True),
        ((Exception,), "my.Error", ("builtins.Exception", "builtins.BaseException"), True),
        ((ZeroDivisionError,), "builtins.ArithmeticError", ("builtins.Exception",), False),
        ((KeyError, OSError), "builtins.OSError", ("builtins.Exception",), True),
        ((KeyError,), "builtins.ValueError", ("builtins.Exception",), False),
        ((), "builtins.ValueError", ("builtins.Exception",), False),
    ],
)
def test_retries_are_for_the_named_exceptions_and_their_subclasses(
    pipeline: Pipeline, exceptions, type_, ancestors, retried
) -> None:
    retry = RetrySettings(exceptions=exceptions, retries=1)
    pipeline.start(call(ROOT, retry=retry))
    outcome = Failed(error(type_=type_, ancestors=ancestors))
    words = pipeline.send(ended(ROOT, outcome))
    assert words[0] == ("root RETRYING" if retried else "root FAILED")


def test_no_retries_is_one_attempt(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, retry=RetrySettings(exceptions=(ValueError,), retries=0)))
    assert pipeline.fail(ROOT)[0] == "root FAILED"


def test_parents_are_not_retried_for_their_children(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, retry=TWICE))
    pipeline.expand(ROOT, [call("a")], OutputOf("a"))
    assert pipeline.fail("a")[:2] == ["a FAILED", "root NESTED_FAILED"]


def test_an_output_that_cannot_be_computed_is_not_retried(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, retry=TWICE))
    pipeline.expand(ROOT, [call("a")], list_of("a"))
    pipeline.succeed("a")
    assert pipeline.evaluation_fails(ROOT)[0] == "root FAILED"


def test_a_second_attempt_may_expand(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, retry=TWICE))
    pipeline.fail(ROOT)
    assert pipeline.expand(ROOT, [call("a")], OutputOf("a"), attempt=2)[0] == "root RAN"
    assert pipeline.succeed("a")[-1] == "end COMPLETE"


# --- cached calls


def cached(run_id: str, **options: object):
    return call(run_id, cache=True, **options)  # type: ignore[arg-type]


def test_a_cached_call_is_looked_up_before_it_starts(pipeline: Pipeline) -> None:
    words = pipeline.start(cached(ROOT), cache_namespace="shared")
    assert words == ["pipeline RUNNING", "root CREATED", "look up root"]
    assert pipeline.looked_up(ROOT) == ["root SCHEDULED", "start root #1"]
    assert pipeline.moved(ROOT).cache_key == cache_key(integer, {}, "shared")
    assert pipeline.succeed(ROOT)[-1] == "end COMPLETE"
    assert pipeline.moved(ROOT).original_run_id is None


def test_a_cached_output_is_taken_and_nothing_starts(pipeline: Pipeline) -> None:
    pipeline.start(cached(ROOT), cache_namespace="shared")
    words = pipeline.looked_up(ROOT, "earlier")
    assert words == ["root RESOLVED", "pipeline COMPLETE", "end COMPLETE"]
    moved = pipeline.moved(ROOT)
    assert (moved.output, moved.original_run_id) == (artifact("earlier"), "earlier")
    assert (moved.attempt, moved.started_at) == (0, None)


@pytest.mark.parametrize(
    ("root", "namespace"), [(cached(ROOT), None), (call(ROOT), "shared")], ids=["off", "not cached"]
)
def test_caching_takes_a_namespace_and_a_cached_function(
    pipeline: Pipeline, root, namespace
) -> None:
    assert pipeline.start(root, cache_namespace=namespace)[-1] == "start root #1"


def test_inputs_are_evaluated_before_the_cache_is_asked(pipeline: Pipeline) -> None:
    calls = [call("a"), cached("b", inputs={"x0": list_of("a")})]
    pipeline.start_with(*calls, output=OutputOf("b"), cache_namespace="shared")
    assert pipeline.succeed("a") == ["a RESOLVED", "evaluate inputs of b"]
    assert pipeline.inputs("b") == ["look up b"]
    assert pipeline.looked_up("b", "earlier")[:2] == ["b RESOLVED", "root RESOLVED"]


def test_many_answers_of_the_cache_come_at_once(pipeline: Pipeline) -> None:
    calls = [cached(name, inputs={"x0": artifact(name)}) for name in "abcd"]
    pipeline.start_with(*calls, output=list_of(*"abcd"), cache_namespace="shared")
    served = LookedUp("c", artifact("earlier"), "earlier")
    answers = (LookedUp("b"), served, LookedUp("stranger"), LookedUp("a"), served)
    words = pipeline.send(OutputsLookedUp(pipeline.at, answers))
    assert words == ["c RESOLVED", "b SCHEDULED", "start b #1"]
    assert pipeline.succeed("b") == ["b RESOLVED", "a SCHEDULED", "start a #1"]
    assert pipeline.states("d") == [CREATED]


def test_the_same_call_waits_for_the_first_one(pipeline: Pipeline) -> None:
    calls = [cached("a", standalone=True), cached("b", standalone=True), cached("c", needs=["b"])]
    words = pipeline.start_with(*calls, output=list_of("a", "c"), cache_namespace="shared")
    assert words[-1] == "look up a"
    assert pipeline.looked_up("a") == ["a SCHEDULED", "start a #1"]
    assert pipeline.states("b") == [CREATED]
    assert pipeline.succeed("a") == ["a RESOLVED", "b RESOLVED", "look up c"]
    assert (pipeline.moved("b").output, pipeline.moved("b").original_run_id) == (artifact("a"), "a")


def test_the_same_call_later_takes_the_output_at_once(pipeline: Pipeline) -> None:
    calls = [cached("a"), call("b", needs=["a"]), cached("c", parent="b")]
    pipeline.start_with(*calls[:2], output=OutputOf("b"), cache_namespace="shared")
    pipeline.looked_up("a", "earlier")
    words = pipeline.expand("b", calls[2:], OutputOf("c"))
    assert words[:4] == ["b RAN", "c CREATED", "c RESOLVED", "b RESOLVED"]
    assert pipeline.moved("c").original_run_id == "earlier"


def test_a_call_does_not_wait_for_its_own_ancestor(pipeline: Pipeline) -> None:
    pipeline.start(cached(ROOT), cache_namespace="shared")
    pipeline.looked_up(ROOT)
    words = pipeline.expand(ROOT, [cached("a")], OutputOf("a"))
    assert words[-1] == "start a #1"
    assert pipeline.succeed("a")[-1] == "end COMPLETE"


def test_two_calls_do_not_wait_for_what_is_nested_in_each_other(pipeline: Pipeline) -> None:
    """``a`` calls what ``b`` computes, and the other way round."""
    one, two = {"x0": artifact(1)}, {"x0": artifact(2)}
    calls = [cached("a", inputs=one, standalone=True), cached("b", inputs=two, standalone=True)]
    pipeline.start_with(*calls, output=list_of("a", "b"), cache_namespace="shared")
    pipeline.looked_up("a")
    pipeline.looked_up("b")
    pipeline.expand("a", [cached("a1", inputs=two, parent="a")], OutputOf("a1"))
    assert pipeline.states("a1") == [CREATED]
    words = pipeline.expand("b", [cached("b1", inputs=one, parent="b")], OutputOf("b1"))
    assert words[-1] == "start b1 #1"
    words = pipeline.succeed("b1")
    assert words[:4] == ["b1 RESOLVED", "b RESOLVED", "a1 RESOLVED", "a RESOLVED"]


def test_a_failed_attempt_of_a_cached_call_is_not_shared(pipeline: Pipeline) -> None:
    calls = [cached("a", retry=TWICE), cached("b")]
    pipeline.start_with(*calls, output=list_of("a", "b"), cache_namespace="shared")
    pipeline.looked_up("a")
    assert pipeline.fail("a") == ["a RETRYING", "a SCHEDULED", "start a #2"]
    assert pipeline.states("b") == [CREATED]
    assert pipeline.succeed("a", attempt=2)[:2] == ["a RESOLVED", "b RESOLVED"]


def test_what_waits_for_the_same_call_is_canceled_with_the_rest(pipeline: Pipeline) -> None:
    calls = [cached("a"), cached("b")]
    pipeline.start_with(*calls, output=list_of("a", "b"), cache_namespace="shared")
    pipeline.looked_up("a")
    assert "b CANCELED" in pipeline.fail("a")


def test_calls_share_an_output_if_function_inputs_and_namespace_are_the_same() -> None:
    one, two = {"x": artifact(1), "y": artifact(2)}, {"y": artifact(2), "x": artifact(1)}
    assert cache_key(integer, one, "n") == cache_key(integer, two, "n")
    others = [
        cache_key(real, one, "n"),
        cache_key(integer, one, "m"),
        cache_key(integer, {"x": artifact(2), "y": artifact(1)}, "n"),
        cache_key(integer, {"x": artifact(1)}, "n"),
        cache_key(integer, one, "n", "1"),
        cache_key(integer, one, "n", "2"),
    ]
    assert len({cache_key(integer, one, "n"), *others}) == 7


# --- runs taken over from an earlier pipeline run


def test_what_was_taken_over_may_be_made_of_others(pipeline: Pipeline) -> None:
    seeds = (
        Seed(call(ROOT), RAN, inputs={}, expansion=OutputOf("c")),
        Seed(call("a"), RESOLVED, output=artifact("a"), expansion=OutputOf("b")),
        Seed(call("b", parent="a"), RESOLVED, output=artifact("a")),
        Seed(call("c", needs=["a"]), CREATED),
    )
    assert pipeline.start(seeds=seeds)[-1] == "start c #1"
    assert pipeline.succeed("c")[-1] == "end COMPLETE"


def test_a_seed_that_is_to_execute_again_does_not_ask_the_cache(pipeline: Pipeline) -> None:
    seeds = (
        Seed(call(ROOT), RAN, inputs={}, expansion=OutputOf("a")),
        Seed(cached("a"), CREATED, again=True),
    )
    assert pipeline.start(seeds=seeds, cache_namespace="shared")[-1] == "start a #1"
    assert pipeline.succeed("a")[-1] == "end COMPLETE"


def test_a_seed_that_executes_again_shares_its_output(pipeline: Pipeline) -> None:
    """Who waits for it is served, and so is who asks later, in other pipeline runs too."""
    seeds = (
        Seed(call(ROOT), RAN, inputs={}, expansion=OutputOf("d")),
        Seed(cached("a"), CREATED, again=True),
        Seed(cached("b"), CREATED),
        Seed(call("c", needs=["b"]), CREATED),
        Seed(cached("d", needs=["c"]), CREATED),
    )
    assert pipeline.start(seeds=seeds, cache_namespace="shared")[-1] == "start a #1"
    assert "b RESOLVED" in pipeline.succeed("a")
    assert pipeline.moved("a").cache_key == pipeline.moved("b").cache_key is not None
    assert pipeline.moved("b").original_run_id == "a"


def test_seeds_go_on_where_they_leave_off(pipeline: Pipeline) -> None:
    seeds = (
        Seed(call(ROOT), RAN, inputs={}, expansion=OutputOf("b")),
        Seed(call("a"), RESOLVED, inputs={}, output=artifact("a"), original_run_id="old"),
        Seed(call("b", needs=["a"]), CREATED),
    )
    assert pipeline.start(seeds=seeds) == [
        "pipeline RUNNING",
        "root CREATED",
        "root SCHEDULED",
        "root RAN",
        "a CREATED",
        "a RESOLVED",
        "b CREATED",
        "b SCHEDULED",
        "start b #1",
    ]
    assert pipeline.moved("a").original_run_id == "old"
    assert pipeline.moved("b").inputs == {"x0": artifact("a")}
    assert pipeline.succeed("b")[1:] == ["root RESOLVED", "pipeline COMPLETE", "end COMPLETE"]


def test_seeds_with_nothing_left_to_do(pipeline: Pipeline) -> None:
    seeds = (
        Seed(call(ROOT), RAN, inputs={}, expansion=OutputOf("a")),
        Seed(call("a"), RAN, inputs={}, expansion=OutputOf("a1")),
        Seed(call("a1", parent="a"), RESOLVED, output=artifact("a1"), original_run_id="old"),
    )
    assert pipeline.start(seeds=seeds)[-1] == "end COMPLETE"
    assert pipeline.end.output == artifact("a1")


def test_a_failure_beside_seeds(pipeline: Pipeline) -> None:
    seeds = (
        Seed(call(ROOT), RAN, inputs={}, expansion=list_of("a", "b")),
        Seed(call("a"), RESOLVED, output=artifact("a"), original_run_id="old"),
        Seed(call("b"), CREATED),
    )
    pipeline.start(seeds=seeds)
    assert pipeline.fail("b")[:2] == ["b FAILED", "root NESTED_FAILED"]
    assert pipeline.states("a") == [RESOLVED]


# --- lost attempts


def test_a_lost_attempt_fails_the_run(pipeline: Pipeline) -> None:
    pipeline.start_with(standalone("a"), output=OutputOf("a"))
    assert pipeline.lose("a") == ["a FAILED", "root NESTED_FAILED", "pipeline FAILED", "end FAILED"]
    moved = pipeline.moved("a")
    assert moved.error is not None
    assert (moved.error.message, moved.started_at) == ("killed", None)


def test_a_lost_attempt_is_retried_where_its_error_is_one_to_retry_for(pipeline: Pipeline) -> None:
    retry = RetrySettings(exceptions=(WorkerLostError,), retries=1)
    pipeline.start(call(ROOT, standalone=True, retry=retry))
    assert pipeline.lose(ROOT) == ["root RETRYING", "root SCHEDULED", "start root #2"]
    assert pipeline.lose(ROOT, attempt=2)[0] == "root FAILED"


# --- what is not the current attempt, or comes too late


def test_stale_attempts_are_ignored(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, retry=TWICE))
    pipeline.fail(ROOT)
    assert pipeline.succeed(ROOT, attempt=1) == []
    assert pipeline.fail(ROOT, attempt=1) == []
    assert pipeline.lose(ROOT, attempt=1) == []
    assert pipeline.expand(ROOT, [call("a")], OutputOf("a"), attempt=1) == []
    assert pipeline.succeed(ROOT, attempt=2)[0] == "root RESOLVED"


def test_attempts_to_come_are_ignored(pipeline: Pipeline) -> None:
    pipeline.start()
    assert pipeline.succeed(ROOT, attempt=2) == []


def test_an_attempt_between_two_starts_is_over(pipeline: Pipeline) -> None:
    calls = [standalone("a", retry=TWICE), standalone("b")]
    pipeline.start_with(*calls, output=list_of("a", "b"), max_parallelism=1)
    pipeline.fail("a")
    assert pipeline.states("a") == [RETRYING]
    assert pipeline.succeed("a") == []


def test_duplicates_are_ignored(pipeline: Pipeline) -> None:
    pipeline.start_with(standalone("a"), standalone("b"), output=list_of("a", "b"))
    pipeline.succeed("a")
    for repeated in (pipeline.succeed, pipeline.fail, pipeline.lose):
        assert repeated("a") == []
    assert pipeline.states("a") == [RESOLVED]


def test_strangers_are_ignored(pipeline: Pipeline) -> None:
    pipeline.start()
    for stray in (pipeline.succeed, pipeline.lose):
        assert stray("stranger") == []
    for stray in (pipeline.inputs, pipeline.output, pipeline.evaluation_fails):
        assert stray("stranger") == []


def test_a_run_that_waits_has_no_attempt(pipeline: Pipeline) -> None:
    pipeline.start_with(call("a"), call("b", needs=["a"]), output=OutputOf("b"))
    assert pipeline.succeed("b") == []
    assert pipeline.states("b") == [CREATED]


def test_nothing_happens_after_the_end(pipeline: Pipeline) -> None:
    pipeline.start()
    pipeline.succeed(ROOT)
    assert pipeline.succeed(ROOT) == []
    assert pipeline.fail(ROOT) == []
    assert pipeline.cancel() == []
    assert pipeline.start() == []
    assert pipeline.states(ROOT) == [RESOLVED]


# --- cost


def deep_events(depth: int) -> list:
    """A call that nests one that nests one..., and then all of their outputs at once."""
    events: list = [PipelineStarted(0.0, call(ROOT))]
    parent = ROOT
    for i in range(depth):
        nested = call(str(i), parent=parent)
        events.append(ended(parent, Expanded((nested,), OutputOf(nested.run_id))))
        parent = nested.run_id
    return [*events, succeeded(parent)]


def test_depth_costs_no_recursion() -> None:
    pipeline = Pipeline()
    for event in deep_events(10_000):
        pipeline.state.handle(event)
    pipeline.state.validate()
    assert pipeline.state.ended
    assert pipeline.states(ROOT, "5000", "9999") == [RESOLVED] * 3


def test_a_failure_ten_thousand_deep_fails_every_ancestor() -> None:
    pipeline = Pipeline()
    for event in deep_events(10_000)[:-1]:
        pipeline.state.handle(event)
    pipeline.fail("9999")
    assert pipeline.states(ROOT, "5000", "9999") == [NESTED_FAILED, NESTED_FAILED, FAILED]


def test_an_event_costs_what_it_touches() -> None:
    """Ten times as many calls, ten times the instructions: nothing is looked at again and again."""

    def steps(width: int) -> int:
        """Function calls that it takes to run a fan-out."""
        pipeline, count = Pipeline(), 0

        def trace(frame, event, argument) -> None:
            nonlocal count
            count += event == "call"

        calls = [standalone(str(i)) for i in range(width)]
        events = [
            PipelineStarted(0.0, call(ROOT)),
            ended(ROOT, Expanded(tuple(calls), list_of(*(c.run_id for c in calls)))),
            *(succeeded(c.run_id) for c in calls),
        ]
        sys.setprofile(trace)
        try:
            for event in events:
                pipeline.state.handle(event)
        finally:
            sys.setprofile(None)
        return count

    assert steps(1_000) < 10.5 * steps(100)
