"""Another driver, an aborted pipeline run: events and what follows them.

The first event is at 100.0, each further one a second later.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import replace

import pytest

from sematic.cache_desk import cache_key
from sematic.calls import Expanded, Failed, OutputOf, Succeeded
from sematic.errors import InfrastructureError, TimeoutError, WorkerLostError
from sematic.events import DriverChanged, LookUpOutput, OnFailure, RunMoved, Seed, StartCall
from sematic.function import NO_SOURCE, Function
from sematic.recorded_functions import RecordedFunction
from sematic.retry import RetrySettings
from sematic.state_machine import DRIVER_CHANGED, PipelineState
from sematic.states import RunState
from sematic.time_limits import own_limit_error
from tests.builders import ROOT, artifact, call, ended, error, integer, list_of, real
from tests.machine import AFTER_TIMEOUT, FAILS, LATER, TWICE, Pipeline, standalone
from tests.recorded import replay

CREATED, RAN, RESOLVED = RunState.CREATED, RunState.RAN, RunState.RESOLVED

NOTHING: Mapping[str, Function[..., object]] = {}


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline()


# --- another driver


def test_what_was_executing_is_executed_again(pipeline: Pipeline) -> None:
    calls = [standalone("a"), standalone("b"), call("c"), call("d")]
    pipeline.start_with(*calls, output=list_of(*"abcd"))
    pipeline.succeed("a")
    assert pipeline.change_driver() == [
        *("b RETRYING", "c RETRYING"),
        *("b SCHEDULED", "start b #2", "c SCHEDULED", "start c #2"),
    ]
    first = pipeline.instructions[0]
    assert isinstance(first, RunMoved)
    assert (first.reason, first.error) == (DRIVER_CHANGED, None)
    assert (first.scheduled_at, first.started_at) == (101.0, None)
    assert pipeline.states("a", "d") == [RESOLVED, CREATED]


def test_what_the_driver_before_says_is_not_heard(pipeline: Pipeline) -> None:
    pipeline.start_with(standalone("a"), output=OutputOf("a"))
    pipeline.change_driver()
    assert pipeline.succeed("a", attempt=1) == pipeline.lose("a", attempt=1) == []
    assert pipeline.succeed("a", attempt=2)[-1] == "end COMPLETE"


def test_an_end_that_was_not_recorded_is_repeated_and_a_recorded_one_is_not(
    pipeline: Pipeline,
) -> None:
    calls = [standalone("a"), standalone("b"), standalone("c", needs=["a"])]
    pipeline.start_with(*calls, output=list_of("b", "c"))
    pipeline.succeed("a")
    pipeline.succeed("b")
    words = pipeline.change_driver(forgotten=1)
    assert [word for word in words if word.startswith("start")] == ["start b #2", "start c #2"]


def test_inputs_go_with_the_new_attempt(pipeline: Pipeline) -> None:
    inputs = {"x": artifact("x")}
    pipeline.start(call(ROOT, inputs=inputs))
    pipeline.change_driver()
    start = pipeline.instructions[-1]
    assert isinstance(start, StartCall)
    assert start.inputs == pipeline.moved(ROOT).inputs == inputs


def test_a_lost_driver_uses_up_no_retry(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, retry=RetrySettings((ValueError, InfrastructureError), retries=1)))
    for attempt in (1, 2, 3):
        assert pipeline.change_driver()[-1] == f"start root #{attempt + 1}"
    assert pipeline.fail(ROOT, attempt=4)[-1] == "start root #5"
    pipeline.change_driver()
    assert pipeline.fail(ROOT, attempt=6)[0] == "root FAILED"


def test_what_was_executing_keeps_its_slot(pipeline: Pipeline) -> None:
    calls = [standalone(name) for name in "abcd"] + [call("i"), call("j")]
    pipeline.start_with(*calls, output=list_of(*"abcdij"), max_parallelism=2)
    words = pipeline.change_driver()
    starts = [word for word in words if word.startswith("start")]
    assert starts == ["start a #2", "start b #2", "start i #2"]


def test_questions_are_asked_again(pipeline: Pipeline) -> None:
    calls = [call("a"), call("b", inputs={"x0": list_of("a")}), call("c", cache=True), call("p")]
    pipeline.start_with(*calls, output=list_of(*"bcp"), cache_namespace="shared")
    pipeline.succeed("a")
    pipeline.expand("p", [], list_of())
    questions = ["evaluate inputs of b", "look up c", "evaluate output of p"]
    assert pipeline.change_driver() == questions
    assert pipeline.inputs("b") == ["b SCHEDULED", "start b #1"]
    assert pipeline.inputs("b") == []
    assert pipeline.change_driver()[-2:] == questions[1:]


def test_time_without_a_driver_does_not_count(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, timeout=60.0))
    pipeline.expand(ROOT, [standalone("a", timeout=20.0)], OutputOf("a"))
    assert pipeline.change_driver(away=1000.0)[-1] == "start a #2"
    assert pipeline.wait_until(1120.9) == []
    assert pipeline.wait_until(1121.0) == ["stop a #2"], "its limit began with the first attempt"
    assert pipeline.wait_until(1160.0) == ["root NESTED_FAILED"]


def test_pauses_end_without_a_driver_too(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, retry=LATER))
    pipeline.fail(ROOT)
    assert pipeline.change_driver(away=1000.0) == ["root SCHEDULED", "start root #2"]


def test_a_pause_may_outlast_the_driver(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, retry=LATER))
    pipeline.fail(ROOT)
    assert pipeline.change_driver(away=2.0) == []
    assert pipeline.state.next_due == 111.0


def test_a_limit_that_the_driver_before_did_not_live_to_see(pipeline: Pipeline) -> None:
    made = standalone("a", timeout=20.0, retry=AFTER_TIMEOUT)
    pipeline.start_with(made, standalone("b", timeout=20.0), output=list_of("a", "b"))
    pipeline.at = 121.0
    words = pipeline.change_driver(away=1000.0)
    assert words == ["a RETRYING", "b FAILED", "root NESTED_FAILED", "a CANCELED", *FAILS[1:]]
    assert pipeline.end.failed_run_id == "b"


def test_a_timed_out_call_whose_driver_died_has_failed(pipeline: Pipeline) -> None:
    made = standalone("a", timeout=20.0, retry=AFTER_TIMEOUT)
    pipeline.start_with(made, output=OutputOf("a"))
    assert pipeline.wait_until_due() == ["stop a #1"]
    assert pipeline.change_driver(away=50.0) == ["a RETRYING", "a SCHEDULED", "start a #2"]
    assert pipeline.wait_until_due() == ["stop a #2"]
    assert pipeline.change_driver() == ["a FAILED", *FAILS]
    assert pipeline.end.error == own_limit_error(made)


@pytest.mark.parametrize("on_failure", ["cancel", "drain"])
def test_a_limit_of_an_ancestor_that_the_driver_before_did_not_live_to_see(
    pipeline: Pipeline, on_failure: OnFailure
) -> None:
    calls = [call("p", timeout=20.0), standalone("beside"), standalone("waits", needs=["p"])]
    pipeline.start_with(*calls, output=list_of("beside", "waits"), on_failure=on_failure)
    pipeline.expand("p", [standalone("a", parent="p")], OutputOf("a"))
    pipeline.at = 125.0
    assert pipeline.change_driver(away=10.0) == [
        *("p NESTED_FAILED", "root NESTED_FAILED", "waits CANCELED"),
        *("beside CANCELED", "a FAILED", "pipeline FAILED", "end FAILED"),
    ]
    assert (pipeline.end.failed_run_id, pipeline.moved("a").at) == ("a", 135.0)


@pytest.mark.parametrize("on_failure", ["cancel", "drain"])
def test_what_was_ending_has_ended_with_the_driver(
    pipeline: Pipeline, on_failure: OnFailure
) -> None:
    pipeline.start_with(
        standalone("a"), standalone("b"), output=list_of("a", "b"), on_failure=on_failure
    )
    pipeline.fail("a")
    assert pipeline.change_driver() == ["b CANCELED", "pipeline FAILED", "end FAILED"]


def test_a_canceled_pipeline_run_stays_so(pipeline: Pipeline) -> None:
    pipeline.start_with(standalone("a"), output=OutputOf("a"))
    pipeline.cancel("Enough.")
    assert pipeline.change_driver() == ["a CANCELED", "pipeline CANCELED", "end CANCELED"]
    assert pipeline.end.reason == "Enough."


def test_a_cancel_goes_to_the_attempts_of_the_new_driver(pipeline: Pipeline) -> None:
    pipeline.start_with(standalone("a"), output=OutputOf("a"))
    pipeline.change_driver()
    assert pipeline.cancel() == ["root CANCELED", "stop a #2"]


@pytest.mark.parametrize("at", [90.0, 110.0, 110.5, 100_000.0])
def test_what_is_left_of_a_limit_is_left_by_whatever_clock(pipeline: Pipeline, at: float) -> None:
    pipeline.start(call(ROOT, timeout=60.0))
    assert pipeline.send(DriverChanged(at, alive_until=110.0))[-1] == "start root #2"
    assert pipeline.state.next_due == at + 50.0


@pytest.mark.parametrize("limit", [None, 5.0])
def test_an_attempt_has_ended_when_its_driver_was_last_heard_of(
    pipeline: Pipeline, limit: float | None
) -> None:
    """Whoever goes on may do so a day later, and by another clock."""
    pipeline.start(call(ROOT, timeout=limit, retry=AFTER_TIMEOUT))
    pipeline.send(DriverChanged(100_000.0, alive_until=110.0))
    again = pipeline.instructions[0]
    assert isinstance(again, RunMoved)
    assert again.state is RunState.RETRYING
    assert (again.scheduled_at, again.started_at, again.ended_at) == (100.0, None, 110.0)


def test_a_limit_that_was_reached_counts_though_the_clock_is_behind_now(
    pipeline: Pipeline,
) -> None:
    pipeline.start(call(ROOT, timeout=5.0))
    assert pipeline.send(DriverChanged(90.0, alive_until=110.0))[0] == "root FAILED"


@pytest.mark.parametrize(("at", "due"), [(90.0, 96.0), (105.0, 111.0), (108.0, 111.0)])
def test_a_pause_goes_on_without_a_driver_but_is_never_longer(
    pipeline: Pipeline, at: float, due: float
) -> None:
    pipeline.start(call(ROOT, retry=LATER))
    pipeline.fail(ROOT)
    assert pipeline.state.next_due == 111.0
    pipeline.send(DriverChanged(at, alive_until=105.0))
    assert pipeline.state.next_due == due


@pytest.mark.parametrize("at", [90.0, 125.0])
def test_a_pause_that_begins_with_the_new_driver_goes_by_its_clock(
    pipeline: Pipeline, at: float
) -> None:
    retry = replace(LATER, exceptions=(TimeoutError,))
    pipeline.start(call(ROOT, timeout=5.0, retry=retry))
    assert pipeline.wait_until(106.0) == ["stop root #1"]
    assert pipeline.send(DriverChanged(at, alive_until=110.0)) == ["root RETRYING"]
    assert pipeline.state.next_due == at + 10.0


def test_a_new_driver_finds_a_pipeline_run_that_has_ended(pipeline: Pipeline) -> None:
    pipeline.start()
    pipeline.succeed(ROOT)
    assert pipeline.change_driver() == []
    assert pipeline.state.ended


def test_a_new_driver_goes_on_with_seeds(pipeline: Pipeline) -> None:
    seeds = (
        Seed(call(ROOT, timeout=50.0), RAN, inputs={}, expansion=OutputOf("b")),
        Seed(call("a"), RESOLVED, inputs={}, output=artifact("a"), original_run_id="old"),
        Seed(call("b", needs=["a"]), CREATED),
    )
    pipeline.start(seeds=seeds)
    assert pipeline.state.next_due == 150.0
    words = pipeline.change_driver(away=10.0)
    assert words == ["b RETRYING", "b SCHEDULED", "start b #2"]
    assert pipeline.succeed("b", attempt=2)[-1] == "end COMPLETE"


def test_the_same_events_give_the_same_instructions_with_drivers_in_between(
    pipeline: Pipeline,
) -> None:
    calls = [standalone("a", retry=LATER, timeout=20.0), standalone("b"), call("c")]
    pipeline.start_with(*calls, output=list_of(*"abc"))
    pipeline.fail("a")
    pipeline.change_driver(away=3.0)
    pipeline.wait_until_due()
    pipeline.succeed("c", attempt=2)
    pipeline.change_driver(away=30.0)
    last = pipeline.instructions
    again = PipelineState()
    *_, replayed = [again.handle(event) for event in pipeline.events]
    assert replayed == last


# --- aborted


def test_an_aborted_pipeline_run_fails_what_is_active(pipeline: Pipeline) -> None:
    calls = [call("p"), standalone("a"), standalone("z", needs=["a"])]
    pipeline.start_with(*calls, output=list_of("p", "z"))
    pipeline.expand("p", [standalone("p1", parent="p", retry=TWICE)], OutputOf("p1"))
    words = ["root NESTED_FAILED", "p NESTED_FAILED", "z CANCELED", "stop a #1", "stop p1 #1"]
    assert pipeline.abort("its driver is gone") == words
    assert pipeline.lose("a") == ["a FAILED"]
    assert pipeline.fail("p1") == ["p1 FAILED", "pipeline FAILED", "end FAILED"]
    assert pipeline.moved("p1").error == pipeline.end.error
    assert pipeline.end.error == error("its driver is gone", type_="my.DriverLost")


def test_an_aborted_pipeline_run_in_which_nothing_is_active_fails_at_its_root(
    pipeline: Pipeline,
) -> None:
    pipeline.start_with(output=list_of())
    assert pipeline.abort() == ["root FAILED", "pipeline FAILED", "end FAILED"]
    assert pipeline.end.failed_run_id == ROOT


def test_an_aborted_root(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, retry=RetrySettings((Exception,), retries=9)))
    assert pipeline.abort() == ["stop root #1"]
    assert pipeline.lose(ROOT) == ["root FAILED", "pipeline FAILED", "end FAILED"]


def test_a_call_in_its_pause_is_aborted(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, retry=LATER))
    pipeline.fail(ROOT)
    assert pipeline.abort() == ["root FAILED", "pipeline FAILED", "end FAILED"]


def test_what_drains_is_aborted(pipeline: Pipeline) -> None:
    calls = [standalone("a"), standalone("b")]
    pipeline.start_with(*calls, output=list_of("a", "b"), on_failure="drain")
    pipeline.fail("a")
    assert pipeline.abort("its driver is gone") == ["stop b #1"]
    assert pipeline.lose("b") == ["b FAILED", "pipeline FAILED", "end FAILED"]
    assert pipeline.moved("b").error == error("its driver is gone", type_="my.DriverLost")
    assert (pipeline.end.failed_run_id, pipeline.end.error) == ("a", error())


def test_what_is_being_stopped_is_not_aborted_as_well(pipeline: Pipeline) -> None:
    pipeline.start_with(standalone("a"), output=OutputOf("a"))
    pipeline.cancel()
    assert pipeline.abort() == []
    assert pipeline.lose("a") == ["a CANCELED", "pipeline CANCELED", "end CANCELED"]


def test_abort_twice_stops_once(pipeline: Pipeline) -> None:
    pipeline.start()
    pipeline.abort("first")
    assert pipeline.abort("second") == []
    pipeline.lose(ROOT)
    assert pipeline.end.error == error("first", type_="my.DriverLost")


def test_a_driver_that_is_given_up_leaves_no_call_behind(pipeline: Pipeline) -> None:
    """How somebody ends a pipeline run without executing anything: abort, and lose what is left."""
    pipeline.start_with(standalone("a"), standalone("b"), output=list_of("a", "b"))
    pipeline.abort()
    for stop in pipeline.state.active_calls():
        words = pipeline.lose(stop.call.run_id, attempt=stop.attempt)
    assert words[-1] == "end FAILED"


def test_a_lost_worker_is_not_a_lost_driver(pipeline: Pipeline) -> None:
    retry = RetrySettings((WorkerLostError,), retries=1)
    pipeline.start(call(ROOT, standalone=True, retry=retry))
    pipeline.lose(ROOT)
    assert pipeline.lose(ROOT, attempt=2)[0] == "root FAILED"


def test_an_attempt_of_a_lost_driver_that_failed_is_no_failure(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, retry=RetrySettings((ValueError,), retries=1)))
    pipeline.change_driver()
    assert pipeline.send(ended(ROOT, Failed(error()), attempt=1)) == []
    assert pipeline.send(ended(ROOT, Expanded((), list_of()), attempt=1)) == []
    assert pipeline.fail(ROOT, attempt=2)[-1] == "start root #3"


# --- replay is over: the code of now


def take_code(pipeline: Pipeline, now: Mapping[str, Function[..., object]] = NOTHING) -> set[str]:
    """The paths of the functions that are asked for; now they are these, or else ``real``."""
    asked: list[str] = []

    def function_of(path: str) -> Function[..., object]:
        asked.append(path)
        return now.get(path, real)

    pipeline.state.take_code(function_of)
    assert len(asked) == len(set(asked))
    return set(asked)


def resume(pipeline: Pipeline) -> list[str]:
    """Let another driver replay what is recorded, and go on with the code of now."""
    pipeline.state, _ = replay(pipeline.events)
    take_code(pipeline)
    return pipeline.send(DriverChanged(pipeline.at, pipeline.at))


def gives(pipeline: Pipeline, run_id: str, type_: str, attempt: int = 1) -> list[str]:
    outcome = Succeeded(artifact(run_id, type_=type_))
    return pipeline.send(ended(run_id, outcome, at=pipeline.at, attempt=attempt))


def recorded(name: str, type_: str = "int") -> RecordedFunction:
    return RecordedFunction(f"m.{name}", source_hash="0" * 40, output_descriptor=type_)


def test_only_what_is_not_over_needs_its_code(pipeline: Pipeline) -> None:
    calls = [
        call("a", function=recorded("a")),
        standalone("b", function=recorded("b")),
        standalone("c", function=recorded("b")),
        call("d", function=recorded("d"), needs=["c"]),
    ]
    pipeline.start(call(ROOT, function=recorded("root")))
    pipeline.expand(ROOT, calls, list_of(*"abcd"))
    pipeline.succeed("a")
    assert take_code(pipeline) == {"m.root", "m.b", "m.d"}
    pipeline.send(DriverChanged(pipeline.at, pipeline.at))
    starts = [made for made in pipeline.instructions if isinstance(made, StartCall)]
    assert [start.call.function for start in starts] == [real, real]


@pytest.mark.parametrize(
    ("type_", "now", "asked"),
    [
        ("int", integer, {"m.a"}),
        ("int", real, {"m.b", "m.a"}),
        ("float", integer, {"m.root", "m.a"}),
        ("float", real, {"m.root", "m.b", "m.a"}),
    ],
)
def test_what_waits_for_an_output_that_is_its_own_needs_no_code(
    pipeline: Pipeline, type_: str, now: Function[..., object], asked: set[str]
) -> None:
    """What must execute may give another type by now, which the next one casts."""
    pipeline.start(call(ROOT, function=recorded("root", type_)))
    pipeline.expand(ROOT, [call("b", function=recorded("b"))], OutputOf("b"))
    pipeline.expand("b", [call("a", function=recorded("a"), parent="b")], OutputOf("a"))
    assert take_code(pipeline, {"m.a": now, "m.b": integer}) == asked


def test_an_output_of_another_type_is_cast_though_the_driver_changes_once_more(
    pipeline: Pipeline,
) -> None:
    """The second driver's code gave it, and that driver died before it had cast it."""
    pipeline.start(call(ROOT, function=recorded("root")))
    pipeline.expand(ROOT, [call("b", function=recorded("b"))], OutputOf("b"))
    resume(pipeline)
    assert gives(pipeline, "b", "float", attempt=2) == ["b RESOLVED", "evaluate output of root"]
    pipeline.state, _ = replay(pipeline.events)
    assert take_code(pipeline) == {"m.root"}
    assert pipeline.change_driver() == ["evaluate output of root"]


