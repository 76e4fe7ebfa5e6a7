"""Events go into the record and come back as they were."""

import dataclasses
import json
from typing import Any, get_args

import pytest

from sematic.calls import (
    ArtifactRef,
    Call,
    Collect,
    ErrorRecord,
    Expanded,
    Expression,
    Failed,
    Input,
    Operate,
    OutputOf,
    Select,
    Succeeded,
)
from sematic.errors import RecordError, UnknownSchemaError
from sematic.events import (
    CallEnded,
    CallLost,
    CancelRequested,
    DriverChanged,
    EvaluationFailed,
    Event,
    InputsEvaluated,
    LookedUp,
    OutputEvaluated,
    OutputsLookedUp,
    PipelineAborted,
    PipelineStarted,
    Seed,
    TimePassed,
)
from sematic.options import CallOptions
from sematic.recorded_functions import RecordedFunction
from sematic.resources import ResourceRequirements
from sematic.retry import RetrySettings
from sematic.states import RunState
from sematic.tracking.event_json import event_to_json
from sematic.tracking.event_reading import EventReader
from tests.builders import ROOT, artifact, call, ended, expanded, integer, list_of, real

ONE, TWO, THREE = artifact(1), artifact(2), artifact(3, payload=None)
FUNCTIONS = {integer.path: integer, real.path: real}
ERROR = ErrorRecord(
    "m.Broken", 'a "quoted" \ud800 \0 text', ("builtins.ValueError",), "Traceback\n  x"
)

INPUTS: dict[str, Input] = {
    "artifact": ONE,
    "output": OutputOf("a"),
    "item": Expression((OutputOf("a"), ONE, Select("item", 0, 1))),
    "slice": Expression((OutputOf("a"), TWO, Select("slice", 0, 1))),
    "attribute": Expression((OutputOf("a"), ONE, Select("attribute", 0, 1))),
    "operation": Expression((OutputOf("a"), OutputOf("b"), Operate("+", (0, 1)))),
    "list": list_of("a", "b"),
    "container": Expression((OutputOf("a"), ONE, Collect(THREE, (0, 1)))),
}

OPTIONS = CallOptions(
    name="a name",
    standalone=True,
    cache=True,
    tags=("x", "y"),
    retry=RetrySettings((ValueError, KeyError), 3, backoff_seconds=0.5, jitter=0.0),
    timeout_mins=5,
    resource_requirements=ResourceRequirements(),
    base_image_tag="image",
)

SEEDS = (
    Seed(call(ROOT), RunState.RAN, inputs={"x": ONE}, expansion=list_of("a", "b")),
    Seed(call("a"), RunState.RESOLVED, inputs={}, output=TWO, original_run_id="old"),
    Seed(call("b"), RunState.CREATED, again=True),
    Seed(call("b", needs=["a"], function=real), RunState.CREATED),
)

EVENTS: list[Event] = [
    PipelineStarted(1.5, call(ROOT, inputs={"x": ONE})),
    PipelineStarted(
        1.5,
        call(ROOT),
        max_parallelism=3,
        on_failure="drain",
        cache_namespace="main",
        seeds=SEEDS,
        apart=False,
    ),
    PipelineStarted(1.5, dataclasses.replace(call(ROOT), options=OPTIONS)),
    InputsEvaluated(2.5, "a", {"x": ONE, "y": TWO}),
    OutputEvaluated(2.5, "a", THREE),
    EvaluationFailed(2.5, "a", ERROR),
    OutputsLookedUp(2.5, (LookedUp("a"),)),
    OutputsLookedUp(2.5, (LookedUp("a", TWO, "old"), LookedUp("b"), LookedUp("c", ONE, "old"))),
    ended("a", Succeeded(ONE), at=9.0, attempt=2),
    ended("a", Failed(ERROR)),
    expanded("a", [call("b", parent="a"), call("c", parent="a", inputs=INPUTS)], OutputOf("c")),
    CallLost(3.5, "a", 2, ERROR),
    CallLost(3.5, "a", 2, ERROR, started_at=1.5, ended_at=3.25),
    CancelRequested(4.5, "Enough."),
    TimePassed(5.5),
    DriverChanged(6.5, 5.0, ("m.f", "m.g")),
    DriverChanged(6.5, 5.0),
    PipelineAborted(7.5, ERROR),
]


def read(event: Event, *, function_of: Any = FUNCTIONS.__getitem__) -> Event:
    """An event that was recorded and is read back."""
    artifacts = {ref.id: ref for ref in (ONE, TWO, THREE)}
    kind = type(event).__name__
    return EventReader(artifacts, function_of).read_event(
        kind, event.at, event_to_json(event), ROOT
    )


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_events_come_back(event: Event) -> None:
    assert read(event) == event


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_all_kinds_are_written_as_the_encoder_of_json_writes_them(event: Event) -> None:
    text = event_to_json(event)
    assert text == json.dumps(json.loads(text), separators=(",", ":"))


@pytest.mark.parametrize("answer", [LookedUp("a"), LookedUp("a", TWO, "old")])
def test_look_ups_of_older_records_come_one_by_one(answer: LookedUp) -> None:
    output = None if answer.output is None else answer.output.id
    payload = json.dumps(
        {"run_id": "a", "output": output, "original_run_id": answer.original_run_id}
    )
    reader = EventReader({TWO.id: TWO}, FUNCTIONS.__getitem__)
    event = reader.read_event("OutputLookedUp", 2.5, payload, ROOT)
    assert event == OutputsLookedUp(2.5, (answer,))


