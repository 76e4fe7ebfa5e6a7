"""Batches of events as rows of tables."""

import json
from collections.abc import Iterable
from dataclasses import replace

import pytest

import sematic
from sematic.calls import Collect, ErrorRecord, Expression, Operate, OutputOf, Select
from sematic.events import (
    CancelRequested,
    Change,
    Event,
    InputsEvaluated,
    LookedUp,
    OutputEvaluated,
    OutputsLookedUp,
    PipelineMoved,
    PipelineStarted,
    RunCreated,
    RunMoved,
    Seed,
)
from sematic.ports import Batch
from sematic.states import PipelineRunStatus, RunState
from sematic.tracking.rows import (
    RowBatch,
    RowBuilder,
    original_text,
    storable_key,
    storable_text,
)
from sematic.tracking.statements import (
    ARTIFACT_COLUMNS,
    EVENT_COLUMNS,
    FUNCTION_COLUMNS,
    INPUT_COLUMNS,
    RUN_COLUMNS,
    RUN_DETAILS,
)
from tests.builders import ROOT, artifact, call, error, expanded, integer, list_of, real, succeeded
from tests.machine import Pipeline


def batch(
    events: Iterable[Event] = (), changes: Iterable[Change] = (), *, first_seq: int = 0
) -> Batch:
    return Batch(ROOT, 2, first_seq, tuple(events), tuple(changes))


def build(events: Iterable[Event] = (), changes: Iterable[Change] = ()) -> RowBatch:
    return RowBuilder().build(batch(events, changes))


def named(columns: tuple[str, ...], row: tuple) -> dict[str, object]:
    return dict(zip(columns, row, strict=True))


def run_row(rows: RowBatch, index: int = 0) -> dict[str, object]:
    return named(RUN_COLUMNS, rows.new_runs[index])


def changed_row(rows: RowBatch, index: int = 0) -> dict[str, object]:
    return named((*RUN_DETAILS, "id"), rows.changed_runs[index])


def artifact_ids(rows: RowBatch) -> set[str]:
    return {str(row[0]) for row in rows.artifacts}


# --- events


def test_an_event_is_a_row() -> None:
    rows = RowBuilder().build(batch([CancelRequested(7.0, "Enough.")], first_seq=5))
    (event,) = rows.events
    assert named(EVENT_COLUMNS, event) == {
        "root_id": ROOT,
        "epoch": 2,
        "seq": 5,
        "kind": "CancelRequested",
        "at": 7.0,
        "payload": '{"reason":"Enough."}',
    }
    assert (rows.root_id, rows.epoch, rows.first_seq) == (ROOT, 2, 5)


def test_events_are_numbered() -> None:
    rows = RowBuilder().build(batch([CancelRequested(0, "")] * 3, first_seq=5))
    assert [named(EVENT_COLUMNS, row)["seq"] for row in rows.events] == [5, 6, 7]


def test_rows_hold_nothing_but_plain_values() -> None:
    """Any process can write them, whether it can import the user's classes or not."""
    pipeline = Pipeline()
    builder, seq = RowBuilder(), 0
    sent: list[RowBatch] = []

    def send(event: Event) -> None:
        nonlocal seq
        pipeline.send(event)
        changes = [
            i for i in pipeline.instructions if isinstance(i, (RunCreated, RunMoved, PipelineMoved))
        ]
        sent.append(builder.build(batch([event], changes, first_seq=seq)))
        seq += 1

    send(PipelineStarted(0.0, call(ROOT, inputs={"x": artifact()})))
    send(expanded(ROOT, [call("a"), call("b", inputs={"x": list_of("a")})], OutputOf("b")))
    send(succeeded("a"))
    send(InputsEvaluated(1.0, "b", {"x": artifact("list")}))
    send(succeeded("b"))
    assert pipeline.state.ended
    for rows in sent:
        for name in RowBatch.__dataclass_fields__:
            table = getattr(rows, name)
            for row in table if isinstance(table, list) else [table if table else ()]:
                for cell in row if isinstance(row, tuple | list) else (row,):
                    assert type(cell) in (str, int, float, bool, type(None)), (name, cell)


# --- runs


def test_a_created_run() -> None:
    made = call("a", inputs={"x": artifact(1), "y": OutputOf("b"), "z": list_of("c", "b", "c")})
    rows = build(changes=[RunCreated(3.0, made)])
    row = run_row(rows)
    assert row["id"] == "a"
    assert (row["root_id"], row["parent_id"], row["ordinal"]) == (ROOT, ROOT, 0)
    assert (row["name"], row["function_path"]) == ("a", "tests.builders.integer")
    assert (row["standalone"], row["options"]) == (False, '{"name":"a"}')
    assert (row["created_at"], row["state"], row["attempt"]) == (3.0, "CREATED", 0)
    assert row["scheduled_at"] is row["output_id"] is row["error"] is None
    inputs = [named(INPUT_COLUMNS, row) for row in rows.inputs]
    assert [(row["name"], row["sources"], row["artifact_id"]) for row in inputs] == [
        ("x", None, artifact(1).id),
        ("y", '["b"]', None),
        ("z", '["b","c"]', None),
    ]
    assert {row["run_id"] for row in inputs} == {"a"}