def test_what_is_ending_needs_no_code(pipeline: Pipeline) -> None:
    pipeline.start(call(ROOT, function=recorded("root")))
    pipeline.expand(ROOT, [standalone("a", function=recorded("a"))], OutputOf("a"))
    pipeline.cancel()
    assert take_code(pipeline) == set()
    assert pipeline.change_driver()[-1] == "end CANCELED"


def test_an_output_is_shared_under_the_key_of_the_code_that_makes_it(pipeline: Pipeline) -> None:
    """Here its type has changed: under the key of before it would be taken for another one."""
    made = call("a", function=recorded("a"), cache=True)
    pipeline.start(cache_namespace="main")
    pipeline.expand(ROOT, [made], list_of("a"))
    pipeline.looked_up("a")
    take_code(pipeline)
    pipeline.send(DriverChanged(pipeline.at, pipeline.at))
    (key,) = {m.cache_key for m in pipeline.instructions if isinstance(m, RunMoved)}
    assert key == cache_key(real, {}, "main")


@pytest.fixture
def alike(pipeline: Pipeline) -> Pipeline:
    """a and b are alike, which shows when x has ended; a executes, and its driver dies."""
    calls = [
        call("a", function=recorded("c"), cache=True, inputs={"x0": artifact("x")}),
        standalone("x"),
        call("b", function=recorded("c"), cache=True, needs=["x"]),
    ]
    pipeline.start_with(*calls, output=list_of("a", "b"), cache_namespace="main")
    pipeline.looked_up("a")
    return pipeline


