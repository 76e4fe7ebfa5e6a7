"""Batches of events as rows of tables. Pure: rows are plain values that any process can write."""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from json.encoder import encode_basestring_ascii as _quote
from operator import itemgetter
from typing import Any, overload

from sematic.calls import (
    ArtifactRef,
    Call,
    Collect,
    Expanded,
    Expression,
    Input,
    OutputOf,
    Succeeded,
    dependencies,
)
from sematic.events import (
    CallEnded,
    Event,
    InputsEvaluated,
    OutputEvaluated,
    OutputsLookedUp,
    PipelineMoved,
    PipelineStarted,
    RunCreated,
    RunMoved,
)
from sematic.function import Function
from sematic.options import options_to_json
from sematic.ports import Batch
from sematic.states import RunState
from sematic.tracking.event_json import error_to_json, event_to_json
from sematic.tracking.statements import CACHE_KEY_LENGTH, RUN_DETAILS

Row = tuple[Any, ...]

_NO_INPUTS: Mapping[str, str] = {}

_encode = json.JSONEncoder(separators=(",", ":")).encode

_PLACES = {name: place for place, name in enumerate(RUN_DETAILS)}
_STATE, _ATTEMPT, _ERROR, _REASON = map(
    _PLACES.__getitem__, ("state", "attempt", "error", "reason")
)
_STARTED, _ENDED, _OUTPUT = map(_PLACES.__getitem__, ("started_at", "ended_at", "output_id"))
_NESTED, _ORIGINAL = _PLACES["nested_run_id"], _PLACES["original_run_id"]
_KEY = _PLACES["cache_key"]
_NOTHING: list[Any] = [None] * len(RUN_DETAILS)
_CREATED = _NOTHING[:]  # of many that are created in one batch most move in a later one
_CREATED[_STATE], _CREATED[_ATTEMPT] = RunState.CREATED.value, 0
_TIMES = {
    RunState.SCHEDULED: "scheduled_at",
    RunState.RESOLVED: "resolved_at",
    RunState.FAILED: "failed_at",
    RunState.NESTED_FAILED: "failed_at",
    RunState.CANCELED: "canceled_at",
}
# The text of each state, and where the time goes at which a run came to be in it.
_STATES = {
    state: (state.value, _PLACES[_TIMES[state]] if state in _TIMES else None) for state in RunState
}


@dataclass(slots=True)
class RowBatch:
    """A batch as rows, in the column order of ``statements.py``.

    Attributes:
        status: ``(status, reason, at)`` of the pipeline run where it changed.
        at: when the last of its events happened, by the driver's clock; ``None`` for no events.
    """

    root_id: str
    epoch: int
    first_seq: int
    events: list[Row] = field(default_factory=list)
    new_runs: list[Row] = field(default_factory=list)
    changed_runs: list[list[Any]] = field(default_factory=list)
    attempts: list[Row] = field(default_factory=list)
    inputs: list[Row] = field(default_factory=list)
    input_artifacts: list[Row] = field(default_factory=list)
    constants: list[Row] = field(default_factory=list)
    functions: list[Row] = field(default_factory=list)
    artifacts: list[Row] = field(default_factory=list)
    status: Row | None = None
    at: float | None = None

    @property
    def size(self) -> int:
        """How long all of it is, about, in characters."""
        tables = (
            *(self.events, self.new_runs, self.changed_runs, self.attempts, self.inputs),
            *(self.input_artifacts, self.constants, self.functions, self.artifacts),
        )
        values = (value for rows in tables for row in rows for value in row)
        return sum(len(value) if isinstance(value, str) else 8 for value in values)


