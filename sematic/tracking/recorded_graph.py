"""A recorded pipeline run as calls again: what rerunning starts from."""

from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from sematic.calls import ArtifactRef, Input
from sematic.errors import NotFoundError
from sematic.function import Function
from sematic.rerun import RecordedRun
from sematic.states import RunState
from sematic.tracking import tables
from sematic.tracking.connections import read_schema_version
from sematic.tracking.database import Database
from sematic.tracking.event_reading import EventReader


def read_recorded_runs(
    url: str, run_id: str, *, function_of: Callable[[str], Function[..., Any]]
) -> tuple[RecordedRun, ...]:
    """Every run of the pipeline run that ``run_id`` is of, in the order of their creation.

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
    runs, events, inputs = tables.runs, tables.events, tables.run_inputs
    with Database(url).engine.connect() as connection:
        root_id = connection.scalar(select(runs.c.root_id).where(runs.c.id == run_id))
        if root_id is None:
            raise NotFoundError(f"No run has the id '{run_id}'.")
        rows = connection.execute(
            select(runs.c.id, runs.c.state, runs.c.output_id, runs.c.original_run_id)
            .where(runs.c.root_id == root_id)
            .order_by(runs.c.ordinal)
        ).all()
        of_root = select(runs.c.id).where(runs.c.root_id == root_id)
        input_rows = connection.execute(
            select(inputs.c.run_id, inputs.c.name, inputs.c.artifact_id).where(
                inputs.c.run_id.in_(of_root), inputs.c.artifact_id.is_not(None)
            )
        ).all()
        artifacts = {row[0]: ArtifactRef(*row) for row in connection.execute(_artifacts(root_id))}
        recorded = connection.execute(
            select(events.c.kind, events.c.payload)
            .where(events.c.root_id == root_id)
            .order_by(events.c.epoch, events.c.seq)
        ).all()
    reader = EventReader(artifacts, function_of)
    calls = {
        call.run_id: call
        for kind, payload in recorded
        for call in reader.read_calls(kind, payload, root_id=root_id)
    }
    expansions: dict[str, Input] = {
        expanded_id: value
        for kind, payload in recorded
        for expanded_id, value in reader.read_expansions(kind, payload)
    }
    known: dict[str, dict[str, ArtifactRef]] = {}
    for input_of, name, artifact_id in input_rows:
        known.setdefault(input_of, {})[name] = artifacts[artifact_id]
    return tuple(
        RecordedRun(
            call=calls[row.id],
            state=RunState(row.state),
            inputs=known.get(row.id, {}),
            output=artifacts[row.output_id] if row.output_id else None,
            expansion=expansions.get(row.id),
            original_run_id=row.original_run_id,
        )
        for row in rows
    )


def _artifacts(root_id: str) -> Any:
    """Everything that the runs or the events of a pipeline run can name."""
    runs, inputs, a = tables.runs, tables.run_inputs, tables.artifacts
    of_root = select(runs.c.id).where(runs.c.root_id == root_id)
    outputs = select(runs.c.output_id).where(runs.c.root_id == root_id)
    arguments = select(inputs.c.artifact_id).where(inputs.c.run_id.in_(of_root))
    parts = select(tables.expression_constants.c.artifact_id).where(
        tables.expression_constants.c.root_id == root_id
    )
    columns = (a.c.id, a.c.codec, a.c.type, a.c.size, a.c.payload, a.c.summary)
    return select(*columns).where(a.c.id.in_(outputs.union(arguments, parts)))
