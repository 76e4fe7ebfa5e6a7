"""A recorded pipeline run as calls again: what rerunning starts from."""

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from sematic.calls import ArtifactRef, Call, Expanded, Input
from sematic.errors import NotFoundError
from sematic.events import CallEnded, Event, PipelineStarted
from sematic.rerun import RecordedRun
from sematic.states import RunState
from sematic.tracking.connections import read_schema_version
from sematic.tracking.event_reading import FunctionOf
from sematic.tracking.history import read_events
from sematic.tracking.reading import Ask, read_artifacts, reading

_RUNS = "SELECT id, state, output_id, original_run_id FROM runs WHERE root_id = ? ORDER BY ordinal"
_INPUTS = (
    "SELECT i.run_id, i.name, i.artifact_id FROM run_inputs i JOIN runs r ON r.id = i.run_id "
    "WHERE r.root_id = ? AND i.artifact_id IS NOT NULL ORDER BY r.ordinal, i.position"
)
_START = "SELECT payload FROM events WHERE root_id = ? AND kind = 'PipelineStarted'"


def read_recorded_runs(
    url: str, run_id: str, *, function_of: FunctionOf
) -> tuple[RecordedRun, ...]:
    """Every run of the pipeline run that ``run_id`` is of, in the order of their creation.

    Calls have the options that their functions have now, and those that ``future.set`` gave them.

    Args:
        url: of the record.
        run_id: any of its runs.
        function_of: finds the function at an importable path.

    Raises:
        NotFoundError: no run has this id.
        ImportError: a function is not where it was.
    """
    if read_schema_version(url) is None:
        raise NotFoundError(f"No run has the id '{run_id}': nothing is recorded yet.")
    with reading(url) as ask:
        root_id = _root_of(ask, run_id)
        rows = list(ask(_RUNS, [root_id]))
        inputs = list(ask(_INPUTS, [root_id]))
        events = read_events(url, ask, root_id, function_of=function_of, current_options=True)
        ids = {row[2] for row in rows if row[2]} | {row[2] for row in inputs}
        artifacts = read_artifacts(url, ask, ids)
    calls = {call.run_id: call for call in _calls(events)}
    expansions = dict(_expansions(events))
    known: dict[str, dict[str, ArtifactRef]] = {}
    for input_of, name, artifact_id in inputs:
        known.setdefault(input_of, {})[name] = artifacts[artifact_id]
    return tuple(
        RecordedRun(
            call=calls[id_],
            state=RunState(state),
            inputs=known.get(id_, {}),
            output=artifacts[output_id] if output_id else None,
            expansion=expansions.get(id_),
            original_run_id=original_run_id,
        )
        for id_, state, output_id, original_run_id in rows
    )


def read_start(url: str, root_id: str) -> Mapping[str, Any]:
    """The options that a pipeline run began with: ``max_parallelism`` and ``on_failure``.

    Raises:
        NotFoundError: nothing is recorded of it.
    """
    with reading(url) as ask:
        for (payload,) in ask(_START, [root_id]):
            data = json.loads(payload)
            return {name: data[name] for name in ("max_parallelism", "on_failure")}
    raise NotFoundError(f"Nothing is recorded of a pipeline run with the id '{root_id}'.")


def _root_of(ask: Ask, run_id: str) -> str:
    for row in ask("SELECT root_id FROM runs WHERE id = ?", [run_id]):
        return str(row[0])
    raise NotFoundError(f"No run has the id '{run_id}'.")


def _calls(events: Iterable[Event]) -> Iterator[Call]:
    """The calls that events brought, in order."""
    for event in events:
        match event:
            case PipelineStarted(seeds=()):
                yield event.call
            case PipelineStarted():
                yield from (seed.call for seed in event.seeds)
            case CallEnded(outcome=Expanded(calls)):
                yield from calls


def _expansions(events: Iterable[Event]) -> Iterator[tuple[str, Input]]:
    """The runs that returned futures, and what their outputs are made of."""
    for event in events:
        match event:
            case PipelineStarted():
                for seed in event.seeds:
                    if seed.expansion is not None:
                        yield seed.call.run_id, seed.expansion
            case CallEnded(run_id=run_id, outcome=Expanded(output=output)):
                yield run_id, output