class RowBuilder:
    """Turns the batches of one pipeline run into rows.

    It remembers which functions and artifacts were sent, and counts runs; else it is pure.

    Args:
        recorded_runs: how many runs of the pipeline run earlier drivers have recorded.
    """

    def __init__(self, recorded_runs: int = 0) -> None:
        self._ordinal = recorded_runs
        self._function_ids: dict[int, tuple[Function[..., Any], str]] = {}
        self._kinds: dict[tuple[int, int], tuple[Call, Row]] = {}
        self._sent_artifacts: set[str] = set()
        self._constants: set[str] = set()
        self._complete: set[str] = set()  # runs whose inputs were known when they were created
        # Of the last batch: its first_seq, and the ordinal that it began with.
        self._last = (-1, recorded_runs)

    def build(self, batch: Batch) -> RowBatch:
        """The rows of a batch. The last one may be asked for again: it may not have been sent."""
        first_seq, ordinal = self._last
        if batch.first_seq == first_seq:
            self._ordinal = ordinal
            self._function_ids.clear()
            self._kinds.clear()
            for sent in (self._sent_artifacts, self._constants, self._complete):
                sent.clear()
        self._last = (batch.first_seq, self._ordinal)
        rows = RowBatch(batch.root_id, batch.epoch, batch.first_seq)
        for seq, event in enumerate(batch.events, batch.first_seq):
            rows.events.append(_event_row(batch, seq, event))
            rows.at = event.at
            for ref in _event_artifacts(event):
                self._add_artifact(rows, ref, event.at)
            if isinstance(event, CallEnded | PipelineStarted):
                self._add_constants(rows, _output_constants(event))
        self._add_runs(rows, batch)
        # Two drivers that insert the same rows in different orders would wait for each other.
        rows.artifacts.sort(key=itemgetter(0))
        rows.functions.sort(key=itemgetter(0))
        return rows

    def _add_runs(self, rows: RowBatch, batch: Batch) -> None:
        created: dict[str, RunCreated] = {}
        details: dict[str, list[Any]] = {}
        inputs: dict[str, dict[str, str]] = {}
        for change in batch.changes:
            if isinstance(change, RunMoved):
                run_id = change.run_id
                row = details.get(run_id, _NOTHING)
                if row is _NOTHING or row is _CREATED:
                    row = details[run_id] = row[:]
                _move(row, change)
                if change.state is RunState.RETRYING:
                    rows.attempts.append(_attempt(change))
                if change.inputs and run_id not in self._complete:
                    inputs[run_id] = {n: ref.id for n, ref in change.inputs.items()}
                    for ref in change.inputs.values():
                        self._add_artifact(rows, ref, change.at)
            elif isinstance(change, RunCreated):
                run_id = change.call.run_id
                created[run_id] = change
                details[run_id] = _CREATED
            elif isinstance(change, PipelineMoved):
                reason = storable_text(change.reason)
                rows.status = (change.status.value, reason, change.at)
        for run_id, row in details.items():
            known: Mapping[str, str] = inputs.get(run_id, _NO_INPUTS)
            if run_id in created:
                self._add_run(rows, created[run_id], row, known)
            else:
                row.append(run_id)
                rows.changed_runs.append(row)
                rows.input_artifacts.extend(
                    (a, run_id, storable_text(name)) for name, a in known.items()
                )

    def _add_run(
        self, rows: RowBatch, change: RunCreated, details: list[Any], known: Mapping[str, str]
    ) -> None:
        call, at = change.call, change.at
        complete = True
        for position, (name, value) in enumerate(call.inputs.items()):
            if isinstance(value, ArtifactRef):
                artifact_id: str | None = value.id
                sources = None
                self._add_artifact(rows, value, at)
            else:
                artifact_id = known.get(name)
                sources = _sources(value)
                complete = complete and artifact_id is not None
            row = (call.run_id, storable_text(name), position, sources, artifact_id)
            rows.inputs.append(row)
            if isinstance(value, Expression):
                for ref in _input_artifacts(value):
                    self._add_artifact(rows, ref, at)
                    self._add_constants(rows, (ref.id,))
        if complete:
            self._complete.add(call.run_id)
        ids = (call.run_id, call.root_id, call.parent_id, self._ordinal)
        rows.new_runs.append((*ids, *self._kind_of(rows, call), at, *details))
        self._ordinal += 1

    def _kind_of(self, rows: RowBatch, call: Call) -> Row:
        """The columns that nearly all calls of a function have in common."""
        kind = (id(call.function), id(call.options))
        known = self._kinds.get(kind)
        if known is None:
            row = (
                storable_text(call.options.name),
                storable_text(call.function.path),
                self._function_id(rows, call.function),
                call.options.standalone,
                _encode(options_to_json(call.options)),
            )
            known = self._kinds[kind] = call, row  # what has these ids lives as long as they count
        return known[1]

    def _add_constants(self, rows: RowBatch, artifact_ids: Iterable[str]) -> None:
        for artifact_id in artifact_ids:
            if artifact_id not in self._constants:
                self._constants.add(artifact_id)
                rows.constants.append((rows.root_id, artifact_id))

    def _function_id(self, rows: RowBatch, function: Function[..., Any]) -> str:
        known = self._function_ids.get(id(function))
        if known is not None:
            return known[1]
        named = function_id(function)
        self._function_ids[id(function)] = (function, named)
        texts = (function.path, function.source, function.__doc__)
        rows.functions.append((named, *map(storable_text, texts)))
        return named

    def _add_artifact(self, rows: RowBatch, ref: ArtifactRef, at: float) -> None:
        if ref.id in self._sent_artifacts:
            return
        self._sent_artifacts.add(ref.id)
        texts = (storable_text(ref.payload), storable_text(ref.summary))
        row = (ref.id, ref.codec, storable_text(ref.type), ref.size, *texts, at)
        rows.artifacts.append(row)