def test_runs_are_counted_across_batches() -> None:
    builder = RowBuilder()
    first = builder.build(batch(changes=[RunCreated(0, call("a")), RunCreated(0, call("b"))]))
    second = builder.build(batch(changes=[RunCreated(0, call("c"))], first_seq=1))
    ordinals = [row["ordinal"] for row in (run_row(first), run_row(first, 1), run_row(second))]
    assert ordinals == [0, 1, 2]


def test_what_happens_to_a_new_run_in_the_same_batch_is_one_row() -> None:
    inputs = {"x": artifact(1)}
    rows = build(
        changes=[
            RunCreated(1.0, call("a", needs=[])),
            RunMoved(2.0, "a", RunState.SCHEDULED, attempt=1, inputs=inputs),
            RunMoved(
                5.0,
                "a",
                RunState.RESOLVED,
                attempt=1,
                output=artifact("a"),
                started_at=3.0,
                ended_at=4.0,
            ),
        ]
    )
    row = run_row(rows)
    assert rows.changed_runs == rows.input_artifacts == []
    times = ("created_at", "scheduled_at", "started_at", "ended_at", "resolved_at")
    assert [row[name] for name in times] == [1.0, 2.0, 3.0, 4.0, 5.0]
    assert (row["state"], row["attempt"], row["output_id"]) == ("RESOLVED", 1, artifact("a").id)


def test_inputs_that_become_known_in_the_same_batch() -> None:
    inputs = {"x0": artifact(1)}
    rows = build(
        changes=[
            RunCreated(1.0, call("a", needs=["b"])),
            RunMoved(2.0, "a", RunState.SCHEDULED, attempt=1, inputs=inputs),
        ]
    )
    assert named(INPUT_COLUMNS, rows.inputs[0])["artifact_id"] == artifact(1).id


def test_what_happens_later_is_an_update() -> None:
    inputs = {"x": artifact(1), "y": artifact(2)}
    rows = build(changes=[RunMoved(2.0, "a", RunState.SCHEDULED, attempt=1, inputs=inputs)])
    assert rows.new_runs == rows.inputs == []
    row = changed_row(rows)
    assert (row["id"], row["state"], row["scheduled_at"]) == ("a", "SCHEDULED", 2.0)
    assert row["resolved_at"] is row["output_id"] is None
    assert rows.input_artifacts == [
        (artifact(1).id, "a", "x"),
        (artifact(2).id, "a", "y"),
    ]
    assert artifact_ids(rows) == {artifact(1).id, artifact(2).id}


def test_inputs_that_were_known_from_the_start_are_not_written_again() -> None:
    """Most are, and to update a row takes as long as to make it."""
    builder, constant = RowBuilder(), {"x": artifact(1)}
    mixed = {"x": artifact(1), "y": OutputOf("z")}
    created = [
        RunCreated(1.0, call("a", inputs=constant)),
        RunCreated(1.0, call("b", inputs=mixed)),
    ]
    builder.build(Batch(ROOT, 1, 0, (), tuple(created)))
    known = {"x": artifact(1), "y": artifact(2)}
    moved = [
        RunMoved(2.0, "a", RunState.SCHEDULED, attempt=1, inputs=constant),
        RunMoved(2.0, "b", RunState.SCHEDULED, attempt=1, inputs=known),
    ]
    rows = builder.build(Batch(ROOT, 1, 1, (), tuple(moved)))
    assert [row[:2] for row in rows.input_artifacts] == [(a.id, "b") for a in known.values()]


def test_a_retried_run() -> None:
    rows = build(
        changes=[
            RunMoved(2.0, "a", RunState.RETRYING, attempt=1, error=error()),
            RunMoved(3.0, "a", RunState.SCHEDULED, attempt=2),
        ]
    )
    row = changed_row(rows)
    assert (row["state"], row["attempt"], row["error"]) == ("SCHEDULED", 2, None)


@pytest.mark.parametrize("state", [RunState.FAILED, RunState.NESTED_FAILED])
def test_failures(state: RunState) -> None:
    record = ErrorRecord("m.Error", "broken", ("m.Base",), "Traceback...", pickled=b"secret")
    moved = RunMoved(9.0, "a", state, attempt=1, error=record, reason="Because.")
    row = changed_row(build(changes=[moved]))
    assert (row["failed_at"], row["reason"]) == (9.0, "Because.")
    assert json.loads(str(row["error"])) == {
        "type": "m.Error",
        "message": "broken",
        "ancestors": ["m.Base"],
        "traceback": "Traceback...",
    }


