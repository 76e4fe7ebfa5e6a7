"""Reading the record. Nothing here writes, or makes a database or a directory.

Plain SQL, as in ``statements.py``: commands answer in a fifth of a second, and SQLAlchemy alone
would take longer.
"""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from typing import Any

from sematic.calls import ArtifactRef, ErrorRecord
from sematic.errors import NotFoundError, UnknownSchemaError
from sematic.states import PipelineRunStatus, RunState
from sematic.tracking.connections import (
    HEAD,
    display_url,
    is_sqlite,
    read_schema_version,
    sqlite_path,
)
from sematic.tracking.event_json import error_from_json
from sematic.tracking.liveness import why_lost
from sematic.tracking.reading import reading
from sematic.tracking.rows import storable_text
from sematic.tracking.statements import clock_expression
from sematic.tracking.views import (
    DRIVER_LOST,
    AttemptRow,
    FunctionRow,
    InputRow,
    PipelineRunRow,
    RunRow,
)

_UPGRADE = "Upgrade: pip install -U sematic"
_MOST_CANDIDATES = 8
_MOST_PARAMETERS = 500
_UNENDED = tuple(status.value for status in PipelineRunStatus if not status.is_terminal)

_STATES = {state.value: state for state in RunState}
_RUN_FIELDS = tuple(field.name for field in fields(RunRow))
_RUNS = f"SELECT {', '.join(_RUN_FIELDS)} FROM runs"
_PIPELINE_FIELDS = tuple(f.name for f in fields(PipelineRunRow) if f.name != "lost_because")
_ARTIFACT_FIELDS = "a.id, a.codec, a.type, a.size, a.payload, a.summary"


def open_queries(url: str | None) -> "Queries":
    """Questions to the record at ``url``, empty if there is no record (yet).

    Args:
        url: see :class:`sematic.tracking.database.Database`; ``None`` for an empty record.

    Raises:
        UnknownSchemaError: the record was made by another version of sematic.
        RecordError: it cannot be read.
    """
    if url is None or (is_sqlite(url) and not sqlite_path(url).is_file()):
        return Queries(None)
    version = read_schema_version(url, reading=True)
    if version is None:  # nobody has run anything there
        return Queries(None)
    if version == HEAD:
        return Queries(url)
    older = version < HEAD
    raise UnknownSchemaError(
        f"The record at {display_url(url)} was made by {'an older' if older else 'a newer'} "
        f"version of sematic (schema {version}, this version reads {HEAD}). "
        + ("The next pipeline run brings it up to date." if older else _UPGRADE)
    )


