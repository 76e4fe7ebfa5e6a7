"""The statements name the columns that the tables have."""

import dataclasses

import pytest

from sematic.tracking import statements, tables


@pytest.mark.parametrize(
    ("columns", "table", "left_out"),
    [
        (
            statements.PIPELINE_COLUMNS,
            tables.pipeline_runs,
            {"reason", "ended_at", "heartbeat_at", "cancel_requested_at", "cancel_reason"},
        ),
        (statements.RUN_COLUMNS, tables.runs, set()),
        (statements.ATTEMPT_COLUMNS, tables.attempts, set()),
        (statements.INPUT_COLUMNS, tables.run_inputs, set()),
        (statements.CONSTANT_COLUMNS, tables.expression_constants, set()),
        (statements.FUNCTION_COLUMNS, tables.functions, set()),
        (statements.ARTIFACT_COLUMNS, tables.artifacts, set()),
        (statements.EVENT_COLUMNS, tables.events, set()),
    ],
)
def test_columns(columns, table, left_out):
    assert set(columns) == {column.name for column in table.columns} - left_out
    assert len(set(columns)) == len(columns)


@pytest.mark.parametrize(("sqlite", "mark", "other"), [(True, "?", "%s"), (False, "%s", "?")])
def test_markers_are_those_of_the_database(sqlite, mark, other):
    built = dataclasses.asdict(statements.build_statements(sqlite=sqlite))
    for text in built.values():
        assert mark in text
        assert other not in text
