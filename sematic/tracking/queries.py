"""Reading the record. Nothing here writes, or makes a database or a directory."""

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields
from functools import lru_cache
from itertools import islice
from types import MappingProxyType
from typing import Any

import sqlalchemy
from sqlalchemy import ColumnElement, Connection, Row, Select, Table, func, select

from sematic.calls import ArtifactRef, ErrorRecord
from sematic.errors import NotFoundError, RecordError, UnknownSchemaError
from sematic.states import PipelineRunStatus, RunState
from sematic.tracking import tables
from sematic.tracking.connections import HEAD, is_sqlite, read_schema_version, sqlite_path
from sematic.tracking.database import Database
from sematic.tracking.processes import is_alive
from sematic.tracking.views import (
    DRIVER_LOST,
    FunctionRow,
    InputRow,
    PipelineRunRow,
    RunRow,
)

_UPGRADE = "Upgrade: pip install -U sematic"
_MOST_CANDIDATES = 8
_UNENDED = tuple(status.value for status in PipelineRunStatus if not status.is_terminal)

_p, _r, _a = tables.pipeline_runs, tables.runs, tables.artifacts
_RUN_FIELDS = tuple(field.name for field in fields(RunRow))
_RUN_COLUMNS = [_r.c[name] for name in _RUN_FIELDS]
_STATES = {state.value: state for state in RunState}
_PIPELINE_COLUMNS = [column for column in _p.c if column.name != "environment"]
_ARTIFACT_COLUMNS = [_a.c.id, _a.c.codec, _a.c.type, _a.c.size, _a.c.payload, _a.c.summary]


def open_queries(url: str | None) -> "Queries":
    """Questions to the record at ``url``, empty if there is no record (yet).

    Args:
        url: see :class:`sematic.tracking.database.Database`; ``None`` for an empty record.

    Raises:
        UnknownSchemaError: the record was made by another version of sematic.
        RecordError: it cannot be read.
    """
    if url is None:
        return Queries(None)
    if is_sqlite(url) and not sqlite_path(url).is_file():
        return Queries(None)
    database = Database(url)
    version = read_schema_version(url)
    if version is None:  # nobody has run anything there
        return Queries(None)
    if version == HEAD:
        return Queries(database)
    older = version < HEAD
    raise UnknownSchemaError(
        f"The record at {database.display_name} was made by {'an older' if older else 'a newer'} "
        f"version of sematic (schema {version}, this version reads {HEAD}). "
        + ("The next pipeline run brings it up to date." if older else _UPGRADE)
    )