class Queries:
    """Questions to one record; see :func:`open_queries`. From any thread.

    Every method raises :class:`sematic.errors.RecordError` where the record cannot be read.

    Args:
        url: of the record, or ``None`` for an empty one.
    """

    def __init__(self, url: str | None) -> None:
        self._url = url
        now = clock_expression(sqlite=url is None or is_sqlite(url))
        self._pipeline_runs = f"SELECT {', '.join(_PIPELINE_FIELDS)}, {now} FROM pipeline_runs"

    @property
    def is_empty(self) -> bool:
        """Whether there is no record at all."""
        return self._url is None

    # --- pipeline runs -----------------------------------------------------------------------

    def pipeline_runs(
        self,
        *,
        limit: int | None = None,
        statuses: Collection[str] = (),
        name: str | None = None,
        function_path: str | None = None,
    ) -> tuple[PipelineRunRow, ...]:
        """Pipeline runs, the newest first.

        Args:
            limit: the most to return.
            statuses: of which only, as :attr:`PipelineRunRow.shown_status` has them.
            name: a part of the name, upper and lower case alike.
            function_path: importable path of the root function.
        """
        conditions = {
            "LOWER(name) LIKE ? ESCAPE '!'": []
            if name is None
            else [_pattern(storable_text(name))],
            "function_path = ?": [] if function_path is None else [storable_text(function_path)],
            f"status IN ({_marks(_stored(statuses))})": _stored(statuses),
        }
        used = [condition for condition, values in conditions.items() if values]
        query = f"{self._pipeline_runs}{' WHERE ' * bool(used)}{' AND '.join(used)}"
        query += " ORDER BY created_at DESC, root_id"
        values: list[Any] = [value for values in conditions.values() for value in values]
        if limit is not None and not statuses:  # with statuses, what is shown decides
            query, values = f"{query} LIMIT ?", [*values, limit]
        with self._asking(query, values) as rows:
            found = map(self._pipeline_run, rows)
            wanted = (row for row in found if not statuses or row.shown_status in statuses)
            return tuple(islice(wanted, limit))

    def pipeline_run(self, root_id: str) -> PipelineRunRow:
        """One pipeline run.

        Raises:
            NotFoundError: there is none with this id.
        """
        return self._pipeline_run(self._pipeline_row(root_id))

    def environment(self, root_id: str) -> Mapping[str, Any]:
        """What is known of a pipeline run's command, machine, git commit and packages.

        Raises:
            NotFoundError: there is no such pipeline run.
        """
        query = "SELECT environment FROM pipeline_runs WHERE root_id = ?"
        return _parse(self._one(query, root_id, kind="pipeline run")[0])

    def state_counts(self, root_ids: Sequence[str]) -> dict[str, dict[RunState, int]]:
        """How many runs of each state the pipeline runs have, by root id."""
        counts: dict[str, dict[RunState, int]] = {root_id: {} for root_id in root_ids}
        for start in range(0, len(root_ids), _MOST_PARAMETERS):
            some = root_ids[start : start + _MOST_PARAMETERS]
            query = (
                "SELECT root_id, state, COUNT(*) FROM runs "
                f"WHERE root_id IN ({_marks(some)}) GROUP BY root_id, state"
            )
            for root_id, state, count in self._all(query, some):
                counts[root_id][_STATES[state]] = count
        return counts

    def first_failures(self, root_ids: Sequence[str]) -> dict[str, RunRow]:
        """The run that failed first, by root id, of those pipeline runs in which one did."""
        found: dict[str, RunRow] = {}
        for start in range(0, len(root_ids), _MOST_PARAMETERS - 1):
            some = root_ids[start : start + _MOST_PARAMETERS - 1]
            query = (
                f"{_RUNS} WHERE id IN (SELECT id FROM (SELECT id, ROW_NUMBER() OVER "
                "(PARTITION BY root_id ORDER BY failed_at, ordinal) AS place FROM runs "
                f"WHERE state = ? AND root_id IN ({_marks(some)})) AS failed WHERE place = 1)"
            )
            runs = map(_run, self._all(query, [RunState.FAILED.value, *some]))
            found.update({run.root_id: run for run in runs})
        return found

    # --- runs --------------------------------------------------------------------------------

    def runs(self, root_id: str) -> tuple[RunRow, ...]:
        """The runs of a pipeline run in the order in which they were created; the root first."""
        query = f"{_RUNS} WHERE root_id = ? ORDER BY ordinal"
        return tuple(map(_run, self._all(query, [root_id])))

    def run(self, run_id: str) -> RunRow:
        """One run.

        Raises:
            NotFoundError: there is none with this id.
        """
        return _run(self._one(f"{_RUNS} WHERE id = ?", run_id, kind="run"))

    def attempts(self, run_id: str) -> tuple[AttemptRow, ...]:
        """The attempts of a run that were followed by another one, in order."""
        query = (
            "SELECT attempt, scheduled_at, started_at, ended_at, error, reason FROM attempts "
            "WHERE run_id = ? ORDER BY attempt"
        )
        return tuple(
            AttemptRow(number, handed, began, ended, _error(error), reason)
            for number, handed, began, ended, error, reason in self._all(query, [run_id])
        )

    def runs_like(self, prefix: str, *, limit: int) -> tuple[RunRow, ...]:
        """Runs whose ids start with ``prefix``, the newest first."""
        query = f"{_RUNS} WHERE id >= ? AND id < ? ORDER BY created_at DESC LIMIT ?"
        return tuple(map(_run, self._all(query, [*_range(prefix.lower()), limit])))

    def inputs(self, run_id: str) -> tuple[InputRow, ...]:
        """The arguments of a run, by name."""
        query = (
            f"SELECT i.name, i.sources, {_ARTIFACT_FIELDS} FROM run_inputs i "
            "LEFT JOIN artifacts a ON a.id = i.artifact_id WHERE i.run_id = ? ORDER BY i.position"
        )
        return tuple(
            InputRow(
                name=name,
                sources=tuple(json.loads(sources)) if sources else (),
                artifact=ArtifactRef(*artifact) if artifact[0] else None,
            )
            for name, sources, *artifact in self._all(query, [run_id])
        )

    def function(self, function_id: str) -> FunctionRow:
        """A function, with its source code.

        Raises:
            NotFoundError: there is none with this id.
        """
        query = "SELECT id, path, source, docstring FROM functions WHERE id = ?"
        return FunctionRow(*self._one(query, function_id, kind="function"))

    # --- artifacts ---------------------------------------------------------------------------

    def artifact(self, artifact_id: str) -> ArtifactRef:
        """What is recorded of an artifact.

        Raises:
            NotFoundError: there is none with this id.
        """
        query = f"SELECT {_ARTIFACT_FIELDS} FROM artifacts a WHERE a.id = ?"
        return ArtifactRef(*self._one(query, artifact_id, kind="artifact"))

    # --- short ids ---------------------------------------------------------------------------

    def resolve_pipeline_run_id(self, prefix: str) -> str:
        """The id of the only pipeline run whose id starts with ``prefix``.

        Raises:
            NotFoundError: there is none, or more than one.
        """
        columns = "root_id, status, name FROM pipeline_runs"
        return self._resolve(prefix, f"SELECT {columns}", key="root_id", kind="pipeline run")

    def resolve_run_id(self, prefix: str) -> str:
        """The id of the only run whose id starts with ``prefix``.

        Raises:
            NotFoundError: there is none, or more than one.
        """
        return self._resolve(prefix, "SELECT id, state, name FROM runs", key="id", kind="run")

    def resolve_root_id(self, prefix: str) -> str:
        """The id of the pipeline run that is meant by its own id, or by that of one of its runs.

        Raises:
            NotFoundError: there is none, or more than one.
        """
        try:
            return self.resolve_pipeline_run_id(prefix)
        except NotFoundError:
            return self.run(self.resolve_run_id(prefix)).root_id

    def resolve_artifact_id(self, prefix: str) -> str:
        """The id of the only artifact whose id starts with ``prefix``.

        Raises:
            NotFoundError: there is none, or more than one.
        """
        return self._resolve(prefix, "SELECT id, type FROM artifacts", key="id", kind="artifact")

    def _resolve(self, prefix: str, select: str, *, key: str, kind: str) -> str:
        wanted = prefix.lower()
        found: Sequence[Any] = ()
        if re.fullmatch("[0-9a-f]+", wanted):
            query = f"{select} WHERE {key} >= ? AND {key} < ? ORDER BY created_at DESC LIMIT ?"
            found = self._all(query, [*_range(wanted), _MOST_CANDIDATES + 1])
        if not found:
            raise NotFoundError(f"No {kind} has an id that starts with '{prefix}'.")
        if len(found) > 1:
            raise NotFoundError(_ambiguous(prefix, kind, found))
        return str(found[0][0])

    # --- small things ------------------------------------------------------------------------

    @contextmanager
    def _asking(self, query: str, values: Sequence[Any]) -> Iterator[Iterable[Any]]:
        """The rows of a query, one by one while the block runs."""
        if self._url is None:
            yield ()
            return
        with reading(self._url) as ask:
            yield ask(query, values)

    def _all(self, query: str, values: Sequence[Any]) -> Sequence[Any]:
        with self._asking(query, values) as rows:
            return list(rows)

    def _one(self, query: str, key: str, *, kind: str) -> Any:
        rows = self._all(query, [key])
        if not rows:
            raise NotFoundError(f"No {kind} has the id '{key}'.")
        return rows[0]

    def _pipeline_row(self, root_id: str) -> Any:
        return self._one(f"{self._pipeline_runs} WHERE root_id = ?", root_id, kind="pipeline run")

    def _pipeline_run(self, row: Any) -> PipelineRunRow:
        known, lost = _with_driver(row)
        if lost:  # it may have ended since the row was read; being gone, it does nothing more
            known, lost = _with_driver(self._pipeline_row(row[0]))
        return PipelineRunRow(lost_because=lost, **known)