def test_where_an_output_comes_from() -> None:
    moved = RunMoved(
        1.0,
        "a",
        RunState.RESOLVED,
        output=artifact("a"),
        cache_key="key",
        original_run_id="old",
    )
    rows = build(changes=[moved, RunMoved(1.0, "p", RunState.RAN, nested_run_id="a")])
    row = changed_row(rows)
    assert changed_row(rows, 1)["nested_run_id"] == "a"
    assert row["nested_run_id"] is None
    assert (row["cache_key"], row["original_run_id"], row["output_id"]) == (
        "key",
        "old",
        artifact("a").id,
    )


def test_the_status_of_the_pipeline_run() -> None:
    running = PipelineMoved(1.0, ROOT, PipelineRunStatus.RUNNING)
    failed = PipelineMoved(2.0, ROOT, PipelineRunStatus.FAILED, "broken")
    assert build(changes=[running]).status == ("RUNNING", None, 1.0)
    assert build(changes=[running, failed]).status == ("FAILED", "broken", 2.0)
    assert build().status is None


# --- functions


def test_a_function_is_sent_once() -> None:
    builder = RowBuilder()
    changes = [RunCreated(0, call(name)) for name in "ab"]
    rows = builder.build(batch(changes=changes))
    (function,) = (named(FUNCTION_COLUMNS, row) for row in rows.functions)
    assert function["path"] == "tests.builders.integer"
    assert str(function["source"]).startswith("@func\ndef integer()")
    assert run_row(rows)["function_id"] == run_row(rows, 1)["function_id"] == function["id"]
    later = builder.build(batch(changes=[RunCreated(0, call("c"))], first_seq=1))
    assert later.functions == []


def test_functions_are_told_apart_by_path_and_source() -> None:
    def make():
        @sematic.func
        def same() -> int:
            return 1

        return same

    def other():
        @sematic.func
        def same() -> int:
            return 1

        return same

    functions = [make(), make(), other(), integer, real]
    rows = build(changes=[RunCreated(0, call(str(i), function=f)) for i, f in enumerate(functions)])
    ids = [run_row(rows, i)["function_id"] for i in range(5)]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 4


# --- artifacts


def test_an_artifact_is_sent_once() -> None:
    builder = RowBuilder()
    made = call("a", inputs={"x": artifact(1), "y": artifact(1)})
    rows = builder.build(batch(changes=[RunCreated(4.0, made)]))
    (row,) = rows.artifacts
    ref = artifact(1)
    assert named(ARTIFACT_COLUMNS, row) == {
        "id": ref.id,
        "codec": "plain",
        "type": "int",
        "size": 1,
        "payload": "1",
        "summary": None,
        "created_at": 4.0,
    }
    moved = RunMoved(5.0, "a", RunState.SCHEDULED, inputs={"x": ref})
    assert builder.build(batch(changes=[moved], first_seq=1)).artifacts == []


def test_every_artifact_that_an_event_names_is_sent() -> None:
    """The events are the record: whatever they name must be there, whatever became of the run."""
    constant, template = artifact("constant"), artifact("template")
    steps = (OutputOf("b"), constant, Select("item", 0, 1), Operate("add", (2, 2)))
    output = Expression((*steps, Collect(template, (3,))))
    nested = call("b", inputs={"x": artifact("input"), "y": Expression((artifact("step"),))})
    events = [
        PipelineStarted(0.0, call(ROOT, inputs={"x": artifact("root input")})),
        expanded(ROOT, [nested], output),
        InputsEvaluated(0.0, "c", {"x": artifact("evaluated")}),
        succeeded("b"),
        OutputEvaluated(0.0, ROOT, artifact("output")),
        OutputsLookedUp(0.0, (LookedUp("d"), LookedUp("e", artifact("found"), "old"))),
    ]
    changes = [RunCreated(0.0, call(ROOT, inputs={"x": artifact("root input")}))]
    rows = build(events, [*changes, RunCreated(0.0, nested)])
    names = ["root input", "constant", "template", "input", "step", "evaluated", "b", "output"]
    names.append("found")
    assert artifact_ids(rows) == {artifact(name).id for name in names}