class Queries:
    """Questions to one record; see :func:`open_queries`. From any thread.

    Every method raises :class:`sematic.errors.RecordError` where the record cannot be read.

    Args:
        database: the record, or ``None`` for an empty one.
    """

    def __init__(self, database: Database | None) -> None:
        self._database = database

    @property
    def is_empty(self) -> bool:
        """Whether there is no record at all."""
        return self._database is None

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
        if self._database is None:
            return ()
        query = select(*_PIPELINE_COLUMNS).order_by(_p.c.created_at.desc(), _p.c.root_id)
        if name is not None:
            query = query.where(_p.c.name.icontains(name, autoescape=True))
        if function_path is not None:
            query = query.where(_p.c.function_path == function_path)
        if statuses:
            query = query.where(_p.c.status.in_(_stored(statuses)))
        elif limit is not None:
            query = query.limit(limit)
        with self._reading() as connection:
            rows = (self._pipeline_run(connection, row) for row in connection.execute(query))
            wanted = (row for row in rows if not statuses or row.shown_status in statuses)
            return tuple(islice(wanted, limit))

    def pipeline_run(self, root_id: str) -> PipelineRunRow:
        """One pipeline run.

        Raises:
            NotFoundError: there is none with this id.
        """
        if self._database is None:
            raise NotFoundError(f"No pipeline run has the id '{root_id}'.")
        with self._reading() as connection:
            return self._pipeline_run(connection, self._pipeline_row(connection, root_id))

    def environment(self, root_id: str) -> Mapping[str, Any]:
        """What is known of a pipeline run's command, machine, git commit and packages.

        Raises:
            NotFoundError: there is no such pipeline run.
        """
        text = self._scalar(select(_p.c.environment).where(_p.c.root_id == root_id))
        if text is None:
            raise NotFoundError(f"No pipeline run has the id '{root_id}'.")
        return _parse(text)

    def state_counts(self, root_ids: Collection[str]) -> dict[str, dict[RunState, int]]:
        """How many runs of each state the pipeline runs have, by root id."""
        query = (
            select(_r.c.root_id, _r.c.state, func.count())
            .where(_r.c.root_id.in_(root_ids))
            .group_by(_r.c.root_id, _r.c.state)
        )
        counts: dict[str, dict[RunState, int]] = {root_id: {} for root_id in root_ids}
        for root_id, state, count in self._rows(query):
            counts[root_id][RunState(state)] = count
        return counts

    # --- runs --------------------------------------------------------------------------------

    def runs(self, root_id: str) -> tuple[RunRow, ...]:
        """The runs of a pipeline run in the order in which they were created; the root first."""
        query = select(*_RUN_COLUMNS).where(_r.c.root_id == root_id).order_by(_r.c.ordinal)
        return tuple(map(_run, self._rows(query)))

    def run(self, run_id: str) -> RunRow:
        """One run.

        Raises:
            NotFoundError: there is none with this id.
        """
        rows = self._rows(select(*_RUN_COLUMNS).where(_r.c.id == run_id))
        if not rows:
            raise NotFoundError(f"No run has the id '{run_id}'.")
        return _run(rows[0])

    def runs_like(self, prefix: str, *, limit: int) -> tuple[RunRow, ...]:
        """Runs whose ids start with ``prefix``, the newest first."""
        query = select(*_RUN_COLUMNS).where(_starts_with(_r.c.id, prefix.lower()))
        return tuple(map(_run, self._rows(query.order_by(_r.c.created_at.desc()).limit(limit))))

    def inputs(self, run_id: str) -> tuple[InputRow, ...]:
        """The arguments of a run, by name."""
        i = tables.run_inputs
        query = (
            select(i.c.name, i.c.sources, *_ARTIFACT_COLUMNS)
            .join_from(i, _a, i.c.artifact_id == _a.c.id, isouter=True)
            .where(i.c.run_id == run_id)
            .order_by(i.c.name)
        )
        return tuple(
            InputRow(
                name=name,
                sources=tuple(json.loads(sources)) if sources else (),
                artifact=ArtifactRef(*artifact) if artifact[0] else None,
            )
            for name, sources, *artifact in self._rows(query)
        )

    def function(self, function_id: str) -> FunctionRow:
        """A function, with its source code.

        Raises:
            NotFoundError: there is none with this id.
        """
        f = tables.functions
        columns = [f.c.id, f.c.path, f.c.source, f.c.docstring]
        rows = self._rows(select(*columns).where(f.c.id == function_id))
        if not rows:
            raise NotFoundError(f"No function has the id '{function_id}'.")
        return FunctionRow(*rows[0])

    # --- artifacts ---------------------------------------------------------------------------

    def artifact(self, artifact_id: str) -> ArtifactRef:
        """What is recorded of an artifact.

        Raises:
            NotFoundError: there is none with this id.
        """
        rows = self._rows(select(*_ARTIFACT_COLUMNS).where(_a.c.id == artifact_id))
        if not rows:
            raise NotFoundError(f"No artifact has the id '{artifact_id}'.")
        return ArtifactRef(*rows[0])

    # --- short ids ---------------------------------------------------------------------------

    def resolve_pipeline_run_id(self, prefix: str) -> str:
        """The id of the only pipeline run whose id starts with ``prefix``.

        Raises:
            NotFoundError: there is none, or more than one.
        """
        return self._resolve(prefix, _p, "pipeline run", (_p.c.root_id, _p.c.status, _p.c.name))

    def resolve_run_id(self, prefix: str) -> str:
        """The id of the only run whose id starts with ``prefix``.

        Raises:
            NotFoundError: there is none, or more than one.
        """
        return self._resolve(prefix, _r, "run", (_r.c.id, _r.c.state, _r.c.name))

    def resolve_artifact_id(self, prefix: str) -> str:
        """The id of the only artifact whose id starts with ``prefix``.

        Raises:
            NotFoundError: there is none, or more than one.
        """
        return self._resolve(prefix, _a, "artifact", (_a.c.id, _a.c.type))

    def _resolve(
        self, prefix: str, table: Table, kind: str, columns: Sequence[ColumnElement[Any]]
    ) -> str:
        wanted = prefix.lower()
        found: Sequence[Any] = ()
        if re.fullmatch("[0-9a-f]+", wanted):
            query = select(*columns).where(_starts_with(columns[0], wanted))
            newest = query.order_by(table.c.created_at.desc()).limit(_MOST_CANDIDATES + 1)
            found = self._rows(newest)
        if not found:
            raise NotFoundError(f"No {kind} has an id that starts with '{prefix}'.")
        if len(found) > 1:
            raise NotFoundError(_ambiguous(prefix, kind, found))
        return str(found[0][0])

    # --- small things ------------------------------------------------------------------------

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        database = self._database
        assert database is not None
        try:
            with database.engine.connect() as connection:
                yield connection
        except sqlalchemy.exc.SQLAlchemyError as error:
            cause = getattr(error, "orig", None) or error
            raise RecordError(
                f"Cannot read the record at {database.display_name}: {cause}"
            ) from error

    def _rows(self, query: Select[Any]) -> Sequence[Any]:
        if self._database is None:
            return ()
        with self._reading() as connection:
            rows: Sequence[Any] = connection.execute(query).fetchall()
            return rows

    def _scalar(self, query: Select[Any]) -> Any:
        rows = self._rows(query)
        return rows[0][0] if rows else None

    def _pipeline_row(self, connection: Connection, root_id: str) -> Row[Any]:
        query = select(*_PIPELINE_COLUMNS).where(_p.c.root_id == root_id)
        row = connection.execute(query).fetchone()
        if row is None:
            raise NotFoundError(f"No pipeline run has the id '{root_id}'.")
        return row

    def _pipeline_run(self, connection: Connection, row: Row[Any]) -> PipelineRunRow:
        lost = _driver_is_gone(row)
        if lost:  # it may have ended since the row was read; being gone, it does nothing more
            row = self._pipeline_row(connection, row.root_id)
            lost = _driver_is_gone(row)
        return PipelineRunRow(
            root_id=row.root_id,
            name=row.name,
            function_path=row.function_path,
            status=PipelineRunStatus(row.status),
            driver_lost=lost,
            reason=row.reason,
            runner=row.runner,
            client_version=row.client_version,
            cache_namespace=row.cache_namespace,
            driver=_parse(row.driver),
            created_at=row.created_at,
            updated_at=row.updated_at,
            ended_at=row.ended_at,
        )