def test_every_kind_of_event_comes_back() -> None:
    assert {type(event) for event in EVENTS} == set(get_args(Event))


@pytest.mark.parametrize("value", INPUTS.values(), ids=INPUTS)
def test_what_an_output_is_made_of_comes_back(value: Input) -> None:
    event = expanded("a", [], value)
    assert read(event) == event


def test_every_form_of_input_is_tried() -> None:
    values = INPUTS.values()
    steps = {type(s) for v in values if isinstance(v, Expression) for s in v.steps}
    assert {*map(type, values)} | steps == {
        *(ArtifactRef, OutputOf, Expression, Select, Operate, Collect)
    }


def test_the_pickled_exception_is_never_kept() -> None:
    error = dataclasses.replace(ERROR, pickled=b"code")
    event = ended("a", Failed(error, ValueError("x")))
    again = read(event)
    assert isinstance(again, CallEnded)
    assert again.outcome == Failed(ERROR)
    assert isinstance(again.outcome, Failed)
    assert again.outcome.exception is None


def test_calls_of_a_function_share_it_and_its_options() -> None:
    asked: list[str] = []

    def function_of(path: str) -> Any:
        asked.append(path)
        return FUNCTIONS[path]

    calls = [dataclasses.replace(call(f"c{i}"), options=OPTIONS) for i in range(3)]
    event = read(expanded("a", calls, ONE), function_of=function_of)
    assert isinstance(event, CallEnded)
    assert isinstance(event.outcome, Expanded)
    assert asked == [integer.path]
    assert len({id(made.options) for made in event.outcome.calls}) == 1


def test_seeds_of_older_versions_have_no_inputs() -> None:
    event = PipelineStarted(1.0, call(ROOT), seeds=(SEEDS[2],))
    text = event_to_json(event).replace('"inputs":null,', "")
    assert text != event_to_json(event)
    again = EventReader({}, FUNCTIONS.__getitem__).read_event("PipelineStarted", 1.0, text, ROOT)
    assert again == event


class TestWithoutTheCode:
    """A reader that cannot import the functions."""

    def read_call(self, options: CallOptions) -> Call:
        made = dataclasses.replace(call("b"), options=options)
        event = read(expanded("a", [made], ONE), function_of=RecordedFunction)
        assert isinstance(event, CallEnded)
        assert isinstance(event.outcome, Expanded)
        return event.outcome.calls[0]

    def test_the_call_is_the_same_but_for_its_function(self) -> None:
        made = self.read_call(dataclasses.replace(OPTIONS, retry=None))
        assert made.function.path == integer.path
        assert made.options == dataclasses.replace(OPTIONS, retry=None)

    def test_retries_match_what_the_real_exceptions_would(self) -> None:
        """They are of modules that need not exist here."""
        text = event_to_json(
            expanded("a", [dataclasses.replace(call("b"), options=OPTIONS)], ONE)
        ).replace("builtins.ValueError", "no.such.module.Error")
        event = EventReader({ONE.id: ONE}, RecordedFunction).read_event("CallEnded", 1, text, ROOT)
        assert isinstance(event, CallEnded)
        assert isinstance(event.outcome, Expanded)
        retry = event.outcome.calls[0].options.retry
        assert retry is not None
        assert retry.matches(["no.such.module.Error"])
        assert retry.matches(["builtins.KeyError"])
        assert not retry.matches(["builtins.ValueError"])
        assert (retry.retries, retry.backoff_seconds) == (3, 0.5)


class TestWhatIsRefused:
    def test_events_of_a_kind_that_is_not_known(self) -> None:
        with pytest.raises(UnknownSchemaError, match="Teleported is not known here"):
            EventReader({}, FUNCTIONS.__getitem__).read_event("Teleported", 1.0, "{}", ROOT)

    def test_a_newer_schema(self) -> None:
        text = event_to_json(PipelineStarted(1.0, call(ROOT))).replace('"schema":1', '"schema":99')
        with pytest.raises(UnknownSchemaError, match="event schema 99"):
            EventReader({}, FUNCTIONS.__getitem__).read_event("PipelineStarted", 1.0, text, ROOT)

    def test_artifacts_that_are_gone(self) -> None:
        text = event_to_json(OutputEvaluated(1.0, "a", artifact("gone")))
        with pytest.raises(RecordError, match="is not in the record any more"):
            EventReader({}, FUNCTIONS.__getitem__).read_event("OutputEvaluated", 1.0, text, ROOT)

    def test_inputs_of_another_form(self) -> None:
        text = event_to_json(expanded("a", [], list_of("b"))).replace('"run":', '"walk":')
        with pytest.raises(RecordError, match="a form that is not known"):
            EventReader({}, FUNCTIONS.__getitem__).read_event("CallEnded", 1.0, text, ROOT)


def test_the_output_type_of_a_call_is_that_of_when_it_was_made() -> None:
    event = PipelineStarted(1.5, call(ROOT))
    changed = read(event, function_of=lambda path: real)
    assert isinstance(changed, PipelineStarted)
    assert changed.call.function is real
    assert changed.call.output_descriptor == "int"
    assert read(changed, function_of=lambda path: real).call.output_descriptor == "int"  # type: ignore[union-attr]


def test_older_records_do_not_tell_it() -> None:
    data = json.loads(event_to_json(PipelineStarted(1.5, call(ROOT))))
    del data["call"]["output_type"]
    reader = EventReader({}, lambda path: real)
    found = reader.read_event("PipelineStarted", 1.5, json.dumps(data), ROOT)
    assert isinstance(found, PipelineStarted)
    assert found.call.output_descriptor == "float"
