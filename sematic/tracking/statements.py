"""The statements of the recorder, compiled once to the driver's own text."""

from functools import cache
from typing import Any

import sqlalchemy
from sqlalchemy import Table, bindparam, func
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects import sqlite as sqlite_dialect

from sematic.tracking import tables
from sematic.tracking.rows import PIPELINE_COLUMNS, RUN_DETAILS
from sematic.tracking.statement_texts import Statements

# What an update never takes back: a time or an output, once known.
_KEPT = (
    *("scheduled_at", "started_at", "ended_at", "resolved_at", "failed_at"),
    *("nested_run_id", "output_id", "original_run_id", "cache_key"),
)

_RUN_COLUMNS = (
    *("id", "root_id", "parent_id", "ordinal", "name", "function_path", "function_id"),
    *("standalone", "options", "created_at", *RUN_DETAILS),
)


@cache
def compile_statements(*, sqlite: bool) -> Statements:
    """Every statement, for SQLite or PostgreSQL; compiled once in a process."""
    dialect: Any = (
        sqlite_dialect.dialect(paramstyle="qmark")
        if sqlite
        else postgresql.psycopg.dialect(paramstyle="format")  # type: ignore[no-untyped-call]
    )

    def text(statement: Any, order: tuple[str, ...]) -> str:
        compiled = statement.compile(dialect=dialect)
        assert tuple(compiled.positiontup) == order, (compiled.positiontup, order)
        return str(compiled)

    insert = sqlite_dialect.insert if sqlite else postgresql.insert
    p, runs, inputs = tables.pipeline_runs, tables.runs, tables.run_inputs

    def insert_new(table: Table, columns: tuple[str, ...]) -> str:
        values: dict[str, Any] = {column: bindparam(column) for column in columns}
        return text(insert(table).values(values).on_conflict_do_nothing(), columns)

    begin = insert(p).values({column: bindparam(column) for column in PIPELINE_COLUMNS})
    begin = begin.on_conflict_do_update(
        index_elements=[p.c.root_id],
        set_={
            p.c.epoch: p.c.epoch + sqlalchemy.literal_column("1"),
            p.c.next_seq: sqlalchemy.literal_column("0"),
            p.c.driver: begin.excluded.driver,
            p.c.updated_at: begin.excluded.updated_at,
        },
    )
    advance = (
        p.update()
        .values(next_seq=bindparam("end"), updated_at=bindparam("now"))
        .where(
            p.c.root_id == bindparam("root"),
            p.c.epoch == bindparam("its_epoch"),
            p.c.next_seq == bindparam("first_seq"),
        )
    )
    status = (
        p.update()
        .values(status=bindparam("to"), reason=bindparam("why"), ended_at=bindparam("at"))
        .where(p.c.root_id == bindparam("root"))
    )
    environment = (
        p.update().values(environment=bindparam("text")).where(p.c.root_id == bindparam("root"))
    )
    runs_of_key = (runs.c.cache_key == bindparam("key"), runs.c.state == bindparam("resolved"))
    a = tables.artifacts
    find_output = (
        sqlalchemy.select(
            func.coalesce(runs.c.original_run_id, runs.c.id),
            *(a.c.id, a.c.codec, a.c.type, a.c.size, a.c.payload, a.c.summary),
        )
        .join(a, a.c.id == runs.c.output_id)
        .where(*runs_of_key)
        .order_by(runs.c.resolved_at, runs.c.id)  # of which only the first is fetched
    )
    position = sqlalchemy.select(p.c.epoch, p.c.next_seq).where(p.c.root_id == bindparam("root"))
    details: dict[str, Any] = {
        column: func.coalesce(bindparam(f"new_{column}"), runs.c[column])
        if column in _KEPT
        else bindparam(f"new_{column}")
        for column in RUN_DETAILS
    }
    changed = runs.update().values(details).where(runs.c.id == bindparam("run"))
    input_artifact = (
        inputs.update()
        .values(artifact_id=bindparam("artifact"))
        .where(inputs.c.run_id == bindparam("run"), inputs.c.name == bindparam("input"))
    )
    # The order of SET is the table's, that of the rows is ours: both are told, and compared.
    set_order = tuple(f"new_{c.name}" for c in runs.c if c.name in RUN_DETAILS)
    return Statements(
        begin=text(begin, PIPELINE_COLUMNS),
        advance=text(advance, ("end", "now", "root", "its_epoch", "first_seq")),
        status=text(status, ("to", "why", "at", "root")),
        environment=text(environment, ("text", "root")),
        position=text(position, ("root",)),
        find_output=text(find_output, ("key", "resolved")),
        new_runs=insert_new(runs, _RUN_COLUMNS),
        changed_runs=text(changed, (*set_order, "run")),
        inputs=insert_new(inputs, ("run_id", "name", "sources", "artifact_id")),
        input_artifacts=text(input_artifact, ("artifact", "run", "input")),
        constants=insert_new(tables.expression_constants, ("root_id", "artifact_id")),
        functions=insert_new(tables.functions, ("id", "path", "source", "docstring")),
        artifacts=insert_new(
            tables.artifacts,
            ("id", "codec", "type", "size", "payload", "summary", "created_at"),
        ),
        events=insert_new(tables.events, ("root_id", "epoch", "seq", "kind", "at", "payload")),
    )