def _with_driver(row: Any) -> tuple[dict[str, Any], str | None]:
    """A pipeline run's row by name, and why nobody drives it if that is so."""
    *values, now = row
    known = dict(zip(_PIPELINE_FIELDS, values, strict=True))
    known["status"] = PipelineRunStatus(known["status"])
    known["driver"] = _parse(known["driver"])
    if known["status"].is_terminal:
        return known, None
    lost = why_lost(
        known["driver"],
        heartbeat_at=known["heartbeat_at"],
        lease_seconds=known["lease_seconds"],
        now=float(now),
    )
    return known, lost


def _stored(statuses: Collection[str]) -> list[str]:
    """The recorded statuses that can be shown as one of ``statuses``."""
    stored = {*statuses} - {DRIVER_LOST}
    return sorted(stored | {*_UNENDED} if DRIVER_LOST in statuses else stored)


def _range(prefix: str) -> tuple[str, str]:
    """The ids that start with ``prefix``: at least the first text, and less than the second.

    Every index can answer that; LIKE looks at every row, as it is case-insensitive in SQLite.
    """
    return prefix, prefix + "g"  # ids are hex digits


def _pattern(part: str) -> str:
    escaped = re.sub("([!%_])", r"!\1", part.lower())
    return f"%{escaped}%"


def _marks(values: Collection[object]) -> str:
    return ", ".join("?" for _ in values)


def _ambiguous(prefix: str, kind: str, found: Sequence[Any]) -> str:
    shown = [f"  {'  '.join(map(str, row))}" for row in found[:_MOST_CANDIDATES]]
    if len(found) > _MOST_CANDIDATES:
        shown.append("  ...")
    return "\n".join(
        [f"More than one {kind} has an id that starts with '{prefix}'; write more of it:", *shown]
    )


def _run(row: Any) -> RunRow:
    """A run from its columns, in the order of :class:`RunRow`; there may be ten thousand."""
    known = dict(zip(_RUN_FIELDS, row, strict=True))
    known["options"] = _parse_options(known["options"])
    known["state"] = _STATES[known["state"]]
    if known["state"] is RunState.CANCELED and known["canceled_at"] is None:
        # By a driver of before the column, which lives on: it has that time in the other one.
        known["canceled_at"], known["ended_at"] = known["ended_at"], None
    known["standalone"] = bool(known["standalone"])
    known["error"] = _error(known["error"])
    return RunRow(**known)


@lru_cache(maxsize=256)
def _parse_options(text: str) -> Mapping[str, Any]:
    return MappingProxyType(_parse(text))


def _error(text: str | None) -> ErrorRecord | None:
    return None if text is None else error_from_json(_parse(text))


def _parse(text: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(text)
    return parsed