def _driver_is_gone(row: Row[Any]) -> bool:
    """Whether it is certain that nobody drives a pipeline run that has not ended."""
    return row.status in _UNENDED and is_alive(_parse(row.driver)) is False


def _stored(statuses: Iterable[str]) -> set[str]:
    """The recorded statuses that can be shown as one of ``statuses``."""
    stored = set(statuses) - {DRIVER_LOST}
    return stored | set(_UNENDED) if DRIVER_LOST in statuses else stored


def _starts_with(column: ColumnElement[str], prefix: str) -> ColumnElement[bool]:
    """As a range, which every index can answer; LIKE is case-insensitive in SQLite, and scans."""
    return sqlalchemy.and_(column >= prefix, column < prefix + "g")  # ids are hex digits


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
    if known["error"] is not None:
        known["error"] = _error(known["error"])
    return RunRow(**known)


@lru_cache(maxsize=256)
def _parse_options(text: str) -> Mapping[str, Any]:
    return MappingProxyType(_parse(text))


def _error(text: str) -> ErrorRecord:
    known = _parse(text)
    return ErrorRecord(
        type=known["type"],
        message=known["message"],
        ancestors=tuple(known["ancestors"]),
        traceback=known["traceback"],
    )


def _parse(text: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(text)
    return parsed