def function_id(function: Function[..., Any]) -> str:
    """The id of a function in the record: 40 hex digits that change with its path and its code."""
    named = f"{function.path}\0{function.source_hash}"
    return hashlib.sha1(named.encode("utf-8", "surrogatepass")).hexdigest()


def storable_key(cache_key: str) -> str:
    """A cache key as the record has it: text that every database takes, of a limited length."""
    text = storable_text(cache_key)
    return text if len(text) <= CACHE_KEY_LENGTH else hashlib.sha1(text.encode()).hexdigest()


def _event_row(batch: Batch, seq: int, event: Event) -> Row:
    payload = event_to_json(event)
    return (batch.root_id, batch.epoch, seq, type(event).__name__, event.at, payload)


def _move(row: list[Any], change: RunMoved) -> None:
    """Write a change into a row of RUN_DETAILS; of several the last one counts."""
    row[_STATE], place = _STATES[change.state]
    row[_ATTEMPT] = change.attempt
    row[_ERROR] = _encode(error_to_json(change.error)) if change.error else None
    row[_REASON] = storable_text(change.reason)
    if place is not None:
        row[place] = change.at
    if change.started_at is not None:
        row[_STARTED], row[_ENDED] = change.started_at, change.ended_at
    if change.output is not None:
        row[_OUTPUT] = change.output.id
    if change.cache_key is not None:
        row[_KEY] = storable_key(change.cache_key)
    if change.original_run_id is not None:
        row[_ORIGINAL] = change.original_run_id
    if change.nested_run_id is not None:
        row[_NESTED] = change.nested_run_id


def _attempt(change: RunMoved) -> Row:
    """An attempt that another one follows."""
    error = _encode(error_to_json(change.error)) if change.error else None
    ended_at = change.at if change.ended_at is None else change.ended_at
    times = (change.scheduled_at, change.started_at, ended_at)
    return (change.run_id, change.attempt, *times, error, storable_text(change.reason))


def _event_artifacts(event: Event) -> Iterable[ArtifactRef]:
    """The artifacts that only the event names; those of runs come with the runs."""
    match event:
        case OutputEvaluated():
            return (event.output,)
        case OutputsLookedUp():
            return [answer.output for answer in event.answers if answer.output is not None]
        case InputsEvaluated():  # its run may have to wait long before it starts
            return event.inputs.values()
        case CallEnded(outcome=Succeeded(output)):
            return (output,)
        case CallEnded(outcome=Expanded(calls, output)):
            # Also those of its calls: a pipeline run that is ending creates no runs for them.
            return chain(_input_artifacts(output), *map(_call_artifacts, calls))
        case _:
            return ()


def _output_constants(event: Event) -> Iterator[str]:
    """The artifacts that only an expression in an event names."""
    if isinstance(event, CallEnded) and isinstance(event.outcome, Expanded):
        yield from (ref.id for ref in _input_artifacts(event.outcome.output))
    elif isinstance(event, PipelineStarted):
        expansions = (seed.expansion for seed in event.seeds if seed.expansion is not None)
        yield from (ref.id for value in expansions for ref in _input_artifacts(value))


def _call_artifacts(call: Call) -> list[ArtifactRef]:
    return [ref for value in call.inputs.values() for ref in _input_artifacts(value)]


def _input_artifacts(value: Input) -> Iterable[ArtifactRef]:
    if isinstance(value, ArtifactRef):
        return (value,)
    return _constants(value) if isinstance(value, Expression) else ()


def _constants(value: Expression) -> Iterator[ArtifactRef]:
    for step in value.steps:
        if isinstance(step, ArtifactRef):
            yield step
        elif isinstance(step, Collect) and step.template is not None:
            yield step.template


def _sources(value: Input) -> str | None:
    if isinstance(value, ArtifactRef):
        return None
    if isinstance(value, OutputOf):
        return f"[{_quote(value.run_id)}]"
    return _encode(sorted(set(dependencies(value))))


@overload
def storable_text(value: str) -> str: ...
@overload
def storable_text(value: str | None) -> str | None: ...
def storable_text(value: str | None) -> str | None:
    """Text that every database takes: NUL and lone surrogates are escaped."""
    if value is None:
        return None
    if value.isascii() and "\0" not in value:
        return value
    escaped = value.encode("utf-8", "backslashreplace").decode("utf-8")
    return escaped.replace("\0", "\\x00")


def original_text(stored: str) -> str:
    r"""What :func:`storable_text` was given: ``\udc80`` is taken for what it stands for."""
    return _ESCAPED.sub(lambda found: chr(int(found[1] or found[2], 16)), stored)


_ESCAPED = re.compile(r"\\(?:x(00)|u(d[89a-f][0-9a-f]{2}))")