def test_calls_that_are_alike_stay_so_when_the_type_has_changed(alike: Pipeline) -> None:
    resume(alike)
    gives(alike, "a", "float", attempt=2)
    assert alike.succeed("x", attempt=2) == ["x RESOLVED", "look up b"]
    key = next(i.key for i in alike.instructions if isinstance(i, LookUpOutput))
    assert key == cache_key(real, {"x0": artifact("x")}, "main")
    assert alike.looked_up("b", "a")[0] == "b RESOLVED"
    resume(alike)
    assert alike.states("a", "b") == [RESOLVED, RESOLVED]


def test_what_waits_for_its_like_is_shared_under_the_key_of_that(alike: Pipeline) -> None:
    resume(alike)
    assert alike.succeed("x", attempt=2) == ["x RESOLVED"]
    assert gives(alike, "a", "float", attempt=2)[:2] == ["a RESOLVED", "b RESOLVED"]
    assert alike.moved("a").cache_key == alike.moved("b").cache_key
    assert alike.moved("b").cache_key == cache_key(real, {"x0": artifact("x")}, "main")
    resume(alike)
    assert alike.states("a", "b") == [RESOLVED, RESOLVED]


def test_an_output_of_before_is_shared_under_the_key_of_before(alike: Pipeline) -> None:
    """Though the function of the call that it serves has another type by now."""
    gives(alike, "a", "int")
    resume(alike)
    assert alike.succeed("x", attempt=2)[:2] == ["x RESOLVED", "b RESOLVED"]
    assert alike.moved("b").cache_key == cache_key(recorded("c"), {"x0": artifact("x")}, "main")
    resume(alike)
    assert alike.states("a", "b") == [RESOLVED, RESOLVED]


def test_a_nested_output_of_the_type_of_before_is_shared_under_the_key_of_before(
    alike: Pipeline,
) -> None:
    alike.expand("a", [standalone("n", function=recorded("n"), parent="a")], OutputOf("n"))
    resume(alike)
    assert gives(alike, "n", "int", attempt=2)[:2] == ["n RESOLVED", "a RESOLVED"]
    assert alike.moved("a").cache_key == cache_key(recorded("c"), {"x0": artifact("x")}, "main")


def test_functions_of_one_path_have_keys_of_their_own(pipeline: Pipeline) -> None:
    """A factory has made them: only their types, or in a notebook their code, tell them apart."""
    functions = [
        *(recorded("f"), recorded("f", "float")),
        RecordedFunction("__main__.f", source_hash="0" * 40, output_descriptor="int"),
        RecordedFunction("__main__.f", source_hash="1" * 40, output_descriptor="int"),
    ]
    assert len({cache_key(function, {}, "main") for function in functions}) == 4
    nameless = hashlib.sha1(NO_SOURCE.encode()).hexdigest()
    assert cache_key(RecordedFunction("__main__.f", source_hash=nameless), {}, "main") is None