def test_artifacts_that_only_expressions_name_are_listed_once() -> None:
    """Else nothing would tell that they are still needed."""
    template, constant, seeded = artifact("template"), artifact("constant"), artifact("seeded")
    expression = Expression((OutputOf("a"), constant, Collect(template, (0, 1))))
    made = call("b", inputs={"x": expression, "y": expression, "z": artifact("input")})
    seed = Seed(call("c"), RunState.RAN, expansion=Expression((seeded,)))
    seeds = (seed, Seed(call("d"), RunState.CREATED))
    builder = RowBuilder()
    rows = builder.build(
        batch([expanded(ROOT, [made], expression)], [RunCreated(0.0, made)]),
    )
    assert sorted(rows.constants) == sorted((ROOT, ref.id) for ref in (template, constant))
    started = PipelineStarted(0.0, call(ROOT), seeds=seeds)
    later = builder.build(batch([started], [RunCreated(0.0, made)], first_seq=1))
    assert later.constants == [(ROOT, seeded.id)]


# --- the same batch again


def test_a_batch_that_is_built_again_is_whole() -> None:
    """It may not have been written the first time: nothing of it may be missing."""
    builder = RowBuilder()
    builder.build(batch(changes=[RunCreated(0, call(ROOT))]))
    made = [
        RunCreated(0, call("a", inputs={"x": artifact(1)})),
        RunCreated(0, call("b", function=real)),
    ]
    again = batch([succeeded("a")], made, first_seq=1)
    first, second = builder.build(again), builder.build(again)
    assert [run_row(second, i)["ordinal"] for i in range(2)] == [1, 2]
    assert first.new_runs == second.new_runs
    assert set(first.functions) <= set(second.functions)
    assert set(first.artifacts) <= set(second.artifacts)
    third = builder.build(batch(changes=[RunCreated(0, call("c"))], first_seq=2))
    assert run_row(third)["ordinal"] == 3


# --- text


@pytest.mark.parametrize(
    ("text", "stored"),
    [
        ("plain", "plain"),
        ("ümlaut 漢字", "ümlaut 漢字"),
        ("nul \0 byte", "nul \\x00 byte"),
        ("lone \udc80 surrogate", "lone \\udc80 surrogate"),
        ("both \0\ud800", "both \\x00\\ud800"),
    ],
)
def test_text_that_databases_refuse_is_escaped(text: str, stored: str) -> None:
    moved = RunMoved(0.0, "a", RunState.CANCELED, reason=text)
    assert changed_row(build(changes=[moved]))["reason"] == stored


BAD = "bad \0\udc80"
STORED = "bad \\x00\\udc80"


def test_names_and_types_that_databases_refuse_are_escaped() -> None:
    """As those of a script are whose file's name is not UTF-8."""

    def function(x: int) -> int:
        """Do nothing."""
        return x

    function.__module__, function.__doc__ = BAD, BAD
    ref = replace(artifact(1), type=BAD, payload=BAD)
    made = call("a", inputs={BAD: ref}, function=sematic.func(function))
    rows = build(changes=[RunCreated(1.0, made)])
    path = f"{STORED}.{function.__qualname__}"
    assert run_row(rows)["function_path"] == path
    stored = named(FUNCTION_COLUMNS, rows.functions[0])
    assert (stored["path"], stored["docstring"]) == (path, STORED)
    assert named(INPUT_COLUMNS, rows.inputs[0])["name"] == STORED
    kept = named(ARTIFACT_COLUMNS, rows.artifacts[0])
    assert (kept["type"], kept["payload"]) == (STORED, STORED)
    moved = RunMoved(2.0, "a", RunState.SCHEDULED, inputs={BAD: ref}, cache_key=BAD)
    rows = build(changes=[moved])
    assert rows.input_artifacts == [(ref.id, "a", STORED)]
    assert changed_row(rows)["cache_key"] == STORED


def test_a_cache_key_that_is_too_long_when_it_is_escaped_is_shortened() -> None:
    first, second = storable_key("k_" + "\udc80" * 50), storable_key("k_" + "\udc81" * 50)
    assert first != second
    assert len(first) == len(second) == 40
    assert storable_key("k_" + "n" * 90) == "k_" + "n" * 90


@pytest.mark.parametrize("text", ["plain", BAD, "\ud800\0", "C:\\new", "\\u00e9"])
def test_what_was_escaped_can_be_read_again(text: str) -> None:
    assert original_text(storable_text(text)) == text


@pytest.mark.parametrize("text", ["nul \0", "lone \udc80", "漢字", 'quotes " and \\'])
def test_json_is_ascii(text: str) -> None:
    moved = RunMoved(0.0, "a", RunState.FAILED, error=error(text))
    rows = build([CancelRequested(0.0, text)], [moved])
    payload = str(named(EVENT_COLUMNS, rows.events[0])["payload"])
    stored = str(changed_row(rows)["error"])
    assert payload.isascii()
    assert stored.isascii()
    assert "\0" not in payload + stored
    assert json.loads(payload) == {"reason": text}
    assert json.loads(stored)["message"] == text
